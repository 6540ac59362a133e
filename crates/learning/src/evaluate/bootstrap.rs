//! Intervals by resampling whole blocks: rows of one subject stand or fall together, so a row-wise
//! bootstrap would promise too much. Rings tie subjects together, too: where they are known
//! (`evaluate::groups`) a ring is a block, else the truth is wider still.

use std::collections::BTreeMap;

use compare::draws::Draws;
use compare::ranking::{Ranked, Scored};

pub use compare::interval::{Interval, interval, paired, quantiles};

use super::measure::ScoredRows;

/// Scores of one run (seed) over all folds.
pub type Run = Vec<ScoredRows>;

/// Mean AP over folds and runs in each resample of the subjects. Two models given the same rows and
/// seed are resampled alike, so their values can be subtracted pairwise.
pub fn resampled_ap(runs: &[Run], frauds_min: usize, resamples: usize, seed: u64) -> Vec<f64> {
    let numbers = number_subjects(runs);
    let folds: Vec<Ranked> = runs
        .iter()
        .flatten()
        .map(|fold| sorted(fold, &numbers))
        .filter(|fold| fold.frauds >= frauds_min)
        .collect();
    let mut draws = Draws::new(seed);
    let mut weights = vec![0_u32; numbers.len()];
    let mut values = Vec::with_capacity(resamples);
    for _ in 0..resamples {
        weights.fill(0);
        for _ in 0..weights.len() {
            let subject = draws.below(weights.len());
            weights[subject] += 1;
        }
        let (mut sum, mut count) = (0.0, 0.0);
        for fold in &folds {
            if let Some(ap) = fold.average_precision(&weights) {
                sum += ap;
                count += 1.0;
            }
        }
        values.push(if count == 0.0 { 0.0 } else { sum / count });
    }
    values
}

fn number_subjects(runs: &[Run]) -> BTreeMap<u32, usize> {
    let mut numbers = BTreeMap::new();
    for subject in runs.iter().flatten().flat_map(|fold| &fold.blocks) {
        let next = numbers.len();
        numbers.entry(*subject).or_insert(next);
    }
    numbers
}

/// A fold sorted once for all resamples.
fn sorted(fold: &ScoredRows, numbers: &BTreeMap<u32, usize>) -> Ranked {
    let rows = (0..fold.scores.len()).map(|row| Scored {
        score: fold.scores[row],
        fraud: fold.fraud[row],
        weight: fold.weights.get(row).copied().unwrap_or(1.0),
        block: numbers[&fold.blocks[row]] as u32,
    });
    Ranked::new(rows)
}
