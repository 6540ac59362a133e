//! What an ensemble must be before it is served; every refusal names tree and place.

use super::{
    Child, DEPTH_MAX, LEAVES_PER_TREE_MAX, MISSING_LEFT, Tree, TreesError, ZERO_IS_MISSING,
};

pub fn check_limit(what: &'static str, max: usize, got: usize) -> Result<(), TreesError> {
    if got > max {
        Err(TreesError::TooLarge { what, max, got })
    } else {
        Ok(())
    }
}

pub fn check_values(features: usize, index: usize, tree: &Tree) -> Result<(), TreesError> {
    let (splits, leaves) = (tree.splits.len(), tree.leaves.len());
    check_limit("leaves per tree", LEAVES_PER_TREE_MAX, leaves)?;
    if leaves != splits + 1 {
        return Err(TreesError::Shape {
            tree: index,
            splits,
            leaves,
        });
    }
    for (split, s) in tree.splits.iter().enumerate() {
        if s.feature as usize >= features {
            return Err(TreesError::Feature {
                tree: index,
                split,
                features,
                feature: s.feature,
            });
        }
        for (what, value) in [("threshold", s.threshold), ("gain", s.gain)] {
            if !value.is_finite() {
                let value = value.to_string();
                return Err(TreesError::SplitNotFinite {
                    tree: index,
                    split,
                    what,
                    value,
                });
            }
        }
        if s.flags & !(MISSING_LEFT | ZERO_IS_MISSING) != 0 {
            return Err(TreesError::Flags {
                tree: index,
                split,
                flags: s.flags,
            });
        }
    }
    for (leaf, l) in tree.leaves.iter().enumerate() {
        if !l.value.is_finite() {
            let value = l.value.to_string();
            return Err(TreesError::LeafNotFinite {
                tree: index,
                leaf,
                value,
            });
        }
        if l.cover == 0 {
            return Err(TreesError::EmptyLeaf { tree: index, leaf });
        }
    }
    Ok(())
}

/// Every split and leaf is reached exactly once from the root; returns the depth.
pub fn check_topology(index: usize, tree: &Tree) -> Result<usize, TreesError> {
    let mut split_seen = vec![false; tree.splits.len()];
    let mut leaf_seen = vec![false; tree.leaves.len()];
    let mut depth_max = 0;
    let root = if tree.splits.is_empty() {
        Child::Leaf(0)
    } else {
        Child::Split(0)
    };
    let mut stack = vec![(root, 0, "root", 0)];
    while let Some((child, parent, side, depth)) = stack.pop() {
        let (seen, at) = match child {
            Child::Split(at) => (&mut split_seen, at as usize),
            Child::Leaf(at) => (&mut leaf_seen, at as usize),
        };
        match seen.get_mut(at) {
            None => {
                let split = parent;
                return Err(TreesError::ChildOutOfRange {
                    tree: index,
                    split,
                    side,
                    child,
                });
            }
            Some(seen) if *seen => return Err(TreesError::ReachedTwice { tree: index, child }),
            Some(seen) => *seen = true,
        }
        if depth > DEPTH_MAX {
            return Err(TreesError::TooDeep { tree: index });
        }
        depth_max = depth_max.max(depth);
        if let Child::Split(at) = child {
            let split = &tree.splits[at as usize];
            stack.push((split.right, at as usize, "right", depth + 1));
            stack.push((split.left, at as usize, "left", depth + 1));
        }
    }
    // What is reached is a tree, so a leaf is left over exactly when a split is (a detached cycle).
    match leaf_seen.iter().position(|seen| !seen) {
        Some(leaf) => Err(TreesError::Unreachable { tree: index, leaf }),
        None => Ok(depth_max),
    }
}
