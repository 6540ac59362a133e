//! Rows and features drawn for a tree, from an own generator so that a seed means the same forever.

use super::BoostConfig;

/// SplitMix64 (Steele, Lea, Flood 2014): one add and a mix per draw, any seed is good.
#[derive(Debug, Clone)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    pub fn new(seed: u64) -> Self {
        SplitMix64(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `n` (Lemire's multiply-shift; the bias is below n / 2^64).
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }
}

/// What a tree is grown on.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// Rows in ascending order; the tree's statistics come from these only.
    pub rows: &'a [u32],
    /// Rows left out, ascending: they still receive the tree's value.
    pub rows_out: &'a [u32],
    /// Per feature: may it be split on?
    pub features: &'a [bool],
}

#[derive(Debug)]
pub struct Sampler {
    random: SplitMix64,
    bagging_fraction: f64,
    bagging_every: usize,
    feature_fraction: f64,
    usable: Vec<usize>,
    rows: Vec<u32>,
    rows_out: Vec<u32>,
    features: Vec<bool>,
}

impl Sampler {
    /// `usable[f]` says whether feature `f` varies at all.
    pub fn new(config: &BoostConfig, rows: usize, usable: &[bool]) -> Self {
        Sampler {
            random: SplitMix64::new(config.seed),
            bagging_fraction: config.bagging_fraction,
            bagging_every: config.bagging_every,
            feature_fraction: config.feature_fraction,
            usable: (0..usable.len()).filter(|&f| usable[f]).collect(),
            rows: (0..rows as u32).collect(),
            rows_out: Vec::new(),
            features: usable.to_vec(),
        }
    }

    pub fn draw(&mut self, round: usize) -> Sample<'_> {
        if self.bagging_fraction < 1.0 && round.is_multiple_of(self.bagging_every) {
            self.draw_rows();
        }
        if self.feature_fraction < 1.0 {
            self.draw_features();
        }
        Sample {
            rows: &self.rows,
            rows_out: &self.rows_out,
            features: &self.features,
        }
    }

    /// Selection sampling (Knuth 3.4.2 S): exactly `ceil(n * fraction)` rows, in ascending order.
    fn draw_rows(&mut self) {
        let total = self.rows.len() + self.rows_out.len();
        let mut wanted = (total as f64 * self.bagging_fraction).ceil() as usize;
        self.rows.clear();
        self.rows_out.clear();
        for row in 0..total {
            if self.random.below(total - row) < wanted {
                self.rows.push(row as u32);
                wanted -= 1;
            } else {
                self.rows_out.push(row as u32);
            }
        }
    }

    fn draw_features(&mut self) {
        let total = self.usable.len();
        let mut wanted = (total as f64 * self.feature_fraction).ceil() as usize;
        for (seen, &feature) in self.usable.iter().enumerate() {
            let take = self.random.below(total - seen) < wanted;
            self.features[feature] = take;
            wanted -= usize::from(take);
        }
    }
}
