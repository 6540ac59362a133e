//! How alike two models' scores are.

use serde::Serialize;

use crate::row::Said;

/// Of the rows that both scored.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Overlap {
    pub rows: u64,
    /// Common area of the two distributions of scores, 0 to 1: whether thresholds of one fit the other.
    pub distribution: f64,
    /// Of the probabilities (Spearman), -1 to 1: whether both put events into the same order; `None` where one says
    /// the same of all.
    pub rank_correlation: Option<f64>,
    /// Share of events to which both give the same verdict.
    pub same_verdict: f64,
}

/// Scores per bin of a distribution.
const BIN: u16 = 20;
const BINS: usize = (1000 / BIN + 1) as usize;

/// `None` without a common row.
pub fn overlap(pairs: &[(Said, Said)]) -> Option<Overlap> {
    if pairs.is_empty() {
        return None;
    }
    let rows = pairs.len() as f64;
    let mut bins = [[0_u64; 2]; BINS];
    for (one, other) in pairs {
        bins[bin(one)][0] += 1;
        bins[bin(other)][1] += 1;
    }
    let common: u64 = bins.iter().map(|[one, other]| one.min(other)).sum();
    let same = pairs.iter().filter(|(a, b)| a.verdict == b.verdict).count();
    let of = |pick: fn(&(Said, Said)) -> u32| pairs.iter().map(pick).collect::<Vec<_>>();
    Some(Overlap {
        rows: pairs.len() as u64,
        distribution: common as f64 / rows,
        rank_correlation: spearman(
            &of(|(one, _)| one.probability_ppm),
            &of(|(_, other)| other.probability_ppm),
        ),
        same_verdict: same as f64 / rows,
    })
}

fn bin(said: &Said) -> usize {
    usize::from(said.score / BIN).min(BINS - 1)
}

/// Correlation of the ranks, ties at their mean rank (Spearman 1904).
pub fn spearman(one: &[u32], other: &[u32]) -> Option<f64> {
    let (a, b) = (ranks(one), ranks(other));
    let mean = (a.len() as f64 + 1.0) / 2.0;
    let (mut both, mut of_a, mut of_b) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(&b) {
        both += (a - mean) * (b - mean);
        of_a += (a - mean) * (a - mean);
        of_b += (b - mean) * (b - mean);
    }
    (of_a > 0.0 && of_b > 0.0).then(|| both / (of_a * of_b).sqrt())
}

fn ranks(values: &[u32]) -> Vec<f64> {
    let mut order: Vec<u32> = (0..values.len() as u32).collect();
    order.sort_unstable_by_key(|row| values[*row as usize]);
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for tied in order.chunk_by(|a, b| values[*a as usize] == values[*b as usize]) {
        // Ranks count from 1.
        let mean = before as f64 + (tied.len() as f64 + 1.0) / 2.0;
        for row in tied {
            ranks[*row as usize] = mean;
        }
        before += tied.len();
    }
    ranks
}
