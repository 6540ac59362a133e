//! Small random weights.

use graph::sample::{NEIGHBOUR_WIDTH, NODE_WIDTH, STEP_WIDTH};
use model::hybrid::shape::{BRANCHES, Layout, Shape};

use super::Network;
use crate::neural::random::Random;
use crate::neural::scale::Scale;

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
}
