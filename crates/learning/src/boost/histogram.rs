//! Histograms of a leaf: per feature and bin, the sum of gradients, of hessians, and the row count.

use super::bins::{GROUP, Group, GroupBins};
use super::objective::{Gradient, HESSIAN_BITS};

/// One slot. Row count and hessians share a word, so that a row costs two integer adds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(align(16))]
pub struct Slot {
    pub gradient: i64,
    /// `count << 40 | hessian`: 24 bits of rows, 40 of fixed-point hessians.
    packed: u64,
}

const _: () = assert!(super::data::ROWS_MAX < 1 << (64 - HESSIAN_BITS));

impl Slot {
    #[inline]
    pub fn of_row(row: Gradient) -> Self {
        Slot {
            gradient: i64::from(row.gradient),
            packed: 1 << HESSIAN_BITS | u64::from(row.hessian),
        }
    }

    #[inline]
    pub fn count(self) -> u32 {
        (self.packed >> HESSIAN_BITS) as u32
    }

    #[inline]
    pub fn hessian(self) -> u64 {
        self.packed & ((1 << HESSIAN_BITS) - 1)
    }

    #[inline]
    fn add(&mut self, other: Slot) {
        *self = self.plus(other);
    }

    #[inline]
    pub fn plus(self, other: Slot) -> Slot {
        Slot {
            gradient: self.gradient + other.gradient,
            packed: self.packed + other.packed,
        }
    }

    /// `other` must be a part of `self`.
    #[inline]
    pub fn minus(self, other: Slot) -> Slot {
        Slot {
            gradient: self.gradient - other.gradient,
            packed: self.packed - other.packed,
        }
    }
}

/// Adds the rows of a leaf to the histogram of one group. `gradients[i]` belongs to `rows[i]`.
pub fn accumulate(group: &Group, rows: &[u32], gradients: &[Gradient], out: &mut [Slot]) {
    out.fill(Slot::default());
    match &group.bins {
        GroupBins::Narrow(bins) => accumulate_bins(bins, group, rows, gradients, out),
        GroupBins::Wide(bins) => accumulate_bins(bins, group, rows, gradients, out),
    }
}

/// Rows whose bins are fetched together.
const BLOCK: usize = 64;

/// Fetches the bins of a block of rows before it counts them: the rows of a leaf are far apart, and
/// only a loop of nothing but loads keeps enough cache misses in flight.
fn accumulate_bins<B: Copy + Default + Into<usize>>(
    bins: &[[B; GROUP]],
    group: &Group,
    rows: &[u32],
    gradients: &[Gradient],
    out: &mut [Slot],
) {
    let starts = group.slot_start;
    let (a, rest) = out.split_at_mut(starts[1]);
    let (b, rest) = rest.split_at_mut(starts[2] - starts[1]);
    let (c, d) = rest.split_at_mut(starts[3] - starts[2]);
    let mut fetched = [[B::default(); GROUP]; BLOCK];
    for (rows, gradients) in rows.chunks(BLOCK).zip(gradients.chunks(BLOCK)) {
        for (fetched, &row) in fetched.iter_mut().zip(rows) {
            *fetched = bins[row as usize];
        }
        for (at, &gradient) in fetched.iter().zip(gradients) {
            let slot = Slot::of_row(gradient);
            a[at[0].into()].add(slot);
            b[at[1].into()].add(slot);
            c[at[2].into()].add(slot);
            d[at[3].into()].add(slot);
        }
    }
}

/// Turns the parent's histogram into the sibling's.
pub fn subtract(parent: &mut [Slot], child: &[Slot]) {
    for (parent, &child) in parent.iter_mut().zip(child) {
        *parent = parent.minus(child);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_sums_keep_count_and_hessian_apart() {
        let row = Gradient {
            gradient: -7,
            hessian: u32::MAX,
        };
        let mut sum = Slot::default();
        for _ in 0..255 {
            sum = sum.plus(Slot::of_row(row));
        }
        assert_eq!(
            (sum.gradient, sum.hessian(), sum.count()),
            (-1785, 255 * (u32::MAX as u64), 255)
        );
        let rest = sum.minus(Slot::of_row(row));
        assert_eq!(
            (rest.gradient, rest.hessian(), rest.count()),
            (-1778, 254 * (u32::MAX as u64), 254)
        );
    }
}
