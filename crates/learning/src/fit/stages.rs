//! A model with a producer of suspicion trains in two stages, forward in time: the producer on the earlier
//! part of the range, the model on the later part, on samples that carry what the producer says.

use event::EventTime;
use model::artifact::TrainingWindow;
use model::producer::Producer;

use super::FitError;
use crate::boost::BoostConfig;
use crate::calibrate::POSITIVES_MIN;
use crate::dataset::Rows;
use crate::evaluate::folds::FRAUDS_MIN;
use crate::producer::{self, ProducerRows};

/// Where the producer's part of the known events, in order of time, ends and its model's begins: after the
/// given share of them, at the next change of time. Known before any replay.
pub fn boundary(known: &[(EventTime, bool)], share: f64) -> Result<EventTime, FitError> {
    let mut cut = ((known.len() as f64 * share) as usize).min(known.len());
    while cut > 0 && cut < known.len() && known[cut].0 == known[cut - 1].0 {
        cut += 1;
    }
    let (before, after) = known.split_at(cut);
    let calibrates = &before[producer::calibration_from(before, |known| known.0)..];
    for (part, known, min) in [
        ("train the producer", before, FRAUDS_MIN),
        ("train its model", after, FRAUDS_MIN),
        ("calibrate the producer", calibrates, POSITIVES_MIN),
    ] {
        let frauds = known.iter().filter(|(_, fraud)| *fraud).count();
        let rows = known.len();
        if frauds < min {
            return Err(FitError::FewFrauds {
                part,
                rows,
                frauds,
                min,
            });
        }
        if frauds == rows {
            let legitimate = 0;
            return Err(FitError::OneClass { frauds, legitimate });
        }
    }
    Ok(after[0].0)
}

/// Trees of the same shape as the model's, without a part to stop on.
pub fn producer(
    rows: &Rows,
    window: TrainingWindow,
    config: &BoostConfig,
) -> Result<Producer, FitError> {
    let config = BoostConfig {
        rounds: config.rounds.min(ROUNDS_MAX),
        early_stopping_rounds: 0,
        // The two must not draw the same rows and columns.
        seed: config.seed.wrapping_mul(1_000).wrapping_add(500),
        ..config.clone()
    };
    let rows = ProducerRows {
        values: &rows.values,
        width: rows.width,
        fraud: &rows.fraud,
        times: &rows.times,
        weights: rows.weights.as_deref(),
        negative_rate: rows.negative_rate,
    };
    Ok(producer::train(&rows, window, &config)?)
}

/// As many as the producers of `protocols/` have.
const ROUNDS_MAX: usize = 150;

#[cfg(test)]
mod tests {
    use super::*;

    /// Two events an instant, a thousand instants; those of the given instants are fraud.
    fn known(frauds: impl Fn(i64) -> bool) -> Vec<(EventTime, bool)> {
        let of = |at: i64| (EventTime::from_millis(at / 2), frauds(at / 2));
        (0..2_000).map(of).collect()
    }

    #[test]
    fn each_part_has_its_frauds_or_is_refused_by_name() {
        let part = |frauds: fn(i64) -> bool, share| match boundary(&known(frauds), share) {
            Ok(at) => format!("from {}", at.millis()),
            Err(FitError::FewFrauds { part, frauds, .. }) => format!("{part}: {frauds}"),
            Err(other) => other.to_string(),
        };
        assert_eq!(part(|at| at % 10 == 0, 0.5), "from 500");
        // An instant is never cut in two: 1,001 of 2,000 become 1,002.
        assert_eq!(part(|at| at % 10 == 0, 0.500_6), "from 501");
        assert_eq!(part(|at| at > 500, 0.5), "train the producer: 0");
        assert_eq!(part(|at| at >= 476, 0.5), "train the producer: 48");
        assert_eq!(
            part(|at| at % 5 == 0 && !(404..500).contains(&at), 0.5),
            "calibrate the producer: 2"
        );
        assert_eq!(
            part(|at| at % 10 == 0 && at < 620, 0.5),
            "train its model: 24"
        );
        let all = part(|_| true, 0.5);
        assert!(all.contains("one class only"), "{all}");
    }
}
