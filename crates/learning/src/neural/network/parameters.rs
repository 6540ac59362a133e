//! The form in which the optimiser moves the weights.

use std::ops::Range;

use super::Network;

impl Network {
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
}
