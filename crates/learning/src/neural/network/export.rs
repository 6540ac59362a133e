//! The network as it is served: on samples as they are.

use std::ops::Range;

use model::hybrid::{Hybrid, HybridError};

use super::{Network, of_role};
use crate::neural::scale::Affine;

impl Network {
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
