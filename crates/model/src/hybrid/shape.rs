//! Sizes of the network and where each tensor lies in its weights.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Most steps of a sequence, values of a step, and which of them is the event type's index.
pub const STEPS: usize = 64;
pub const STEP_WIDTH: usize = 14;
pub const STEP_EVENT_TYPE: usize = 5;
/// Most interactions of an entity; a neighbour is an edge and the node on its other end.
pub const NEIGHBOURS: usize = 16;
pub const EDGE_WIDTH: usize = 8;
pub const NODE_WIDTH: usize = 8;
pub const NEIGHBOUR_WIDTH: usize = EDGE_WIDTH + NODE_WIDTH;

pub const ROLES_MAX: usize = 8;
pub const EVENT_TYPES_MAX: usize = 32;
pub const FEATURES_MAX: usize = 4_096;

/// Gates of the LSTM, in PyTorch's order: input, forget, cell, output.
pub const GATES: usize = 4;
/// Branches that are fused: tabular, graph, sequence.
pub const BRANCHES: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Tabular features.
    pub features: usize,
    pub roles: usize,
    pub event_types: usize,
    /// Width of every branch; 32 or 64.
    pub hidden: usize,
    /// Width of the first tabular layer; a multiple of 16, at most 128.
    pub wide: usize,
    /// A branch that is off gives zeros.
    pub graph: bool,
    pub sequence: bool,
}

#[derive(Clone, Debug, PartialEq, Error)]
pub enum ShapeError {
    #[error("network {field} must be {expected}, got {got}")]
    Field {
        field: &'static str,
        expected: String,
        got: usize,
    },
}

impl Shape {
    pub fn check(&self) -> Result<(), ShapeError> {
        let field = |field, fits: bool, expected: String, got| {
            if fits {
                return Ok(());
            }
            Err(ShapeError::Field {
                field,
                expected,
                got,
            })
        };
        let within = |name, max: usize, got: usize| {
            field(name, (1..=max).contains(&got), format!("in 1..={max}"), got)
        };
        within("features", FEATURES_MAX, self.features)?;
        within("roles", ROLES_MAX, self.roles)?;
        within("event_types", EVENT_TYPES_MAX, self.event_types)?;
        let hidden = [32, 64].contains(&self.hidden);
        field("hidden", hidden, "32 or 64".to_owned(), self.hidden)?;
        let wide = self.wide.is_multiple_of(16) && (16..=128).contains(&self.wide);
        field(
            "wide",
            wide,
            "a multiple of 16 in 16..=128".to_owned(),
            self.wide,
        )
    }
}

/// Where each tensor begins and ends; matrices are row-major, inputs by rows, outputs along a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// Knots x wide: the first tabular layer at each knot.
    pub spline: Range<usize>,
    /// Features x wide: in place of a missing value.
    pub missing: Range<usize>,
    /// One per knot, and one per feature when missing: straight to the output.
    pub skip: Range<usize>,
    pub skip_missing: Range<usize>,
    pub wide_bias: Range<usize>,
    /// Wide x hidden.
    pub tabular: Range<usize>,
    pub tabular_bias: Range<usize>,
    /// Roles x [`NEIGHBOUR_WIDTH`] x hidden: the message of a neighbour.
    pub message: Range<usize>,
    pub message_bias: Range<usize>,
    /// Roles x hidden x hidden: mean and maximum of messages to the entity.
    pub entity_mean: Range<usize>,
    pub entity_max: Range<usize>,
    /// Roles x [`NODE_WIDTH`] x hidden: the entity's own summary.
    pub entity_own: Range<usize>,
    pub entity_bias: Range<usize>,
    /// Hidden x hidden: the event itself, and roles x hidden x hidden: its entities.
    pub event_own: Range<usize>,
    pub event_entity: Range<usize>,
    pub event_bias: Range<usize>,
    /// [`STEP_WIDTH`] x 4 hidden (the row of the event type is zero), event types x 4 hidden.
    pub step: Range<usize>,
    pub step_event_type: Range<usize>,
    /// Hidden x 4 hidden.
    pub recurrent: Range<usize>,
    pub recurrent_bias: Range<usize>,
    /// Hidden x hidden: what the event asks its account's past.
    pub query: Range<usize>,
    /// 2 hidden x hidden: last state, then attention pool.
    pub past: Range<usize>,
    pub past_bias: Range<usize>,
    /// 3 hidden x 3 hidden.
    pub gate: Range<usize>,
    pub gate_bias: Range<usize>,
    /// 3 hidden x hidden.
    pub fusion: Range<usize>,
    pub fusion_bias: Range<usize>,
    pub output: Range<usize>,
    pub output_bias: Range<usize>,
    pub total: usize,
}

/// A named part of the weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub name: &'static str,
    pub dims: Vec<usize>,
    pub range: Range<usize>,
}

impl Layout {
    pub fn new(shape: &Shape, knots: usize) -> Layout {
        let (h, wide, roles) = (shape.hidden, shape.wide, shape.roles);
        let mut at = 0;
        let mut next = |len: usize| {
            at += len;
            at - len..at
        };
        let mut layout = Layout {
            spline: next(knots * wide),
            missing: next(shape.features * wide),
            skip: next(knots),
            skip_missing: next(shape.features),
            wide_bias: next(wide),
            tabular: next(wide * h),
            tabular_bias: next(h),
            message: next(roles * NEIGHBOUR_WIDTH * h),
            message_bias: next(roles * h),
            entity_mean: next(roles * h * h),
            entity_max: next(roles * h * h),
            entity_own: next(roles * NODE_WIDTH * h),
            entity_bias: next(roles * h),
            event_own: next(h * h),
            event_entity: next(roles * h * h),
            event_bias: next(h),
            step: next(STEP_WIDTH * GATES * h),
            step_event_type: next(shape.event_types * GATES * h),
            recurrent: next(h * GATES * h),
            recurrent_bias: next(GATES * h),
            query: next(h * h),
            past: next(2 * h * h),
            past_bias: next(h),
            gate: next(BRANCHES * h * BRANCHES * h),
            gate_bias: next(BRANCHES * h),
            fusion: next(BRANCHES * h * h),
            fusion_bias: next(h),
            output: next(h),
            output_bias: next(1),
            total: 0,
        };
        layout.total = at;
        layout
    }

    /// Every tensor by name, in the order of the weights.
    pub fn tensors(&self, shape: &Shape, knots: usize) -> Vec<Tensor> {
        let (h, wide, roles) = (shape.hidden, shape.wide, shape.roles);
        let tensor = |name, range: &Range<usize>, dims: &[usize]| Tensor {
            name,
            dims: dims.to_vec(),
            range: range.clone(),
        };
        vec![
            tensor("spline", &self.spline, &[knots, wide]),
            tensor("missing", &self.missing, &[shape.features, wide]),
            tensor("skip", &self.skip, &[knots]),
            tensor("skip_missing", &self.skip_missing, &[shape.features]),
            tensor("wide_bias", &self.wide_bias, &[wide]),
            tensor("tabular", &self.tabular, &[wide, h]),
            tensor("tabular_bias", &self.tabular_bias, &[h]),
            tensor("message", &self.message, &[roles, NEIGHBOUR_WIDTH, h]),
            tensor("message_bias", &self.message_bias, &[roles, h]),
            tensor("entity_mean", &self.entity_mean, &[roles, h, h]),
            tensor("entity_max", &self.entity_max, &[roles, h, h]),
            tensor("entity_own", &self.entity_own, &[roles, NODE_WIDTH, h]),
            tensor("entity_bias", &self.entity_bias, &[roles, h]),
            tensor("event_own", &self.event_own, &[h, h]),
            tensor("event_entity", &self.event_entity, &[roles, h, h]),
            tensor("event_bias", &self.event_bias, &[h]),
            tensor("step", &self.step, &[STEP_WIDTH, GATES * h]),
            tensor(
                "step_event_type",
                &self.step_event_type,
                &[shape.event_types, GATES * h],
            ),
            tensor("recurrent", &self.recurrent, &[h, GATES * h]),
            tensor("recurrent_bias", &self.recurrent_bias, &[GATES * h]),
            tensor("query", &self.query, &[h, h]),
            tensor("past", &self.past, &[2 * h, h]),
            tensor("past_bias", &self.past_bias, &[h]),
            tensor("gate", &self.gate, &[BRANCHES * h, BRANCHES * h]),
            tensor("gate_bias", &self.gate_bias, &[BRANCHES * h]),
            tensor("fusion", &self.fusion, &[BRANCHES * h, h]),
            tensor("fusion_bias", &self.fusion_bias, &[h]),
            tensor("output", &self.output, &[h]),
            tensor("output_bias", &self.output_bias, &[1]),
        ]
    }
}
