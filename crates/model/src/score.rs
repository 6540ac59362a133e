//! The integer score, 0 to 1000, of a calibrated probability.
//!
//! Linear in log-odds: 0 at p = 0.00001, 1000 at p = 0.999, clamped outside, rounded half up. So
//! equal steps multiply the odds alike (38 points double them), and
//! the order of two probabilities never turns round.

pub const SCORE_MAX: u16 = 1000;
/// ln(p / (1 - p)) at p = 0.00001 and at p = 0.999.
const LOG_ODDS_AT_0: f64 = -11.512_915_464_920_228;
const LOG_ODDS_AT_MAX: f64 = 6.906_754_778_648_554;

/// The score of calibrated log-odds; NaN (which no validated model returns) counts as the riskiest.
pub fn score_of_log_odds(log_odds: f64) -> u16 {
    if log_odds.is_nan() {
        return SCORE_MAX;
    }
    let share = (log_odds - LOG_ODDS_AT_0) / (LOG_ODDS_AT_MAX - LOG_ODDS_AT_0);
    let points = (share * f64::from(SCORE_MAX)).clamp(0.0, f64::from(SCORE_MAX));
    (points + 0.5) as u16
}

/// The middle of a score's interval, as a probability.
pub fn probability_of_score(score: u16) -> f64 {
    let share = f64::from(score.min(SCORE_MAX)) / f64::from(SCORE_MAX);
    sigmoid(LOG_ODDS_AT_0 + share * (LOG_ODDS_AT_MAX - LOG_ODDS_AT_0))
}

pub fn sigmoid(log_odds: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-log_odds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_odds(p: f64) -> f64 {
        libm::log(p / (1.0 - p))
    }

    #[test]
    fn anchors_and_clamps() {
        for (p, score) in [
            (1e-5, 0),
            (0.999, 1000),
            (1e-9, 0),
            (0.999_999, 1000),
            (0.5, 625),
        ] {
            assert_eq!(score_of_log_odds(log_odds(p)), score, "p = {p}");
        }
        assert_eq!(score_of_log_odds(f64::NEG_INFINITY), 0);
        assert_eq!(score_of_log_odds(f64::INFINITY), 1000);
        assert_eq!(score_of_log_odds(f64::NAN), 1000);
    }

    #[test]
    fn every_score_comes_back() {
        for score in 0..=SCORE_MAX {
            assert_eq!(
                score_of_log_odds(log_odds(probability_of_score(score))),
                score
            );
        }
    }
}
