//! Fits the calibration map on a window later than training, and measures how well it holds.
//!
//! Platt and beta maps are logistic regressions on functions of the raw log-odds, fitted by Newton's
//! method with a ridge of [`RIDGE`] that pulls the slopes to 1 (no change): worth one row, it only
//! matters when the classes separate. An isotonic map has as many parameters as steps and is fitted
//! only from [`ISOTONIC_POSITIVES_MIN`] frauds on.

mod isotonic;
pub(crate) mod logistic;

use model::calibration::{Calibration, CalibrationMap, ln_sigmoids, prior_shift};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::boost::log_loss;
use logistic::Logistic;

pub const RIDGE: f64 = 1.0;
pub const POSITIVES_MIN: usize = 10;
pub const ISOTONIC_POSITIVES_MIN: usize = 1_000;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    #[default]
    Platt,
    Beta,
    Isotonic,
}

impl Method {
    pub fn name(self) -> &'static str {
        match self {
            Method::Platt => "platt",
            Method::Beta => "beta",
            Method::Isotonic => "isotonic",
        }
    }
}

/// Scored rows, and how they differ from the true mix.
#[derive(Debug, Clone, Copy)]
pub struct Scored<'a> {
    /// Log-odds of the model.
    pub raw: &'a [f64],
    /// `true` = fraud.
    pub labels: &'a [bool],
    /// What each row counts for; `None`: all alike.
    pub weights: Option<&'a [f32]>,
    /// Share of the legitimate rows that was kept; 1 = all.
    pub negative_rate: f64,
    /// Weight of a fraud relative to a legitimate row in the fit; 1 = plain.
    pub positive_weight: f64,
}

impl Scored<'_> {
    fn weight(&self, row: usize) -> f64 {
        self.weights.map_or(1.0, |weights| f64::from(weights[row]))
    }
}

/// How far calibrated log-odds can be believed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reliability {
    pub log_loss: f64,
    /// 1 - log-loss / log-loss of always predicting the base rate; 0 = no better, 1 = perfect.
    pub skill: f64,
    /// Slope of a logistic regression on the log-odds: 1 is right, below 1 is overconfident.
    pub slope: f64,
    /// Shift of the log-odds that makes their mean right: 0 is right, below 0 means too high.
    pub intercept: f64,
}

#[derive(Debug, Clone, PartialEq, Error)]
pub enum CalibrateError {
    #[error("calibration needs as many labels as scores, got {labels} and {scores}")]
    Length { scores: usize, labels: usize },
    #[error("calibration needs as many weights as scores, got {weights} and {scores}")]
    Weights { scores: usize, weights: usize },
    #[error("score of row {row} must be finite, got {value}")]
    NotFinite { row: usize, value: f64 },
    #[error(
        "{method:?} calibration needs at least {min} frauds and {min} legitimate rows, got {positives} and {negatives}: widen the calibration window{hint}"
    )]
    Few {
        method: Method,
        min: usize,
        positives: usize,
        negatives: usize,
        hint: &'static str,
    },
    #[error("{field} must be {expected}, got {got}")]
    Mix {
        field: &'static str,
        expected: &'static str,
        got: f64,
    },
}

/// Fits `method`; the result gives probabilities of the true mix.
pub fn fit(method: Method, scored: &Scored<'_>) -> Result<Calibration, CalibrateError> {
    check(method, scored)?;
    let weights: Vec<f64> = (0..scored.labels.len())
        .map(|row| {
            scored.weight(row)
                * if scored.labels[row] {
                    scored.positive_weight
                } else {
                    1.0
                }
        })
        .collect();
    let map = match method {
        Method::Platt => {
            let rows: Vec<[f64; 2]> = scored.raw.iter().map(|&raw| [raw, 1.0]).collect();
            let fit = Logistic {
                ridge: [RIDGE, 0.0],
                prior: [1.0, 0.0],
            };
            let [slope, intercept] = fit.solve(&rows, scored.labels, &weights);
            if slope >= 0.0 {
                CalibrationMap::Platt { slope, intercept }
            } else {
                // A model that ranks backwards is worth its base rate, not a falling map.
                CalibrationMap::Platt {
                    slope: 0.0,
                    intercept: base_log_odds(scored),
                }
            }
        }
        Method::Beta => fit_beta(scored, &weights),
        Method::Isotonic => isotonic::fit(scored.raw, scored.labels, &weights),
    };
    Ok(Calibration {
        map,
        prior_shift: prior_shift(scored.negative_rate, scored.positive_weight),
    })
}

/// Measures calibrated log-odds on rows of the true mix.
pub fn reliability(log_odds: &[f64], labels: &[bool]) -> Result<Reliability, CalibrateError> {
    let scored = Scored {
        raw: log_odds,
        labels,
        weights: None,
        negative_rate: 1.0,
        positive_weight: 1.0,
    };
    reliability_of(&scored)
}

/// The same on rows that stand for more than themselves: by their weights, and by the share of the legitimate
/// ones that was kept.
pub fn reliability_of(scored: &Scored<'_>) -> Result<Reliability, CalibrateError> {
    check(Method::Platt, scored)?;
    let (log_odds, labels) = (scored.raw, scored.labels);
    let stands_for = |row: usize| match labels[row] {
        true => scored.weight(row) * scored.positive_weight,
        false => scored.weight(row) / scored.negative_rate,
    };
    let weights: Vec<f64> = (0..labels.len()).map(stands_for).collect();
    let loss = log_loss(log_odds, labels, Some(&weights));
    let base_rate = base_log_odds(scored) + libm::log(scored.negative_rate);
    let base = log_loss(&vec![base_rate; labels.len()], labels, Some(&weights));
    // A trace of ridge keeps perfectly separated rows finite and changes no digit shown otherwise.
    let rows: Vec<[f64; 2]> = log_odds.iter().map(|&x| [x, 1.0]).collect();
    let both = Logistic {
        ridge: [1e-6, 0.0],
        prior: [1.0, 0.0],
    };
    let [slope, _] = both.solve(&rows, labels, &weights);
    let shift = Logistic {
        ridge: [0.0],
        prior: [0.0],
    };
    let ones = vec![[1.0]; labels.len()];
    let [intercept] = shift.solve_beside(log_odds, &ones, labels, &weights);
    Ok(Reliability {
        log_loss: loss,
        skill: 1.0 - loss / base,
        slope,
        intercept,
    })
}

/// Kull et al. 2017, section 4: a and b must not be negative; one that would be is left out.
fn fit_beta(scored: &Scored<'_>, weights: &[f64]) -> CalibrationMap {
    let rows: Vec<[f64; 3]> = scored
        .raw
        .iter()
        .map(|&raw| {
            let (ln_q, ln_not_q) = ln_sigmoids(raw);
            [ln_q, -ln_not_q, 1.0]
        })
        .collect();
    let fit = Logistic {
        ridge: [RIDGE, RIDGE, 0.0],
        prior: [1.0, 1.0, 0.0],
    };
    let [a, b, c] = fit.solve(&rows, scored.labels, weights);
    if a >= 0.0 && b >= 0.0 {
        return CalibrationMap::Beta { a, b, c };
    }
    let keep = usize::from(a < 0.0);
    let rows: Vec<[f64; 2]> = rows.iter().map(|row| [row[keep], 1.0]).collect();
    let fit = Logistic {
        ridge: [RIDGE, 0.0],
        prior: [1.0, 0.0],
    };
    let [slope, c] = fit.solve(&rows, scored.labels, weights);
    match (slope >= 0.0, keep) {
        (true, 0) => CalibrationMap::Beta {
            a: slope,
            b: 0.0,
            c,
        },
        (true, _) => CalibrationMap::Beta {
            a: 0.0,
            b: slope,
            c,
        },
        (false, _) => CalibrationMap::Beta {
            a: 0.0,
            b: 0.0,
            c: base_log_odds(scored),
        },
    }
}

/// Log-odds of fraud among the rows as weighted.
fn base_log_odds(scored: &Scored<'_>) -> f64 {
    let (mut positives, mut negatives) = (0.0, 0.0);
    for (row, fraud) in scored.labels.iter().enumerate() {
        let of_class = if *fraud {
            &mut positives
        } else {
            &mut negatives
        };
        *of_class += scored.weight(row);
    }
    libm::log(positives * scored.positive_weight / negatives)
}

fn check(method: Method, scored: &Scored<'_>) -> Result<(), CalibrateError> {
    let (scores, labels) = (scored.raw.len(), scored.labels.len());
    if scores != labels {
        return Err(CalibrateError::Length { scores, labels });
    }
    let weights = scored.weights.map_or(scores, <[f32]>::len);
    if weights != scores {
        return Err(CalibrateError::Weights { scores, weights });
    }
    if let Some(row) = scored.raw.iter().position(|raw| !raw.is_finite()) {
        return Err(CalibrateError::NotFinite {
            row,
            value: scored.raw[row],
        });
    }
    let got = scored.negative_rate;
    if !(got > 0.0 && got <= 1.0) {
        return Err(CalibrateError::Mix {
            field: "negative_rate",
            expected: "in (0, 1]",
            got,
        });
    }
    let got = scored.positive_weight;
    if !(got > 0.0 && got.is_finite()) {
        return Err(CalibrateError::Mix {
            field: "positive_weight",
            expected: "above 0",
            got,
        });
    }
    let (min, hint) = match method {
        Method::Platt | Method::Beta => (POSITIVES_MIN, ""),
        Method::Isotonic => (ISOTONIC_POSITIVES_MIN, " or use Platt or beta"),
    };
    let positives = scored.labels.iter().filter(|&&l| l).count();
    let negatives = labels - positives;
    if positives.min(negatives) < min {
        return Err(CalibrateError::Few {
            method,
            min,
            positives,
            negatives,
            hint,
        });
    }
    Ok(())
}
