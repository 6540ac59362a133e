//! What each part of a sample adds to the network's output: integrated gradients (Sundararajan et al. 2017,
//! arXiv 1703.01365) along the straight way from a reference to the sample, taken behind the first layers.
//!
//! There the parts are sums: a feature adds its row to the first tabular layer, a role its entity to the event, the
//! sequence its states to the pool. So one gradient per point of the way gives the share of every part at once, missing
//! values included, and the shares add up to the difference of the outputs but for the rule's error, which is returned.
//! The reference is an event whose features lie at their middle knot and that has no past and no neighbours.

use std::ops::Range;

use super::kernel::Seen;
use super::mathematics::{exp, rectify, sigmoid};
use super::shape::{BRANCHES, NEIGHBOUR_WIDTH, NEIGHBOURS, NODE_WIDTH};
use super::{Hybrid, Input};

/// Points of the midpoint rule that reasons are made with: more are slower, and leave less of a residual.
pub const POINTS: usize = 10;

/// Shares of the output, in log-odds.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribution {
    /// Output for the reference.
    pub reference: f32,
    pub features: Vec<f32>,
    pub roles: Vec<f32>,
    pub sequence: f32,
    /// What of the difference to the reference the parts do not explain.
    pub residual: f32,
}

#[derive(Clone, Debug)]
pub struct Explainer {
    hybrid: Hybrid,
    /// Per feature the row of its middle knot; features without knots have none.
    middle: Vec<Option<usize>>,
    /// Sum of the first tabular layer, event of its entities, and the entities themselves.
    wide: Vec<f32>,
    event: Vec<f32>,
    entities: Vec<f32>,
    output: f32,
}

/// Gradients, averaged over the way.
struct Gradient {
    wide: Vec<f32>,
    event: Vec<f32>,
    /// The sequence's share.
    past: f32,
}

impl Explainer {
    pub fn new(hybrid: &Hybrid) -> Explainer {
        let shape = *hybrid.shape();
        let knots = hybrid.knots();
        let middle: Vec<Option<usize>> = (0..shape.features)
            .map(|feature| {
                let of = knots.of(feature);
                (!of.is_empty()).then(|| of.start + (of.len() - 1) / 2)
            })
            .collect();
        let tabular: Vec<f32> = middle
            .iter()
            .map(|knot| knot.map_or(0.0, |knot| knots.at[knot]))
            .collect();
        let output = hybrid.forward(&Input {
            tabular: &tabular,
            sequence: &[],
            steps: 0,
            entities: &vec![0.0; shape.roles * NODE_WIDTH],
            neighbourhood: &vec![0.0; shape.roles * NEIGHBOURS * NEIGHBOUR_WIDTH],
            neighbours: &vec![0; shape.roles],
        });
        let layout = hybrid.layout();
        let mut explainer = Explainer {
            wide: hybrid.weights()[layout.wide_bias.clone()].to_vec(),
            event: vec![0.0; shape.hidden],
            entities: hybrid.weights()[layout.entity_bias.clone()].to_vec(),
            output: output.raw,
            hybrid: hybrid.clone(),
            middle,
        };
        for knot in explainer.middle.iter().flatten() {
            let row = explainer.hybrid.row(*knot);
            explainer
                .wide
                .iter_mut()
                .zip(row)
                .for_each(|(sum, it)| *sum += it);
        }
        explainer
            .entities
            .iter_mut()
            .for_each(|it| *it = rectify(*it));
        explainer.event = explainer.event_of(&explainer.entities);
        explainer
    }

    /// Of a sample whose output and inner values a kernel has just computed.
    pub fn explain(&self, output: f32, seen: &Seen<'_>, points: usize) -> Attribution {
        let (hybrid, shape) = (&self.hybrid, self.hybrid.shape());
        let mut wide = hybrid.weights()[hybrid.layout().wide_bias.clone()].to_vec();
        for place in seen.places() {
            hybrid.add_row(place.row, place.share, &mut wide);
        }
        let entities = if shape.graph {
            seen.entities()
        } else {
            &self.entities
        };
        let event = self.event_of(entities);
        let states = if shape.sequence { seen.states() } else { &[] };
        let gradient = self.integrate(&wide, &event, states, points);
        let mut features = vec![0.0; shape.features];
        let mut row = vec![0.0; shape.wide];
        for place in seen.places() {
            let Some(middle) = self.middle[place.feature] else {
                continue;
            };
            row.fill(0.0);
            hybrid.add_row(place.row, place.share, &mut row);
            let direct = hybrid.skip(place.row, place.share) - hybrid.skip(middle, 0.0);
            let reference = hybrid.row(middle);
            row.iter_mut()
                .zip(reference)
                .for_each(|(it, from)| *it -= from);
            features[place.feature] = dot(&row, &gradient.wide) + direct;
        }
        let roles = self.roles(entities, &gradient.event);
        let told = features.iter().chain(&roles).sum::<f32>() + gradient.past;
        Attribution {
            reference: self.output,
            residual: output - self.output - told,
            features,
            roles,
            sequence: gradient.past,
        }
    }

    fn roles(&self, entities: &[f32], gradient: &[f32]) -> Vec<f32> {
        let h = self.hybrid.shape().hidden;
        let matrices = self.part(&self.hybrid.layout().event_entity);
        let entities = entities.chunks_exact(h).zip(self.entities.chunks_exact(h));
        matrices
            .chunks_exact(h * h)
            .zip(entities)
            .map(|(matrix, (entity, reference))| {
                let rows = matrix.chunks_exact(h).zip(entity.iter().zip(reference));
                rows.map(|(row, (to, from))| (to - from) * dot(row, gradient))
                    .sum()
            })
            .collect()
    }

    /// What the entities add to the event, and its bias.
    fn event_of(&self, entities: &[f32]) -> Vec<f32> {
        let layout = self.hybrid.layout();
        let mut event = self.part(&layout.event_bias).to_vec();
        add(entities, self.part(&layout.event_entity), &mut event);
        event
    }

    fn integrate(&self, wide: &[f32], event: &[f32], states: &[f32], points: usize) -> Gradient {
        let mut gradient = Gradient {
            wide: vec![0.0; wide.len()],
            event: vec![0.0; event.len()],
            past: 0.0,
        };
        for point in 0..points {
            let way = (point as f32 + 0.5) / points as f32;
            let between = |from: &[f32], to: &[f32]| -> Vec<f32> {
                let both = from.iter().zip(to);
                both.map(|(from, to)| from + way * (to - from)).collect()
            };
            let wide = between(&self.wide, wide);
            self.add_gradient(
                &wide,
                &between(&self.event, event),
                states,
                way,
                &mut gradient,
            );
        }
        let sums = gradient.wide.iter_mut().chain(&mut gradient.event);
        sums.chain([&mut gradient.past])
            .for_each(|sum| *sum /= points as f32);
        gradient
    }

    /// Adds the gradient at one point of the way, forward and back.
    fn add_gradient(
        &self,
        wide: &[f32],
        event: &[f32],
        states: &[f32],
        way: f32,
        out: &mut Gradient,
    ) {
        let (layout, h) = (self.hybrid.layout(), self.hybrid.shape().hidden);
        let shape = self.hybrid.shape();
        let affine = |x: &[f32], matrix: &Range<usize>, bias: &[f32]| {
            let mut out = bias.to_vec();
            add(x, self.part(matrix), &mut out);
            out
        };
        let tabular = rectified(&affine(
            &rectified(wide),
            &layout.tabular,
            self.part(&layout.tabular_bias),
        ));
        let graph = match shape.graph {
            true => rectified(&affine(&tabular, &layout.event_own, event)),
            false => vec![0.0; h],
        };
        let pool = match shape.sequence {
            true => Pool::new(self, &tabular, states, way),
            false => Pool::default(),
        };
        let past = match shape.sequence {
            true => rectified(&affine(
                &pool.found,
                &layout.past,
                self.part(&layout.past_bias),
            )),
            false => vec![0.0; h],
        };
        let branches = [tabular, graph, past].concat();
        let mut gates = affine(&branches, &layout.gate, self.part(&layout.gate_bias));
        gates.iter_mut().for_each(|it| *it = sigmoid(*it));
        let gated: Vec<f32> = gates.iter().zip(&branches).map(|(g, x)| g * x).collect();
        let fused = affine(&gated, &layout.fusion, self.part(&layout.fusion_bias));

        let mut of_fused = self.part(&layout.output).to_vec();
        close(&fused, &mut of_fused);
        let mut of_gated = vec![0.0; BRANCHES * h];
        back(&of_fused, self.part(&layout.fusion), &mut of_gated);
        let mut of_branches: Vec<f32> = of_gated
            .iter()
            .zip(&gates)
            .map(|(d, gate)| d * gate)
            .collect();
        let of_gates: Vec<f32> = (0..BRANCHES * h)
            .map(|at| of_gated[at] * branches[at] * gates[at] * (1.0 - gates[at]))
            .collect();
        back(&of_gates, self.part(&layout.gate), &mut of_branches);
        close(&branches, &mut of_branches);
        let (of_tabular, rest) = of_branches.split_at_mut(h);
        let (of_graph, of_past) = rest.split_at_mut(h);
        if shape.graph {
            back(of_graph, self.part(&layout.event_own), of_tabular);
            let sums = out.event.iter_mut().zip(of_graph);
            sums.for_each(|(sum, it)| *sum += *it);
        }
        if shape.sequence {
            let mut of_found = vec![0.0; 2 * h];
            back(of_past, self.part(&layout.past), &mut of_found);
            out.past += pool.back(self, &of_found, states, way, of_tabular);
        }
        close(&branches[..h], of_tabular);
        let mut of_wide = vec![0.0; wide.len()];
        back(of_tabular, self.part(&layout.tabular), &mut of_wide);
        close(wide, &mut of_wide);
        let sums = out.wide.iter_mut().zip(&of_wide);
        sums.for_each(|(sum, it)| *sum += it);
    }

    fn part(&self, range: &Range<usize>) -> &[f32] {
        &self.hybrid.weights()[range.clone()]
    }
}

/// Attention over the states, which are `way` times as large as they will be.
#[derive(Default)]
struct Pool {
    query: Vec<f32>,
    weights: Vec<f32>,
    /// Scores of the states at their full size.
    scores: Vec<f32>,
    /// Last state, pool.
    found: Vec<f32>,
}

impl Pool {
    fn new(of: &Explainer, tabular: &[f32], states: &[f32], way: f32) -> Pool {
        let h = tabular.len();
        let mut query = vec![0.0; h];
        add(tabular, of.part(&of.hybrid.layout().query), &mut query);
        let scale = 1.0 / (h as f32).sqrt();
        query.iter_mut().for_each(|it| *it *= scale);
        let states = states.chunks_exact(h);
        let scores: Vec<f32> = states.clone().map(|state| dot(&query, state)).collect();
        let most = scores.iter().copied().fold(f32::MIN, f32::max);
        let mut weights: Vec<f32> = scores.iter().map(|it| exp(way * (it - most))).collect();
        let total: f32 = weights.iter().sum();
        weights.iter_mut().for_each(|it| *it /= total);
        let mut found = vec![0.0; 2 * h];
        let (last, pool) = found.split_at_mut(h);
        for (weight, state) in weights.iter().zip(states.clone()) {
            pool.iter_mut()
                .zip(state)
                .for_each(|(sum, it)| *sum += way * weight * it);
        }
        if let Some(state) = states.last() {
            last.iter_mut()
                .zip(state)
                .for_each(|(to, it)| *to = way * it);
        }
        Pool {
            query,
            weights,
            scores,
            found,
        }
    }

    /// Adds to the gradient of the tabular branch; returns the share of the states.
    fn back(
        &self,
        of: &Explainer,
        gradient: &[f32],
        states: &[f32],
        way: f32,
        of_tabular: &mut [f32],
    ) -> f32 {
        let h = self.query.len();
        let (of_last, of_pool) = gradient.split_at(h);
        let along: Vec<f32> = states
            .chunks_exact(h)
            .map(|state| dot(state, of_pool))
            .collect();
        let mean: f32 = along.iter().zip(&self.weights).map(|(a, w)| a * w).sum();
        let mut of_query = vec![0.0; h];
        let mut share = 0.0;
        let steps = states.chunks_exact(h).zip(&self.weights);
        for ((state, weight), (along, score)) in steps.zip(along.iter().zip(&self.scores)) {
            let of_score = weight * way * (along - mean);
            share += weight * along + of_score * score;
            let scaled = way * of_score;
            of_query
                .iter_mut()
                .zip(state)
                .for_each(|(sum, it)| *sum += scaled * it);
        }
        if let Some(last) = states.chunks_exact(h).last() {
            share += dot(last, of_last);
        }
        let scale = 1.0 / (h as f32).sqrt();
        of_query.iter_mut().for_each(|it| *it *= scale);
        back(&of_query, of.part(&of.hybrid.layout().query), of_tabular);
        share
    }
}

impl Hybrid {
    /// A row of the first tabular layer: of a knot, or behind all knots of a missing value.
    fn row(&self, row: usize) -> &[f32] {
        let width = self.shape.wide;
        // The two tensors lie one behind the other.
        debug_assert_eq!(self.layout.spline.end, self.layout.missing.start);
        &self.weights[self.layout.spline.start + row * width..][..width]
    }

    fn add_row(&self, row: usize, share: f32, out: &mut [f32]) {
        let low = out.iter_mut().zip(self.row(row));
        low.for_each(|(sum, it)| *sum += (1.0 - share) * it);
        if share > 0.0 {
            let high = out.iter_mut().zip(self.row(row + 1));
            high.for_each(|(sum, it)| *sum += share * it);
        }
    }

    fn skip(&self, row: usize, share: f32) -> f32 {
        debug_assert_eq!(self.layout.skip.end, self.layout.skip_missing.start);
        let skip = &self.weights[self.layout.skip.start..self.layout.skip_missing.end];
        match share > 0.0 {
            true => skip[row] + share * (skip[row + 1] - skip[row]),
            false => skip[row],
        }
    }
}

/// `out += x M`.
fn add(x: &[f32], matrix: &[f32], out: &mut [f32]) {
    for (x, row) in x.iter().zip(matrix.chunks_exact(out.len())) {
        out.iter_mut().zip(row).for_each(|(sum, it)| *sum += x * it);
    }
}

/// `out += M d`: the gradient of the inputs from that of the outputs.
fn back(d: &[f32], matrix: &[f32], out: &mut [f32]) {
    for (out, row) in out.iter_mut().zip(matrix.chunks_exact(d.len())) {
        *out += dot(row, d);
    }
}

/// In lanes: one running sum would cost one addition's latency per value.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0; 8];
    for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        for at in 0..8 {
            lanes[at] += a[at] * b[at];
        }
    }
    lanes.iter().sum()
}

fn rectified(x: &[f32]) -> Vec<f32> {
    x.iter().map(|it| rectify(*it)).collect()
}

/// No gradient passes where the rectifier gave 0.
fn close(x: &[f32], d: &mut [f32]) {
    for (d, x) in d.iter_mut().zip(x) {
        if *x <= 0.0 {
            *d = 0.0;
        }
    }
}
