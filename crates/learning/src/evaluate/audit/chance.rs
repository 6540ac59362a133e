//! The AP of a ranking that knows nothing of the labels.

use compare::draws::Draws;

use crate::evaluate::bootstrap::Run;

const PERMUTATIONS: usize = 1_000;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chance {
    /// Share of frauds among the rows that count.
    pub prevalence: f64,
    pub mean: f64,
    /// All but one of the permutations stay below it.
    pub bound: f64,
}

/// Permutes the truth under the scores: what is left is what ties and numbers of frauds give by chance.
pub fn highest(run: &Run, frauds_min: usize, seed: u64) -> Chance {
    let folds: Vec<Ranked> = run
        .iter()
        .map(|fold| Ranked::new(&fold.scores, &fold.fraud))
        .filter(|fold| fold.frauds >= frauds_min.max(1))
        .collect();
    let mut draws = Draws::new(seed);
    let mut values: Vec<f64> = (0..PERMUTATIONS)
        .map(|_| {
            let sum: f64 = folds.iter().map(|fold| fold.permuted(&mut draws)).sum();
            sum / folds.len().max(1) as f64
        })
        .collect();
    values.sort_by(f64::total_cmp);
    let rows: usize = folds.iter().map(|fold| fold.ends.len()).sum();
    let frauds: usize = folds.iter().map(|fold| fold.frauds).sum();
    Chance {
        prevalence: frauds as f64 / rows.max(1) as f64,
        mean: values.iter().sum::<f64>() / PERMUTATIONS as f64,
        bound: values[PERMUTATIONS - 1],
    }
}

/// Rows from the highest score down.
struct Ranked {
    /// Per row, where its run of equal scores ends.
    ends: Vec<usize>,
    frauds: usize,
}

impl Ranked {
    fn new(scores: &[f64], fraud: &[bool]) -> Ranked {
        let mut sorted = scores.to_vec();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let mut ends = Vec::with_capacity(sorted.len());
        for tied in sorted.chunk_by(|a, b| a == b) {
            let end = ends.len() + tied.len();
            ends.resize(end, end);
        }
        Ranked {
            ends,
            frauds: fraud.iter().filter(|fraud| **fraud).count(),
        }
    }

    fn permuted(&self, draws: &mut Draws) -> f64 {
        let mut hit = vec![false; self.ends.len()];
        let mut left = self.frauds;
        while left > 0 {
            let row = draws.below(hit.len());
            left -= usize::from(!hit[row]);
            hit[row] = true;
        }
        let (mut caught, mut fresh, mut sum) = (0.0, 0.0, 0.0);
        for (row, end) in self.ends.iter().enumerate() {
            fresh += f64::from(u8::from(hit[row]));
            if row + 1 == *end && fresh > 0.0 {
                caught += fresh;
                sum += fresh * caught / *end as f64;
                fresh = 0.0;
            }
        }
        sum / caught
    }
}
