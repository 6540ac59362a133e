//! Matrices as the kernel reads them: columns cut into panels, the rows of a panel one after the other.
//!
//! A panel is as wide as sums fit into registers, so that a sum is loaded and stored once per product.

use crate::hybrid::mathematics::rectify;

/// Panel widths that [`add`] knows, widest first.
const WIDTHS: [usize; 4] = [128, 64, 32, 16];

/// Appends a row-major matrix, cut into panels of at most `widest` columns.
pub fn pack(matrix: &[f32], columns: usize, widest: usize, out: &mut Vec<f32>) {
    let mut from = 0;
    while from < columns {
        let width = panel_width(columns - from, widest);
        for row in matrix.chunks_exact(columns) {
            out.extend_from_slice(&row[from..from + width]);
        }
        from += width;
    }
}

/// The widest panel for so many columns; they are a multiple of 16.
fn panel_width(columns: usize, widest: usize) -> usize {
    let fits = |width: &usize| *width <= columns && *width <= widest;
    WIDTHS.into_iter().find(fits).unwrap_or(columns)
}

/// `a * b + c`, fused where the instructions are there; elsewhere a fused one would be a call.
#[inline(always)]
pub fn multiply_add<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// `out += x M`.
#[inline(always)]
pub fn add<const FMA: bool, const WIDEST: usize>(x: &[f32], matrix: &[f32], out: &mut [f32]) {
    let mut rest = (matrix, out);
    if WIDEST >= 128 {
        while rest.1.len() >= 128 {
            rest = panel::<FMA, 128>(x, rest);
        }
    }
    if WIDEST >= 64 {
        while rest.1.len() >= 64 {
            rest = panel::<FMA, 64>(x, rest);
        }
    }
    while rest.1.len() >= 32 {
        rest = panel::<FMA, 32>(x, rest);
    }
    while rest.1.len() >= 16 {
        rest = panel::<FMA, 16>(x, rest);
    }
}

/// Adds the product with the first panel; returns what is left of matrix and sums.
#[inline(always)]
fn panel<'a, const FMA: bool, const W: usize>(
    x: &[f32],
    (matrix, out): (&'a [f32], &'a mut [f32]),
) -> (&'a [f32], &'a mut [f32]) {
    let (panel, matrix) = matrix.split_at(x.len() * W);
    let (sums, out) = out.split_at_mut(W);
    let sums = &mut sums.as_chunks_mut::<W>().0[0];
    let mut held = *sums;
    for (x, row) in x.iter().zip(panel.as_chunks::<W>().0) {
        for at in 0..W {
            held[at] = multiply_add::<FMA>(*x, row[at], held[at]);
        }
    }
    *sums = held;
    (matrix, out)
}

/// `sums[r] += x[r] M` for columns `tile * T..` of a panel `P` wide: several rows share each load of a weight.
#[inline(always)]
pub fn add_tile<const FMA: bool, const P: usize, const T: usize, const R: usize>(
    x: [&[f32]; R],
    panel: &[[f32; P]],
    tile: usize,
    sums: &mut [[f32; T]; R],
) {
    let x = x.map(|it| &it[..panel.len()]);
    let mut held = *sums;
    for (k, row) in panel.iter().enumerate() {
        let row = &row.as_chunks::<T>().0[tile];
        for (x, held) in x.iter().zip(&mut held) {
            for at in 0..T {
                held[at] = multiply_add::<FMA>(x[k], row[at], held[at]);
            }
        }
    }
    *sums = held;
}

/// Negative values become 0.
#[inline(always)]
pub fn rectify_all(values: &mut [f32]) {
    for value in values {
        *value = rectify(*value);
    }
}
