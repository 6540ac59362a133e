//! Seeded random networks and samples.

use ringfence_model::hybrid::knots::Knots;
use ringfence_model::hybrid::shape::{
    Layout, NEIGHBOUR_WIDTH, NEIGHBOURS, NODE_WIDTH, STEP_EVENT_TYPE, STEP_WIDTH, STEPS, Shape,
};
use ringfence_model::hybrid::{Hybrid, Input};

pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// In [-1, 1).
    pub fn value(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1_u32 << 23) as f32 - 1.0
    }
}

/// Weights of up to `gain` over the root of the inputs; a fresh network of PyTorch has a gain of 1.
pub fn random_network(dice: &mut Dice, shape: Shape, knots: Knots, gain: f32) -> Hybrid {
    let layout = Layout::new(&shape, knots.total());
    let mut weights = vec![0.0; layout.total];
    for tensor in layout.tensors(&shape, knots.total()) {
        let inputs = match tensor.dims.as_slice() {
            _ if ["spline", "missing"].contains(&tensor.name) => shape.features,
            [_, inputs, _] | [inputs, _] => *inputs,
            _ => 1,
        };
        let scale = gain / (inputs as f32).sqrt();
        for weight in &mut weights[tensor.range] {
            *weight = scale * dice.value();
        }
    }
    let gates = layout.step.len() / STEP_WIDTH;
    weights[layout.step.start + STEP_EVENT_TYPE * gates..][..gates].fill(0.0);
    Hybrid::new(shape, knots, weights).unwrap()
}

#[derive(Clone, Debug)]
pub struct Arrays {
    pub tabular: Vec<f32>,
    pub sequence: Vec<f32>,
    pub steps: usize,
    pub entities: Vec<f32>,
    pub neighbourhood: Vec<f32>,
    pub neighbours: Vec<u8>,
}

impl Arrays {
    pub fn input(&self) -> Input<'_> {
        Input {
            tabular: &self.tabular,
            sequence: &self.sequence,
            steps: self.steps,
            entities: &self.entities,
            neighbourhood: &self.neighbourhood,
            neighbours: &self.neighbours,
        }
    }
}

/// So many steps, and neighbours of each role.
pub fn sample_of(dice: &mut Dice, shape: &Shape, steps: usize, neighbours: Vec<u8>) -> Arrays {
    let mut values = |n: usize| -> Vec<f32> { (0..n).map(|_| 3.0 * dice.value()).collect() };
    let mut sample = Arrays {
        tabular: values(shape.features),
        sequence: values(STEPS * STEP_WIDTH),
        steps,
        entities: values(shape.roles * NODE_WIDTH),
        neighbourhood: values(shape.roles * NEIGHBOURS * NEIGHBOUR_WIDTH),
        neighbours,
    };
    sample.sequence[steps * STEP_WIDTH..].fill(0.0);
    for step in sample.sequence.chunks_exact_mut(STEP_WIDTH).take(steps) {
        // One more than there are: an unknown type counts as the last.
        step[STEP_EVENT_TYPE] = dice.below(shape.event_types + 1) as f32;
    }
    let blocks = sample
        .neighbourhood
        .chunks_exact_mut(NEIGHBOURS * NEIGHBOUR_WIDTH);
    for (block, used) in blocks.zip(&sample.neighbours) {
        block[usize::from(*used) * NEIGHBOUR_WIDTH..].fill(0.0);
    }
    sample
}
