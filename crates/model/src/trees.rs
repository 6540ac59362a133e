//! A boosted tree ensemble as plain arrays, and the walk that defines what it predicts.
//!
//! [`Trees::predict_raw`] is the reference: every faster way ([`crate::fast`]) must return the same
//! bits. A split sends `x <= threshold` left; what is missing (NaN) goes where the split says. The
//! leaf values are summed in four lanes (tree `t` into lane `t % 4`), which is part of the
//! definition: a single running sum would cost one add latency per tree.

mod check;

use thiserror::Error;

use check::{check_limit, check_topology, check_values};

/// Rows are indexed by `u16` in the wire formats of samples; no schema comes near it.
pub const FEATURES_MAX: usize = 4_096;
pub const TREES_MAX: usize = 10_000;
pub const LEAVES_PER_TREE_MAX: usize = 4_096;
/// All leaves of a model together: bounds the memory of a loaded file to about 100 MiB.
pub const LEAVES_MAX: usize = 2_000_000;
/// TreeSHAP recurses over a path, so its length is bounded.
pub const DEPTH_MAX: usize = 512;

/// Missing values go to the left child.
pub const MISSING_LEFT: u8 = 1;
/// Values in (-1e-35, 1e-35] count as missing too (LightGBM's `zero_as_missing`).
pub const ZERO_IS_MISSING: u8 = 2;

/// A child of a split: another split of the same tree, or one of its leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Child {
    Split(u32),
    Leaf(u32),
}

impl Child {
    /// LightGBM's encoding: splits as they are, leaf `i` as `!i` (negative).
    pub fn encode(self) -> i32 {
        match self {
            Child::Split(index) => index as i32,
            Child::Leaf(index) => !(index as i32),
        }
    }

    pub fn decode(code: i32) -> Self {
        if code >= 0 {
            Child::Split(code as u32)
        } else {
            Child::Leaf(!code as u32)
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Split {
    pub feature: u32,
    /// `x <= threshold` goes left.
    pub threshold: f32,
    /// [`MISSING_LEFT`] | [`ZERO_IS_MISSING`].
    pub flags: u8,
    pub left: Child,
    pub right: Child,
    /// Loss reduction in training; only for importance.
    pub gain: f32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Leaf {
    /// Log-odds, shrinkage included.
    pub value: f64,
    /// Training rows in the leaf, at least 1: the background distribution of TreeSHAP.
    pub cover: u32,
}

/// One tree, split 0 the root; a tree without splits has exactly one leaf.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tree {
    pub splits: Vec<Split>,
    pub leaves: Vec<Leaf>,
}

impl Tree {
    /// The leaf that a row reaches; `value(feature)` gives the row's values.
    pub fn leaf(&self, value: impl Fn(u32) -> f32) -> usize {
        if self.splits.is_empty() {
            return 0;
        }
        let mut at = 0;
        loop {
            let split = &self.splits[at];
            let left = goes_left(value(split.feature), split.threshold, split.flags);
            match if left { split.left } else { split.right } {
                Child::Split(next) => at = next as usize,
                Child::Leaf(leaf) => return leaf as usize,
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TreesError {
    #[error("{what} must be at most {max}, got {got}")]
    TooLarge {
        what: &'static str,
        max: usize,
        got: usize,
    },
    #[error(
        "tree {tree} must have one leaf more than splits, got {splits} splits and {leaves} leaves"
    )]
    Shape {
        tree: usize,
        splits: usize,
        leaves: usize,
    },
    #[error("tree {tree} split {split}: feature must be below {features}, got {feature}")]
    Feature {
        tree: usize,
        split: usize,
        features: usize,
        feature: u32,
    },
    #[error("tree {tree} split {split}: {what} must be finite, got {value}")]
    SplitNotFinite {
        tree: usize,
        split: usize,
        what: &'static str,
        value: String,
    },
    #[error("tree {tree} split {split}: unknown flag bits {flags:#04x}")]
    Flags {
        tree: usize,
        split: usize,
        flags: u8,
    },
    #[error("tree {tree} leaf {leaf}: value must be finite, got {value}")]
    LeafNotFinite {
        tree: usize,
        leaf: usize,
        value: String,
    },
    #[error("tree {tree} leaf {leaf}: cover must be at least 1")]
    EmptyLeaf { tree: usize, leaf: usize },
    #[error("tree {tree} split {split}: {side} child {child:?} does not exist")]
    ChildOutOfRange {
        tree: usize,
        split: usize,
        side: &'static str,
        child: Child,
    },
    #[error("tree {tree}: {child:?} is reached twice (a cycle or a shared child)")]
    ReachedTwice { tree: usize, child: Child },
    #[error("tree {tree}: leaf {leaf} is not reached from the root")]
    Unreachable { tree: usize, leaf: usize },
    #[error("tree {tree} is deeper than {DEPTH_MAX} splits")]
    TooDeep { tree: usize },
}

/// A validated ensemble, structure of arrays: tree `t` owns splits
/// `split_start[t]..split_start[t + 1]` and leaves `leaf_start[t]..leaf_start[t + 1]`; children are
/// relative to their tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Trees {
    feature_count: usize,
    pub(crate) split_start: Vec<u32>,
    pub(crate) leaf_start: Vec<u32>,
    pub(crate) feature: Vec<u32>,
    pub(crate) threshold: Vec<f32>,
    pub(crate) flags: Vec<u8>,
    pub(crate) left: Vec<i32>,
    pub(crate) right: Vec<i32>,
    pub(crate) gain: Vec<f32>,
    pub(crate) leaf_value: Vec<f64>,
    pub(crate) leaf_cover: Vec<u32>,
    depth_max: usize,
}

impl Trees {
    /// Checks every index, number and limit, so that nothing after it can fail.
    pub fn new(feature_count: usize, trees: &[Tree]) -> Result<Self, TreesError> {
        check_limit("feature count", FEATURES_MAX, feature_count)?;
        check_limit("tree count", TREES_MAX, trees.len())?;
        check_limit(
            "leaf count",
            LEAVES_MAX,
            trees.iter().map(|t| t.leaves.len()).sum(),
        )?;
        let mut out = Trees {
            feature_count,
            split_start: vec![0],
            leaf_start: vec![0],
            feature: Vec::new(),
            threshold: Vec::new(),
            flags: Vec::new(),
            left: Vec::new(),
            right: Vec::new(),
            gain: Vec::new(),
            leaf_value: Vec::new(),
            leaf_cover: Vec::new(),
            depth_max: 0,
        };
        for (index, tree) in trees.iter().enumerate() {
            check_values(feature_count, index, tree)?;
            out.depth_max = out.depth_max.max(check_topology(index, tree)?);
            out.push(tree);
        }
        Ok(out)
    }

    fn push(&mut self, tree: &Tree) {
        for split in &tree.splits {
            self.feature.push(split.feature);
            self.threshold.push(split.threshold);
            self.flags.push(split.flags);
            self.left.push(split.left.encode());
            self.right.push(split.right.encode());
            self.gain.push(split.gain);
        }
        for leaf in &tree.leaves {
            self.leaf_value.push(leaf.value);
            self.leaf_cover.push(leaf.cover);
        }
        self.split_start.push(self.feature.len() as u32);
        self.leaf_start.push(self.leaf_value.len() as u32);
    }

    /// The exchange form of tree `index` (for writers and explainers).
    pub fn tree(&self, index: usize) -> Tree {
        let splits = self.split_start[index] as usize..self.split_start[index + 1] as usize;
        let leaves = self.leaf_start[index] as usize..self.leaf_start[index + 1] as usize;
        Tree {
            splits: splits
                .map(|i| Split {
                    feature: self.feature[i],
                    threshold: self.threshold[i],
                    flags: self.flags[i],
                    left: Child::decode(self.left[i]),
                    right: Child::decode(self.right[i]),
                    gain: self.gain[i],
                })
                .collect(),
            leaves: leaves
                .map(|i| Leaf {
                    value: self.leaf_value[i],
                    cover: self.leaf_cover[i],
                })
                .collect(),
        }
    }

    pub fn feature_count(&self) -> usize {
        self.feature_count
    }

    pub fn tree_count(&self) -> usize {
        self.split_start.len() - 1
    }

    /// Leaves of the largest tree.
    pub fn leaves_per_tree_max(&self) -> usize {
        self.leaf_start
            .windows(2)
            .map(|w| (w[1] - w[0]) as usize)
            .max()
            .unwrap_or(0)
    }

    /// Splits on the longest path of any tree.
    pub fn depth_max(&self) -> usize {
        self.depth_max
    }

    /// Log-odds of one row. Panics when the row has not [`Trees::feature_count`] values.
    pub fn predict_raw(&self, row: &[f32]) -> f64 {
        assert_eq!(
            row.len(),
            self.feature_count,
            "row width differs from the model's"
        );
        let mut lanes = [0.0; 4];
        for tree in 0..self.tree_count() {
            lanes[tree % 4] +=
                self.leaf_value[self.leaf_start[tree] as usize + self.leaf(tree, row)];
        }
        sum_lanes(lanes)
    }

    /// Log-odds of rows laid one after the other: one output per row, the same bits as
    /// [`Trees::predict_raw`]. Walks tree by tree over blocks of rows, so that a tree stays cached.
    pub fn predict_raw_batch(&self, rows: &[f32], out: &mut [f64]) {
        assert_eq!(
            rows.len(),
            out.len() * self.feature_count,
            "row width differs from the model's"
        );
        if self.feature_count == 0 {
            out.fill(self.predict_raw(&[]));
            return;
        }
        const BLOCK: usize = 64;
        for (rows, out) in rows
            .chunks(BLOCK * self.feature_count)
            .zip(out.chunks_mut(BLOCK))
        {
            let mut lanes = [[0.0; 4]; BLOCK];
            for tree in 0..self.tree_count() {
                let leaves = self.leaf_start[tree] as usize;
                for (row, lanes) in rows.chunks(self.feature_count).zip(&mut lanes) {
                    lanes[tree % 4] += self.leaf_value[leaves + self.leaf(tree, row)];
                }
            }
            for (out, lanes) in out.iter_mut().zip(lanes) {
                *out = sum_lanes(lanes);
            }
        }
    }

    /// Total gain of the splits on each feature.
    pub fn gain_importance(&self) -> Vec<f64> {
        let mut total = vec![0.0; self.feature_count];
        for (&feature, &gain) in self.feature.iter().zip(&self.gain) {
            total[feature as usize] += f64::from(gain);
        }
        total
    }

    /// The leaf (relative to the tree) that a row reaches.
    fn leaf(&self, tree: usize, row: &[f32]) -> usize {
        let base = self.split_start[tree] as usize;
        if base == self.split_start[tree + 1] as usize {
            return 0;
        }
        let mut node = 0i32;
        while node >= 0 {
            let i = base + node as usize;
            let x = row[self.feature[i] as usize];
            let left = goes_left(x, self.threshold[i], self.flags[i]);
            node = if left { self.left[i] } else { self.right[i] };
        }
        !node as usize
    }
}

/// The one rule of a split.
#[inline]
pub fn goes_left(x: f32, threshold: f32, flags: u8) -> bool {
    if x.is_nan() || (flags & ZERO_IS_MISSING != 0 && x > -1e-35 && x <= 1e-35) {
        flags & MISSING_LEFT != 0
    } else {
        x <= threshold
    }
}

#[inline]
pub(crate) fn sum_lanes(lanes: [f64; 4]) -> f64 {
    (lanes[0] + lanes[1]) + (lanes[2] + lanes[3])
}
