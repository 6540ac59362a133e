//! How much worse a candidate may be, and how much better before it is not believed.

use serde::{Deserialize, Serialize};
use thiserror::Error;

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bounds {
    /// Matured frauds below which the ranking is not judged.
    pub frauds_min: usize,
    /// The lower end of the 95 % interval of the AP's difference must lie above minus this.
    pub ap_loss_max: f64,
    /// Of the regression of labels on log-odds.
    pub slope_min: f64,
    pub slope_max: f64,
    /// Either way; 0.7 is a factor of two in odds.
    pub intercept_max: f64,
    /// Frauds of an event type below which it is not judged by itself.
    pub segment_frauds_min: usize,
    /// What an event type may lose of AP, or of recall at `alert_share`.
    pub segment_loss_max: f64,
    /// Between the shares of events that both alert, each by its own thresholds.
    pub alerts_factor_max: f64,
    /// What a model may alert in any case.
    pub alert_share: f64,
    /// Median CPU time of a score, and what 99 of 100 must stay below.
    pub score_us_max: f64,
    pub score_us_p99_max: f64,
    /// Beside the champion, where both are of one kind and a score takes more than `score_us_free`.
    pub score_time_ratio_max: f64,
    pub score_us_free: f64,
    /// Share of the scores for which the network said nothing, above the champion's too.
    pub network_failed_max: f64,
    /// More AP than this over the champion is looked at by a person.
    pub ap_gain_max: f64,
    /// AP of one feature by itself.
    pub feature_ap_max: f64,
    /// Share of the candidate's AP that hangs on one feature.
    pub feature_share_max: f64,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            frauds_min: 200,
            ap_loss_max: 0.01,
            slope_min: 0.5,
            slope_max: 2.0,
            intercept_max: 1.0,
            segment_frauds_min: 50,
            segment_loss_max: 0.05,
            alerts_factor_max: 2.0,
            alert_share: 0.01,
            score_us_max: 200.0,
            score_us_p99_max: 1_000.0,
            score_time_ratio_max: 3.0,
            score_us_free: 20.0,
            network_failed_max: 0.001,
            ap_gain_max: 0.35,
            feature_ap_max: 0.9,
            feature_share_max: 0.8,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Error)]
#[error("{field} must be {expected}, got {got}")]
pub struct BoundsError {
    pub field: &'static str,
    pub expected: &'static str,
    pub got: f64,
}

impl Bounds {
    pub fn check(&self) -> Result<(), BoundsError> {
        let share =
            |field, got: f64| (field, "above 0 and at most 1", got, got > 0.0 && got <= 1.0);
        let factor = |field, got: f64| (field, "at least 1", got, got >= 1.0 && got.is_finite());
        let above = |field, got: f64| (field, "above 0", got, got > 0.0 && got.is_finite());
        let checked = [
            // Below ten the interval of a bootstrap is one of a handful of accounts.
            (
                "frauds_min",
                "at least 10",
                self.frauds_min as f64,
                self.frauds_min >= 10,
            ),
            (
                "segment_frauds_min",
                "at least 10",
                self.segment_frauds_min as f64,
                self.segment_frauds_min >= 10,
            ),
            share("ap_loss_max", self.ap_loss_max),
            above("slope_min", self.slope_min),
            (
                "slope_max",
                "above slope_min",
                self.slope_max,
                self.slope_max > self.slope_min && self.slope_max.is_finite(),
            ),
            above("intercept_max", self.intercept_max),
            share("segment_loss_max", self.segment_loss_max),
            factor("alerts_factor_max", self.alerts_factor_max),
            share("alert_share", self.alert_share),
            above("score_us_max", self.score_us_max),
            above("score_us_p99_max", self.score_us_p99_max),
            factor("score_time_ratio_max", self.score_time_ratio_max),
            above("score_us_free", self.score_us_free),
            share("network_failed_max", self.network_failed_max),
            share("ap_gain_max", self.ap_gain_max),
            share("feature_ap_max", self.feature_ap_max),
            share("feature_share_max", self.feature_share_max),
        ];
        for (field, expected, got, holds) in checked {
            if !holds {
                return Err(BoundsError {
                    field,
                    expected,
                    got,
                });
            }
        }
        Ok(())
    }
}
