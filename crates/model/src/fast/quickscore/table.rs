//! For each interval between a feature's thresholds, the list of what to clear: one search and one
//! short loop per feature. Memory grows with the square of the thresholds: for small models.

use super::{Clear, Entry, Word};

/// Lists are filled up to a multiple of this with entries that clear nothing: loops of few
/// different lengths are predicted well.
const STEP: usize = 4;

/// What to clear for one value.
pub type List<'a, W> = &'a [[Clear<W>; STEP]];

/// Thresholds that are compared in one turn of the loop.
const VECTORS: usize = 8;

#[derive(Debug, Clone)]
pub struct Table<W: Word> {
    /// Distinct, ascending; interval i holds the x with exactly i thresholds below x. Filled up with
    /// infinities, which lie below nothing: the vectors that count have no rest.
    thresholds: Vec<f32>,
    intervals: usize,
    /// Where the list of each interval begins; after the intervals comes the one of missing x.
    starts: Vec<u32>,
    clears: Vec<Clear<W>>,
}

impl<W: Word> Table<W> {
    pub fn new(entries: &[Entry<W>]) -> Self {
        let mut thresholds: Vec<f32> = entries.iter().map(|e| e.threshold).collect();
        thresholds.sort_by(f32::total_cmp);
        // `==`, so that the two zeros are one threshold
        thresholds.dedup();
        let intervals = thresholds.len() + 1;
        thresholds.resize(thresholds.len().next_multiple_of(VECTORS), f32::INFINITY);
        let mut table = Table {
            thresholds,
            intervals,
            starts: vec![0],
            clears: Vec::new(),
        };
        for interval in 0..intervals {
            // the interval ends at a threshold and includes it; above the last there is no end
            let end = table
                .thresholds
                .get(interval)
                .copied()
                .unwrap_or(f32::INFINITY);
            table.push(
                entries
                    .iter()
                    .filter(|e| (end <= e.threshold) != e.expects_left),
            );
        }
        table.push(entries.iter().filter(|e| e.on_missing));
        table
    }

    fn push<'a>(&mut self, entries: impl Iterator<Item = &'a Entry<W>>)
    where
        W: 'a,
    {
        let from = self.clears.len();
        // Splits of one tree become one entry; trees are entered one after the other.
        for Clear { mask, tree } in entries.map(|e| e.clear) {
            match self.clears[from..].last_mut() {
                Some(held) if held.tree == tree => held.mask &= mask,
                _ => self.clears.push(Clear { mask, tree }),
            }
        }
        let nothing = Clear {
            mask: W::without(0..0),
            tree: 0,
        };
        self.clears
            .resize(self.clears.len().next_multiple_of(STEP), nothing);
        self.starts.push(self.clears.len() as u32);
    }

    /// Entries it holds: what decides whether it stays in the cache.
    pub fn len(&self) -> usize {
        self.clears.len()
    }

    #[inline]
    pub fn find(&self, x: f32) -> List<'_, W> {
        let interval = if x.is_nan() {
            self.intervals
        } else {
            // counts all: without a branch, and four at a time
            self.thresholds
                .iter()
                .map(|&t| u32::from(t < x))
                .sum::<u32>() as usize
        };
        let (from, until) = (
            self.starts[interval] as usize,
            self.starts[interval + 1] as usize,
        );
        self.clears[from..until].as_chunks::<STEP>().0
    }
}
