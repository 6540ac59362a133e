//! The network written down plainly, one value after the other: what every faster kernel must equal.

use super::mathematics::{exp, rectify, sigmoid, tanh};
use super::shape::{
    BRANCHES, GATES, NEIGHBOUR_WIDTH, NEIGHBOURS, NODE_WIDTH, STEP_EVENT_TYPE, STEP_WIDTH,
};
use super::{Hybrid, Input};

/// Log-odds, and what was computed on the way.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    pub raw: f32,
    /// Tabular, graph and sequence branch, 3 x hidden.
    pub branches: Vec<f32>,
    /// The last layer before the output.
    pub fused: Vec<f32>,
}

impl Hybrid {
    /// The scalar reference.
    pub fn forward(&self, input: &Input<'_>) -> Output {
        let h = self.shape.hidden;
        let (wide, skip) = self.wide(input);
        let tabular = self.dense(&wide, &self.layout.tabular, &self.layout.tabular_bias);
        let graph = match self.shape.graph {
            true => self.event(&tabular, input),
            false => vec![0.0; h],
        };
        let past = match self.shape.sequence {
            true => self.past(&tabular, input),
            false => vec![0.0; h],
        };
        let branches = [tabular, graph, past].concat();
        let mut gated = self.affine(&branches, &self.layout.gate, &self.layout.gate_bias);
        for (gate, value) in gated.iter_mut().zip(&branches) {
            *gate = sigmoid(*gate) * value;
        }
        debug_assert_eq!(gated.len(), BRANCHES * h);
        let fused = self.dense(&gated, &self.layout.fusion, &self.layout.fusion_bias);
        let output = &self.weights[self.layout.output.clone()];
        let deep: f32 = fused.iter().zip(output).map(|(x, w)| x * w).sum();
        let raw = deep + skip + self.weights[self.layout.output_bias.start];
        Output {
            raw,
            branches,
            fused,
        }
    }

    /// The first tabular layer, and what goes from the features straight to the output.
    fn wide(&self, input: &Input<'_>) -> (Vec<f32>, f32) {
        let width = self.shape.wide;
        let mut wide = self.weights[self.layout.wide_bias.clone()].to_vec();
        let mut skip = 0.0;
        let row = |start: usize, at: usize| &self.weights[start + at * width..][..width];
        for (feature, value) in input.tabular.iter().enumerate() {
            if self.knots.of(feature).is_empty() {
                continue;
            }
            if value.is_nan() {
                let missing = row(self.layout.missing.start, feature);
                wide.iter_mut().zip(missing).for_each(|(sum, w)| *sum += w);
                skip += self.weights[self.layout.skip_missing.start + feature];
                continue;
            }
            let place = self.knots.place(feature, *value);
            let low = row(self.layout.spline.start, place.knot);
            let skips = self.layout.skip.start + place.knot;
            if place.share == 0.0 {
                wide.iter_mut().zip(low).for_each(|(sum, w)| *sum += w);
                skip += self.weights[skips];
                continue;
            }
            let high = row(self.layout.spline.start, place.knot + 1);
            for (sum, (low, high)) in wide.iter_mut().zip(low.iter().zip(high)) {
                *sum += low + place.share * (high - low);
            }
            let (low, high) = (self.weights[skips], self.weights[skips + 1]);
            skip += low + place.share * (high - low);
        }
        wide.iter_mut().for_each(|it| *it = rectify(*it));
        (wide, skip)
    }

    /// Two hops: entities from their interactions (and who is on the other end), the event from its entities.
    fn event(&self, tabular: &[f32], input: &Input<'_>) -> Vec<f32> {
        let h = self.shape.hidden;
        let layout = &self.layout;
        let mut event = self.affine(tabular, &layout.event_own, &layout.event_bias);
        for role in 0..self.shape.roles {
            let part = |range: &std::ops::Range<usize>| {
                let len = range.len() / self.shape.roles;
                range.start + role * len..range.start + (role + 1) * len
            };
            let used = usize::from(input.neighbours[role]);
            let block = &input.neighbourhood[role * NEIGHBOURS * NEIGHBOUR_WIDTH..];
            let (mut mean, mut max) = (vec![0.0; h], vec![0.0_f32; h]);
            for neighbour in block.chunks_exact(NEIGHBOUR_WIDTH).take(used) {
                let message = self.dense(
                    neighbour,
                    &part(&layout.message),
                    &part(&layout.message_bias),
                );
                for ((mean, max), message) in mean.iter_mut().zip(&mut max).zip(message) {
                    *mean += message / used as f32;
                    // Messages are never negative, so 0 is the maximum of none.
                    *max = max.max(message);
                }
            }
            let own = &input.entities[role * NODE_WIDTH..(role + 1) * NODE_WIDTH];
            let mut entity =
                self.affine(own, &part(&layout.entity_own), &part(&layout.entity_bias));
            self.add(&mut entity, &mean, &part(&layout.entity_mean));
            self.add(&mut entity, &max, &part(&layout.entity_max));
            entity.iter_mut().for_each(|it| *it = rectify(*it));
            self.add(&mut event, &entity, &part(&layout.event_entity));
        }
        event.iter_mut().for_each(|it| *it = rectify(*it));
        event
    }

    /// LSTM over the steps, its last state and an attention pool of all states.
    fn past(&self, tabular: &[f32], input: &Input<'_>) -> Vec<f32> {
        let h = self.shape.hidden;
        let layout = &self.layout;
        let mut query = vec![0.0; h];
        self.add(&mut query, tabular, &layout.query);
        let (mut state, mut cell) = (vec![0.0; h], vec![0.0; h]);
        let mut states = Vec::with_capacity(input.steps);
        for step in input.sequence.chunks_exact(STEP_WIDTH).take(input.steps) {
            let mut gates = self.affine(step, &layout.step, &layout.recurrent_bias);
            let event_type = (step[STEP_EVENT_TYPE] as usize).min(self.shape.event_types - 1);
            let of_type = &self.weights[layout.step_event_type.start + event_type * GATES * h..];
            gates.iter_mut().zip(of_type).for_each(|(sum, w)| *sum += w);
            self.add(&mut gates, &state, &layout.recurrent);
            for at in 0..h {
                let (input, forget) = (sigmoid(gates[at]), sigmoid(gates[h + at]));
                let (fresh, shown) = (tanh(gates[2 * h + at]), sigmoid(gates[3 * h + at]));
                cell[at] = forget * cell[at] + input * fresh;
                state[at] = shown * tanh(cell[at]);
            }
            states.push(state.clone());
        }
        let scale = 1.0 / (h as f32).sqrt();
        let score =
            |state: &Vec<f32>| scale * query.iter().zip(state).map(|(q, s)| q * s).sum::<f32>();
        let scores: Vec<f32> = states.iter().map(score).collect();
        let most = scores.iter().copied().fold(f32::MIN, f32::max);
        let weights: Vec<f32> = scores.iter().map(|score| exp(score - most)).collect();
        let total: f32 = weights.iter().sum();
        let mut pool = vec![0.0; h];
        for (weight, state) in weights.iter().zip(&states) {
            pool.iter_mut()
                .zip(state)
                .for_each(|(sum, it)| *sum += weight / total * it);
        }
        self.dense(&[state, pool].concat(), &layout.past, &layout.past_bias)
    }

    fn dense(
        &self,
        x: &[f32],
        matrix: &std::ops::Range<usize>,
        bias: &std::ops::Range<usize>,
    ) -> Vec<f32> {
        let mut out = self.affine(x, matrix, bias);
        out.iter_mut().for_each(|it| *it = rectify(*it));
        out
    }

    fn affine(
        &self,
        x: &[f32],
        matrix: &std::ops::Range<usize>,
        bias: &std::ops::Range<usize>,
    ) -> Vec<f32> {
        let mut out = self.weights[bias.clone()].to_vec();
        self.add(&mut out, x, matrix);
        out
    }

    /// `out += x M`, with as many rows of M as x has values.
    fn add(&self, out: &mut [f32], x: &[f32], matrix: &std::ops::Range<usize>) {
        let rows = self.weights[matrix.clone()].chunks_exact(out.len());
        for (x, row) in x.iter().zip(rows) {
            out.iter_mut().zip(row).for_each(|(sum, w)| *sum += x * w);
        }
    }
}
