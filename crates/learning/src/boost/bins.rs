//! From values to bins: where a feature is cut, and the binned copy the trainer works on.
//!
//! With few distinct values each gets its own bin. Otherwise half of the budget cuts the body into
//! bins of equal count, and a quarter goes to each tail, where a bin holds about `1 + c * d` rows at
//! rank distance `d` from the extreme: single rows at the very end, growing geometrically to the
//! body's size. A rule at the 99.9th percentile then lies between bins instead of inside the last
//! one (with 1023 bins over 500,000 rows about 100 bins lie above that percentile, where
//! equal-count bins have one). Values with more rows than a body bin get a bin of their own and
//! leave the budget of the rest unharmed.

use rayon::prelude::*;

use super::{BoostError, Matrix};

/// Bins fit u16, with one left for missing values.
pub const MAX_BIN: usize = 65_000;
/// Features side by side in a group: one load brings the bins of a row for all of them.
pub const GROUP: usize = 4;

/// Where one feature is cut: bin b holds `upper[b - 1] < x <= upper[b]`; the last upper bound is
/// `f32::MAX`. The bin after the last holds missing values.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureBins {
    pub upper: Vec<f32>,
    pub has_missing: bool,
}

impl FeatureBins {
    pub fn new(values: impl Iterator<Item = f32>, max_bin: usize) -> Self {
        let mut keys = Vec::with_capacity(values.size_hint().0);
        let mut missing = 0;
        for value in values {
            if value.is_nan() {
                missing += 1;
            } else {
                keys.push(order_key(value));
            }
        }
        keys.sort_unstable();
        let distinct = count_distinct(&keys);
        let last_of_bin = cut(&distinct, max_bin);
        let mut upper: Vec<f32> = last_of_bin
            .windows(2)
            .map(|w| between(distinct[w[0]].0, distinct[w[0] + 1].0))
            .collect();
        if !last_of_bin.is_empty() {
            upper.push(f32::MAX);
        }
        FeatureBins {
            upper,
            has_missing: missing > 0,
        }
    }

    /// Bins of present values.
    pub fn len(&self) -> usize {
        self.upper.len()
    }

    /// Slots of a histogram: the bins and the one for missing values.
    pub fn slots(&self) -> usize {
        self.len() + 1
    }

    /// Is there anything to split?
    pub fn varies(&self) -> bool {
        self.len() + usize::from(self.has_missing) >= 2
    }

    #[inline]
    pub fn bin(&self, value: f32) -> usize {
        if value.is_nan() {
            self.len()
        } else {
            self.upper.partition_point(|&upper| upper < value)
        }
    }
}

/// The bins of a group's features, row after row.
#[derive(Debug)]
pub enum GroupBins {
    Narrow(Vec<[u8; GROUP]>),
    Wide(Vec<[u16; GROUP]>),
}

#[derive(Debug)]
pub struct Group {
    /// Feature indices; a short last group is padded by empty features.
    pub features: Vec<usize>,
    pub bins: GroupBins,
    /// Start of each member's slots in the group's histogram, and the end. Absent members share one
    /// slot that nobody reads.
    pub slot_start: [usize; GROUP + 1],
}

#[derive(Debug)]
pub struct BinnedMatrix {
    pub rows: usize,
    pub features: Vec<FeatureBins>,
    usable: Vec<bool>,
    pub groups: Vec<Group>,
    /// Per feature: its group and its place there; constant features have none.
    pub place: Vec<Option<(usize, usize)>>,
}

impl BinnedMatrix {
    pub fn new(matrix: &Matrix<'_>, max_bin: usize) -> Result<Self, BoostError> {
        let features: Vec<FeatureBins> = (0..matrix.features())
            .into_par_iter()
            .map(|f| FeatureBins::new(matrix.column(f), max_bin))
            .collect();
        let usable: Vec<bool> = features.iter().map(FeatureBins::varies).collect();
        // Narrow features first, so that they share groups of one byte per bin.
        let mut order: Vec<usize> = (0..features.len()).filter(|&f| usable[f]).collect();
        if order.is_empty() {
            return Err(BoostError::AllConstant {
                features: features.len(),
            });
        }
        order.sort_by_key(|&f| features[f].slots() > 256);
        let groups: Vec<Group> = order
            .par_chunks(GROUP)
            .map(|members| group(matrix, &features, members))
            .collect();
        let mut place = vec![None; features.len()];
        for (at, group) in groups.iter().enumerate() {
            for (member, &feature) in group.features.iter().enumerate() {
                place[feature] = Some((at, member));
            }
        }
        Ok(BinnedMatrix {
            rows: matrix.rows(),
            features,
            usable,
            groups,
            place,
        })
    }

    /// Bin of one row; constant features have the single bin 0.
    pub fn bin(&self, row: usize, feature: usize) -> usize {
        match self.place[feature] {
            None => 0,
            Some((group, member)) => match &self.groups[group].bins {
                GroupBins::Narrow(bins) => usize::from(bins[row][member]),
                GroupBins::Wide(bins) => usize::from(bins[row][member]),
            },
        }
    }

    pub fn usable_features(&self) -> &[bool] {
        &self.usable
    }
}

fn group(matrix: &Matrix<'_>, all: &[FeatureBins], members: &[usize]) -> Group {
    let mut slot_start = [0; GROUP + 1];
    for member in 0..GROUP {
        let slots = members.get(member).map_or(1, |&f| all[f].slots());
        slot_start[member + 1] = slot_start[member] + slots;
    }
    let narrow = members.iter().all(|&f| all[f].slots() <= 256);
    let bins = if narrow {
        let mut rows = vec![[0u8; GROUP]; matrix.rows()];
        fill(matrix, all, members, |row, member, bin| {
            rows[row][member] = bin as u8
        });
        GroupBins::Narrow(rows)
    } else {
        let mut rows = vec![[0u16; GROUP]; matrix.rows()];
        fill(matrix, all, members, |row, member, bin| {
            rows[row][member] = bin as u16
        });
        GroupBins::Wide(rows)
    };
    Group {
        features: members.to_vec(),
        bins,
        slot_start,
    }
}

fn fill(
    matrix: &Matrix<'_>,
    all: &[FeatureBins],
    members: &[usize],
    mut put: impl FnMut(usize, usize, usize),
) {
    for (member, &feature) in members.iter().enumerate() {
        let bins = &all[feature];
        for (row, value) in matrix.column(feature).enumerate() {
            put(row, member, bins.bin(value));
        }
    }
}

/// Maps f32 to u32 so that the order is kept; the two zeros become one.
fn order_key(value: f32) -> u32 {
    let bits = (value + 0.0).to_bits();
    if bits >> 31 == 1 {
        !bits
    } else {
        bits | 0x8000_0000
    }
}

fn from_order_key(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 {
        key & 0x7fff_ffff
    } else {
        !key
    })
}

/// Distinct values in ascending order with their row counts.
fn count_distinct(sorted: &[u32]) -> Vec<(f32, usize)> {
    sorted
        .chunk_by(|a, b| a == b)
        .map(|run| (from_order_key(run[0]), run.len()))
        .collect()
}

/// A bound b with low <= b < high, near the middle.
fn between(low: f32, high: f32) -> f32 {
    let middle = ((f64::from(low) + f64::from(high)) / 2.0) as f32;
    if middle < high { middle.max(low) } else { low }
}

/// Indices (into `distinct`) of the last value of each bin.
fn cut(distinct: &[(f32, usize)], max_bin: usize) -> Vec<usize> {
    if distinct.len() <= max_bin {
        return (0..distinct.len()).collect();
    }
    let (rows, bins) = spread_budget(distinct, max_bin);
    let (mut body, mut growth) = bin_sizes(rows, bins);
    // Ties at heavy values make some bins larger than asked: begin below, and use the budget up.
    body *= 0.9;
    loop {
        let last = cut_by_size(distinct, body, growth);
        if last.len() <= max_bin {
            return last;
        }
        body *= 1.03;
        // Tails that never grow would keep one value a bin whatever the body's size: let them reach
        // it by the middle at least, so that the bins become fewer with every turn.
        growth = growth.max((body - 1.0) / (rows / 2.0));
    }
}

/// Rows and bins that remain when every value heavier than a body bin has a bin of its own.
fn spread_budget(distinct: &[(f32, usize)], max_bin: usize) -> (f64, f64) {
    let mut rows: usize = distinct.iter().map(|d| d.1).sum();
    let mut bins = max_bin;
    let mut heavy_below = usize::MAX;
    loop {
        let body = (2 * rows / bins.max(1)).max(1);
        let heavy = distinct.iter().filter(|d| d.1 > body && d.1 < heavy_below);
        let (count, sum) = heavy.fold((0, 0), |(n, s), d| (n + 1, s + d.1));
        if count == 0 || count >= bins {
            return (rows as f64, bins as f64);
        }
        (rows, bins, heavy_below) = (rows - sum, bins - count, body + 1);
    }
}

/// Body size and tail growth: tails of `bins / 4` each that reach the body's size, body of the rest.
fn bin_sizes(rows: f64, bins: f64) -> (f64, f64) {
    let mut body = (2.0 * rows / bins).max(1.0);
    let mut growth = 0.0;
    // A fixed point in a few steps: longer tails leave fewer rows to the body.
    for _ in 0..16 {
        growth = libm::exp(libm::log(body) / (bins / 4.0)) - 1.0;
        let tail = if growth > 0.0 {
            (body - 1.0) / growth
        } else {
            0.0
        };
        body = ((rows - 2.0 * tail) / (bins / 2.0)).max(1.0);
    }
    (body, growth)
}

fn cut_by_size(distinct: &[(f32, usize)], body: f64, growth: f64) -> Vec<usize> {
    let rows: usize = distinct.iter().map(|d| d.1).sum();
    let target = |start: usize, end: usize| {
        let distance = start.min(rows - end) as f64;
        (1.0 + growth * distance).min(body)
    };
    let mut last = Vec::new();
    let (mut start, mut end) = (0, 0);
    for (index, &(_, count)) in distinct.iter().enumerate() {
        if count as f64 > body && end > start {
            last.push(index - 1);
            start = end;
        }
        end += count;
        // half a row of slack: sizes round to nearest, else the finest bins would all hold two
        if (end - start) as f64 + 0.5 > target(start, end) {
            last.push(index);
            start = end;
        }
    }
    if end > start {
        last.push(distinct.len() - 1);
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bins_of(values: &[f32], max_bin: usize) -> FeatureBins {
        FeatureBins::new(values.iter().copied(), max_bin)
    }

    #[test]
    fn slightly_more_values_than_bins_end_within_the_budget() {
        for more in [1_u32, 2, 7, 100, 1000] {
            let values: Vec<f32> = (0..1023 + more).map(|n| n as f32).collect();
            let bins = bins_of(&values, 1023);
            assert!(
                bins.upper.len() <= 1023 && bins.upper.len() > 400,
                "{}",
                bins.upper.len()
            );
        }
        let mut heavy: Vec<f32> = (0..1030).map(|n| n as f32).collect();
        heavy.extend(std::iter::repeat_n(5.0, 40_000));
        assert!(bins_of(&heavy, 1023).upper.len() <= 1023);
    }

    #[test]
    fn few_values_get_a_bin_each() {
        let bins = bins_of(&[3.0, 1.0, f32::NAN, 2.0, 1.0, -0.0, 0.0], 16);
        assert_eq!(bins.upper, vec![0.5, 1.5, 2.5, f32::MAX]);
        assert!(bins.has_missing);
        assert_eq!(
            [-5.0, -0.0, 0.5, 0.6, 9.0, f32::NAN].map(|x| bins.bin(x)),
            [0, 0, 0, 1, 3, 4]
        );
    }

    /// Adjacent floats have no middle: the bound must still keep them apart.
    #[test]
    fn a_bound_separates_neighbouring_floats() {
        for low in [
            1.0f32,
            -1.0,
            f32::MIN_POSITIVE,
            -f32::MIN_POSITIVE,
            f32::MAX.next_down(),
        ] {
            let bins = bins_of(&[low, low.next_up()], 4);
            assert_eq!((bins.bin(low), bins.bin(low.next_up())), (0, 1), "{low:e}");
        }
    }

    #[test]
    fn tails_are_fine_and_the_budget_is_kept() {
        let rows = 200_000;
        let values: Vec<f32> = (0..rows).map(|i| i as f32).collect();
        for max_bin in [63, 255, 1023, 4095] {
            let bins = bins_of(&values, max_bin);
            assert!(
                bins.len() <= max_bin && bins.len() * 10 >= max_bin * 8,
                "{}",
                bins.len()
            );
            let above = |share: f64| bins.len() - bins.bin((rows as f64 * share) as f32);
            assert!(
                above(0.999) * 16 >= max_bin.min(1600),
                "{max_bin}: {} above p99.9",
                above(0.999)
            );
            let below = bins.bin(rows as f32 * 0.001);
            assert!(
                below * 16 >= max_bin.min(1600),
                "{max_bin}: {below} below p0.1"
            );
            let body = above(0.25) - above(0.75);
            assert!(body * 5 >= max_bin, "{max_bin}: {body} in the middle half");
        }
    }

    #[test]
    fn a_heavy_value_stands_alone_and_does_not_starve_the_rest() {
        let mut values = vec![0.0f32; 90_000];
        values.extend((1..=10_000).map(|i| i as f32));
        let bins = bins_of(&values, 255);
        assert_eq!(bins.bin(0.0), 0);
        assert_eq!(bins.bin(1.0), 1);
        assert!(bins.len() <= 255 && bins.len() > 200, "{}", bins.len());
    }
}
