//! How a value becomes what is counted: its scale, its place among the cuts.

use pulp::{Arch, Simd, WithSimd};
use serde::{Deserialize, Serialize};

use crate::column::{Column, Scale, log2};

/// Bins of a column's values; one cut fewer parts them.
pub const CUTS: usize = 10;
/// Of a category: values no reference knew.
pub const UNSEEN: usize = CUTS;
pub const MISSING: usize = CUTS + 1;
pub const BINS: usize = CUTS + 2;
/// Values further from the mean count as this far, in the reference too: one amount must not decide a variance.
pub(crate) const CLIP: f32 = 16.0;

/// How values become what is counted; the same for all segments, so that the whole is their sum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ruler {
    mean: Vec<f32>,
    /// 1 / sd; 0 where all values are one.
    inverse: Vec<f32>,
    /// `CUTS` lists, one value per column: a value's bin is how many of them it reaches. The last one is out of reach.
    cuts: Vec<Vec<f32>>,
    /// Of categories: the codes that have a bin of their own, by bin, and how many there were.
    codes: Vec<Option<Codes>>,
    /// 1 where a logarithm is taken, and what is added before, and the least.
    logs: Vec<f32>,
    add: Vec<f32>,
    floor: Vec<f32>,
    novelty: Vec<Option<u16>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Codes {
    /// Most frequent first; the bin behind them is for the others.
    pub listed: Vec<u16>,
    pub known: u32,
}

/// Reused between rows.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    pub standard: Vec<f32>,
    pub bins: Vec<u32>,
}

impl Ruler {
    /// Without statistics yet: standardised values are those of the scale.
    pub fn new(columns: &[Column]) -> Ruler {
        let width = columns.len();
        let of = |log: f32, money: f32, other: f32| {
            let each = columns.iter().map(move |it| match it.scale {
                Scale::Log => log,
                Scale::Money => money,
                Scale::Plain | Scale::Category | Scale::Clock => other,
            });
            each.collect::<Vec<f32>>()
        };
        Ruler {
            mean: vec![0.0; width],
            inverse: vec![1.0; width],
            cuts: vec![vec![f32::INFINITY; width]; CUTS],
            codes: vec![None; width],
            logs: of(1.0, 1.0, 0.0),
            add: of(1.0, 0.0, 1.0),
            floor: of(1.0, 0.01, 1.0),
            novelty: columns.iter().map(|it| it.novelty).collect(),
        }
    }

    pub fn width(&self) -> usize {
        self.mean.len()
    }

    /// One column's value on its scale; NaN when missing.
    pub fn scaled(&self, column: usize, x: f32) -> f32 {
        scale(x, self.logs[column], self.add[column], self.floor[column])
    }

    pub fn set(&mut self, column: usize, mean: f32, sd: f32, cuts: &[f32]) {
        self.mean[column] = mean;
        self.inverse[column] = if sd > 0.0 { 1.0 / sd } else { 0.0 };
        debug_assert!(cuts.len() < CUTS);
        for (at, list) in self.cuts.iter_mut().enumerate() {
            let z = |cut: &f32| (cut - mean) * self.inverse[column];
            list[column] = cuts.get(at).map_or(f32::INFINITY, z);
        }
    }

    pub fn set_codes(&mut self, column: usize, codes: Codes) {
        self.inverse[column] = 0.0;
        self.codes[column] = Some(codes);
    }

    pub fn mean(&self, column: usize) -> f32 {
        self.mean[column]
    }

    pub fn sd(&self, column: usize) -> f32 {
        match self.inverse[column] {
            0.0 => 0.0,
            inverse => 1.0 / inverse,
        }
    }

    /// Whether every list is as long as there are columns.
    pub fn fits(&self, width: usize) -> bool {
        let lens = [
            &self.mean,
            &self.inverse,
            &self.logs,
            &self.add,
            &self.floor,
        ];
        lens.iter().all(|it| it.len() == width)
            && self.cuts.len() == CUTS
            && self.cuts.iter().all(|it| it.len() == width)
            && self.cuts[CUTS - 1].iter().all(|it| *it == f32::INFINITY)
            && self.codes.len() == width
            && self.novelty.len() == width
            && self.codes.iter().flatten().all(|it| it.listed.len() < CUTS)
            && self
                .novelty
                .iter()
                .flatten()
                .all(|it| usize::from(*it) < width)
    }

    /// Standardised values and bins of a row of `width` values.
    pub fn measure(&self, row: &[f32], scratch: &mut Scratch) {
        scratch.standard.resize(self.width(), 0.0);
        scratch.bins.resize(self.width(), 0);
        Arch::new().dispatch(Standardise {
            ruler: self,
            row,
            scratch,
        });
        for column in self.categories().map(usize::from) {
            scratch.bins[column] = self.bin_of_code(column, row) as u32;
        }
    }

    #[inline(always)]
    fn standardise(&self, row: &[f32], scratch: &mut Scratch) {
        let width = row.len();
        let (standard, bins) = (&mut scratch.standard[..width], &mut scratch.bins[..width]);
        let (mean, inverse) = (&self.mean[..width], &self.inverse[..width]);
        let (logs, add, floor) = (
            &self.logs[..width],
            &self.add[..width],
            &self.floor[..width],
        );
        for at in 0..width {
            let x = scale(row[at], logs[at], add[at], floor[at]);
            standard[at] = standard_of(x, mean[at], inverse[at]);
        }
        bins.fill(0);
        for cuts in &self.cuts[..CUTS - 1] {
            let cuts = &cuts[..width];
            for at in 0..width {
                bins[at] += u32::from(standard[at] >= cuts[at]);
            }
        }
        for at in 0..width {
            let is_missing = row[at].is_nan();
            bins[at] = if is_missing { MISSING as u32 } else { bins[at] };
            standard[at] = if standard[at].is_nan() {
                0.0
            } else {
                standard[at]
            };
        }
    }

    pub fn codes(&self, column: usize) -> Option<&Codes> {
        self.codes[column].as_ref()
    }

    /// Columns that hold codes.
    pub fn categories(&self) -> impl Iterator<Item = u16> {
        let codes = self.codes.iter().zip(0_u16..);
        codes.filter_map(|(codes, column)| codes.is_some().then_some(column))
    }

    /// What [`LANES`] columns from `start` on need, to take many rows of them.
    #[inline(always)]
    pub(crate) fn lanes(&self, start: usize) -> Lanes {
        Lanes {
            mean: lanes_of(&self.mean, start),
            inverse: lanes_of(&self.inverse, start),
            logs: lanes_of(&self.logs, start),
            add: lanes_of(&self.add, start),
            floor: lanes_of(&self.floor, start),
            cuts: std::array::from_fn(|cut| lanes_of(&self.cuts[cut], start)),
        }
    }

    /// The bin of a category.
    pub fn bin_of_code(&self, column: usize, row: &[f32]) -> usize {
        let (code, codes) = (row[column], self.codes(column));
        if code.is_nan() {
            let never_seen = self.novelty[column].is_some_and(|at| row[usize::from(at)] == 0.0);
            return if never_seen { UNSEEN } else { MISSING };
        }
        let Some(codes) = codes else {
            return MISSING;
        };
        let listed = codes.listed.iter().position(|it| f32::from(*it) == code);
        match listed {
            Some(bin) => bin,
            None if code < codes.known as f32 => codes.listed.len(),
            None => UNSEEN,
        }
    }
}

struct Standardise<'a> {
    ruler: &'a Ruler,
    row: &'a [f32],
    scratch: &'a mut Scratch,
}

impl WithSimd for Standardise<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.ruler.standardise(self.row, self.scratch);
    }
}

/// Columns taken at a time: whole vectors on every machine, and no more than what a block counts of them has room for in
/// registers of 512 bits.
pub(crate) const LANES: usize = 16;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Lanes {
    mean: [f32; LANES],
    inverse: [f32; LANES],
    logs: [f32; LANES],
    add: [f32; LANES],
    floor: [f32; LANES],
    pub(crate) cuts: [[f32; LANES]; CUTS - 1],
}

impl Lanes {
    /// Standardised; NaN where a value is missing.
    #[inline(always)]
    pub(crate) fn standard(&self, row: &[f32; LANES]) -> [f32; LANES] {
        let mut standard = [0.0; LANES];
        for at in 0..LANES {
            let x = scale(row[at], self.logs[at], self.add[at], self.floor[at]);
            standard[at] = standard_of(x, self.mean[at], self.inverse[at]);
        }
        standard
    }
}

/// [`LANES`] values from `start` on; NaN behind the end.
#[inline(always)]
pub(crate) fn lanes_of(of: &[f32], start: usize) -> [f32; LANES] {
    let of = &of[start..];
    match of.first_chunk() {
        Some(lanes) => *lanes,
        None => {
            let mut lanes = [f32::NAN; LANES];
            lanes[..of.len()].copy_from_slice(of);
            lanes
        }
    }
}

#[inline(always)]
fn standard_of(x: f32, mean: f32, inverse: f32) -> f32 {
    let z = (x - mean) * inverse;
    // NaN passes through: no comparison holds.
    let z = if z > CLIP { CLIP } else { z };
    if z < -CLIP { -CLIP } else { z }
}

#[inline(always)]
fn scale(x: f32, logs: f32, add: f32, floor: f32) -> f32 {
    let size = x.abs() + add;
    let size = if size < floor { floor } else { size };
    let log = log2(size).copysign(x);
    // A logarithm below 0 is one of a small amount, not of a negative one.
    let log = if add == 0.0 { log2(size) } else { log };
    // NaN stays what it is: a logarithm of it would be some number.
    let is_as_given = logs == 0.0 || x.is_nan();
    if is_as_given { x } else { log }
}
