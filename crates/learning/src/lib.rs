//! Replay to samples, training, evaluation, reports.
