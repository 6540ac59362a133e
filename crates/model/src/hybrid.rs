//! The hybrid network: a GraphSAGE over the event's neighbourhood and an LSTM with attention over its
//! account's sequence, joined with the tabular features by gates.
//!
//! Shapes and formulas stand in docs/model.md. Inputs are the raw arrays of a sample: normalisation is folded
//! into the weights when a network is exported. This crate never trains.

pub mod shape;

pub mod attribution;
pub mod forward;
pub mod kernel;
pub mod knots;
pub mod mathematics;

use thiserror::Error;

use knots::{Knots, KnotsError};
use shape::{Layout, Shape, ShapeError};

/// A network as it is served.
#[derive(Clone, Debug, PartialEq)]
pub struct Hybrid {
    shape: Shape,
    layout: Layout,
    knots: Knots,
    /// Every weight, laid out by [`Layout`].
    weights: Vec<f32>,
}

#[derive(Clone, Debug, PartialEq, Error)]
pub enum HybridError {
    #[error(transparent)]
    Shape(#[from] ShapeError),
    #[error(transparent)]
    Knots(#[from] KnotsError),
    #[error("network of this shape must have {expected} weights, got {got}")]
    Weights { expected: usize, got: usize },
    #[error("tensor {tensor:?} must be finite, got {value} at {at}")]
    NotFinite {
        tensor: &'static str,
        at: usize,
        value: f32,
    },
}

/// The arrays of one sample, as `graph::Sample` holds them.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// One value per feature; NaN: missing.
    pub tabular: &'a [f32],
    /// At least `steps` x [`shape::STEP_WIDTH`], oldest first.
    pub sequence: &'a [f32],
    pub steps: usize,
    /// Roles x [`shape::NODE_WIDTH`].
    pub entities: &'a [f32],
    /// Roles x [`shape::NEIGHBOURS`] x [`shape::NEIGHBOUR_WIDTH`].
    pub neighbourhood: &'a [f32],
    /// Used slots of each role.
    pub neighbours: &'a [u8],
}

impl Hybrid {
    pub fn new(shape: Shape, knots: Knots, weights: Vec<f32>) -> Result<Hybrid, HybridError> {
        shape.check()?;
        knots.check(shape.features)?;
        let layout = Layout::new(&shape, knots.total());
        if weights.len() != layout.total {
            return Err(HybridError::Weights {
                expected: layout.total,
                got: weights.len(),
            });
        }
        for tensor in layout.tensors(&shape, knots.total()) {
            let values = &weights[tensor.range.clone()];
            if let Some(at) = values.iter().position(|value| !value.is_finite()) {
                return Err(HybridError::NotFinite {
                    tensor: tensor.name,
                    at,
                    value: values[at],
                });
            }
        }
        Ok(Hybrid {
            shape,
            layout,
            knots,
            weights,
        })
    }

    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    pub fn knots(&self) -> &Knots {
        &self.knots
    }

    pub fn weights(&self) -> &[f32] {
        &self.weights
    }
}
