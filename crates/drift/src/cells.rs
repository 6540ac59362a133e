//! What a window counts, per segment and column: the one loop that every decision pays for.
//!
//! Sums are 64 bits wide and taken row after row, so that they do not depend on where rows are cut into blocks.

use pulp::Arch;
use serde::{Deserialize, Serialize};

use crate::column::{Column, Scale, log2};

/// Values within a column: ten cuts at most.
pub const CUTS: usize = 10;
/// Of a category: values no reference knew.
pub const UNSEEN: usize = CUTS;
pub const MISSING: usize = CUTS + 1;
pub const BINS: usize = CUTS + 2;
/// A count's place is `column * STRIDE + bin`.
const STRIDE: usize = 16;
/// Values further from the mean count as this far, in the reference too: one amount must not decide a variance.
const CLIP: f32 = 16.0;

/// How values become what is counted; the same for all segments, so that the whole is their sum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ruler {
    mean: Vec<f32>,
    /// 1 / sd; 0 where all values are one.
    inverse: Vec<f32>,
    /// `CUTS` lists, one value per column: a value's bin is how many of them it reaches.
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

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cells {
    pub rows: u64,
    /// Of standardised values, missing ones left out.
    pub sum: Vec<f64>,
    pub squares: Vec<f64>,
    counts: Vec<u32>,
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
        Arch::new().dispatch(|| self.standardise(row, scratch));
        for (column, codes) in self.codes.iter().enumerate() {
            if let Some(codes) = codes {
                scratch.bins[column] = self.bin_of_code(column, codes, row) as u32;
            }
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
            let z = (scale(row[at], logs[at], add[at], floor[at]) - mean[at]) * inverse[at];
            // NaN passes through: no comparison holds.
            let z = if z > CLIP { CLIP } else { z };
            standard[at] = if z < -CLIP { -CLIP } else { z };
        }
        bins.fill(0);
        for cuts in &self.cuts {
            let cuts = &cuts[..width];
            for at in 0..width {
                bins[at] += u32::from(standard[at] >= cuts[at]);
            }
        }
        for at in 0..width {
            let is_missing = row[at].is_nan();
            bins[at] = if is_missing { MISSING as u32 } else { bins[at] };
            standard[at] = if is_missing { 0.0 } else { standard[at] };
        }
    }

    fn bin_of_code(&self, column: usize, codes: &Codes, row: &[f32]) -> usize {
        let code = row[column];
        if code.is_nan() {
            let never_seen = self.novelty[column].is_some_and(|at| row[usize::from(at)] == 0.0);
            return if never_seen { UNSEEN } else { MISSING };
        }
        let listed = codes.listed.iter().position(|it| f32::from(*it) == code);
        match listed {
            Some(bin) => bin,
            None if code < codes.known as f32 => codes.listed.len(),
            None => UNSEEN,
        }
    }
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

impl Cells {
    pub fn new(width: usize) -> Cells {
        Cells {
            rows: 0,
            sum: vec![0.0; width],
            squares: vec![0.0; width],
            counts: vec![0; width * STRIDE],
        }
    }

    pub fn add(&mut self, scratch: &Scratch) {
        self.rows += 1;
        Arch::new().dispatch(|| self.add_moments(scratch));
        for (places, bin) in self.counts.chunks_exact_mut(STRIDE).zip(&scratch.bins) {
            places[(*bin as usize) & (STRIDE - 1)] += 1;
        }
    }

    #[inline(always)]
    fn add_moments(&mut self, scratch: &Scratch) {
        let moments = self.sum.iter_mut().zip(&mut self.squares);
        for ((sum, squares), standard) in moments.zip(&scratch.standard) {
            let z = f64::from(*standard);
            *sum += z;
            *squares += z * z;
        }
    }

    pub fn counts(&self, column: usize) -> &[u32] {
        &self.counts[column * STRIDE..column * STRIDE + BINS]
    }

    pub fn merge(&mut self, other: &Cells) {
        self.rows += other.rows;
        let add = |to: &mut [f64], from: &[f64]| {
            to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        };
        add(&mut self.sum, &other.sum);
        add(&mut self.squares, &other.squares);
        let counts = self.counts.iter_mut().zip(&other.counts);
        counts.for_each(|(to, from)| *to += from);
    }

    pub fn clear(&mut self) {
        self.rows = 0;
        self.sum.fill(0.0);
        self.squares.fill(0.0);
        self.counts.fill(0);
    }

    pub fn fits(&self, width: usize) -> bool {
        self.sum.len() == width
            && self.squares.len() == width
            && self.counts.len() == width * STRIDE
    }
}

const _: () = assert!(BINS <= STRIDE);
