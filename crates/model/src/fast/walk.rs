//! Walks trees of any size, four at once: the loads of one hide behind the others'.

use crate::trees::{Trees, goes_left, sum_lanes};

/// 16 bytes, so that a visit touches one cache line.
#[derive(Debug, Clone, Copy)]
struct Node {
    threshold: f32,
    feature: u16,
    flags: u8,
    /// Absolute index of the left and right node; leaves are `!index` into the leaf values.
    children: [i32; 2],
}

const _: () = assert!(crate::trees::FEATURES_MAX <= 1 << 16);

#[derive(Debug, Clone)]
pub struct Walk {
    nodes: Vec<Node>,
    roots: Vec<i32>,
    leaf_value: Vec<f64>,
}

impl Walk {
    pub fn new(trees: &Trees) -> Self {
        let mut nodes = Vec::with_capacity(trees.feature.len());
        let mut roots = Vec::with_capacity(trees.tree_count());
        for tree in 0..trees.tree_count() {
            let splits = trees.split_start[tree] as usize..trees.split_start[tree + 1] as usize;
            let (node_base, leaf_base) = (splits.start as i32, trees.leaf_start[tree] as i32);
            let absolute = |code: i32| {
                if code >= 0 {
                    code + node_base
                } else {
                    !(!code + leaf_base)
                }
            };
            roots.push(if splits.is_empty() {
                !leaf_base
            } else {
                node_base
            });
            nodes.extend(splits.map(|i| Node {
                threshold: trees.threshold[i],
                feature: trees.feature[i] as u16,
                flags: trees.flags[i],
                children: [absolute(trees.left[i]), absolute(trees.right[i])],
            }));
        }
        Walk {
            nodes,
            roots,
            leaf_value: trees.leaf_value.clone(),
        }
    }

    pub fn predict(&self, row: &[f32]) -> f64 {
        let mut lanes = [0.0; 4];
        for roots in self.roots.chunks(4) {
            let mut at = [i32::MIN; 4];
            at[..roots.len()].copy_from_slice(roots);
            // Finished walks stand still; the sign bit of all four together ends the loop.
            while at[0] & at[1] & at[2] & at[3] >= 0 {
                for at in &mut at {
                    if *at >= 0 {
                        let node = &self.nodes[*at as usize];
                        let x = row[usize::from(node.feature)];
                        let right = usize::from(!goes_left(x, node.threshold, node.flags));
                        *at = node.children[right];
                    }
                }
            }
            for (lane, &at) in lanes.iter_mut().zip(&at[..roots.len()]) {
                *lane += self.leaf_value[!at as usize];
            }
        }
        sum_lanes(lanes)
    }
}
