//! Settings of the network that a protocol tries.

use event::Span;
use serde::{Deserialize, Serialize};

use super::ProtocolError;
use crate::neural::config::NeuralConfig;

/// One set of settings; every entry of `epochs` is tried from one training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkCandidate {
    pub epochs: Vec<usize>,
    #[serde(default = "hidden")]
    pub hidden: usize,
    #[serde(default = "wide")]
    pub wide: usize,
    #[serde(default = "batch")]
    pub batch: usize,
    #[serde(default = "learning_rate")]
    pub learning_rate: f32,
    #[serde(default = "weight_decay")]
    pub weight_decay: f32,
    #[serde(default = "dropout")]
    pub dropout: f32,
    #[serde(default = "feature_dropout")]
    pub feature_dropout: f32,
    #[serde(default = "average")]
    pub average: f32,
    #[serde(default = "positive_weight")]
    pub positive_weight: f32,
    /// Training weights halve with this age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub half_life: Option<Span>,
    /// Networks of different seeds whose log-odds are averaged.
    #[serde(default = "one")]
    pub bags: usize,
}

fn hidden() -> usize {
    NeuralConfig::default().hidden
}
fn wide() -> usize {
    NeuralConfig::default().wide
}
fn batch() -> usize {
    NeuralConfig::default().batch
}
fn learning_rate() -> f32 {
    NeuralConfig::default().learning_rate
}
fn weight_decay() -> f32 {
    NeuralConfig::default().weight_decay
}
fn dropout() -> f32 {
    NeuralConfig::default().dropout
}
fn feature_dropout() -> f32 {
    NeuralConfig::default().feature_dropout
}
fn average() -> f32 {
    NeuralConfig::default().average
}
fn positive_weight() -> f32 {
    NeuralConfig::default().positive_weight
}
fn one() -> usize {
    1
}

impl NetworkCandidate {
    pub fn check(&self) -> Result<(), ProtocolError> {
        if self.epochs.is_empty() {
            return Err(ProtocolError::Nothing {
                field: "networks.epochs",
            });
        }
        if !self.epochs.is_sorted_by(|a, b| a < b) {
            return Err(ProtocolError::Value {
                field: "networks.epochs",
                expected: "ascending",
                got: format!("{:?}", self.epochs),
            });
        }
        if self.bags == 0 || self.bags > 16 {
            return Err(ProtocolError::Value {
                field: "networks.bags",
                expected: "in 1..=16",
                got: self.bags.to_string(),
            });
        }
        Ok(self.config(0).check()?)
    }

    pub fn config(&self, seed: u64) -> NeuralConfig {
        NeuralConfig {
            hidden: self.hidden,
            wide: self.wide,
            epochs: self.epochs.last().copied().unwrap_or(1),
            batch: self.batch,
            learning_rate: self.learning_rate,
            weight_decay: self.weight_decay,
            dropout: self.dropout,
            feature_dropout: self.feature_dropout,
            average: self.average,
            positive_weight: self.positive_weight,
            seed,
            ..NeuralConfig::default()
        }
    }
}
