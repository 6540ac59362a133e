//! Log-loss: the current log-odds of each training row and its gradient, in fixed point.
//!
//! Fixed point makes every later sum an integer sum: exact, in any order, and a sibling's histogram
//! is the parent's minus the other child's without rounding. The scales are chosen anew each round
//! so that no sum over all rows can overflow 63 bits (gradients) or 40 bits (hessians).

use model::trees::Tree;
use rayon::prelude::*;

use super::Dataset;

/// Rows per parallel task; small enough to share 100,000 rows among 2 threads.
const CHUNK: usize = 16_384;
/// Bits that a sum of hessians may take (the row count sits above them).
pub const HESSIAN_BITS: u32 = 40;

/// Gradient and hessian of a row, as integers of the round's scale.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gradient {
    pub gradient: i32,
    pub hessian: u32,
}

/// The gradients of a round, and what one unit of each is worth.
#[derive(Debug, Clone, Copy)]
pub struct Gradients<'a> {
    pub rows: &'a [Gradient],
    pub gradient_unit: f64,
    pub hessian_unit: f64,
}

#[derive(Debug)]
pub struct Objective {
    labels: Vec<bool>,
    /// Sample weight times class weight.
    weights: Vec<f64>,
    raw: Vec<f64>,
    base_score: f64,
    exact: Vec<(f64, f64)>,
    rows: Vec<Gradient>,
}

impl Objective {
    pub fn new(set: &Dataset<'_>, scale_pos_weight: f64) -> Self {
        let labels = set.labels.to_vec();
        let weights: Vec<f64> = (0..labels.len())
            .map(|row| {
                let class = if labels[row] { scale_pos_weight } else { 1.0 };
                f64::from(set.weight(row)) * class
            })
            .collect();
        let of_class = |class: bool| -> f64 {
            labels
                .iter()
                .zip(&weights)
                .filter(|(l, _)| **l == class)
                .map(|(_, w)| w)
                .sum()
        };
        let base_score = libm::log(of_class(true) / of_class(false));
        let rows = labels.len();
        Objective {
            labels,
            weights,
            raw: vec![base_score; rows],
            base_score,
            exact: vec![(0.0, 0.0); rows],
            rows: vec![Gradient::default(); rows],
        }
    }

    /// Adds the last tree's value of each row.
    pub fn add(&mut self, values: &[f64]) {
        self.raw
            .par_iter_mut()
            .with_min_len(CHUNK)
            .zip(values)
            .for_each(|(raw, v)| *raw += v);
    }

    /// The trees carry the base score in their first tree, as LightGBM's files do.
    pub fn bake_base_score(&self, tree: &mut Tree) {
        for leaf in &mut tree.leaves {
            leaf.value += self.base_score;
        }
    }

    pub fn gradients(&mut self) -> Gradients<'_> {
        let inputs = self.raw.par_iter().zip(&self.labels).zip(&self.weights);
        self.exact
            .par_iter_mut()
            .with_min_len(CHUNK)
            .zip(inputs)
            .for_each(|(out, ((&raw, &label), &weight))| {
                let p = 1.0 / (1.0 + libm::exp(-raw));
                let y = if label { 1.0 } else { 0.0 };
                *out = (weight * (p - y), weight * p * (1.0 - p));
            });
        let (gradient_bits, hessian_bits) = self.scales();
        let (g_scale, h_scale) = (exp2i(gradient_bits), exp2i(hessian_bits));
        self.rows
            .par_iter_mut()
            .with_min_len(CHUNK)
            .zip(&self.exact)
            .for_each(|(row, &(gradient, hessian))| {
                *row = Gradient {
                    gradient: (gradient * g_scale).round_ties_even() as i32,
                    hessian: (hessian * h_scale).round_ties_even() as u32,
                };
            });
        Gradients {
            rows: &self.rows,
            gradient_unit: 1.0 / g_scale,
            hessian_unit: 1.0 / h_scale,
        }
    }

    /// Powers of two by which gradients and hessians are multiplied before rounding.
    fn scales(&self) -> (i32, i32) {
        // In row order on one thread: the scales, too, must not depend on the thread count.
        let (mut g_max, mut h_max, mut h_sum) = (0f64, 0f64, 0f64);
        for &(g, h) in &self.exact {
            g_max = g_max.max(g.abs());
            h_max = h_max.max(h);
            h_sum += h;
        }
        let tiny = f64::MIN_POSITIVE;
        // 2^24 rows of 31 bits stay below 2^55: the sum of gradients needs no bound of its own.
        let gradient = 30 - exponent_above(g_max.max(tiny));
        // Rounding adds at most half a unit per row, 2^23 in all: one bit of slack covers it.
        let sum = HESSIAN_BITS as i32 - 1 - exponent_above(h_sum.max(tiny));
        let single = 31 - exponent_above(h_max.max(tiny));
        (gradient.min(1000), sum.min(single).min(1000))
    }
}

/// The smallest e with x <= 2^e (for positive normal x, at most one too large).
fn exponent_above(x: f64) -> i32 {
    libm::ilogb(x) + 1
}

fn exp2i(exponent: i32) -> f64 {
    libm::ldexp(1.0, exponent)
}

/// Weights that halve with age: `2^-((now - time) / half_life)`, times and half-life in one unit.
/// Rows later than `now` weigh 1.
pub fn recency_weights(times: &[i64], now: i64, half_life: f64) -> Vec<f32> {
    let age = |time: i64| now.saturating_sub(time).max(0) as f64;
    times
        .iter()
        .map(|&time| libm::exp2(-age(time) / half_life) as f32)
        .collect()
}
