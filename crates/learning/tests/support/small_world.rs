//! A few samples of every shape, and networks for them.
#![allow(dead_code, reason = "each test that includes this uses a part of it")]

use graph::Sample;
use graph::sample::{NEIGHBOUR_WIDTH, NEIGHBOURS, NODE_WIDTH, STEP_WIDTH, STEPS};
use model::hybrid::shape::Shape;
use ringfence_learning::neural::arrays::Arrays;
use ringfence_learning::neural::batch::Source;
use ringfence_learning::neural::network::Network;
use ringfence_learning::neural::scale::Scale;
use ringfence_learning::neural::sight::Sight;

pub const ROLES: usize = 3;
pub const FEATURES: usize = 7;
pub const EVENT_TYPES: usize = 3;

/// A small generator: tests must not depend on a library's stream of numbers.
pub struct Draw(pub u64);

impl Draw {
    pub fn share(&mut self) -> f32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1_u64 << 24) as f32
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.share() * end as f32) as usize
    }
}

pub struct World {
    pub tabular: Vec<f32>,
    pub arrays: Arrays,
    pub fraud: Vec<bool>,
}

/// Every length of sequence and neighbourhood from none to all, missing values, a constant feature.
pub fn world(rows: usize, seed: u64) -> World {
    let mut draw = Draw(seed);
    let mut world = World {
        tabular: Vec::new(),
        arrays: Arrays::new(ROLES),
        fraud: Vec::new(),
    };
    for row in 0..rows {
        let mut sample = Sample::default();
        sample.steps = match row {
            0 => 0,
            1 => STEPS,
            _ => draw.below(12),
        };
        for step in 0..STEPS {
            for column in 0..STEP_WIDTH {
                let value = match column {
                    5 => draw.below(EVENT_TYPES) as f32,
                    _ => 3.0 * draw.share() - 1.0,
                };
                sample
                    .sequence
                    .push(if step < sample.steps { value } else { 0.0 });
            }
        }
        for role in 0..ROLES {
            sample.neighbours[role] = match row {
                0 => 0,
                1 => NEIGHBOURS as u8,
                _ => draw.below(6) as u8,
            };
            for slot in 0..NEIGHBOURS * NEIGHBOUR_WIDTH {
                let used = slot < usize::from(sample.neighbours[role]) * NEIGHBOUR_WIDTH;
                let value = 2.0 * draw.share();
                sample.neighbourhood.push(if used { value } else { 0.0 });
            }
            sample
                .entities
                .extend((0..NODE_WIDTH).map(|_| draw.share()));
        }
        for feature in 0..FEATURES {
            world.tabular.push(match feature {
                0 => 1.0,
                1 if row % 3 == 0 => f32::NAN,
                2 => draw.below(3) as f32,
                _ => 10.0 * draw.share() * draw.share(),
            });
        }
        world.arrays.push(&sample);
        let hint = world.tabular[world.tabular.len() - 1];
        world.fraud.push(hint + 4.0 * draw.share() > 5.0);
    }
    world
}

impl World {
    pub fn source(&self) -> Source<'_> {
        Source {
            tabular: &self.tabular,
            width: FEATURES,
            arrays: &self.arrays,
        }
    }

    pub fn network(&self, sight: &Sight, seed: u64) -> Network {
        self.network_scaled(self.scale(sight), sight, seed)
    }

    pub fn scale(&self, sight: &Sight) -> Scale {
        let rows: Vec<usize> = (0..self.fraud.len()).collect();
        Scale::fit(&self.tabular, &self.arrays, &rows, sight)
    }

    pub fn network_scaled(&self, scale: Scale, sight: &Sight, seed: u64) -> Network {
        let shape = Shape {
            features: FEATURES,
            roles: ROLES,
            event_types: EVENT_TYPES,
            hidden: 32,
            wide: 32,
            graph: sight.graph,
            sequence: sight.sequence,
        };
        let mut network = Network::new(shape, scale, -1.0, seed);
        // Biases and direct weights begin at zero; a test of zeros would test little.
        let mut draw = Draw(seed);
        network
            .weights
            .iter_mut()
            .for_each(|it| *it += 0.1 * (draw.share() - 0.5));
        network
    }
}

pub fn all() -> Sight {
    Sight {
        features: vec![true; FEATURES],
        step: [true; STEP_WIDTH],
        neighbour: [true; NEIGHBOUR_WIDTH],
        graph: true,
        sequence: true,
    }
}
