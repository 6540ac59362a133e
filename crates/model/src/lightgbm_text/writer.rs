//! Writes an ensemble so that Python LightGBM loads it and predicts the same.

use std::fmt::Write as _;

use super::{DEFAULT_LEFT, LightgbmError, MISSING_NAN, MISSING_SHIFT, MISSING_ZERO};
use crate::trees::{Child, MISSING_LEFT, Tree, Trees, ZERO_IS_MISSING};

pub fn write(trees: &Trees, feature_names: &[String]) -> Result<String, LightgbmError> {
    let (expected, got) = (trees.feature_count(), feature_names.len());
    if expected != got {
        return Err(LightgbmError::FeatureNames { expected, got });
    }
    let forbidden = |c: char| c.is_whitespace() || c.is_control() || "\",:[]{}".contains(c);
    if let Some(name) = feature_names
        .iter()
        .find(|n| n.is_empty() || n.contains(forbidden))
    {
        return Err(LightgbmError::FeatureName { name: name.clone() });
    }
    let all: Vec<Tree> = (0..trees.tree_count())
        .map(|index| trees.tree(index))
        .collect();
    let mut used = vec![false; expected];
    all.iter()
        .flat_map(|t| &t.splits)
        .for_each(|split| used[split.feature as usize] = true);
    let mut out = String::from("tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\n");
    out.push_str("label_index=0\n");
    line(&mut out, "max_feature_idx", [expected.saturating_sub(1)]);
    out.push_str("objective=binary sigmoid:1\n");
    line(&mut out, "feature_names", feature_names);
    // The ranges seen in training are not kept; LightGBM reads them and predicts without them.
    line(
        &mut out,
        "feature_infos",
        used.iter()
            .map(|&u| if u { "[-1e+38:1e+38]" } else { "none" }),
    );
    out.push('\n');
    for (index, tree) in all.iter().enumerate() {
        write_tree(&mut out, index, tree);
    }
    out.push_str("end of trees\n\nparameters:\n[objective: binary]\nend of parameters\n\n");
    out.push_str("pandas_categorical:null\n");
    Ok(out)
}

fn write_tree(out: &mut String, index: usize, tree: &Tree) {
    line(out, "Tree", [index]);
    line(out, "num_leaves", [tree.leaves.len()]);
    out.push_str("num_cat=0\n");
    if !tree.splits.is_empty() {
        let splits = &tree.splits;
        line(out, "split_feature", splits.iter().map(|s| s.feature));
        line(out, "split_gain", splits.iter().map(|s| s.gain));
        line(
            out,
            "threshold",
            splits.iter().map(|s| f64::from(s.threshold)),
        );
        line(
            out,
            "decision_type",
            splits.iter().map(|s| decision_type(s.flags)),
        );
        line(out, "left_child", splits.iter().map(|s| s.left.encode()));
        line(out, "right_child", splits.iter().map(|s| s.right.encode()));
    }
    line(out, "leaf_value", tree.leaves.iter().map(|l| l.value));
    let leaf_count = || tree.leaves.iter().map(|l| l.cover);
    line(out, "leaf_weight", leaf_count());
    line(out, "leaf_count", leaf_count());
    if !tree.splits.is_empty() {
        let (values, counts) = internal(tree);
        line(out, "internal_value", values);
        line(out, "internal_weight", &counts);
        line(out, "internal_count", &counts);
    }
    out.push_str("is_linear=0\nshrinkage=1\n\n\n");
}

fn line<T: std::fmt::Display>(out: &mut String, key: &str, values: impl IntoIterator<Item = T>) {
    out.push_str(key);
    for (index, value) in values.into_iter().enumerate() {
        // Display of floats is the shortest text that reads back to the same bits.
        let _ = write!(out, "{}{value}", if index == 0 { '=' } else { ' ' });
    }
    out.push('\n');
}

fn decision_type(flags: u8) -> u8 {
    let default = if flags & MISSING_LEFT != 0 {
        DEFAULT_LEFT
    } else {
        0
    };
    let missing = if flags & ZERO_IS_MISSING != 0 {
        MISSING_ZERO
    } else {
        MISSING_NAN
    };
    default | missing << MISSING_SHIFT
}

/// Mean leaf value and row count below each split (LightGBM's own TreeSHAP reads the counts).
fn internal(tree: &Tree) -> (Vec<f64>, Vec<u64>) {
    let mut sums = vec![0.0; tree.splits.len()];
    let mut counts = vec![0u64; tree.splits.len()];
    // children before parents: reversed preorder
    let mut order = Vec::with_capacity(tree.splits.len());
    let mut stack = vec![0usize];
    while let Some(at) = stack.pop() {
        order.push(at);
        for child in [tree.splits[at].left, tree.splits[at].right] {
            if let Child::Split(next) = child {
                stack.push(next as usize);
            }
        }
    }
    for &at in order.iter().rev() {
        for child in [tree.splits[at].left, tree.splits[at].right] {
            let (sum, count) = match child {
                Child::Split(next) => (sums[next as usize], counts[next as usize]),
                Child::Leaf(leaf) => {
                    let leaf = &tree.leaves[leaf as usize];
                    (leaf.value * f64::from(leaf.cover), u64::from(leaf.cover))
                }
            };
            sums[at] += sum;
            counts[at] += count;
        }
    }
    let means = sums
        .iter()
        .zip(&counts)
        .map(|(sum, &count)| sum / count as f64)
        .collect();
    (means, counts)
}
