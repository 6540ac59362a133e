//! Contributions against the definition of the Shapley value, and their sum on large models.

#[path = "support/random_trees.rs"]
#[allow(clippy::unwrap_used, reason = "helpers of tests")]
mod random_trees;

use random_trees::{Random, random_row, random_tree, random_trees};
use ringfence_model::shap::Explainer;
use ringfence_model::trees::{Child, Tree, Trees, goes_left};

/// Mean of the leaves that a row may reach when only the features in `known` are known.
fn conditional(tree: &Tree, child: Child, row: &[f32], known: u32) -> (f64, f64) {
    match child {
        Child::Leaf(leaf) => {
            let leaf = &tree.leaves[leaf as usize];
            (leaf.value, f64::from(leaf.cover))
        }
        Child::Split(at) => {
            let split = &tree.splits[at as usize];
            let (left, left_cover) = conditional(tree, split.left, row, known);
            let (right, right_cover) = conditional(tree, split.right, row, known);
            let cover = left_cover + right_cover;
            let value = if known >> split.feature & 1 == 0 {
                (left * left_cover + right * right_cover) / cover
            } else if goes_left(row[split.feature as usize], split.threshold, split.flags) {
                left
            } else {
                right
            };
            (value, cover)
        }
    }
}

/// Shapley values by the sum over all subsets.
fn by_definition(tree: &Tree, row: &[f32]) -> Vec<f64> {
    let n = row.len();
    let root = if tree.splits.is_empty() {
        Child::Leaf(0)
    } else {
        Child::Split(0)
    };
    let values: Vec<f64> = (0..1u32 << n)
        .map(|known| conditional(tree, root, row, known).0)
        .collect();
    let factorial = |k: usize| (1..=k).map(|i| i as f64).product::<f64>();
    (0..n)
        .map(|feature| {
            (0..1usize << n)
                .filter(|known| known >> feature & 1 == 0)
                .map(|known| {
                    let k = known.count_ones() as usize;
                    let weight = factorial(k) * factorial(n - 1 - k) / factorial(n);
                    weight * (values[known | 1 << feature] - values[known])
                })
                .sum()
        })
        .collect()
}

#[test]
fn equals_the_definition() {
    let mut random = Random(21);
    for case in 0..300 {
        let features = 1 + random.below(7);
        let leaves = 1 + random.below(24);
        let trees = [(); 2].map(|()| random_tree(&mut random, features, leaves, true));
        let row = random_row(&mut random, features);
        let ours = Explainer::new(&Trees::new(features, &trees).unwrap()).contributions(&row);
        let [a, b] = trees.map(|tree| by_definition(&tree, &row));
        for feature in 0..features {
            let expected = a[feature] + b[feature];
            let got = ours[feature];
            assert!(
                (got - expected).abs() < 1e-12,
                "case {case}: {got} for {expected}"
            );
        }
    }
}

#[test]
fn contributions_add_up() {
    for (trees, leaves) in [(150, 12), (40, 63), (5, 700)] {
        let trees = random_trees(leaves as u64, 30, trees, leaves);
        let explainer = Explainer::new(&trees);
        let mut random = Random(22);
        for _ in 0..40 {
            let row = random_row(&mut random, 30);
            let sum: f64 = explainer.contributions(&row).iter().sum();
            let raw = trees.predict_raw(&row);
            let error = (explainer.expected_value() + sum - raw).abs() / raw.abs().max(1.0);
            assert!(error < 1e-9, "{leaves} leaves: {error:e}");
        }
    }
}

/// A chain: each split cuts one row off, as deep as a tree may be, over many features.
#[test]
fn stays_exact_on_the_deepest_tree() {
    use ringfence_model::trees::{DEPTH_MAX, Leaf, Split};
    let depth = DEPTH_MAX as u32;
    let splits = (0..depth)
        .map(|at| Split {
            feature: at % 300,
            threshold: 0.5,
            flags: 0,
            left: Child::Leaf(at),
            right: if at + 1 == depth {
                Child::Leaf(depth)
            } else {
                Child::Split(at + 1)
            },
            gain: 1.0,
        })
        .collect();
    let leaves = (0..=depth)
        .map(|leaf| Leaf {
            value: f64::from(leaf % 17) - 8.0,
            cover: 1,
        })
        .collect();
    let trees = Trees::new(300, &[Tree { splits, leaves }]).unwrap();
    let explainer = Explainer::new(&trees);
    for stop in [0, 7, 150, 299, 300] {
        let row: Vec<f32> = (0..300).map(|f| if f < stop { 1.0 } else { 0.0 }).collect();
        let sum: f64 = explainer.contributions(&row).iter().sum();
        let error = (explainer.expected_value() + sum - trees.predict_raw(&row)).abs();
        assert!(error < 1e-9, "leaving at {stop}: {error:e}");
    }
}
