//! What decisions cost: the money that fraud takes, and the price of stopping it.

use serde::{Deserialize, Serialize};

use crate::error::BacktestError;

/// In major units of the base currency, or shares of an amount. The defaults are round figures to be replaced: what
/// a review costs and what a declined customer is worth, every business knows for itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Costs {
    /// Share of its amount that a fraud which passes is lost with.
    pub fraud_loss: f64,
    /// An analyst's look at one event, whose fraud is then stopped.
    pub review: f64,
    /// Share of frauds that a challenge stops.
    pub challenge_stops: f64,
    /// Share of its amount that a legitimate event loses by a challenge: customers who give up.
    pub challenge_friction: f64,
    /// The same by a decline: margin, and customers who leave.
    pub decline_friction: f64,
}

impl Default for Costs {
    fn default() -> Costs {
        Costs {
            fraud_loss: 1.0,
            review: 5.0,
            challenge_stops: 0.8,
            challenge_friction: 0.01,
            decline_friction: 0.05,
        }
    }
}

impl Costs {
    pub fn check(&self) -> Result<(), BacktestError> {
        let share = "a share from 0 to 1";
        for (field, value) in [
            ("fraud_loss", self.fraud_loss),
            ("challenge_stops", self.challenge_stops),
            ("challenge_friction", self.challenge_friction),
            ("decline_friction", self.decline_friction),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return Err(BacktestError::Cost {
                    field,
                    must: share,
                    got: value,
                });
            }
        }
        if !(self.review >= 0.0 && self.review.is_finite()) {
            return Err(BacktestError::Cost {
                field: "review",
                must: "an amount of at least 0",
                got: self.review,
            });
        }
        Ok(())
    }
}
