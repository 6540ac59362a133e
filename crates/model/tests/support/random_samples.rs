//! Seeded random samples, as a graph's sampler lays them out.

use ringfence_model::hybrid::Input;
use ringfence_model::hybrid::shape::{
    NEIGHBOUR_WIDTH, NEIGHBOURS, NODE_WIDTH, STEP_EVENT_TYPE, STEP_WIDTH, STEPS, Shape,
};

use super::random_networks::Dice;

impl Dice {
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
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
