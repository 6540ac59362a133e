//! Training of the hybrid network: own fused layers, each with its backward pass.
//!
//! The order is that of the work: samples kept as ragged arrays, normalisation, batches, layers, the
//! network, the optimiser, the loop. What is trained is `model::hybrid`; its plain forward pass is the
//! reference that training must equal.
//!
//! **Invariant**: equal rows, settings and seed give equal weights, on any number of threads: shards have a
//! fixed size and their gradients are added in a fixed order.

pub mod arrays;
pub mod scale;
pub mod sight;

pub mod batch;
mod layers;
mod matrix;
pub mod network;

pub mod adam;
pub mod config;
pub mod train;

pub mod checkpoint;
pub mod early_stop;

mod random;
