//! For each interval between a feature's thresholds, the list of what to clear: one search and one
//! short loop per feature. Memory grows with the square of the thresholds: for small models.

use super::{Clear, Entry, Word};

/// Lists are filled up to a multiple of this with entries that clear nothing: loops of few
/// different lengths are predicted well.
const STEP: usize = 4;

#[derive(Debug, Clone)]
pub struct Table<W: Word> {
    /// Distinct, ascending; interval i holds the x with exactly i thresholds below x.
    thresholds: Vec<f32>,
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
        let mut table = Table {
            thresholds,
            starts: vec![0],
            clears: Vec::new(),
        };
        for interval in 0..=table.thresholds.len() {
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
        self.clears.extend(entries.map(|e| e.clear));
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
    pub fn apply(&self, x: f32, bits: &mut [W]) {
        let interval = if x.is_nan() {
            self.thresholds.len() + 1
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
        for clears in self.clears[from..until].as_chunks::<STEP>().0 {
            clears.iter().for_each(|clear| clear.apply(bits));
        }
    }
}
