//! AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101): Adam with weight decay apart from the gradient.

use rayon::prelude::*;

use super::matrix::vectorized;

#[derive(Clone, Debug, PartialEq)]
pub struct Adam {
    pub first: Vec<f32>,
    pub second: Vec<f32>,
    pub steps: u64,
}

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.999;
const EPSILON: f32 = 1e-8;
/// Weights per task.
const CHUNK: usize = 32_768;

impl Adam {
    pub fn new(weights: usize) -> Adam {
        Adam {
            first: vec![0.0; weights],
            second: vec![0.0; weights],
            steps: 0,
        }
    }

    /// One step with the given learning rate; `scale` is applied to the gradient first (clipping).
    pub fn step(
        &mut self,
        weights: &mut [f32],
        gradient: &[f32],
        rate: f32,
        decay: f32,
        scale: f32,
    ) {
        self.steps += 1;
        let bias = |beta: f32| 1.0 - f64::from(beta).powi(self.steps.min(1 << 20) as i32) as f32;
        let (bias_1, bias_2) = (bias(BETA_1), bias(BETA_2));
        weights
            .par_chunks_mut(CHUNK)
            .zip(gradient.par_chunks(CHUNK))
            .zip(self.first.par_chunks_mut(CHUNK))
            .zip(self.second.par_chunks_mut(CHUNK))
            .for_each(|(((weights, gradient), first), second)| {
                vectorized(|| {
                    for at in 0..weights.len() {
                        let g = gradient[at] * scale;
                        first[at] = BETA_1 * first[at] + (1.0 - BETA_1) * g;
                        second[at] = BETA_2 * second[at] + (1.0 - BETA_2) * g * g;
                        let mean = first[at] / bias_1;
                        let spread = (second[at] / bias_2).sqrt() + EPSILON;
                        weights[at] -= rate * (mean / spread + decay * weights[at]);
                    }
                });
            });
    }
}
