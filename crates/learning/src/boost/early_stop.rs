//! The validation metric after each round, and when to stop.

use compare::ranking::average_precision;
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

    #[test]
    fn log_loss_by_hand() {
        let expected = (libm::log(2.0) + 1000.0) / 2.0;
        assert!((log_loss(&[0.0, 1000.0], &[true, false], None) - expected).abs() < 1e-9);
    }
}
