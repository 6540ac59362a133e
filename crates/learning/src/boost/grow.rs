//! Grows one tree leaf-wise: always the leaf whose best split gains most.

use model::trees::{Child, DEPTH_MAX, Leaf, MISSING_LEFT, Split, Tree};
use rayon::prelude::*;

use super::bins::{BinnedMatrix, GROUP, Group, GroupBins};
use super::histogram::{Slot, accumulate, subtract};
use super::objective::{Gradient, Gradients};
use super::partition::Partition;
use super::sampling::Sample;
use super::split::{BestSplit, Scorer, Units};
use super::{BoostConfig, BoostError};

/// Below this many slot updates a second thread costs more than it brings.
const PARALLEL_MIN: usize = 60_000;

/// Per group, the slots of its features.
type Histogram = Vec<Vec<Slot>>;

#[derive(Debug)]
struct GrowingLeaf {
    start: usize,
    end: usize,
    depth: usize,
    total: Slot,
    best: Option<BestSplit>,
    /// Kept while the leaf may still be split.
    histogram: Option<Histogram>,
    /// The split that leads here, and on which side.
    parent: Option<(usize, Side)>,
}

#[derive(Debug, Clone, Copy)]
enum Side {
    Left,
    Right,
}

pub struct Grower<'a> {
    config: &'a BoostConfig,
    binned: &'a BinnedMatrix,
    depth_max: usize,
    partition: Partition,
    ordered: Vec<Gradient>,
    free: Vec<Histogram>,
    row_values: Vec<f64>,
}

impl<'a> Grower<'a> {
    pub fn new(config: &'a BoostConfig, binned: &'a BinnedMatrix) -> Result<Self, BoostError> {
        let slots: usize = binned.groups.iter().map(|g| g.slot_start[GROUP]).sum();
        // Each live leaf keeps one, and a split in progress needs one more.
        let bytes = slots * size_of::<Slot>() * (config.num_leaves + 1);
        if bytes > config.histogram_bytes_max {
            return Err(BoostError::Memory {
                bytes,
                max: config.histogram_bytes_max,
            });
        }
        Ok(Grower {
            config,
            binned,
            depth_max: if config.max_depth == 0 {
                DEPTH_MAX
            } else {
                config.max_depth
            },
            partition: Partition::new(binned.rows),
            ordered: Vec::new(),
            free: Vec::new(),
            row_values: vec![0.0; binned.rows],
        })
    }

    /// What the last tree adds to each row, sampled or not.
    pub fn row_values(&self) -> &[f64] {
        &self.row_values
    }

    pub fn grow(&mut self, gradients: Gradients<'_>, sample: Sample<'_>) -> Tree {
        let units = Units {
            gradient: gradients.gradient_unit,
            hessian: gradients.hessian_unit,
        };
        let scorer = Scorer::new(self.config, units);
        self.partition.reset(sample.rows);
        let mut leaves = vec![self.root(&scorer, gradients.rows, sample)];
        let mut made: Vec<BestSplit> = Vec::new();
        let mut tree = Tree::default();
        while leaves.len() < self.config.num_leaves {
            let Some(index) = most_gaining(&leaves) else {
                break;
            };
            let Some(best) = leaves[index].best else {
                break;
            };
            let at = made.len();
            made.push(best);
            tree.splits.push(self.describe(&best, index, leaves.len()));
            if let Some((parent, side)) = leaves[index].parent {
                let child = match side {
                    Side::Left => &mut tree.splits[parent].left,
                    Side::Right => &mut tree.splits[parent].right,
                };
                *child = Child::Split(at as u32);
            }
            let last = leaves.len() + 1 == self.config.num_leaves;
            let right = self.split(
                &scorer,
                gradients.rows,
                sample,
                &mut leaves[index],
                at,
                last,
            );
            leaves.push(right);
        }
        for leaf in &mut leaves {
            let value = self.config.learning_rate * scorer.leaf_value(leaf.total);
            tree.leaves.push(Leaf {
                value,
                cover: leaf.total.count(),
            });
            for &row in self.partition.rows(leaf.start, leaf.end) {
                self.row_values[row as usize] = value;
            }
            self.free.extend(leaf.histogram.take());
        }
        for &row in sample.rows_out {
            self.row_values[row as usize] = tree.leaves[self.leaf_of(&tree, &made, row)].value;
        }
        tree
    }

    fn root(&mut self, scorer: &Scorer, gradients: &[Gradient], sample: Sample<'_>) -> GrowingLeaf {
        let total = sample.rows.iter().fold(Slot::default(), |sum, &row| {
            sum.plus(Slot::of_row(gradients[row as usize]))
        });
        let mut histogram = self.take_histogram();
        self.ordered.clear();
        self.ordered
            .extend(sample.rows.iter().map(|&row| gradients[row as usize]));
        let (rows, ordered, binned) = (sample.rows, &self.ordered, self.binned);
        let work = |(group, histogram): (&Group, &mut Vec<Slot>)| {
            if !is_sampled(group, sample) {
                return None;
            }
            accumulate(group, rows, ordered, histogram);
            best_of_group(scorer, binned, group, sample, histogram, total)
        };
        let best = binned
            .groups
            .par_iter()
            .zip(&mut histogram)
            .map(work)
            .reduce(|| None, BestSplit::better);
        let end = rows.len();
        GrowingLeaf {
            start: 0,
            end,
            depth: 0,
            total,
            best,
            histogram: Some(histogram),
            parent: None,
        }
    }

    /// Splits `leaf` in place (it becomes the left child) and returns the right child. The last
    /// split of a tree needs no histograms: nothing will be searched again.
    fn split(
        &mut self,
        scorer: &Scorer,
        gradients: &[Gradient],
        sample: Sample<'_>,
        leaf: &mut GrowingLeaf,
        at: usize,
        last: bool,
    ) -> GrowingLeaf {
        let Some(best) = leaf.best.take() else {
            unreachable!("only leaves with a split are taken")
        };
        let middle = self.apply(&best, leaf.start, leaf.end);
        let mut right = GrowingLeaf {
            start: middle,
            end: leaf.end,
            depth: leaf.depth + 1,
            total: best.right,
            best: None,
            histogram: None,
            parent: Some((at, Side::Right)),
        };
        leaf.end = middle;
        leaf.depth += 1;
        leaf.total = best.left;
        leaf.parent = Some((at, Side::Left));
        let deep = leaf.depth >= self.depth_max;
        let grows = scorer.splittable(leaf.total) || scorer.splittable(right.total);
        let parent = leaf.histogram.take();
        match parent {
            Some(parent) if !last && !deep && grows => {
                self.search(scorer, gradients, sample, (leaf, &mut right), parent);
            }
            unused => self.free.extend(unused),
        }
        right
    }

    /// Builds the histogram of the smaller child, gets the other by subtraction, searches both.
    fn search(
        &mut self,
        scorer: &Scorer,
        gradients: &[Gradient],
        sample: Sample<'_>,
        (left, right): (&mut GrowingLeaf, &mut GrowingLeaf),
        mut parent: Histogram,
    ) {
        let left_is_small = left.total.count() <= right.total.count();
        let (small, large) = if left_is_small {
            (left, right)
        } else {
            (right, left)
        };
        let mut child = self.take_histogram();
        let rows = self.partition.rows(small.start, small.end);
        self.ordered.clear();
        self.ordered
            .extend(rows.iter().map(|&row| gradients[row as usize]));
        let (ordered, binned) = (&self.ordered, self.binned);
        let (small_total, large_total) = (small.total, large.total);
        let work = |((group, child), parent): ((&Group, &mut Vec<Slot>), &mut Vec<Slot>)| {
            if !is_sampled(group, sample) {
                return (None, None);
            }
            accumulate(group, rows, ordered, child);
            subtract(parent, child);
            (
                best_of_group(scorer, binned, group, sample, child, small_total),
                best_of_group(scorer, binned, group, sample, parent, large_total),
            )
        };
        let merge = |a: (Option<BestSplit>, Option<BestSplit>), b: (_, _)| {
            (BestSplit::better(a.0, b.0), BestSplit::better(a.1, b.1))
        };
        let slots: usize = child.iter().map(Vec::len).sum();
        let tasks = binned.groups.len();
        (small.best, large.best) = if rows.len() * tasks * GROUP + slots > PARALLEL_MIN {
            let each = binned.groups.par_iter().zip(&mut child).zip(&mut parent);
            each.map(work).reduce(|| (None, None), merge)
        } else {
            let each = binned.groups.iter().zip(&mut child).zip(&mut parent);
            each.map(work).fold((None, None), merge)
        };
        for (leaf, histogram) in [(small, child), (large, parent)] {
            if leaf.best.is_some() {
                leaf.histogram = Some(histogram);
            } else {
                self.free.push(histogram);
            }
        }
    }

    fn take_histogram(&mut self) -> Histogram {
        let empty = |g: &Group| vec![Slot::default(); g.slot_start[GROUP]];
        self.free
            .pop()
            .unwrap_or_else(|| self.binned.groups.iter().map(empty).collect())
    }

    /// Sorts the leaf's rows into left and right; returns where the right ones begin.
    fn apply(&mut self, best: &BestSplit, start: usize, end: usize) -> usize {
        let Some((group, member)) = self.binned.place[best.feature] else {
            return end;
        };
        let missing = self.binned.features[best.feature].len();
        match &self.binned.groups[group].bins {
            GroupBins::Narrow(bins) => self.partition.split(start, end, |row| {
                goes_left(best, missing, usize::from(bins[row as usize][member]))
            }),
            GroupBins::Wide(bins) => self.partition.split(start, end, |row| {
                goes_left(best, missing, usize::from(bins[row as usize][member]))
            }),
        }
    }

    fn leaf_of(&self, tree: &Tree, made: &[BestSplit], row: u32) -> usize {
        if made.is_empty() {
            return 0;
        }
        let mut at = 0;
        loop {
            let best = &made[at];
            let missing = self.binned.features[best.feature].len();
            let left = goes_left(best, missing, self.binned.bin(row as usize, best.feature));
            match if left {
                tree.splits[at].left
            } else {
                tree.splits[at].right
            } {
                Child::Split(next) => at = next as usize,
                Child::Leaf(leaf) => return leaf as usize,
            }
        }
    }

    fn describe(&self, best: &BestSplit, left: usize, right: usize) -> Split {
        Split {
            feature: best.feature as u32,
            threshold: self.binned.features[best.feature].upper[best.bin],
            flags: if best.missing_left { MISSING_LEFT } else { 0 },
            left: Child::Leaf(left as u32),
            right: Child::Leaf(right as u32),
            gain: best.gain.min(f64::from(f32::MAX)) as f32,
        }
    }
}

#[inline]
fn goes_left(best: &BestSplit, missing: usize, bin: usize) -> bool {
    if bin == missing {
        best.missing_left
    } else {
        bin <= best.bin
    }
}

fn is_sampled(group: &Group, sample: Sample<'_>) -> bool {
    group.features.iter().any(|&f| sample.features[f])
}

fn best_of_group(
    scorer: &Scorer,
    binned: &BinnedMatrix,
    group: &Group,
    sample: Sample<'_>,
    histogram: &[Slot],
    total: Slot,
) -> Option<BestSplit> {
    if !scorer.splittable(total) {
        return None;
    }
    let mut best = None;
    for (member, &feature) in group.features.iter().enumerate() {
        if sample.features[feature] {
            let slots = &histogram[group.slot_start[member]..group.slot_start[member + 1]];
            let found = scorer.best(feature, &binned.features[feature], slots, total);
            best = BestSplit::better(best, found);
        }
    }
    best
}

/// On equal gain the older leaf.
fn most_gaining(leaves: &[GrowingLeaf]) -> Option<usize> {
    let mut found: Option<(usize, f64)> = None;
    for (index, leaf) in leaves.iter().enumerate() {
        if let Some(best) = leaf.best
            && found.is_none_or(|(_, gain)| best.gain > gain)
        {
            found = Some((index, best.gain));
        }
    }
    found.map(|(index, _)| index)
}
