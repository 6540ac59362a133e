//! Boosted trees as the TreeEnsembleRegressor of ai.onnx.ml.

use model::trees::{Child, MISSING_LEFT, Tree, Trees, ZERO_IS_MISSING};

use super::build::{Builder, Value, floats, int, ints, text, texts};

pub const DOMAIN: &str = "ai.onnx.ml";
pub const VERSION: i64 = 3;

#[derive(Default)]
struct Nodes {
    tree: Vec<i64>,
    id: Vec<i64>,
    feature: Vec<i64>,
    value: Vec<f32>,
    mode: Vec<&'static str>,
    yes: Vec<i64>,
    no: Vec<i64>,
    missing_is_yes: Vec<i64>,
    leaf_tree: Vec<i64>,
    leaf_id: Vec<i64>,
    leaf_value: Vec<f32>,
}

/// Raw log-odds of the trees, one column.
pub fn trees(trees: &Trees, tabular: &Value, b: &mut Builder) -> Value {
    let all: Vec<Tree> = (0..trees.tree_count()).map(|at| trees.tree(at)).collect();
    let mut nodes = Nodes::default();
    let features = trees.feature_count();
    for (at, tree) in all.iter().enumerate() {
        nodes.add(at, tree, features);
    }
    let zeros = all.iter().flat_map(|tree| &tree.splits);
    let x = match zeros.into_iter().any(|it| it.flags & ZERO_IS_MISSING != 0) {
        true => with_zeros_missing(tabular, b),
        false => tabular.clone(),
    };
    let attributes = vec![
        int("n_targets", 1),
        text("aggregate_function", "SUM"),
        text("post_transform", "NONE"),
        ints("nodes_treeids", nodes.tree),
        ints("nodes_nodeids", nodes.id),
        ints("nodes_featureids", nodes.feature),
        floats("nodes_values", nodes.value),
        texts("nodes_modes", &nodes.mode),
        ints("nodes_truenodeids", nodes.yes),
        ints("nodes_falsenodeids", nodes.no),
        ints("nodes_missing_value_tracks_true", nodes.missing_is_yes),
        ints("target_ids", vec![0; nodes.leaf_id.len()]),
        ints("target_treeids", nodes.leaf_tree),
        ints("target_nodeids", nodes.leaf_id),
        floats("target_weights", nodes.leaf_value),
    ];
    b.nodes("TreeEnsembleRegressor", DOMAIN, &[&x], attributes, 1)
        .remove(0)
}

/// The features, then the same with (-1e-35, 1e-35] as missing, for the splits that want it so.
fn with_zeros_missing(tabular: &Value, b: &mut Builder) -> Value {
    let (low, high) = (b.scalar(-1e-35), b.scalar(1e-35));
    let above = b.node("Greater", &[tabular, &low], Vec::new());
    let below = b.node("LessOrEqual", &[tabular, &high], Vec::new());
    let zero = b.node("And", &[&above, &below], Vec::new());
    let missing = b.scalar(f32::NAN);
    let replaced = b.node("Where", &[&zero, &missing, tabular], Vec::new());
    b.concat(&[tabular, &replaced], 1)
}

impl Nodes {
    /// Splits first, then leaves.
    fn add(&mut self, at: usize, tree: &Tree, features: usize) {
        let splits = tree.splits.len();
        let id = |child: Child| match child {
            Child::Split(split) => i64::from(split),
            Child::Leaf(leaf) => (splits + leaf as usize) as i64,
        };
        for (node, split) in tree.splits.iter().enumerate() {
            let shift = match split.flags & ZERO_IS_MISSING {
                0 => 0,
                _ => features,
            };
            self.tree.push(at as i64);
            self.id.push(node as i64);
            self.feature.push((split.feature as usize + shift) as i64);
            self.value.push(split.threshold);
            self.mode.push("BRANCH_LEQ");
            self.yes.push(id(split.left));
            self.no.push(id(split.right));
            self.missing_is_yes
                .push(i64::from(split.flags & MISSING_LEFT != 0));
        }
        for (leaf, value) in tree.leaves.iter().enumerate() {
            self.tree.push(at as i64);
            self.id.push((splits + leaf) as i64);
            self.feature.push(0);
            self.value.push(0.0);
            self.mode.push("LEAF");
            self.yes.push(0);
            self.no.push(0);
            self.missing_is_yes.push(0);
            self.leaf_tree.push(at as i64);
            self.leaf_id.push((splits + leaf) as i64);
            self.leaf_value.push(value.value as f32);
        }
    }
}
