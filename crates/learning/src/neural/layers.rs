//! The layers: each with its forward pass and, below it, the backward pass that mirrors it.
//!
//! Activations are row-major over the rows of a shard. A backward pass adds to the gradient it is given.

pub mod spline;

pub mod dense;

pub mod sage;

pub mod attention;
pub mod lstm;

pub mod fusion;
