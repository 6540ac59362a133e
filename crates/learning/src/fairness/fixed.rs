//! The audit's learner: boosted trees under settings that never change, so that figures of two worlds
//! compare.

use std::ops::ControlFlow;

use rayon::prelude::*;

use crate::boost::{self, BoostConfig, BoostError, Dataset, Layout, Matrix};

/// Legitimate rows learnt from at most: more change no figure and cost time.
const OTHERS_MAX: usize = 60_000;

/// How much a model may learn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// A model of many features.
    Full,
    /// One feature, or features that should tell nothing.
    Shallow,
}

fn settings(depth: Depth) -> BoostConfig {
    let (rounds, num_leaves, learning_rate, feature_fraction) = match depth {
        Depth::Full => (150, 15, 0.08, 0.4),
        Depth::Shallow => (20, 8, 0.2, 1.0),
    };
    BoostConfig {
        rounds,
        num_leaves,
        learning_rate,
        feature_fraction,
        bagging_fraction: 0.9,
        min_data_in_leaf: 25,
        max_bin: 255,
        seed: 1,
        min_positives: 20,
        ..BoostConfig::default()
    }
}

/// A table's columns, row-major, with the truth of every row.
#[derive(Clone, Copy)]
pub struct Table<'a> {
    pub values: &'a [f32],
    pub width: usize,
    pub fraud: &'a [bool],
}

pub struct Scored {
    /// One per test row.
    pub scores: Vec<f64>,
    /// One per column.
    pub gain: Vec<f64>,
}

impl Table<'_> {
    /// Learns from `train` rows and scores `test` rows, seeing `columns` only.
    pub fn score(
        &self,
        columns: &[usize],
        train: &[usize],
        test: &[usize],
        depth: Depth,
    ) -> Result<Scored, BoostError> {
        let kept = thinned(train, self.fraud);
        let mut values = Vec::with_capacity(kept.len() * columns.len());
        for row in &kept {
            let cells = &self.values[row * self.width..(row + 1) * self.width];
            values.extend(columns.iter().map(|column| cells[*column]));
        }
        let labels: Vec<bool> = kept.iter().map(|row| self.fraud[*row]).collect();
        let set = Dataset {
            features: Matrix::new(&values, kept.len(), columns.len(), Layout::RowMajor)?,
            labels: &labels,
            weights: None,
        };
        let trained =
            match boost::train(&settings(depth), &set, None, |_| ControlFlow::Continue(())) {
                // columns that never change tell nothing
                Err(BoostError::AllConstant { .. }) => {
                    return Ok(Scored {
                        scores: vec![0.0; test.len()],
                        gain: vec![0.0; columns.len()],
                    });
                }
                other => other?,
            };
        let score = |cells: &mut Vec<f32>, row: &usize| {
            cells.clear();
            let all = &self.values[row * self.width..(row + 1) * self.width];
            cells.extend(columns.iter().map(|column| all[*column]));
            trained.trees.predict_raw(cells)
        };
        Ok(Scored {
            scores: test.par_iter().map_init(Vec::new, score).collect(),
            gain: trained.trees.gain_importance(),
        })
    }
}

/// All frauds, and every so many of the others.
fn thinned(rows: &[usize], fraud: &[bool]) -> Vec<usize> {
    let others = rows.iter().filter(|row| !fraud[**row]).count();
    let every = others.div_ceil(OTHERS_MAX).max(1);
    let mut met = 0;
    let keeps = |row: &&usize| {
        met += usize::from(!fraud[**row]);
        fraud[**row] || met.is_multiple_of(every)
    };
    rows.iter().filter(keeps).copied().collect()
}
