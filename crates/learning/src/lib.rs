//! Replay to samples, training, evaluation, reports.

pub mod boost;
