//! The layers put together. In reading order: how a network begins, what the optimiser moves, forward,
//! backward, export.
//!
//! Weights are those of `model::hybrid`, except that inputs are normalised outside; [`Network::export`] folds
//! the normalisation in.

mod initial;
mod parameters;

mod forward;

mod backward;

mod export;

use std::ops::Range;

use model::hybrid::shape::{Layout, Shape};

use super::batch::Batch;
use super::layers::{attention, lstm, sage, spline};
use super::random::Random;
use super::scale::Scale;

#[derive(Clone, Debug)]
pub struct Network {
    pub shape: Shape,
    pub layout: Layout,
    pub scale: Scale,
    pub weights: Vec<f32>,
}

/// Share of values that are dropped while training, and the stream that says which.
#[derive(Clone, Debug)]
pub struct Dropout {
    pub share: f32,
    /// Share of features that the whole shard does without, as trees draw columns.
    pub features: f32,
    pub random: Random,
}

impl Dropout {
    /// What a kept feature is multiplied by, and 0 for the others; empty: all are kept.
    fn draw_features(&mut self, features: usize, out: &mut Vec<f32>) {
        out.clear();
        if self.features > 0.0 {
            let kept = 1.0 / (1.0 - self.features);
            let draw = |_| {
                if self.random.share() < self.features {
                    0.0
                } else {
                    kept
                }
            };
            out.extend((0..features).map(draw));
        }
    }
}

/// What one shard needs; reused between shards.
#[derive(Debug, Default)]
pub struct Tape {
    pub batch: Batch,
    cells: Vec<spline::Cell>,
    /// Multiplier of each feature; empty: 1.
    kept: Vec<f32>,
    wide: Vec<f32>,
    /// Log-odds, one per row of the batch.
    pub raw: Vec<f32>,
    tabular: Vec<f32>,
    sages: Vec<sage::Tape>,
    graph: Vec<f32>,
    lstm: lstm::Tape,
    query: Vec<f32>,
    attention: attention::Tape,
    /// Last state and pool side by side.
    last_and_pool: Vec<f32>,
    past: Vec<f32>,
    branches: Vec<f32>,
    gates: Vec<f32>,
    gated: Vec<f32>,
    fused: Vec<f32>,
    masks: [Vec<f32>; 2],
    back: Back,
}

/// Gradients on the way back.
#[derive(Debug, Default)]
struct Back {
    fused: Vec<f32>,
    gated: Vec<f32>,
    branches: Vec<f32>,
    tabular: Vec<f32>,
    graph: Vec<f32>,
    past: Vec<f32>,
    last_and_pool: Vec<f32>,
    query: Vec<f32>,
    states: Vec<f32>,
    entities: Vec<f32>,
    wide: Vec<f32>,
}

fn zeros(values: &mut Vec<f32>, len: usize) {
    values.clear();
    values.resize(len, 0.0);
}

/// The part of a tensor that belongs to one role.
fn of_role(range: &Range<usize>, role: usize, roles: usize) -> Range<usize> {
    let len = range.len() / roles;
    range.start + role * len..range.start + (role + 1) * len
}

impl Network {
    fn part(&self, range: &Range<usize>) -> &[f32] {
        &self.weights[range.clone()]
    }

    fn sage(&self, role: usize) -> sage::Part<'_> {
        let part = |range| self.part(&of_role(range, role, self.shape.roles));
        sage::Part {
            message: part(&self.layout.message),
            message_bias: part(&self.layout.message_bias),
            mean: part(&self.layout.entity_mean),
            max: part(&self.layout.entity_max),
            own: part(&self.layout.entity_own),
            bias: part(&self.layout.entity_bias),
        }
    }

    fn lstm(&self) -> lstm::Part<'_> {
        lstm::Part {
            step: self.part(&self.layout.step),
            event_type: self.part(&self.layout.step_event_type),
            recurrent: self.part(&self.layout.recurrent),
            bias: self.part(&self.layout.recurrent_bias),
        }
    }
}

fn multiply(values: &mut [f32], mask: &[f32]) {
    values
        .iter_mut()
        .zip(mask)
        .for_each(|(value, it)| *value *= it);
}
