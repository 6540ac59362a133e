//! Replay to samples, training, evaluation, reports.
//!
//! **Invariant**: a training sample is the serving sample, from the same engine and the same records (I3);
//! there is no second feature pipeline. Nothing here is on the serving path.

pub mod dataset;
pub mod evaluate;
pub mod fairness;
pub mod fit;
pub mod gate;
pub mod metric;
pub mod neural;
pub mod onnx;
pub mod oracle;
pub mod producer;
pub mod reference;
pub mod sample_digest;
pub mod study;
pub mod watched;

pub mod boost;
pub mod calibrate;
