//! Quantiles of a window's values, by a mergeable sketch: DDSketch (Masson, Rim and Lee, VLDB 2019, 10.14778/3352063.3352135),
//! whose answers are within a share of the value itself.
//!
//! A sketch costs ten times what counting does, so busy windows give it one row in so many: which one is a function of
//! the rows alone.

use std::fmt;

use serde::{Deserialize, Serialize};
use sketches_ddsketch::{Config, DDSketch};

/// How far a quantile may be from the sampled rows' own, as a share of it.
const ACCURACY: f64 = 0.02;
/// Of a sketch; beyond them the smallest values are taken together.
const BINS_MAX: u32 = 1_024;
/// Values nearer to 0 count as 0.
const LEAST: f64 = 1e-6;
/// Rows that a window like the one before it gives, and the rarest that one is taken.
const SAMPLED: u64 = 512;
const EVERY_MAX: u64 = 256;
/// Of the first window, which may be a busy one.
const EVERY_FIRST: u64 = 16;

/// What is told of a column.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Quantile {
    pub p01: f64,
    pub p10: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    /// Of how many values.
    pub sampled: usize,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Quantiles {
    /// In the order of the columns that it was made for.
    sketches: Vec<DDSketch>,
    rows: u64,
    /// One row in so many is taken.
    every: u64,
}

impl Quantiles {
    pub fn new(columns: &[usize]) -> Quantiles {
        let config = Config::new(ACCURACY, BINS_MAX, LEAST);
        Quantiles {
            sketches: columns.iter().map(|_| DDSketch::new(config)).collect(),
            rows: 0,
            every: EVERY_FIRST,
        }
    }

    /// Those of the next window, which is expected to have as many rows.
    pub fn next(&self, columns: &[usize]) -> Quantiles {
        Quantiles {
            every: (self.rows / SAMPLED).clamp(1, EVERY_MAX),
            ..Quantiles::new(columns)
        }
    }

    pub fn take(&mut self, columns: &[usize], rows: &[f32], width: usize) {
        for row in rows.chunks_exact(width) {
            if self.rows.is_multiple_of(self.every) {
                for (column, sketch) in columns.iter().zip(&mut self.sketches) {
                    let value = row[*column];
                    if value.is_finite() {
                        sketch.add(f64::from(value));
                    }
                }
            }
            self.rows += 1;
        }
    }

    /// Of a column's place among those it was made for; `None`: it has no values.
    pub fn of(&self, at: usize) -> Option<Quantile> {
        let sketch = self.sketches.get(at)?;
        let level = |level: f64| sketch.quantile(level).ok().flatten();
        Some(Quantile {
            p01: level(0.01)?,
            p10: level(0.1)?,
            p50: level(0.5)?,
            p90: level(0.9)?,
            p99: level(0.99)?,
            sampled: sketch.count(),
        })
    }

    pub fn fits(&self, columns: &[usize]) -> bool {
        self.sketches.len() == columns.len() && (1..=EVERY_MAX).contains(&self.every)
    }
}

/// Sketches are long and say nothing to a reader.
impl fmt::Debug for Quantiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut of = f.debug_struct("Quantiles");
        of.field("rows", &self.rows).field("every", &self.every);
        of.finish_non_exhaustive()
    }
}
