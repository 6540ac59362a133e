//! Gradients of every weight, the way of the forward pass backwards.

use std::ops::Range;

use model::hybrid::shape::{BRANCHES, GATES};

use super::{Network, Tape, multiply, of_role, zeros};
use crate::neural::batch::Batch;
use crate::neural::layers::dense::{affine_back, input_back, relu_back};
use crate::neural::layers::{attention, fusion, lstm, sage, spline};
use crate::neural::matrix::{add_outer, add_rows};

impl Network {
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
        add_outer(
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
            add_outer(&mut gradient[at.clone()], &sage.entities, &back.graph, h, h);
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
        add_rows(&mut gradient[layout.wide_bias.clone()], &back.wide);
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
