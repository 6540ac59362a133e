//! Seeded random networks.

use ringfence_model::hybrid::Hybrid;
use ringfence_model::hybrid::knots::Knots;
use ringfence_model::hybrid::shape::{Layout, STEP_EVENT_TYPE, STEP_WIDTH, Shape};

pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
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
