//! Exact Shapley values of a tree ensemble (path-dependent TreeSHAP, Lundberg et al. 2018): what
//! each feature adds to one row's log-odds, relative to the mean over the training rows.
//!
//! For a leaf of value v whose path tests the features j, with z_j the share of training rows that
//! take the path at j's splits and o_j = 1 when the row takes it (else 0), feature i receives
//! `v (o_i - z_i) * integral over t in [0, 1] of prod_{j != i} (z_j (1 - t) + o_j t)`, since the
//! Shapley weight of k of m features is `integral t^k (1 - t)^(m - 1 - k)`. The integrand is a
//! polynomial of degree m - 1, so a Gauss-Legendre rule of ceil(m / 2) points is exact; all terms
//! are positive, so nothing cancels however deep the tree. One pass over a tree costs
//! O(leaves * points): a path's product is made on the way down, and the leaves below a split are summed on
//! the way up, each times the factors below that split only; so nothing is divided but where a path tests a
//! feature again.

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
        let (contributions_mut, taken_mut) = (&mut contributions, &mut taken);
        for tree in self.trees.iter().filter(|it| !it.tree.splits.is_empty()) {
            let mut pass = Pass {
                tree,
                row,
                contributions: contributions_mut,
                taken: taken_mut,
            };
            let rule = &self.rules[tree.points];
            match tree.points {
                ..=2 => pass.run::<2>(rule),
                3..=4 => pass.run::<4>(rule),
                5..=8 => pass.run::<8>(rule),
                _ => pass.run::<16>(rule),
            }
        }
        contributions
    }
}

impl ExplainedTree {
    fn new(tree: Tree) -> Self {
        let mut shape = Shape {
            left_share: vec![0.0; tree.splits.len()],
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
    /// Most distinct features on a path.
    features: usize,
}

impl Shape {
    /// Returns the training rows below `child`; `path` holds the features above it.
    fn measure(&mut self, tree: &Tree, child: Child, path: &mut Vec<u32>) -> u64 {
        match child {
            Child::Leaf(leaf) => {
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

    fn is_all(self) -> bool {
        self.share == 1.0 && self.row == 1.0
    }

    /// At each point.
    #[inline]
    fn factor<const N: usize>(self, points: &[f64; N]) -> [f64; N] {
        points.map(|t| self.share * (1.0 - t) + self.row * t)
    }
}

struct Pass<'a> {
    tree: &'a ExplainedTree,
    row: &'a [f32],
    contributions: &'a mut [f64],
    taken: &'a mut [Taken],
}

impl Pass<'_> {
    /// Integrals are sums over points, so a rule of many is gone through by N at a time.
    fn run<const N: usize>(&mut self, rule: &Rule) {
        for from in (0..rule.points.len()).step_by(N) {
            // What the last block lacks weighs nothing.
            let block = |values: &[f64], rest: f64| {
                std::array::from_fn(|at| values.get(from + at).copied().unwrap_or(rest))
            };
            let points: [f64; N] = block(&rule.points, 0.5);
            self.visit(Child::Split(0), &points, &block(&rule.weights, 0.0));
        }
    }

    /// At each point, the sum over the leaves below `child` of value times the factors below it; `product`
    /// is weight times the factors above.
    fn visit<const N: usize>(
        &mut self,
        child: Child,
        points: &[f64; N],
        product: &[f64; N],
    ) -> [f64; N] {
        let at = match child {
            Child::Leaf(leaf) => return [self.tree.tree.leaves[leaf as usize].value; N],
            Child::Split(at) => at as usize,
        };
        let split = self.tree.tree.splits[at];
        let feature = split.feature as usize;
        let goes_left = goes_left(self.row[feature], split.threshold, split.flags);
        let left_share = self.tree.left_share[at];
        let before = self.taken[feature];
        // What takes the feature's factor out of the path; it is 1 where the path has not tested it.
        let undo = (!before.is_all()).then(|| before.factor(points).map(|it| 1.0 / it));
        let mut sums = [0.0; N];
        for (child, share, goes) in [
            (split.left, left_share, goes_left),
            (split.right, 1.0 - left_share, !goes_left),
        ] {
            let after = Taken {
                share: before.share * share,
                row: if goes { before.row } else { 0.0 },
            };
            let factor = after.factor(points);
            // The path without this feature.
            let mut others = *product;
            let mut change = factor;
            if let Some(undo) = &undo {
                for at in 0..N {
                    others[at] *= undo[at];
                    change[at] *= undo[at];
                }
            }
            let next = std::array::from_fn(|at| others[at] * factor[at]);
            self.taken[feature] = after;
            let below = self.visit(child, points, &next);
            let (mut with, mut without) = (0.0, 0.0);
            for at in 0..N {
                let value = others[at] * below[at];
                with += value;
                without += value * change[at];
                sums[at] += change[at] * below[at];
            }
            self.contributions[feature] += (after.row - after.share) * with;
            if undo.is_some() {
                // The leaves below have counted for `before` so far; they count for `after` instead.
                self.contributions[feature] -= (before.row - before.share) * without;
            }
        }
        self.taken[feature] = before;
        sums
    }
}
