//! Weights in the order in which the kernel reads them, made once when a network is loaded.
//!
//! Factors that a formula applies to a whole product are folded into its matrix: -log2(e) before an exponential,
//! the scale of the attention. A bias that is chosen by an index is added to each row that it may meet.

use std::f32::consts::LOG2_E;
use std::ops::Range;

use super::matrix;
use crate::hybrid::Hybrid;
use crate::hybrid::shape::{BRANCHES, GATES, NEIGHBOUR_WIDTH, NODE_WIDTH, STEP_WIDTH, Shape};

/// Features whose knots are compared at once.
pub const GROUP: usize = 16;
const CACHE_LINE: usize = 64;

/// A feature that has knots; rows are those of [`Packed::spline`].
#[derive(Clone, Copy, Debug)]
pub struct Looked {
    pub feature: u32,
    pub first: u32,
    pub missing: u32,
}

#[derive(Debug)]
pub struct Packed {
    pub shape: Shape,
    pub looked: Vec<Looked>,
    /// Knots of up to [`GROUP`] features, the first of each, then the second ...; NaN where a feature has no more.
    pub groups: Vec<Vec<[f32; GROUP]>>,
    /// Of each spline row its knot, and the way to the next: infinite at a feature's last.
    pub at: Vec<f32>,
    pub span: Vec<f32>,
    pub skip: Vec<f32>,
    pub output: Vec<f32>,
    pub output_bias: f32,
    /// Rows of all knots, then of missing values, then one of zeros.
    pub spline: Range<usize>,
    pub wide_bias: Range<usize>,
    pub tabular: Range<usize>,
    pub tabular_bias: Range<usize>,
    /// By role.
    pub message: Vec<Range<usize>>,
    pub message_bias: Vec<Range<usize>>,
    /// By role: mean, maximum, own.
    pub entity: Vec<Range<usize>>,
    pub entity_bias: Vec<Range<usize>>,
    /// The event itself, then its entities.
    pub event: Range<usize>,
    pub event_bias: Range<usize>,
    pub query: Range<usize>,
    /// Step, then state; gates i f g o, scaled for [`super::activation`].
    pub recurrent: Range<usize>,
    /// Biases by event type.
    pub typed: Range<usize>,
    pub past: Range<usize>,
    pub past_bias: Range<usize>,
    pub gate: Range<usize>,
    pub gate_bias: Range<usize>,
    pub fusion: Range<usize>,
    pub fusion_bias: Range<usize>,
    store: Vec<f32>,
    /// Values before the first that lies at a cache line.
    offset: usize,
}

impl Packed {
    /// `widest`: columns of the widest panel.
    pub fn new(hybrid: &Hybrid, widest: usize) -> Packed {
        let (shape, layout) = (*hybrid.shape(), hybrid.layout());
        let weights = |range: &Range<usize>| &hybrid.weights()[range.clone()];
        let mut store = Store {
            values: Vec::new(),
            widest,
        };
        let h = shape.hidden;
        let by_role = |range: &Range<usize>| -> Vec<&[f32]> {
            weights(range)
                .chunks_exact(range.len() / shape.roles)
                .collect()
        };
        let (mean, max, own) = (
            by_role(&layout.entity_mean),
            by_role(&layout.entity_max),
            by_role(&layout.entity_own),
        );
        let entity: Vec<Range<usize>> = (0..shape.roles)
            .map(|role| store.matrix(&[mean[role], max[role], own[role]].concat(), h))
            .collect();
        let message = by_role(&layout.message);
        let message = message.into_iter().map(|it| store.plain(it)).collect();
        let message_bias = by_role(&layout.message_bias);
        let message_bias = message_bias.into_iter().map(|it| store.plain(it)).collect();
        let entity_bias = by_role(&layout.entity_bias);
        let entity_bias = entity_bias.into_iter().map(|it| store.plain(it)).collect();
        let event = [weights(&layout.event_own), weights(&layout.event_entity)].concat();
        let attention = LOG2_E / (h as f32).sqrt();
        let query: Vec<f32> = weights(&layout.query)
            .iter()
            .map(|it| it * attention)
            .collect();
        let recurrent = [weights(&layout.step), weights(&layout.recurrent)].concat();
        let typed = typed(hybrid);
        let gate: Vec<f32> = weights(&layout.gate)
            .iter()
            .map(|it| -LOG2_E * it)
            .collect();
        let gate_bias: Vec<f32> = weights(&layout.gate_bias)
            .iter()
            .map(|it| -LOG2_E * it)
            .collect();
        let spline = Spline::new(hybrid);
        let mut packed = Packed {
            looked: spline.looked,
            groups: spline.groups,
            at: spline.at,
            span: spline.span,
            skip: spline.skip,
            output: weights(&layout.output).to_vec(),
            output_bias: weights(&layout.output_bias)[0],
            spline: store.plain(&spline.rows),
            wide_bias: store.plain(weights(&layout.wide_bias)),
            tabular: store.matrix(weights(&layout.tabular), h),
            tabular_bias: store.plain(weights(&layout.tabular_bias)),
            message,
            message_bias,
            entity,
            entity_bias,
            event: store.matrix(&event, h),
            event_bias: store.plain(weights(&layout.event_bias)),
            query: store.matrix(&query, h),
            recurrent: store.matrix(&scale_gates(recurrent, h), GATES * h),
            typed: store.plain(&scale_gates(typed, h)),
            past: store.matrix(weights(&layout.past), h),
            past_bias: store.plain(weights(&layout.past_bias)),
            gate: store.matrix(&gate, BRANCHES * h),
            gate_bias: store.plain(&gate_bias),
            fusion: store.matrix(weights(&layout.fusion), h),
            fusion_bias: store.plain(weights(&layout.fusion_bias)),
            shape,
            store: Vec::new(),
            offset: 0,
        };
        (packed.store, packed.offset) = store.aligned();
        debug_assert_eq!(packed.recurrent.len(), (STEP_WIDTH + h) * GATES * h);
        debug_assert_eq!(packed.message[0].len(), NEIGHBOUR_WIDTH * h);
        debug_assert_eq!(packed.entity[0].len(), (2 * h + NODE_WIDTH) * h);
        packed
    }

    #[inline(always)]
    pub fn get(&self, range: &Range<usize>) -> &[f32] {
        &self.store[self.offset + range.start..self.offset + range.end]
    }
}

/// Bias of the gates with the row of each event type.
fn typed(hybrid: &Hybrid) -> Vec<f32> {
    let weights = |range: &Range<usize>| &hybrid.weights()[range.clone()];
    let bias = weights(&hybrid.layout().recurrent_bias);
    let rows = weights(&hybrid.layout().step_event_type).chunks_exact(bias.len());
    rows.flat_map(|row| row.iter().zip(bias).map(|(row, bias)| row + bias))
        .collect()
}

/// Gates enter as e^-x, the fresh cell as e^-2x, both as powers of 2.
fn scale_gates(mut rows: Vec<f32>, h: usize) -> Vec<f32> {
    for row in rows.chunks_exact_mut(GATES * h) {
        for (at, value) in row.iter_mut().enumerate() {
            let fresh = at / h == 2;
            *value *= if fresh { -2.0 * LOG2_E } else { -LOG2_E };
        }
    }
    rows
}

struct Spline {
    looked: Vec<Looked>,
    groups: Vec<Vec<[f32; GROUP]>>,
    at: Vec<f32>,
    span: Vec<f32>,
    skip: Vec<f32>,
    rows: Vec<f32>,
}

impl Spline {
    fn new(hybrid: &Hybrid) -> Spline {
        let (shape, layout, knots) = (hybrid.shape(), hybrid.layout(), hybrid.knots());
        let weights = |range: &Range<usize>| &hybrid.weights()[range.clone()];
        let looked: Vec<Looked> = (0..shape.features)
            .filter(|feature| !knots.of(*feature).is_empty())
            .map(|feature| Looked {
                feature: feature as u32,
                first: knots.start[feature],
                missing: (knots.total() + feature) as u32,
            })
            .collect();
        let zeros = vec![0.0; shape.wide];
        let rows = [weights(&layout.spline), weights(&layout.missing), &zeros].concat();
        let skip = [weights(&layout.skip), weights(&layout.skip_missing), &[0.0]].concat();
        // A missing value has no knot: any finite one and an infinite way give a share of 0.
        let mut at = knots.at.clone();
        at.resize(skip.len(), 0.0);
        let mut span = vec![f32::INFINITY; skip.len()];
        for feature in 0..shape.features {
            for knot in knots.of(feature).skip(1) {
                span[knot - 1] = knots.at[knot] - knots.at[knot - 1];
            }
        }
        let group = |features: &[Looked]| {
            let of = |it: &Looked| knots.of(it.feature as usize);
            let depth = features.iter().map(|it| of(it).len()).max().unwrap_or(0);
            // Not infinity: a value may be that too.
            let mut lines = vec![[f32::NAN; GROUP]; depth];
            for (lane, looked) in features.iter().enumerate() {
                for (line, knot) in lines.iter_mut().zip(of(looked)) {
                    line[lane] = knots.at[knot];
                }
            }
            lines
        };
        Spline {
            groups: looked.chunks(GROUP).map(group).collect(),
            looked,
            at,
            span,
            skip,
            rows,
        }
    }
}

struct Store {
    values: Vec<f32>,
    widest: usize,
}

impl Store {
    fn plain(&mut self, values: &[f32]) -> Range<usize> {
        let start = self.values.len();
        self.values.extend_from_slice(values);
        let end = self.values.len();
        let line = CACHE_LINE / size_of::<f32>();
        self.values.resize(end.next_multiple_of(line), 0.0);
        start..end
    }

    fn matrix(&mut self, rows: &[f32], columns: usize) -> Range<usize> {
        let mut panels = Vec::with_capacity(rows.len());
        matrix::pack(rows, columns, self.widest, &mut panels);
        self.plain(&panels)
    }

    /// The values, moved so that the first lies at a cache line, and where that is.
    fn aligned(self) -> (Vec<f32>, usize) {
        let line = CACHE_LINE / size_of::<f32>();
        let mut moved: Vec<f32> = Vec::with_capacity(self.values.len() + line);
        let over = (moved.as_ptr() as usize / size_of::<f32>()) % line;
        let offset = (line - over) % line;
        moved.resize(offset, 0.0);
        moved.extend(self.values);
        (moved, offset)
    }
}
