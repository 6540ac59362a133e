//! From the trees' raw log-odds to calibrated ones. Fitting lives in `learning::calibrate`.
//!
//! Every map is monotone, so calibration never reorders events.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::score::{score_of_log_odds, sigmoid};

pub const ISOTONIC_POINTS_MAX: usize = 4_096;
/// Log-odds of an isotonic map end here: a step at probability 0 or 1 has none of its own.
pub const ISOTONIC_LOG_ODDS_MAX: f64 = 13.8;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum CalibrationMap {
    /// The raw log-odds as they are.
    Identity,
    /// `slope * raw + intercept` (Platt 1999).
    Platt { slope: f64, intercept: f64 },
    /// `a ln q - b ln(1 - q) + c` with q = sigmoid(raw) (Kull et al. 2017); a = b is Platt.
    Beta { a: f64, b: f64, c: f64 },
    /// Straight lines between (raw, log-odds) points, constant outside.
    Isotonic { raw: Vec<f64>, log_odds: Vec<f64> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    pub map: CalibrationMap,
    /// Added to the log-odds after the map: see [`prior_shift`].
    pub prior_shift: f64,
}

#[derive(Debug, Clone, PartialEq, Error)]
pub enum CalibrationError {
    #[error("calibration {field} must be finite, got {value}")]
    NotFinite { field: &'static str, value: f64 },
    #[error("calibration {field} must be >= 0 for a monotone map, got {value}")]
    Decreasing { field: &'static str, value: f64 },
    #[error(
        "isotonic map must have 1 to {ISOTONIC_POINTS_MAX} points and as many values, got {raw} and {log_odds}"
    )]
    Points { raw: usize, log_odds: usize },
    #[error("isotonic map must rise at every point, point {index} does not")]
    NotRising { index: usize },
}

/// What to add to log-odds fitted on a distorted sample to get those of the true mix: of the
/// legitimate events only `negative_rate` were kept, and frauds weighed `positive_weight` times.
pub fn prior_shift(negative_rate: f64, positive_weight: f64) -> f64 {
    libm::log(negative_rate) - libm::log(positive_weight)
}

impl Calibration {
    pub fn identity() -> Self {
        Calibration {
            map: CalibrationMap::Identity,
            prior_shift: 0.0,
        }
    }

    /// Calibrated log-odds.
    pub fn log_odds(&self, raw: f64) -> f64 {
        let mapped = match &self.map {
            CalibrationMap::Identity => raw,
            CalibrationMap::Platt { slope, intercept } => slope * raw + intercept,
            CalibrationMap::Beta { a, b, c } => {
                let (ln_q, ln_not_q) = ln_sigmoids(raw);
                a * ln_q - b * ln_not_q + c
            }
            CalibrationMap::Isotonic {
                raw: points,
                log_odds,
            } => interpolate(points, log_odds, raw),
        };
        mapped + self.prior_shift
    }

    pub fn probability(&self, raw: f64) -> f64 {
        sigmoid(self.log_odds(raw))
    }

    /// The integer score, 0 to 1000.
    pub fn score(&self, raw: f64) -> u16 {
        score_of_log_odds(self.log_odds(raw))
    }

    /// Kind and numbers, for a digest.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let (kind, numbers): (u8, Vec<f64>) = match &self.map {
            CalibrationMap::Identity => (0, Vec::new()),
            CalibrationMap::Platt { slope, intercept } => (1, vec![*slope, *intercept]),
            CalibrationMap::Beta { a, b, c } => (2, vec![*a, *b, *c]),
            CalibrationMap::Isotonic { raw, log_odds } => {
                (3, raw.iter().chain(log_odds).copied().collect())
            }
        };
        let numbers = numbers.iter().chain([&self.prior_shift]);
        let numbers = numbers.flat_map(|number| number.to_le_bytes());
        [kind].into_iter().chain(numbers).collect()
    }

    pub fn check(&self) -> Result<(), CalibrationError> {
        finite("prior_shift", self.prior_shift)?;
        match &self.map {
            CalibrationMap::Identity => Ok(()),
            CalibrationMap::Platt { slope, intercept } => {
                rising("slope", *slope)?;
                finite("intercept", *intercept)
            }
            CalibrationMap::Beta { a, b, c } => {
                rising("a", *a)?;
                rising("b", *b)?;
                finite("c", *c)
            }
            CalibrationMap::Isotonic { raw, log_odds } => check_isotonic(raw, log_odds),
        }
    }
}

/// ln sigmoid(x) and ln(1 - sigmoid(x)), exact in both tails.
pub fn ln_sigmoids(x: f64) -> (f64, f64) {
    let softplus = libm::log1p(libm::exp(-x.abs()));
    (x.min(0.0) - softplus, (-x).min(0.0) - softplus)
}

fn interpolate(points: &[f64], values: &[f64], x: f64) -> f64 {
    let above = points.partition_point(|&p| p <= x);
    if above == 0 {
        return values[0];
    }
    if above == points.len() {
        return values[above - 1];
    }
    let (x0, x1) = (points[above - 1], points[above]);
    let (y0, y1) = (values[above - 1], values[above]);
    // clamped, since rounding must not lift a value above the next point's
    (y0 + (y1 - y0) * ((x - x0) / (x1 - x0))).clamp(y0, y1)
}

fn finite(field: &'static str, value: f64) -> Result<(), CalibrationError> {
    if value.is_finite() {
        Ok(())
    } else {
        Err(CalibrationError::NotFinite { field, value })
    }
}

fn rising(field: &'static str, value: f64) -> Result<(), CalibrationError> {
    finite(field, value)?;
    if value < 0.0 {
        Err(CalibrationError::Decreasing { field, value })
    } else {
        Ok(())
    }
}

fn check_isotonic(raw: &[f64], log_odds: &[f64]) -> Result<(), CalibrationError> {
    let points = raw.len();
    if points == 0 || points > ISOTONIC_POINTS_MAX || log_odds.len() != points {
        return Err(CalibrationError::Points {
            raw: points,
            log_odds: log_odds.len(),
        });
    }
    for (&raw, &log_odds) in raw.iter().zip(log_odds) {
        finite("raw", raw)?;
        finite("log_odds", log_odds)?;
    }
    for index in 1..points {
        if raw[index] <= raw[index - 1] || log_odds[index] < log_odds[index - 1] {
            return Err(CalibrationError::NotRising { index });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(map: CalibrationMap) -> Calibration {
        Calibration {
            map,
            prior_shift: 0.0,
        }
    }

    #[test]
    fn maps_by_hand() {
        let platt = map(CalibrationMap::Platt {
            slope: 2.0,
            intercept: -1.0,
        });
        assert_eq!(platt.log_odds(3.0), 5.0);
        let beta = map(CalibrationMap::Beta {
            a: 2.0,
            b: 0.5,
            c: 0.25,
        });
        let q: f64 = sigmoid(1.5);
        let expected = 2.0 * libm::log(q) - 0.5 * libm::log(1.0 - q) + 0.25;
        assert!((beta.log_odds(1.5) - expected).abs() < 1e-14);
        assert!((beta.log_odds(-800.0) - (-1600.0 + 0.25)).abs() < 1e-9);
        let isotonic = map(CalibrationMap::Isotonic {
            raw: vec![0.0, 2.0],
            log_odds: vec![-1.0, 3.0],
        });
        let expected = [
            (-9.0, -1.0),
            (0.0, -1.0),
            (0.5, 0.0),
            (2.0, 3.0),
            (9.0, 3.0),
        ];
        assert!(expected.iter().all(|&(x, y)| isotonic.log_odds(x) == y));
    }

    /// A tenth of the legitimate events kept and frauds doubled: odds are 20 times too high.
    #[test]
    fn prior_shift_undoes_sampling_and_weights() {
        let shifted = Calibration {
            map: CalibrationMap::Identity,
            prior_shift: prior_shift(0.1, 2.0),
        };
        let p = shifted.probability(libm::log(20.0 * 0.01 / 0.99));
        assert!((p - 0.01).abs() < 1e-15, "{p}");
    }

    #[test]
    fn falling_maps_are_refused() {
        let negative = map(CalibrationMap::Platt {
            slope: -0.1,
            intercept: 0.0,
        });
        assert_eq!(
            negative.check(),
            Err(CalibrationError::Decreasing {
                field: "slope",
                value: -0.1
            })
        );
        let down = map(CalibrationMap::Isotonic {
            raw: vec![0.0, 1.0],
            log_odds: vec![1.0, 0.0],
        });
        assert_eq!(down.check(), Err(CalibrationError::NotRising { index: 1 }));
        let long = map(CalibrationMap::Isotonic {
            raw: vec![0.0, 1.0],
            log_odds: vec![1.0],
        });
        assert_eq!(
            long.check(),
            Err(CalibrationError::Points {
                raw: 2,
                log_odds: 1
            })
        );
    }
}
