//! `y = relu(x W + b)` and its parts.

use super::super::matrix::{add_outer, add_product, add_rows, transpose, vectorized};

/// `out = bias`, row by row.
pub fn start(out: &mut Vec<f32>, rows: usize, bias: &[f32]) {
    out.clear();
    for _ in 0..rows {
        out.extend_from_slice(bias);
    }
}

/// `out = x W + b`.
pub fn affine(out: &mut Vec<f32>, x: &[f32], w: &[f32], bias: &[f32]) {
    let (inner, width) = (w.len() / bias.len(), bias.len());
    start(out, x.len() / inner, bias);
    add_product(out, x, w, inner, width);
}

pub fn relu(values: &mut [f32]) {
    vectorized(|| values.iter_mut().for_each(|it| *it = it.max(0.0)));
}

/// Lets through the gradient where the output was positive.
pub fn relu_back(gradient: &mut [f32], output: &[f32]) {
    vectorized(|| {
        for (gradient, output) in gradient.iter_mut().zip(output) {
            *gradient = if *output > 0.0 { *gradient } else { 0.0 };
        }
    });
}

/// Gradients of matrix and bias.
pub fn affine_back(dw: &mut [f32], dbias: &mut [f32], x: &[f32], dy: &[f32]) {
    let width = dbias.len();
    add_outer(dw, x, dy, dw.len() / width, width);
    add_rows(dbias, dy);
}

/// `dx += dy W^T`.
pub fn input_back(dx: &mut [f32], dy: &[f32], w: &[f32], width: usize) {
    let inner = w.len() / width;
    let turned = transpose(w, inner, width);
    add_product(dx, dy, &turned, width, inner);
}
