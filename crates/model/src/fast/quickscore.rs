//! Bit-vector scoring (QuickScorer, Lucchese et al. 2015): a word per tree has a bit per leaf; every
//! split whose outcome is the one it does not expect clears the leaves behind the other outcome;
//! the lowest bit left is the leaf. Splits are grouped by feature and sorted by threshold, so that
//! the ones to apply are a prefix: no comparison is mispredicted but the last of each list.
//!
//! Each split expects the outcome that more training rows had (the original always expects left),
//! which leaves about half as many words to touch; the leaves are numbered so that the expected
//! side of a split comes first.

mod prefix;
mod table;
mod word;

use std::ops::Range;

use crate::trees::{Child, MISSING_LEFT, Tree, Trees, ZERO_IS_MISSING, goes_left, sum_lanes};
use prefix::Prefix;
use table::Table;
pub use word::Word;

/// Tables of at most this many entries (256 KiB of 16-bit masks) beat prefixes.
const TABLE_LEN_MAX: usize = 1 << 16;

/// Features whose lists are found before any of them is applied: the loops over lists then know early
/// where they end, instead of guessing it wrong for half of the features.
const TOGETHER: usize = 8;

/// `bits[tree] &= mask`.
#[derive(Debug, Clone, Copy)]
struct Clear<W: Word> {
    mask: W,
    tree: u16,
}

impl<W: Word> Clear<W> {
    #[inline]
    fn apply(self, bits: &mut [W]) {
        bits[usize::from(self.tree)] &= self.mask;
    }
}

/// A split for which zero is missing too: tested one by one, there are few of them.
#[derive(Debug, Clone)]
struct ZeroSplit<W: Word> {
    feature: u32,
    threshold: f32,
    flags: u8,
    expects_left: bool,
    clear: Clear<W>,
}

#[derive(Debug, Clone)]
pub struct QuickScore<W: Word> {
    features: Features<W>,
    zero_splits: Vec<ZeroSplit<W>>,
    leaf_start: Vec<u32>,
    leaf_value: Vec<f64>,
}

#[derive(Debug, Clone)]
enum Features<W: Word> {
    Tables(Vec<Table<W>>),
    Prefixes(Vec<Prefix<W>>),
}

impl<W: Word> Features<W> {
    fn new(entries: &[Vec<Entry<W>>]) -> Self {
        let mut tables = Vec::with_capacity(entries.len());
        let mut len = 0;
        for entries in entries {
            // the square bounds the work of building a table that is then dropped
            if entries.len() * entries.len() > 8 * TABLE_LEN_MAX {
                len = usize::MAX;
                break;
            }
            let table = Table::new(entries);
            len += table.len();
            tables.push(table);
        }
        if len <= TABLE_LEN_MAX {
            Features::Tables(tables)
        } else {
            Features::Prefixes(entries.iter().map(|e| Prefix::new(e)).collect())
        }
    }
}

impl<W: Word> QuickScore<W> {
    /// No tree may have more leaves than a word has bits.
    pub fn new(trees: &Trees) -> Self {
        let mut out = QuickScore {
            features: Features::Tables(Vec::new()),
            zero_splits: Vec::new(),
            leaf_start: Vec::new(),
            leaf_value: Vec::new(),
        };
        let mut entries: Vec<Vec<Entry<W>>> = vec![Vec::new(); trees.feature_count()];
        for index in 0..trees.tree_count() {
            let tree = trees.tree(index);
            out.leaf_start.push(out.leaf_value.len() as u32);
            let expects_left = expectations(&tree);
            let mut leaves = Vec::new();
            let root = if tree.splits.is_empty() {
                Child::Leaf(0)
            } else {
                Child::Split(0)
            };
            let mut put = |split: usize, expected: Range<u32>| {
                let clear = Clear {
                    mask: W::without(expected),
                    tree: index as u16,
                };
                let s = &tree.splits[split];
                let expects_left = expects_left[split];
                if s.flags & ZERO_IS_MISSING != 0 {
                    let (feature, threshold, flags) = (s.feature, s.threshold, s.flags);
                    let split = ZeroSplit {
                        feature,
                        threshold,
                        flags,
                        expects_left,
                        clear,
                    };
                    out.zero_splits.push(split);
                } else {
                    let on_missing = expects_left != (s.flags & MISSING_LEFT != 0);
                    let entry = Entry {
                        threshold: s.threshold,
                        expects_left,
                        on_missing,
                        clear,
                    };
                    entries[s.feature as usize].push(entry);
                }
            };
            number_leaves(&tree, root, &expects_left, &mut leaves, &mut put);
            out.leaf_value
                .extend(leaves.iter().map(|&l| tree.leaves[l as usize].value));
        }
        out.features = Features::new(&entries);
        out
    }

    pub fn predict(&self, row: &[f32], bits: &mut Vec<W>) -> f64 {
        bits.clear();
        bits.resize(self.leaf_start.len(), W::ALL);
        let bits = bits.as_mut_slice();
        match &self.features {
            Features::Tables(tables) => {
                for (tables, row) in tables.chunks(TOGETHER).zip(row.chunks(TOGETHER)) {
                    let mut lists: [table::List<'_, W>; TOGETHER] = [&[]; TOGETHER];
                    for ((list, table), x) in lists.iter_mut().zip(tables).zip(row) {
                        *list = table.find(*x);
                    }
                    for list in lists {
                        for clears in list {
                            clears.iter().for_each(|clear| clear.apply(bits));
                        }
                    }
                }
            }
            Features::Prefixes(prefixes) => {
                prefixes
                    .iter()
                    .zip(row)
                    .for_each(|(prefix, &x)| prefix.apply(x, bits));
            }
        }
        for split in &self.zero_splits {
            let left = goes_left(row[split.feature as usize], split.threshold, split.flags);
            if left != split.expects_left {
                split.clear.apply(bits);
            }
        }
        let mut lanes = [0.0; 4];
        for (tree, (&bits, &start)) in bits.iter().zip(&self.leaf_start).enumerate() {
            lanes[tree % 4] += self.leaf_value[start as usize + bits.lowest()];
        }
        sum_lanes(lanes)
    }
}

#[derive(Debug, Clone, Copy)]
struct Entry<W: Word> {
    threshold: f32,
    expects_left: bool,
    on_missing: bool,
    clear: Clear<W>,
}

/// Per split: did more training rows go left?
fn expectations(tree: &Tree) -> Vec<bool> {
    let mut expects_left = vec![true; tree.splits.len()];
    fn cover(tree: &Tree, child: Child, expects_left: &mut [bool]) -> u64 {
        match child {
            Child::Leaf(leaf) => u64::from(tree.leaves[leaf as usize].cover),
            Child::Split(at) => {
                let split = &tree.splits[at as usize];
                let left = cover(tree, split.left, expects_left);
                let right = cover(tree, split.right, expects_left);
                expects_left[at as usize] = left >= right;
                left + right
            }
        }
    }
    if !tree.splits.is_empty() {
        cover(tree, Child::Split(0), &mut expects_left);
    }
    expects_left
}

/// Lists the leaves, the expected side of each split first; `put` receives each split and the bits
/// of its expected side.
fn number_leaves(
    tree: &Tree,
    child: Child,
    expects_left: &[bool],
    leaves: &mut Vec<u32>,
    put: &mut impl FnMut(usize, Range<u32>),
) {
    match child {
        Child::Leaf(leaf) => leaves.push(leaf),
        Child::Split(at) => {
            let split = &tree.splits[at as usize];
            let (first, second) = match expects_left[at as usize] {
                true => (split.left, split.right),
                false => (split.right, split.left),
            };
            let start = leaves.len() as u32;
            number_leaves(tree, first, expects_left, leaves, put);
            put(at as usize, start..leaves.len() as u32);
            number_leaves(tree, second, expects_left, leaves, put);
        }
    }
}
