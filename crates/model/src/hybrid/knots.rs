//! Where the first tabular layer bends: each feature's own ascending knots.
//!
//! Between two knots the layer is a straight line, outside them constant (piecewise linear encoding,
//! Gorishniy et al. 2022, arXiv 2203.05556, with the matrix behind it summed over the encoding).

use thiserror::Error;

pub const KNOTS_MAX: usize = 64;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Knots {
    /// Knots of feature `f` are `at[start[f]..start[f + 1]]`; a feature without any is not looked at.
    pub start: Vec<u32>,
    pub at: Vec<f32>,
}

#[derive(Clone, Debug, PartialEq, Error)]
pub enum KnotsError {
    #[error("knots must be given for {expected} features, got {got}")]
    Features { expected: usize, got: usize },
    #[error("knots of feature {feature} must be at most {KNOTS_MAX}, finite and ascending")]
    Order { feature: usize },
    #[error("knots must end at {expected}, got {got}")]
    End { expected: usize, got: usize },
}

/// Where a value lies: `share` of the way from a knot to the next one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// Index over all features' knots.
    pub knot: usize,
    /// 0 at and beyond the last knot.
    pub share: f32,
}

impl Knots {
    /// Of each feature in turn its knots, ascending.
    pub fn of_each<K: IntoIterator<Item = f32>>(features: impl IntoIterator<Item = K>) -> Knots {
        let mut knots = Knots {
            start: vec![0],
            at: Vec::new(),
        };
        for feature in features {
            knots.at.extend(feature);
            knots.start.push(knots.at.len() as u32);
        }
        knots
    }

    pub fn check(&self, features: usize) -> Result<(), KnotsError> {
        if self.start.len() != features + 1 {
            let got = self.start.len().saturating_sub(1);
            return Err(KnotsError::Features {
                expected: features,
                got,
            });
        }
        let end = self.start[features] as usize;
        if self.start[0] != 0 || end != self.at.len() {
            return Err(KnotsError::End {
                expected: self.at.len(),
                got: end,
            });
        }
        for (feature, ends) in self.start.windows(2).enumerate() {
            let (from, until) = (ends[0] as usize, ends[1] as usize);
            let fits = from <= until && until - from <= KNOTS_MAX && until <= end;
            let rises = fits
                && self.at[from..until].iter().all(|at| at.is_finite())
                && self.at[from..until].windows(2).all(|it| it[0] < it[1]);
            if !rises {
                return Err(KnotsError::Order { feature });
            }
        }
        Ok(())
    }

    pub fn features(&self) -> usize {
        self.start.len().saturating_sub(1)
    }

    pub fn total(&self) -> usize {
        self.at.len()
    }

    /// Index of a feature's knots over all features'.
    pub fn of(&self, feature: usize) -> std::ops::Range<usize> {
        self.start[feature] as usize..self.start[feature + 1] as usize
    }

    /// `value` must be a number and the feature have knots.
    #[inline]
    pub fn place(&self, feature: usize, value: f32) -> Place {
        let (from, until) = (
            self.start[feature] as usize,
            self.start[feature + 1] as usize,
        );
        let at = &self.at[from..until];
        let above = at
            .iter()
            .map(|knot| usize::from(*knot <= value))
            .sum::<usize>();
        let share = match above {
            0 => {
                return Place {
                    knot: from,
                    share: 0.0,
                };
            }
            _ if above == at.len() => 0.0,
            // Not by a stored reciprocal: one rounding less, and no second array to read.
            _ => (value - at[above - 1]) / (at[above] - at[above - 1]),
        };
        Place {
            knot: from + above - 1,
            share,
        }
    }
}
