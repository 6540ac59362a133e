//! Exact Shapley values of a tree ensemble (path-dependent TreeSHAP, Lundberg et al. 2018): what
//! each feature adds to one row's log-odds, relative to the mean over the training rows.
//!
//! For a leaf of value v whose path tests the features j, with z_j the share of training rows that
//! take the path at j's splits and o_j = 1 when the row takes it (else 0), feature i receives
//! `v (o_i - z_i) * integral over t in [0, 1] of prod_{j != i} (z_j (1 - t) + o_j t)`, since the
//! Shapley weight of k of m features is `integral t^k (1 - t)^(m - 1 - k)`. The integrand is a
//! polynomial of degree m - 1, so a Gauss-Legendre rule of ceil(m / 2) points is exact; all terms
//! are positive, so nothing cancels however deep the tree. One pass over a tree costs
//! O(leaves * points): paths share their products, and a subtree's leaves are summed on the way up.

mod quadrature;

use crate::trees::{Child, Tree, Trees, goes_left};
use quadrature::Rule;

#[derive(Debug, Clone)]
pub struct Explainer {
    trees: Vec<ExplainedTree>,
    /// `rules[n]` has n points.
    rules: Vec<Rule>,
    expected_value: f64,
    feature_count: usize,
}

#[derive(Debug, Clone)]
struct ExplainedTree {
    tree: Tree,
    /// Per split: share of its training rows that go left.
    left_share: Vec<f64>,
    /// Points of the rule that is exact for every path.
    points: usize,
    depth: usize,
}

impl Explainer {
    pub fn new(trees: &Trees) -> Self {
        let trees_explained: Vec<ExplainedTree> = (0..trees.tree_count())
            .map(|i| ExplainedTree::new(trees.tree(i)))
            .collect();
        let points_max = trees_explained.iter().map(|t| t.points).max().unwrap_or(0);
        let mut rules = vec![Rule::default(); points_max + 1];
        for tree in &trees_explained {
            if rules[tree.points].points.is_empty() {
                rules[tree.points] = Rule::gauss_legendre(tree.points);
            }
        }
        Explainer {
            rules,
            expected_value: trees_explained.iter().map(ExplainedTree::mean).sum(),
            trees: trees_explained,
            feature_count: trees.feature_count(),
        }
    }

    /// Mean log-odds over the training rows: what the contributions add to.
    pub fn expected_value(&self) -> f64 {
        self.expected_value
    }

    /// Per feature its share of `predict_raw(row) - expected_value()`. Panics when the row has not
    /// the model's number of features.
    pub fn contributions(&self, row: &[f32]) -> Vec<f64> {
        assert_eq!(
            row.len(),
            self.feature_count,
            "row width differs from the model's"
        );
        let mut contributions = vec![0.0; self.feature_count];
        let mut taken = vec![Taken::ALL; self.feature_count];
        let mut levels = Vec::new();
        for tree in &self.trees {
            let rule = &self.rules[tree.points];
            // per level of the tree: the path's product and the subtree's sum, at each point
            levels.clear();
            levels.resize((tree.depth + 1) * 2 * tree.points, 0.0);
            levels[..tree.points].fill(1.0);
            let mut pass = Pass {
                tree,
                rule,
                row,
                contributions: &mut contributions,
                taken: &mut taken,
            };
            if !tree.tree.splits.is_empty() {
                pass.visit(Child::Split(0), &mut levels);
            }
        }
        contributions
    }
}

impl ExplainedTree {
    fn new(tree: Tree) -> Self {
        let mut shape = Shape {
            left_share: vec![0.0; tree.splits.len()],
            depth: 0,
            features: 0,
        };
        if !tree.splits.is_empty() {
            shape.measure(&tree, Child::Split(0), &mut Vec::new());
        }
        let points = shape.features.div_ceil(2).max(1);
        ExplainedTree {
            tree,
            left_share: shape.left_share,
            points,
            depth: shape.depth,
        }
    }

    fn mean(&self) -> f64 {
        let weighted = |leaf: &crate::trees::Leaf| leaf.value * f64::from(leaf.cover);
        let rows: f64 = self
            .tree
            .leaves
            .iter()
            .map(|leaf| f64::from(leaf.cover))
            .sum();
        self.tree.leaves.iter().map(weighted).sum::<f64>() / rows
    }
}

/// Measures of a tree that do not depend on the row.
struct Shape {
    left_share: Vec<f64>,
    depth: usize,
    /// Most distinct features on a path.
    features: usize,
}

impl Shape {
    /// Returns the training rows below `child`; `path` holds the features above it.
    fn measure(&mut self, tree: &Tree, child: Child, path: &mut Vec<u32>) -> u64 {
        match child {
            Child::Leaf(leaf) => {
                self.depth = self.depth.max(path.len());
                let mut distinct = path.clone();
                distinct.sort_unstable();
                distinct.dedup();
                self.features = self.features.max(distinct.len());
                u64::from(tree.leaves[leaf as usize].cover)
            }
            Child::Split(at) => {
                let split = &tree.splits[at as usize];
                path.push(split.feature);
                let left = self.measure(tree, split.left, path);
                let right = self.measure(tree, split.right, path);
                path.pop();
                self.left_share[at as usize] = left as f64 / (left + right) as f64;
                left + right
            }
        }
    }
}

/// How a feature's splits on the path so far were passed.
#[derive(Debug, Clone, Copy)]
struct Taken {
    /// z: share of training rows that took the same way.
    share: f64,
    /// o: 1 while the row took it too, else 0.
    row: f64,
}

impl Taken {
    /// A feature that the path does not test: its factor is 1, its contribution 0.
    const ALL: Taken = Taken {
        share: 1.0,
        row: 1.0,
    };

    #[inline]
    fn factor(self, t: f64) -> f64 {
        self.share * (1.0 - t) + self.row * t
    }
}

struct Pass<'a> {
    tree: &'a ExplainedTree,
    rule: &'a Rule,
    row: &'a [f32],
    contributions: &'a mut [f64],
    taken: &'a mut [Taken],
}

impl Pass<'_> {
    /// `levels` begins with this level's products (given) and sums (to fill: over the leaves below,
    /// value times product times weight of each point), then come the deeper levels.
    fn visit(&mut self, child: Child, levels: &mut [f64]) {
        let points = self.tree.points;
        let (level, deeper) = levels.split_at_mut(2 * points);
        let (products, sums) = level.split_at_mut(points);
        let at = match child {
            Child::Leaf(leaf) => {
                let value = self.tree.tree.leaves[leaf as usize].value;
                for ((sum, product), weight) in
                    sums.iter_mut().zip(products).zip(&self.rule.weights)
                {
                    *sum = value * *product * weight;
                }
                return;
            }
            Child::Split(at) => at as usize,
        };
        sums.fill(0.0);
        let split = self.tree.tree.splits[at];
        let feature = split.feature as usize;
        let goes_left = goes_left(self.row[feature], split.threshold, split.flags);
        let left_share = self.tree.left_share[at];
        let before = self.taken[feature];
        for (child, share, goes) in [
            (split.left, left_share, goes_left),
            (split.right, 1.0 - left_share, !goes_left),
        ] {
            let row = if goes { before.row } else { 0.0 };
            let after = Taken {
                share: before.share * share,
                row,
            };
            for ((next, product), &t) in deeper.iter_mut().zip(&*products).zip(&self.rule.points) {
                *next = product / before.factor(t) * after.factor(t);
            }
            self.taken[feature] = after;
            self.visit(child, deeper);
            let (mut with, mut without) = (0.0, 0.0);
            for ((sum, below), &t) in sums
                .iter_mut()
                .zip(&deeper[points..])
                .zip(&self.rule.points)
            {
                *sum += below;
                with += below / after.factor(t);
                without += below / before.factor(t);
            }
            // The leaves below have counted for `before` so far; they count for `after` instead.
            self.contributions[feature] +=
                (after.row - after.share) * with - (before.row - before.share) * without;
        }
        self.taken[feature] = before;
    }
}
