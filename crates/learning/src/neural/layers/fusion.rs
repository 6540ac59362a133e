//! Gated fusion of the branches (after the gated multimodal unit of Arevalo et al. 2017, arXiv 1702.01992):
//! every value of every branch is let through by a gate that looks at all branches.

use model::hybrid::mathematics::sigmoid;

use super::super::matrix::vectorized;

/// `gates` become their sigmoid, `gated = gates * branches`.
pub fn forward(gates: &mut [f32], gated: &mut Vec<f32>, branches: &[f32]) {
    gated.clear();
    gated.resize(gates.len(), 0.0);
    vectorized(|| {
        gates.iter_mut().for_each(|it| *it = sigmoid(*it));
        for ((gated, gate), branch) in gated.iter_mut().zip(&*gates).zip(branches) {
            *gated = gate * branch;
        }
    });
}

/// `dgated` becomes the gradient before the gates' sigmoid; the branches' own part is added to `dbranches`.
pub fn backward(gates: &[f32], branches: &[f32], dgated: &mut [f32], dbranches: &mut [f32]) {
    vectorized(|| {
        for at in 0..gates.len() {
            let (gate, d) = (gates[at], dgated[at]);
            dbranches[at] += d * gate;
            dgated[at] = d * branches[at] * gate * (1.0 - gate);
        }
    });
}
