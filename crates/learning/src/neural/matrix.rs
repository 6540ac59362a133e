//! Products of small row-major matrices in f32, in the widest vectors of the machine.
//!
//! Widths are multiples of 32, which is two vectors of any machine; row counts and inner sizes are free.

use pulp::{Arch, Simd, WithSimd};

/// Runs loops compiled for the machine's own vectors.
#[inline(always)]
pub fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    Arch::new().dispatch(work)
}

/// `out[rows x width] += x[rows x inner] w[inner x width]`.
pub fn add_product(out: &mut [f32], x: &[f32], w: &[f32], inner: usize, width: usize) {
    debug_assert_eq!(w.len(), inner * width);
    debug_assert_eq!(out.len() / width, x.len() / inner);
    Arch::new().dispatch(Product {
        out,
        x,
        w,
        inner,
        width,
    });
}

/// `out[inner x width] += x[rows x inner]^T y[rows x width]`: the gradient of a matrix.
pub fn add_outer(out: &mut [f32], x: &[f32], y: &[f32], inner: usize, width: usize) {
    debug_assert_eq!(out.len(), inner * width);
    debug_assert_eq!(x.len() / inner, y.len() / width);
    Arch::new().dispatch(Outer {
        out,
        x,
        y,
        inner,
        width,
    });
}

/// `out[width] += ` the sum of the rows of y: the gradient of a bias.
pub fn add_rows(out: &mut [f32], y: &[f32]) {
    vectorized(|| {
        for row in y.chunks_exact(out.len()) {
            out.iter_mut().zip(row).for_each(|(sum, it)| *sum += it);
        }
    });
}

pub fn transpose(w: &[f32], inner: usize, width: usize) -> Vec<f32> {
    let mut out = vec![0.0; w.len()];
    for (row, values) in w.chunks_exact(width).enumerate() {
        for (column, value) in values.iter().enumerate() {
            out[column * inner + row] = *value;
        }
    }
    out
}

struct Product<'a> {
    out: &'a mut [f32],
    x: &'a [f32],
    w: &'a [f32],
    inner: usize,
    width: usize,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (w, _) = S::as_simd_f32s(self.w);
        let vectors = self.width / S::F32_LANES;
        let (out, _) = S::as_mut_simd_f32s(self.out);
        let mut rows = out
            .chunks_exact_mut(4 * vectors)
            .zip(self.x.chunks_exact(4 * self.inner));
        for (out, x) in &mut rows {
            product_rows::<S, 4>(simd, out, x, w, self.inner, vectors);
        }
        let done = self.x.len() / (4 * self.inner) * 4;
        let (out, x) = (&mut out[done * vectors..], &self.x[done * self.inner..]);
        for (out, x) in out
            .chunks_exact_mut(vectors)
            .zip(x.chunks_exact(self.inner))
        {
            product_rows::<S, 1>(simd, out, x, w, self.inner, vectors);
        }
    }
}

/// R rows of the product, two vectors of columns at a time, sums held in registers.
#[inline(always)]
fn product_rows<S: Simd, const R: usize>(
    simd: S,
    out: &mut [S::f32s],
    x: &[f32],
    w: &[S::f32s],
    inner: usize,
    vectors: usize,
) {
    let x: [&[f32]; R] = std::array::from_fn(|row| &x[row * inner..][..inner]);
    for column in (0..vectors).step_by(2) {
        let mut sums: [[S::f32s; 2]; R] = std::array::from_fn(|row| {
            let at = row * vectors + column;
            [out[at], out[at + 1]]
        });
        for (at, w) in w.chunks_exact(vectors).enumerate().take(inner) {
            let w = [w[column], w[column + 1]];
            for row in 0..R {
                let x = simd.splat_f32s(x[row][at]);
                sums[row] = [
                    simd.mul_add_e_f32s(x, w[0], sums[row][0]),
                    simd.mul_add_e_f32s(x, w[1], sums[row][1]),
                ];
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            let at = row * vectors + column;
            [out[at], out[at + 1]] = *sums;
        }
    }
}

struct Outer<'a> {
    out: &'a mut [f32],
    x: &'a [f32],
    y: &'a [f32],
    inner: usize,
    width: usize,
}

impl WithSimd for Outer<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let vectors = self.width / S::F32_LANES;
        let (y, _) = S::as_simd_f32s(self.y);
        let (out, _) = S::as_mut_simd_f32s(self.out);
        let mut at = 0;
        while at + 4 <= self.inner {
            outer_rows::<S, 4>(
                simd,
                &mut out[at * vectors..],
                self.x,
                y,
                (at, self.inner),
                vectors,
            );
            at += 4;
        }
        while at < self.inner {
            outer_rows::<S, 1>(
                simd,
                &mut out[at * vectors..],
                self.x,
                y,
                (at, self.inner),
                vectors,
            );
            at += 1;
        }
    }
}

#[inline(always)]
fn outer_rows<S: Simd, const R: usize>(
    simd: S,
    out: &mut [S::f32s],
    x: &[f32],
    y: &[S::f32s],
    (from, inner): (usize, usize),
    vectors: usize,
) {
    for column in (0..vectors).step_by(2) {
        let mut sums: [[S::f32s; 2]; R] = std::array::from_fn(|row| {
            let at = row * vectors + column;
            [out[at], out[at + 1]]
        });
        for (x, y) in x.chunks_exact(inner).zip(y.chunks_exact(vectors)) {
            let x = &x[from..from + R];
            let y = [y[column], y[column + 1]];
            for row in 0..R {
                let x = simd.splat_f32s(x[row]);
                sums[row] = [
                    simd.mul_add_e_f32s(x, y[0], sums[row][0]),
                    simd.mul_add_e_f32s(x, y[1], sums[row][1]),
                ];
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            let at = row * vectors + column;
            [out[at], out[at + 1]] = *sums;
        }
    }
}
