//! The best cut of one leaf along one feature.

use super::BoostConfig;
use super::bins::FeatureBins;
use super::histogram::Slot;

/// Worth of a fixed-point unit in this round.
#[derive(Debug, Clone, Copy)]
pub struct Units {
    pub gradient: f64,
    pub hessian: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BestSplit {
    pub gain: f64,
    pub feature: usize,
    /// Bins up to this one go left.
    pub bin: usize,
    pub missing_left: bool,
    pub left: Slot,
    pub right: Slot,
}

impl BestSplit {
    /// Higher gain wins; on equal gain the lower feature (so that search order does not matter).
    pub fn better(a: Option<BestSplit>, b: Option<BestSplit>) -> Option<BestSplit> {
        match (a, b) {
            (Some(x), Some(y)) => {
                let y_wins = y.gain > x.gain || (y.gain == x.gain && y.feature < x.feature);
                Some(if y_wins { y } else { x })
            }
            (x, y) => x.or(y),
        }
    }
}

/// Gains and leaf values under the configured regularisation (Chen & Guestrin 2016, eq. 5-7).
#[derive(Debug, Clone, Copy)]
pub struct Scorer {
    pub units: Units,
    l1: f64,
    l2: f64,
    min_gain: f64,
    min_rows: u32,
    min_hessian: f64,
}

impl Scorer {
    pub fn new(config: &BoostConfig, units: Units) -> Self {
        Scorer {
            units,
            l1: config.lambda_l1,
            l2: config.lambda_l2,
            min_gain: config.min_gain,
            min_rows: config.min_data_in_leaf.max(1),
            min_hessian: config.min_sum_hessian,
        }
    }

    #[inline]
    fn numbers(&self, slot: Slot) -> (f64, f64) {
        let g = slot.gradient as f64 * self.units.gradient;
        (g, slot.hessian() as f64 * self.units.hessian)
    }

    #[inline]
    fn shrunk(&self, g: f64) -> f64 {
        (g.abs() - self.l1).max(0.0).copysign(g)
    }

    #[inline]
    fn gain_of(&self, slot: Slot) -> f64 {
        let (g, h) = self.numbers(slot);
        let g = self.shrunk(g);
        g * g / (h + self.l2).max(f64::MIN_POSITIVE)
    }

    /// The leaf's log-odds step before the learning rate.
    pub fn leaf_value(&self, slot: Slot) -> f64 {
        let (g, h) = self.numbers(slot);
        -self.shrunk(g) / (h + self.l2).max(f64::MIN_POSITIVE)
    }

    #[inline]
    fn allows(&self, slot: Slot) -> bool {
        slot.count() >= self.min_rows
            && slot.hessian() > 0
            && slot.hessian() as f64 * self.units.hessian >= self.min_hessian
    }

    /// Can a leaf of this many rows be split at all?
    pub fn splittable(&self, slot: Slot) -> bool {
        slot.count() / 2 >= self.min_rows
    }

    /// Scans the histogram of `feature`: every cut with missing values on the right, and, when this
    /// leaf has any, on the left. Without missing values in the leaf they will follow its larger side.
    pub fn best(
        &self,
        feature: usize,
        bins: &FeatureBins,
        histogram: &[Slot],
        total: Slot,
    ) -> Option<BestSplit> {
        let (present, missing) = histogram.split_at(bins.len());
        let missing = missing[0];
        let floor = self.gain_of(total) + self.min_gain;
        let mut best = Best {
            gain: floor,
            at: None,
        };
        if missing.count() > 0 {
            self.scan(present, missing, true, total, &mut best);
        }
        self.scan(present, Slot::default(), false, total, &mut best);
        let (bin, missing_left, left) = best.at?;
        let right = total.minus(left);
        let missing_left = if missing.count() > 0 {
            missing_left
        } else {
            left.count() >= right.count()
        };
        let gain = best.gain - floor + self.min_gain;
        Some(BestSplit {
            gain,
            feature,
            bin,
            missing_left,
            left,
            right,
        })
    }

    fn scan(
        &self,
        present: &[Slot],
        start: Slot,
        missing_left: bool,
        total: Slot,
        best: &mut Best,
    ) {
        let mut left = start;
        for (bin, &slot) in present.iter().enumerate() {
            // A bin without rows adds no cut of its own.
            if slot.count() == 0 {
                continue;
            }
            left = left.plus(slot);
            let right = total.minus(left);
            if right.count() < self.min_rows {
                break;
            }
            if !self.allows(left) || !self.allows(right) {
                continue;
            }
            let gain = self.gain_of(left) + self.gain_of(right);
            if gain > best.gain {
                *best = Best {
                    gain,
                    at: Some((bin, missing_left, left)),
                };
            }
        }
    }
}

struct Best {
    gain: f64,
    at: Option<(usize, bool, Slot)>,
}
