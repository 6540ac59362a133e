//! Intervals by resampling whole blocks: rows of one subject stand or fall together, so a row-wise
//! bootstrap would promise too much. Rings tie subjects together, too: where they are known
//! (`evaluate::groups`) a ring is a block, else the truth is wider still.

use std::collections::BTreeMap;

use super::draws::Draws;
use super::measure::ScoredRows;

/// Scores of one run (seed) over all folds.
pub type Run = Vec<ScoredRows>;

/// Between two quantiles; 2.5 % and 97.5 % where nothing else is said.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

/// Mean AP over folds and runs in each resample of the subjects. Two models given the same rows and
/// seed are resampled alike, so their values can be subtracted pairwise.
pub fn resampled_ap(runs: &[Run], frauds_min: usize, resamples: usize, seed: u64) -> Vec<f64> {
    let numbers = number_subjects(runs);
    let sorted: Vec<Sorted> = runs
        .iter()
        .flatten()
        .map(|fold| Sorted::new(fold, &numbers))
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
        for fold in &sorted {
            if let Some(ap) = fold.average_precision(&weights) {
                sum += ap;
                count += 1.0;
            }
        }
        values.push(if count == 0.0 { 0.0 } else { sum / count });
    }
    values
}

pub fn interval(values: &[f64]) -> Interval {
    quantiles(values, 0.025, 0.975)
}

pub fn quantiles(values: &[f64], low: f64, high: f64) -> Interval {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let last = sorted.len().saturating_sub(1) as f64;
        sorted
            .get((last * share).round() as usize)
            .copied()
            .unwrap_or(f64::NAN)
    };
    Interval {
        low: at(low),
        high: at(high),
    }
}

/// `a - b`, resample by resample.
pub fn paired(a: &[f64], b: &[f64]) -> Interval {
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    interval(&differences)
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
struct Sorted {
    /// Subject, fraud, and whether the row ends a run of equal scores; highest score first.
    rows: Vec<(usize, bool, bool)>,
    frauds: usize,
}

impl Sorted {
    fn new(fold: &ScoredRows, numbers: &BTreeMap<u32, usize>) -> Sorted {
        let mut order: Vec<usize> = (0..fold.scores.len()).collect();
        order.sort_by(|a, b| fold.scores[*b].total_cmp(&fold.scores[*a]));
        let rows = (0..order.len()).map(|at| {
            let row = order[at];
            let ends = order
                .get(at + 1)
                .is_none_or(|next| fold.scores[*next] != fold.scores[row]);
            (numbers[&fold.blocks[row]], fold.fraud[row], ends)
        });
        Sorted {
            rows: rows.collect(),
            frauds: fold.fraud.iter().filter(|fraud| **fraud).count(),
        }
    }

    /// With each row counted as often as its subject was drawn; `None` when no fraud was.
    fn average_precision(&self, weights: &[u32]) -> Option<f64> {
        let (mut alerts, mut caught, mut sum) = (0.0, 0.0, 0.0);
        let mut fresh = 0.0;
        for (subject, fraud, ends) in &self.rows {
            let weight = f64::from(weights[*subject]);
            alerts += weight;
            if *fraud {
                caught += weight;
                fresh += weight;
            }
            if *ends && fresh > 0.0 {
                sum += fresh * caught / alerts;
                fresh = 0.0;
            }
        }
        (caught > 0.0).then(|| sum / caught)
    }
}
