//! The two kinds of model that a rung can hold, behind one shape: fit on rows, score rows.

use std::ops::ControlFlow;

use rayon::prelude::*;

use super::EvaluateError;
use super::channel::Channel;
use super::folds::Part;
use super::handbook;
use super::protocol::Candidate;
use super::samples::Samples;
use crate::boost::{self, Dataset, Layout, Matrix, recency_weights};
use crate::calibrate::logistic::Logistic;

/// The columns a rung may see.
pub struct Table<'a> {
    values: &'a [f32],
    width: usize,
    columns: Vec<usize>,
    /// Suspicion of a fold's own producer, in place of what the log holds.
    channel: Option<&'a Channel>,
}

impl<'a> Table<'a> {
    pub fn new(values: &'a [f32], width: usize, columns: Vec<usize>) -> Table<'a> {
        Table {
            values,
            width,
            columns,
            channel: None,
        }
    }

    pub fn with_channel(self, channel: Option<&'a Channel>) -> Table<'a> {
        Table { channel, ..self }
    }

    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    fn gather(&self, rows: &[usize]) -> Vec<f32> {
        let mut out = Vec::with_capacity(rows.len() * self.columns.len());
        for row in rows {
            let values = &self.values[row * self.width..(row + 1) * self.width];
            let own = |column: usize| self.channel?.value(*row, column);
            let value = |column: &usize| own(*column).unwrap_or(values[*column]);
            out.extend(self.columns.iter().map(value));
        }
        out
    }
}

/// Scores of the test rows after each of the candidate's numbers of rounds.
pub fn boosted(
    samples: &Samples,
    table: &Table<'_>,
    candidate: &Candidate,
    seed: u64,
    train: &Part,
    test: &Part,
) -> Result<Boosted, EvaluateError> {
    let values = table.gather(&train.rows);
    let width = table.columns.len();
    let weights = candidate.half_life.map(|half_life| {
        let times: Vec<i64> = train
            .rows
            .iter()
            .map(|row| samples.seen(*row).time.millis())
            .collect();
        let now = times.iter().max().copied().unwrap_or(0);
        recency_weights(&times, now, half_life.millis() as f64)
    });
    let set = Dataset {
        features: Matrix::new(&values, train.rows.len(), width, Layout::RowMajor)?,
        labels: &train.fraud,
        weights: weights.as_deref(),
    };
    let rounds = candidate.rounds.last().copied().unwrap_or(1);
    let wanted = table.gather(&test.rows);
    let mut done = Boosted {
        scores: vec![vec![0.0; test.rows.len()]; candidate.rounds.len()],
        gain: vec![0.0; width],
    };
    for bag in 0..candidate.bags {
        // Bags of one seed must not repeat those of the next.
        let config = candidate.boost(rounds, seed * 1_000 + bag as u64);
        let trained = boost::train(&config, &set, None, |_| ControlFlow::Continue(()))?;
        for (sum, gain) in done.gain.iter_mut().zip(trained.trees.gain_importance()) {
            *sum += gain;
        }
        let share = 1.0 / candidate.bags as f64;
        let stops = candidate.rounds.len();
        let trees = trained.trees.tree_count();
        let ends: Vec<usize> = candidate.rounds.iter().map(|it| (*it).min(trees)).collect();
        let grown: Vec<_> = (0..trees).map(|at| trained.trees.tree(at)).collect();
        // Row by row: its features stay in the cache while all trees look at them.
        let mut raw = vec![0.0; test.rows.len() * stops];
        raw.par_chunks_exact_mut(stops)
            .zip(wanted.par_chunks_exact(width))
            .for_each(|(raw, row)| {
                let (mut sum, mut from) = (0.0, 0);
                for (raw, until) in raw.iter_mut().zip(&ends) {
                    for tree in &grown[from..*until] {
                        sum += tree.leaves[tree.leaf(|feature| row[feature as usize])].value;
                    }
                    (*raw, from) = (sum, *until);
                }
            });
        for (row, raw) in raw.chunks_exact(stops).enumerate() {
            for (scores, raw) in done.scores.iter_mut().zip(raw) {
                scores[row] += share * raw;
            }
        }
    }
    Ok(done)
}

pub struct Boosted {
    /// Per number of rounds, per test row.
    pub scores: Vec<Vec<f64>>,
    /// Per column.
    pub gain: Vec<f64>,
}

/// Handbook features, a constant beside them.
const COEFFICIENTS: usize = handbook::WIDTH + 1;

/// Logistic regression on standardised handbook features; the penalty is that of the published rows
/// (scikit-learn's default, half the squared norm).
pub fn logistic(table: &Table<'_>, train: &Part, test: &Part) -> Vec<f64> {
    let values = table.gather(&train.rows);
    let scale = Scale::of(&values);
    let rows: Vec<[f64; COEFFICIENTS]> = scale.rows(&values);
    let mut ridge = [1.0; COEFFICIENTS];
    ridge[handbook::WIDTH] = 0.0;
    let model = Logistic {
        ridge,
        prior: [0.0; COEFFICIENTS],
    };
    let weights = vec![1.0; rows.len()];
    let fitted = model.solve(&rows, &train.fraud, &weights);
    scale
        .rows(&table.gather(&test.rows))
        .iter()
        .map(|row| row.iter().zip(&fitted).map(|(x, c)| x * c).sum())
        .collect()
}

/// Mean and standard deviation of each training column.
struct Scale {
    mean: [f64; handbook::WIDTH],
    sd: [f64; handbook::WIDTH],
}

impl Scale {
    fn of(values: &[f32]) -> Scale {
        let rows = (values.len() / handbook::WIDTH).max(1) as f64;
        let column = |at: usize| {
            let values = values.iter().skip(at).step_by(handbook::WIDTH);
            values.map(|value| f64::from(*value))
        };
        let mean: [f64; handbook::WIDTH] = std::array::from_fn(|at| column(at).sum::<f64>() / rows);
        let sd = std::array::from_fn(|at| {
            let squares: f64 = column(at).map(|value| (value - mean[at]).powi(2)).sum();
            (squares / rows).sqrt()
        });
        Scale { mean, sd }
    }

    fn rows(&self, values: &[f32]) -> Vec<[f64; COEFFICIENTS]> {
        let standard = |row: &[f32]| {
            std::array::from_fn(|at| {
                if at == handbook::WIDTH {
                    1.0
                } else if self.sd[at] > 0.0 {
                    (f64::from(row[at]) - self.mean[at]) / self.sd[at]
                } else {
                    0.0
                }
            })
        };
        values.chunks_exact(handbook::WIDTH).map(standard).collect()
    }
}
