//! The layers put together: forward and backward over the rows of one shard.
//!
//! Weights are those of `model::hybrid`, except that inputs are normalised outside; [`Network::export`] folds
//! the normalisation in.

use std::ops::Range;

use graph::sample::{NEIGHBOUR_WIDTH, NODE_WIDTH, STEP_WIDTH};
use model::hybrid::shape::{BRANCHES, GATES, Layout, Shape};
use model::hybrid::{Hybrid, HybridError};

use super::batch::{Batch, Source};
use super::layers::dense::{affine, affine_back, input_back, relu, relu_back};
use super::layers::{attention, fusion, lstm, sage, spline};
use super::matrix::add_product;
use super::random::Random;
use super::scale::{Affine, Scale};

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
    /// Small random weights; the first layer begins as a straight line of each feature's rank.
    pub fn new(shape: Shape, scale: Scale, base_log_odds: f32, seed: u64) -> Network {
        let layout = Layout::new(&shape, scale.knots.total());
        let mut network = Network {
            weights: vec![0.0; layout.total],
            shape,
            layout,
            scale,
        };
        network.draw(base_log_odds, seed);
        network
    }

    fn draw(&mut self, base_log_odds: f32, seed: u64) {
        let (layout, shape) = (self.layout.clone(), self.shape);
        let (h, wide) = (shape.hidden, shape.wide);
        let looked_at = (0..shape.features).filter(|it| !self.scale.knots.of(*it).is_empty());
        let looked_at = looked_at.count().max(1);
        self.draw_splines(1.0 / (looked_at as f32).sqrt(), seed);
        // Glorot and Bengio 2010: uniform with the variance that keeps both passes in scale.
        let glorot = [
            (&layout.tabular, wide, h),
            (&layout.message, NEIGHBOUR_WIDTH, h),
            (&layout.entity_mean, 3 * h, h),
            (&layout.entity_max, 3 * h, h),
            (&layout.entity_own, NODE_WIDTH, h),
            (&layout.event_own, 2 * h, h),
            (&layout.event_entity, 2 * h, h),
            (&layout.step, STEP_WIDTH, h),
            (&layout.step_event_type, STEP_WIDTH, h),
            (&layout.recurrent, h, h),
            (&layout.query, h, h),
            (&layout.past, 2 * h, h),
            (&layout.gate, BRANCHES * h, BRANCHES * h),
            (&layout.fusion, BRANCHES * h, h),
            (&layout.output, h, 1),
        ];
        for (number, (range, inner, width)) in glorot.into_iter().enumerate() {
            let mut random = Random::new(seed, 1_000 + number as u64);
            let most = (6.0 / (inner + width) as f32).sqrt();
            for weight in &mut self.weights[range.clone()] {
                *weight = most * random.signed();
            }
        }
        // Forget gates begin open (Jozefowicz et al. 2015).
        let forget = layout.recurrent_bias.start + h..layout.recurrent_bias.start + 2 * h;
        self.weights[forget].fill(1.0);
        self.weights[layout.output_bias.start] = base_log_odds;
    }

    fn draw_splines(&mut self, size: f32, seed: u64) {
        let wide = self.shape.wide;
        for feature in 0..self.shape.features {
            let mut random = Random::new(seed, feature as u64);
            let slope: Vec<f32> = (0..wide).map(|_| 2.0 * size * random.signed()).collect();
            let knots = self.scale.knots.of(feature);
            let middle = (knots.len().max(1) - 1) as f32 / 2.0;
            for knot in knots.clone() {
                let place = (knot - knots.start) as f32 - middle;
                let rank = place / middle.max(1.0);
                let row = self.layout.spline.start + knot * wide;
                for (weight, slope) in self.weights[row..row + wide].iter_mut().zip(&slope) {
                    *weight = slope * rank;
                }
            }
        }
    }

    /// What the optimiser moves: as the weights, but each knot's row as its difference to the row before.
    ///
    /// A step then moves all knots above it too, so that a feature's trend is learnt from all its values
    /// and only bends from those near a knot (the encoding of Gorishniy et al. 2022 behind one matrix).
    pub fn parameters(&self) -> Vec<f32> {
        let mut parameters = self.weights.clone();
        self.each_spline(|row, width, knots| {
            for knot in knots.rev().take_while(|knot| *knot > 0) {
                let at = row + knot * width;
                let before = &self.weights[at - width..at];
                let own = parameters[at..at + width].iter_mut();
                own.zip(before).for_each(|(own, before)| *own -= before);
            }
        });
        parameters
    }

    /// The weights of such parameters.
    pub fn set_parameters(&mut self, parameters: &[f32]) {
        let mut weights = std::mem::take(&mut self.weights);
        weights.copy_from_slice(parameters);
        self.each_spline(|row, width, knots| {
            for knot in knots.skip(1) {
                for at in row + knot * width..row + (knot + 1) * width {
                    weights[at] += weights[at - width];
                }
            }
        });
        self.weights = weights;
    }

    /// From the gradient of the weights to that of the parameters.
    pub fn turn_gradient(&self, gradient: &mut [f32]) {
        self.each_spline(|row, width, knots| {
            for knot in knots.rev().take_while(|knot| *knot > 0) {
                for at in row + knot * width..row + (knot + 1) * width {
                    gradient[at - width] += gradient[at];
                }
            }
        });
    }

    /// First weight, width of a row and knots of each feature's part of `spline` and `skip`.
    fn each_spline(&self, mut visit: impl FnMut(usize, usize, Range<usize>)) {
        for (range, width) in [
            (&self.layout.spline, self.shape.wide),
            (&self.layout.skip, 1),
        ] {
            for feature in 0..self.shape.features {
                let knots = self.scale.knots.of(feature);
                visit(range.start + knots.start * width, width, 0..knots.len());
            }
        }
    }

    /// Log-odds of the rows of a shard, in the order of `tape.batch.rows`.
    pub fn forward(
        &self,
        tape: &mut Tape,
        source: Source<'_>,
        rows: &[usize],
        mut dropout: Option<Dropout>,
    ) {
        tape.kept.clear();
        if let Some(dropout) = &mut dropout {
            dropout.draw_features(self.shape.features, &mut tape.kept);
        }
        let mut batch = std::mem::take(&mut tape.batch);
        batch.fill(source, &self.scale, self.shape.event_types, rows);
        self.forward_tabular(tape, &batch);
        let masked = draw_masks(
            tape,
            dropout,
            batch.len() * self.shape.wide,
            batch.len() * self.shape.hidden,
        );
        if masked {
            multiply(&mut tape.wide, &tape.masks[0]);
        }
        affine(
            &mut tape.tabular,
            &tape.wide,
            self.part(&self.layout.tabular),
            self.part(&self.layout.tabular_bias),
        );
        relu(&mut tape.tabular);
        self.forward_graph(tape, &batch);
        self.forward_past(tape, &batch);
        self.forward_fusion(tape, masked);
        tape.batch = batch;
    }

    fn part(&self, range: &Range<usize>) -> &[f32] {
        &self.weights[range.clone()]
    }

    fn forward_tabular(&self, tape: &mut Tape, batch: &Batch) {
        let rows = batch.len();
        spline::place(&mut tape.cells, &self.scale.knots, &batch.tabular, rows);
        super::layers::dense::start(&mut tape.wide, rows, self.part(&self.layout.wide_bias));
        tape.raw.clear();
        tape.raw
            .resize(rows, self.weights[self.layout.output_bias.start]);
        let part = spline::Part {
            spline: self.part(&self.layout.spline),
            missing: self.part(&self.layout.missing),
            skip: self.part(&self.layout.skip),
            skip_missing: self.part(&self.layout.skip_missing),
        };
        let cells = spline::Cells {
            knots: &self.scale.knots,
            cells: &tape.cells,
            kept: &tape.kept,
        };
        spline::forward(&mut tape.wide, &mut tape.raw, &part, cells);
        relu(&mut tape.wide);
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

    fn forward_graph(&self, tape: &mut Tape, batch: &Batch) {
        let (h, roles) = (self.shape.hidden, self.shape.roles);
        if !self.shape.graph {
            zeros(&mut tape.graph, batch.len() * h);
            return;
        }
        let own = self.part(&self.layout.event_own);
        affine(
            &mut tape.graph,
            &tape.tabular,
            own,
            self.part(&self.layout.event_bias),
        );
        tape.sages.resize_with(roles, sage::Tape::default);
        for (role, part) in batch.roles.iter().enumerate() {
            sage::forward(&mut tape.sages[role], part, &self.sage(role));
            let w = self.part(&of_role(&self.layout.event_entity, role, roles));
            add_product(&mut tape.graph, &tape.sages[role].entities, w, h, h);
        }
        relu(&mut tape.graph);
    }

    fn lstm(&self) -> lstm::Part<'_> {
        lstm::Part {
            step: self.part(&self.layout.step),
            event_type: self.part(&self.layout.step_event_type),
            recurrent: self.part(&self.layout.recurrent),
            bias: self.part(&self.layout.recurrent_bias),
        }
    }

    fn forward_past(&self, tape: &mut Tape, batch: &Batch) {
        let h = self.shape.hidden;
        if !self.shape.sequence {
            zeros(&mut tape.past, batch.len() * h);
            return;
        }
        lstm::forward(&mut tape.lstm, batch, &self.lstm());
        zeros(&mut tape.query, batch.len() * h);
        add_product(
            &mut tape.query,
            &tape.tabular,
            self.part(&self.layout.query),
            h,
            h,
        );
        attention::forward(
            &mut tape.attention,
            batch,
            &tape.query,
            &tape.lstm.states,
            h,
        );
        tape.last_and_pool.clear();
        let rows = tape
            .lstm
            .last
            .chunks_exact(h)
            .zip(tape.attention.pool.chunks_exact(h));
        for (last, pool) in rows {
            tape.last_and_pool.extend_from_slice(last);
            tape.last_and_pool.extend_from_slice(pool);
        }
        let (w, bias) = (
            self.part(&self.layout.past),
            self.part(&self.layout.past_bias),
        );
        affine(&mut tape.past, &tape.last_and_pool, w, bias);
        relu(&mut tape.past);
    }

    fn forward_fusion(&self, tape: &mut Tape, masked: bool) {
        let h = self.shape.hidden;
        tape.branches.clear();
        let rows = tape.tabular.chunks_exact(h);
        let rows = rows
            .zip(tape.graph.chunks_exact(h))
            .zip(tape.past.chunks_exact(h));
        for ((tabular, graph), past) in rows {
            for branch in [tabular, graph, past] {
                tape.branches.extend_from_slice(branch);
            }
        }
        let (w, bias) = (
            self.part(&self.layout.gate),
            self.part(&self.layout.gate_bias),
        );
        affine(&mut tape.gates, &tape.branches, w, bias);
        fusion::forward(&mut tape.gates, &mut tape.gated, &tape.branches);
        let (w, bias) = (
            self.part(&self.layout.fusion),
            self.part(&self.layout.fusion_bias),
        );
        affine(&mut tape.fused, &tape.gated, w, bias);
        relu(&mut tape.fused);
        if masked {
            multiply(&mut tape.fused, &tape.masks[1]);
        }
        let output = self.part(&self.layout.output);
        for (raw, fused) in tape.raw.iter_mut().zip(tape.fused.chunks_exact(h)) {
            *raw += fused.iter().zip(output).map(|(x, w)| x * w).sum::<f32>();
        }
    }

    /// Adds to the gradient of every weight, from that of each row's log-odds.
    pub fn backward(&self, tape: &mut Tape, draw: &[f32], gradient: &mut [f32], masked: bool) {
        let batch = std::mem::take(&mut tape.batch);
        self.backward_fusion(tape, draw, gradient, masked);
        self.backward_past(tape, &batch, gradient);
        self.backward_graph(tape, &batch, gradient);
        self.backward_tabular(tape, draw, gradient, masked);
        tape.batch = batch;
    }

    fn backward_fusion(&self, tape: &mut Tape, draw: &[f32], gradient: &mut [f32], masked: bool) {
        let (h, layout, back) = (self.shape.hidden, &self.layout, &mut tape.back);
        let output = self.part(&layout.output);
        back.fused.clear();
        for (draw, fused) in draw.iter().zip(tape.fused.chunks_exact(h)) {
            back.fused.extend(output.iter().map(|w| w * draw));
            let doutput = &mut gradient[layout.output.clone()];
            doutput
                .iter_mut()
                .zip(fused)
                .for_each(|(sum, x)| *sum += draw * x);
            gradient[layout.output_bias.start] += draw;
        }
        if masked {
            // A dropped value is 0 after the mask, and its gradient too: the mask stands in for relu's sign.
            multiply(&mut back.fused, &tape.masks[1]);
        }
        relu_back(&mut back.fused, &tape.fused);
        let [w, bias] = parts(gradient, [&layout.fusion, &layout.fusion_bias]);
        affine_back(w, bias, &tape.gated, &back.fused);
        zeros(&mut back.gated, tape.gated.len());
        input_back(&mut back.gated, &back.fused, self.part(&layout.fusion), h);
        zeros(&mut back.branches, tape.branches.len());
        fusion::backward(
            &tape.gates,
            &tape.branches,
            &mut back.gated,
            &mut back.branches,
        );
        let [w, bias] = parts(gradient, [&layout.gate, &layout.gate_bias]);
        affine_back(w, bias, &tape.branches, &back.gated);
        input_back(
            &mut back.branches,
            &back.gated,
            self.part(&layout.gate),
            BRANCHES * h,
        );
        back.tabular.clear();
        back.graph.clear();
        back.past.clear();
        for row in back.branches.chunks_exact(BRANCHES * h) {
            back.tabular.extend_from_slice(&row[..h]);
            back.graph.extend_from_slice(&row[h..2 * h]);
            back.past.extend_from_slice(&row[2 * h..]);
        }
    }

    fn backward_past(&self, tape: &mut Tape, batch: &Batch, gradient: &mut [f32]) {
        if !self.shape.sequence {
            return;
        }
        let (h, layout, back) = (self.shape.hidden, &self.layout, &mut tape.back);
        relu_back(&mut back.past, &tape.past);
        let [w, bias] = parts(gradient, [&layout.past, &layout.past_bias]);
        affine_back(w, bias, &tape.last_and_pool, &back.past);
        zeros(&mut back.last_and_pool, tape.last_and_pool.len());
        input_back(
            &mut back.last_and_pool,
            &back.past,
            self.part(&layout.past),
            h,
        );
        let (mut dlast, mut dpool) = (Vec::new(), Vec::new());
        for row in back.last_and_pool.chunks_exact(2 * h) {
            dlast.extend_from_slice(&row[..h]);
            dpool.extend_from_slice(&row[h..]);
        }
        zeros(&mut back.query, batch.len() * h);
        zeros(&mut back.states, tape.lstm.states.len());
        let asked = (&tape.query[..], &tape.lstm.states[..]);
        attention::backward(
            &tape.attention,
            batch,
            asked,
            &dpool,
            &mut back.query,
            &mut back.states,
        );
        super::matrix::add_outer(
            &mut gradient[layout.query.clone()],
            &tape.tabular,
            &back.query,
            h,
            h,
        );
        input_back(&mut back.tabular, &back.query, self.part(&layout.query), h);
        let [step, event_type, recurrent, bias] = parts(
            gradient,
            [
                &layout.step,
                &layout.step_event_type,
                &layout.recurrent,
                &layout.recurrent_bias,
            ],
        );
        let mut part = lstm::PartMut {
            step,
            event_type,
            recurrent,
            bias,
        };
        lstm::backward(
            &mut tape.lstm,
            batch,
            &self.lstm(),
            &mut part,
            &mut back.states,
            &dlast,
        );
        debug_assert_eq!(part.bias.len(), GATES * h);
    }

    fn backward_graph(&self, tape: &mut Tape, batch: &Batch, gradient: &mut [f32]) {
        if !self.shape.graph {
            return;
        }
        let (h, roles, layout) = (self.shape.hidden, self.shape.roles, &self.layout);
        let back = &mut tape.back;
        relu_back(&mut back.graph, &tape.graph);
        let [w, bias] = parts(gradient, [&layout.event_own, &layout.event_bias]);
        affine_back(w, bias, &tape.tabular, &back.graph);
        input_back(
            &mut back.tabular,
            &back.graph,
            self.part(&layout.event_own),
            h,
        );
        for (role, part) in batch.roles.iter().enumerate() {
            let sage = &mut tape.sages[role];
            let at = of_role(&layout.event_entity, role, roles);
            super::matrix::add_outer(&mut gradient[at.clone()], &sage.entities, &back.graph, h, h);
            zeros(&mut back.entities, sage.entities.len());
            input_back(&mut back.entities, &back.graph, self.part(&at), h);
            let own = |range| of_role(range, role, roles);
            let [message, message_bias, mean, max, entity, bias] = parts(
                gradient,
                [
                    &own(&layout.message),
                    &own(&layout.message_bias),
                    &own(&layout.entity_mean),
                    &own(&layout.entity_max),
                    &own(&layout.entity_own),
                    &own(&layout.entity_bias),
                ],
            );
            let mut into = sage::PartMut {
                message,
                message_bias,
                mean,
                max,
                own: entity,
                bias,
            };
            sage::backward(sage, part, &self.sage(role), &mut into, &mut back.entities);
        }
    }

    fn backward_tabular(&self, tape: &mut Tape, draw: &[f32], gradient: &mut [f32], masked: bool) {
        let (h, layout, back) = (self.shape.hidden, &self.layout, &mut tape.back);
        relu_back(&mut back.tabular, &tape.tabular);
        let [w, bias] = parts(gradient, [&layout.tabular, &layout.tabular_bias]);
        affine_back(w, bias, &tape.wide, &back.tabular);
        zeros(&mut back.wide, tape.wide.len());
        input_back(&mut back.wide, &back.tabular, self.part(&layout.tabular), h);
        if masked {
            multiply(&mut back.wide, &tape.masks[0]);
        }
        relu_back(&mut back.wide, &tape.wide);
        super::matrix::add_rows(&mut gradient[layout.wide_bias.clone()], &back.wide);
        let [spline, missing, skip, skip_missing] = parts(
            gradient,
            [
                &layout.spline,
                &layout.missing,
                &layout.skip,
                &layout.skip_missing,
            ],
        );
        let mut part = spline::PartMut {
            spline,
            missing,
            skip,
            skip_missing,
        };
        let cells = spline::Cells {
            knots: &self.scale.knots,
            cells: &tape.cells,
            kept: &tape.kept,
        };
        spline::backward(&mut part, cells, &back.wide, draw);
    }

    /// The network as it is served: on samples as they are.
    pub fn export(&self) -> Result<Hybrid, HybridError> {
        let mut weights = self.weights.clone();
        let (h, roles) = (self.shape.hidden, self.shape.roles);
        let layout = &self.layout;
        let mut into = |matrix: Range<usize>, bias: Range<usize>, affine: &[Affine]| {
            fold(&mut weights, matrix, bias, affine);
        };
        into(
            layout.step.clone(),
            layout.recurrent_bias.clone(),
            &self.scale.step,
        );
        for role in 0..roles {
            let own = |range| of_role(range, role, roles);
            let neighbour = &self.scale.neighbour[role];
            into(own(&layout.message), own(&layout.message_bias), neighbour);
            let entity = &self.scale.entity[role];
            into(own(&layout.entity_own), own(&layout.entity_bias), entity);
        }
        debug_assert_eq!(layout.output.len(), h);
        Hybrid::new(self.shape, self.scale.knots.clone(), weights)
    }
}

/// `((x - mean) inverse) W + b` as `x W' + b'`.
fn fold(weights: &mut [f32], matrix: Range<usize>, bias: Range<usize>, affine: &[Affine]) {
    let width = bias.len();
    for (at, it) in affine.iter().enumerate() {
        for column in 0..width {
            let weight = &mut weights[matrix.start + at * width + column];
            *weight *= it.inverse;
            let shift = *weight * it.mean;
            weights[bias.start + column] -= shift;
        }
    }
}

/// Parts of the gradient that do not overlap and stand in the order of the layout.
fn parts<'a, const N: usize>(
    gradient: &'a mut [f32],
    ranges: [&Range<usize>; N],
) -> [&'a mut [f32]; N] {
    let mut rest = gradient;
    let mut at = 0;
    ranges.map(|range| {
        let (_, from) = std::mem::take(&mut rest).split_at_mut(range.start - at);
        let (part, after) = from.split_at_mut(range.len());
        rest = after;
        at = range.end;
        part
    })
}

fn multiply(values: &mut [f32], mask: &[f32]) {
    values
        .iter_mut()
        .zip(mask)
        .for_each(|(value, it)| *value *= it);
}

/// Inverted dropout (Srivastava et al. 2014) on the first tabular layer and the last one.
fn draw_masks(tape: &mut Tape, dropout: Option<Dropout>, wide: usize, fused: usize) -> bool {
    let Some(mut dropout) = dropout.filter(|it| it.share > 0.0) else {
        return false;
    };
    let kept = 1.0 / (1.0 - dropout.share);
    for (mask, len) in tape.masks.iter_mut().zip([wide, fused]) {
        mask.clear();
        mask.extend((0..len).map(|_| {
            if dropout.random.share() < dropout.share {
                0.0
            } else {
                kept
            }
        }));
    }
    true
}
