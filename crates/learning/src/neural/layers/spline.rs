//! The first tabular layer: a straight line between knots for each feature, summed over features.
//!
//! Features are the outer loop: the rows of weights of one feature stay in the first-level cache.

use model::hybrid::knots::Knots;

use super::super::matrix::vectorized;

/// A feature of a row: which row of weights, and how far to the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cell {
    pub knot: u32,
    pub share: f32,
}

/// Marks a missing value.
const MISSING: u32 = u32::MAX;

/// The weights, or their gradients.
pub struct Part<'a> {
    /// Knots x wide, features x wide.
    pub spline: &'a [f32],
    pub missing: &'a [f32],
    /// Knots, features.
    pub skip: &'a [f32],
    pub skip_missing: &'a [f32],
}

pub struct PartMut<'a> {
    pub spline: &'a mut [f32],
    pub missing: &'a mut [f32],
    pub skip: &'a mut [f32],
    pub skip_missing: &'a mut [f32],
}

/// Where each value lies: features x rows.
pub fn place(cells: &mut Vec<Cell>, knots: &Knots, tabular: &[f32], rows: usize) {
    let features = knots.features();
    cells.clear();
    cells.resize(features * rows, Cell::default());
    for (feature, cells) in cells.chunks_exact_mut(rows).enumerate() {
        if knots.of(feature).is_empty() {
            continue;
        }
        for (row, cell) in cells.iter_mut().enumerate() {
            let value = tabular[row * features + feature];
            *cell = if value.is_nan() {
                Cell {
                    knot: MISSING,
                    share: 0.0,
                }
            } else {
                let place = knots.place(feature, value);
                Cell {
                    knot: place.knot as u32,
                    share: place.share,
                }
            };
        }
    }
}

/// The placed values of a shard.
#[derive(Clone, Copy)]
pub struct Cells<'a> {
    pub knots: &'a Knots,
    /// Features x rows.
    pub cells: &'a [Cell],
    /// Multiplier of each feature; empty: 1.
    pub kept: &'a [f32],
}

impl<'a> Cells<'a> {
    /// Feature, multiplier and cells of each feature that is looked at.
    fn each(self, rows: usize) -> impl Iterator<Item = (usize, f32, &'a [Cell])> {
        let all = self.cells.chunks_exact(rows).enumerate();
        all.filter_map(move |(feature, cells)| {
            let kept = self.kept.get(feature).copied().unwrap_or(1.0);
            let looked_at = !self.knots.of(feature).is_empty() && kept > 0.0;
            looked_at.then_some((feature, kept, cells))
        })
    }
}

/// Adds every feature to `out` (rows x wide) and `skip` (rows).
pub fn forward(out: &mut [f32], skip: &mut [f32], part: &Part<'_>, cells: Cells<'_>) {
    let rows = skip.len();
    let wide = out.len() / rows;
    vectorized(|| {
        for (feature, kept, cells) in cells.each(rows) {
            for ((out, skip), cell) in out.chunks_exact_mut(wide).zip(skip.iter_mut()).zip(cells) {
                if cell.knot == MISSING {
                    let row = &part.missing[feature * wide..(feature + 1) * wide];
                    out.iter_mut()
                        .zip(row)
                        .for_each(|(sum, w)| *sum += kept * w);
                    *skip += kept * part.skip_missing[feature];
                    continue;
                }
                let (at, share) = (cell.knot as usize, cell.share);
                // At the last knot there is no next one; the share is 0 and the row itself stands in.
                let next = at + usize::from(share > 0.0);
                let low = &part.spline[at * wide..(at + 1) * wide];
                let high = &part.spline[next * wide..(next + 1) * wide];
                let (a, b) = (kept * (1.0 - share), kept * share);
                for (sum, (low, high)) in out.iter_mut().zip(low.iter().zip(high)) {
                    *sum += a * low + b * high;
                }
                *skip += a * part.skip[at] + b * part.skip[next];
            }
        }
    });
}

/// From the gradient of `out` and of `skip`.
pub fn backward(gradient: &mut PartMut<'_>, cells: Cells<'_>, dout: &[f32], dskip: &[f32]) {
    let rows = dskip.len();
    let wide = dout.len() / rows;
    vectorized(|| {
        for (feature, kept, cells) in cells.each(rows) {
            for ((dout, dskip), cell) in dout.chunks_exact(wide).zip(dskip).zip(cells) {
                if cell.knot == MISSING {
                    let row = &mut gradient.missing[feature * wide..(feature + 1) * wide];
                    row.iter_mut()
                        .zip(dout)
                        .for_each(|(sum, it)| *sum += kept * it);
                    gradient.skip_missing[feature] += kept * dskip;
                    continue;
                }
                let (at, share) = (cell.knot as usize, cell.share);
                let (a, b) = (kept * (1.0 - share), kept * share);
                let low = &mut gradient.spline[at * wide..(at + 1) * wide];
                low.iter_mut()
                    .zip(dout)
                    .for_each(|(sum, it)| *sum += a * it);
                gradient.skip[at] += a * dskip;
                if share > 0.0 {
                    let high = &mut gradient.spline[(at + 1) * wide..(at + 2) * wide];
                    high.iter_mut()
                        .zip(dout)
                        .for_each(|(sum, it)| *sum += b * it);
                    gradient.skip[at + 1] += b * dskip;
                }
            }
        }
    });
}
