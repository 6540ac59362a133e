//! The validation metric after each round, and when to stop.

use model::trees::Tree;
use rayon::prelude::*;

use super::Dataset;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Higher is better; the default, since fraud is rare and only the top of the list is looked at.
    AveragePrecision,
    /// Lower is better.
    LogLoss,
}

#[derive(Debug)]
pub struct EarlyStop<'a> {
    metric: Metric,
    patience: usize,
    set: &'a Dataset<'a>,
    weights: Vec<f64>,
    raw: Vec<f64>,
    history: Vec<f64>,
    best: usize,
}

impl<'a> EarlyStop<'a> {
    pub fn new(metric: Metric, patience: usize, set: &'a Dataset<'a>) -> Self {
        let rows = set.features.rows();
        EarlyStop {
            metric,
            patience,
            set,
            weights: (0..rows).map(|row| f64::from(set.weight(row))).collect(),
            raw: vec![0.0; rows],
            history: Vec::new(),
            best: 0,
        }
    }

    /// Adds a tree and returns the metric with it.
    pub fn add(&mut self, tree: &Tree) -> f64 {
        let matrix = &self.set.features;
        self.raw
            .par_iter_mut()
            .with_min_len(4096)
            .enumerate()
            .for_each(|(row, raw)| {
                *raw += tree.leaves[tree.leaf(|feature| matrix.get(row, feature as usize))].value;
            });
        let value = match self.metric {
            Metric::AveragePrecision => {
                average_precision(&self.raw, self.set.labels, Some(&self.weights))
            }
            Metric::LogLoss => log_loss(&self.raw, self.set.labels, Some(&self.weights)),
        };
        self.history.push(value);
        let best = self.history[self.best];
        let better = match self.metric {
            Metric::AveragePrecision => value > best,
            Metric::LogLoss => value < best,
        };
        if better {
            self.best = self.history.len() - 1;
        }
        value
    }

    pub fn should_stop(&self) -> bool {
        self.patience > 0 && self.history.len() > self.best + self.patience
    }

    /// Rounds to keep, when early stopping was asked for.
    pub fn cut_at(&self) -> Option<usize> {
        (self.patience > 0).then_some(self.best + 1)
    }

    pub fn into_history(self) -> Vec<f64> {
        self.history
    }
}

/// Average precision, the sum over thresholds of precision times the step in recall; rows of equal
/// score form one threshold. 0 without positives.
pub fn average_precision(scores: &[f64], labels: &[bool], weights: Option<&[f64]>) -> f64 {
    let mut order: Vec<u32> = (0..scores.len() as u32).collect();
    order.sort_unstable_by(|&a, &b| {
        scores[b as usize]
            .total_cmp(&scores[a as usize])
            .then(a.cmp(&b))
    });
    let weight = |row: u32| weights.map_or(1.0, |w| w[row as usize]);
    let (mut hits, mut seen, mut sum) = (0.0, 0.0, 0.0);
    for tied in order.chunk_by(|&a, &b| scores[a as usize] == scores[b as usize]) {
        let before = hits;
        for &row in tied {
            seen += weight(row);
            if labels[row as usize] {
                hits += weight(row);
            }
        }
        if hits > before {
            sum += (hits - before) * hits / seen;
        }
    }
    if hits > 0.0 { sum / hits } else { 0.0 }
}

/// Mean log-loss of log-odds.
pub fn log_loss(raw: &[f64], labels: &[bool], weights: Option<&[f64]>) -> f64 {
    let (mut sum, mut total) = (0.0, 0.0);
    for (row, (&raw, &label)) in raw.iter().zip(labels).enumerate() {
        let weight = weights.map_or(1.0, |w| w[row]);
        let margin = if label { raw } else { -raw };
        // ln(1 + e^-m), without overflow for large negative m
        let loss = (-margin).max(0.0) + libm::log1p(libm::exp(-margin.abs()));
        sum += weight * loss;
        total += weight;
    }
    sum / total
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked by hand: ranks 1 and 3 are frauds; with a tie the precision counts the whole tie.
    #[test]
    fn average_precision_by_hand() {
        let labels = [true, false, true, false];
        let ap = average_precision(&[4.0, 3.0, 2.0, 1.0], &labels, None);
        assert!((ap - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-15);
        let tied = average_precision(&[4.0, 2.0, 2.0, 1.0], &labels, None);
        assert!((tied - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-15);
        let all = average_precision(&[1.0; 4], &labels, None);
        assert!((all - 0.5).abs() < 1e-15);
        let weighted =
            average_precision(&[4.0, 3.0, 2.0, 1.0], &labels, Some(&[1.0, 2.0, 1.0, 1.0]));
        assert!((weighted - (1.0 + 2.0 / 4.0) / 2.0).abs() < 1e-15);
    }

    #[test]
    fn log_loss_by_hand() {
        let expected = (libm::log(2.0) + 1000.0) / 2.0;
        assert!((log_loss(&[0.0, 1000.0], &[true, false], None) - expected).abs() < 1e-9);
    }
}
