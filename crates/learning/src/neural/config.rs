//! How a network is trained; every field has a default that was chosen on validation folds.

use serde::{Deserialize, Serialize};
use thiserror::Error;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NeuralConfig {
    /// Width of the branches: 32 or 64.
    pub hidden: usize,
    /// Width of the first tabular layer.
    pub wide: usize,
    /// Passes over the training rows, at most.
    pub epochs: usize,
    /// Rows between two steps of the optimiser; whole shards of 128.
    pub batch: usize,
    pub learning_rate: f32,
    pub weight_decay: f32,
    /// Share of values dropped while training.
    pub dropout: f32,
    /// Share of features that a shard does without while training.
    pub feature_dropout: f32,
    /// Largest norm of a step's gradient.
    pub clip: f32,
    /// Share of the old average kept at each step in the averaged weights that are scored with.
    pub average: f32,
    /// Weight of a fraud beside that of a legitimate event.
    pub positive_weight: f32,
    pub seed: u64,
}

impl Default for NeuralConfig {
    fn default() -> NeuralConfig {
        NeuralConfig {
            hidden: 32,
            wide: 64,
            epochs: 10,
            batch: 512,
            learning_rate: 2e-3,
            weight_decay: 1e-2,
            dropout: 0.2,
            feature_dropout: 0.3,
            clip: 1.0,
            average: 0.99,
            positive_weight: 1.0,
            seed: 1,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Error)]
#[error("network setting {field} must be {expected}, got {got}")]
pub struct NeuralConfigError {
    pub field: &'static str,
    pub expected: &'static str,
    pub got: String,
}

impl NeuralConfig {
    pub fn check(&self) -> Result<(), NeuralConfigError> {
        let checks: [(&'static str, bool, &'static str, String); 11] = [
            (
                "hidden",
                [32, 64].contains(&self.hidden),
                "32 or 64",
                self.hidden.to_string(),
            ),
            (
                "wide",
                [32, 64, 128].contains(&self.wide),
                "32, 64 or 128",
                self.wide.to_string(),
            ),
            (
                "epochs",
                (1..=1_000).contains(&self.epochs),
                "in 1..=1000",
                self.epochs.to_string(),
            ),
            (
                "batch",
                (128..=65_536).contains(&self.batch),
                "in 128..=65536",
                self.batch.to_string(),
            ),
            (
                "learning_rate",
                within(self.learning_rate, 1e-6, 1.0),
                "in 1e-6..=1",
                self.learning_rate.to_string(),
            ),
            (
                "weight_decay",
                within(self.weight_decay, 0.0, 10.0),
                "in 0..=10",
                self.weight_decay.to_string(),
            ),
            (
                "dropout",
                within(self.dropout, 0.0, 0.9),
                "in 0..=0.9",
                self.dropout.to_string(),
            ),
            (
                "feature_dropout",
                within(self.feature_dropout, 0.0, 0.9),
                "in 0..=0.9",
                self.feature_dropout.to_string(),
            ),
            (
                "clip",
                within(self.clip, 1e-3, 1e6),
                "in 0.001..=1000000",
                self.clip.to_string(),
            ),
            (
                "average",
                within(self.average, 0.0, 0.9999),
                "in 0..=0.9999",
                self.average.to_string(),
            ),
            (
                "positive_weight",
                within(self.positive_weight, 1e-3, 1e4),
                "in 0.001..=10000",
                self.positive_weight.to_string(),
            ),
        ];
        match checks.into_iter().find(|(_, fits, _, _)| !fits) {
            None => Ok(()),
            Some((field, _, expected, got)) => Err(NeuralConfigError {
                field,
                expected,
                got,
            }),
        }
    }
}

fn within(value: f32, from: f32, until: f32) -> bool {
    value.is_finite() && value >= from && value <= until
}
