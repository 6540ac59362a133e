//! Why a model file is refused.

use std::path::PathBuf;

use thiserror::Error;

use super::{Blend, ContainerError, FORMAT_VERSION, Thresholds};
use crate::calibration::CalibrationError;
use crate::hybrid::HybridError;
use crate::trees::TreesError;

#[derive(Debug, Error)]
pub enum ArtifactError {
    #[error("model file {path}: {source}")]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("model file: {0}")]
    Container(#[from] ContainerError),
    #[error("model format version must be 1 to {FORMAT_VERSION}, got {got}")]
    Version { got: u32 },
    /// A file is written in the oldest version that can hold it.
    #[error("model format version is {got}, it must be {expected} for what the file holds")]
    OtherVersion { expected: u32, got: u32 },
    #[error("model kind must be \"trees\" or \"hybrid\", got {got:?}")]
    Kind { got: String },
    #[error("model kind is {kind:?}: its header must {expected} a network")]
    NetworkHeader {
        kind: String,
        expected: &'static str,
    },
    #[error(
        "producer of suspicion: the header and the tensors must both hold one, or neither: header {header}, tensors {tensors}"
    )]
    ProducerHalf { header: bool, tensors: bool },
    #[error("producer of suspicion: its trees use {producer} features, the model's {model}")]
    ProducerFeatures { model: usize, producer: usize },
    #[error(
        "producer of suspicion: it trained on events until {producer}, its model from {model} on: scores of events that it had seen would teach the model to trust it"
    )]
    ProducerWindow { producer: i64, model: i64 },
    #[error("model header: {0}")]
    Header(#[from] serde_json::Error),
    #[error("model was trained for schema {got}, this tenant runs {expected}: retrain it")]
    Schema { expected: String, got: String },
    #[error("model has {got} features, the schema gives {expected}")]
    FeatureCount { expected: usize, got: usize },
    #[error("model feature {index} must be {expected:?}, got {got:?}")]
    Feature {
        index: usize,
        expected: String,
        got: String,
    },
    #[error("feature list hash must be {expected}, got {got}")]
    FeatureHash { expected: String, got: String },
    #[error("model header names {header} features, its trees use {trees}")]
    HeaderFeatures { header: usize, trees: usize },
    #[error("model header names {header} features, its network uses {network}")]
    NetworkFeatures { header: usize, network: usize },
    #[error("model's network sees {got} entities of an event, the schema has {expected}")]
    Roles { expected: usize, got: usize },
    #[error("blend must be finite, its weights >= 0 and not both 0, got {got:?}")]
    Blend { got: Blend },
    #[error("thresholds of {event_type:?} must rise up to 1000, got {thresholds:?}")]
    Thresholds {
        event_type: String,
        thresholds: Thresholds,
    },
    #[error("metric {name:?} must be finite, got {value}")]
    Metric { name: String, value: f64 },
    #[error(transparent)]
    Calibration(#[from] CalibrationError),
    #[error(transparent)]
    Trees(#[from] TreesError),
    #[error(transparent)]
    Network(#[from] HybridError),
}
