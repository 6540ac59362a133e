//! Splits of a feature sorted by threshold, so that those to apply are a prefix. Takes no memory
//! beyond the splits: for large models.

use super::{Clear, Entry, Word};

/// Splits in the order in which they apply; in columns, since a 64-bit mask and a tree would take 16
/// bytes side by side.
#[derive(Debug, Clone)]
struct List<W> {
    thresholds: Vec<f32>,
    masks: Vec<W>,
    trees: Vec<u16>,
}

#[derive(Debug, Clone)]
pub struct Prefix<W: Word> {
    /// Applied while `threshold < x`, ascending: splits that expect left.
    above: List<W>,
    /// Applied while `threshold >= x`, descending: splits that expect right.
    below: List<W>,
    /// Applied when x is missing.
    missing: Vec<Clear<W>>,
}

impl<W: Word> Prefix<W> {
    pub fn new(entries: &[Entry<W>]) -> Self {
        let mut sorted = entries.to_vec();
        sorted.sort_by(|a, b| a.threshold.total_cmp(&b.threshold));
        Prefix {
            above: List::new(sorted.iter().filter(|e| e.expects_left)),
            below: List::new(sorted.iter().rev().filter(|e| !e.expects_left)),
            missing: entries
                .iter()
                .filter(|e| e.on_missing)
                .map(|e| e.clear)
                .collect(),
        }
    }

    #[inline]
    pub fn apply(&self, x: f32, bits: &mut [W]) {
        if x.is_nan() {
            self.missing.iter().for_each(|clear| clear.apply(bits));
        } else {
            self.above.apply_while(|threshold| threshold < x, bits);
            self.below.apply_while(|threshold| threshold >= x, bits);
        }
    }
}

impl<W: Word> List<W> {
    fn new<'a>(entries: impl Iterator<Item = &'a Entry<W>>) -> Self
    where
        W: 'a,
    {
        let mut list = List {
            thresholds: Vec::new(),
            masks: Vec::new(),
            trees: Vec::new(),
        };
        for entry in entries {
            list.thresholds.push(entry.threshold);
            list.masks.push(entry.clear.mask);
            list.trees.push(entry.clear.tree);
        }
        list
    }

    /// (To search the end of the prefix first and then loop without comparing took twice as long.)
    #[inline]
    fn apply_while(&self, applies: impl Fn(f32) -> bool, bits: &mut [W]) {
        let clears = self.masks.iter().zip(&self.trees);
        for (&threshold, (&mask, &tree)) in self.thresholds.iter().zip(clears) {
            if !applies(threshold) {
                break;
            }
            bits[usize::from(tree)] &= mask;
        }
    }
}
