//! Seeded random ensembles and rows, with the values that comparisons stumble over.

use ringfence_model::trees::{Child, Leaf, MISSING_LEFT, Split, Tree, Trees, ZERO_IS_MISSING};

pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn chance(&mut self, p: f64) -> bool {
        self.uniform() < p
    }
}

/// Few distinct thresholds, so that rows often hit one exactly; zeros of both signs among them.
fn value(random: &mut Random) -> f32 {
    match random.below(12) {
        0 => 0.0,
        1 => -0.0,
        2 => 1e-35,
        3 => f32::MAX,
        4 => -1e-36,
        _ => (random.below(9) as f32 - 4.0) / 2.0,
    }
}

pub fn random_tree(random: &mut Random, features: usize, leaves: usize, zeros: bool) -> Tree {
    let mut tree = Tree::default();
    tree.leaves.push(Leaf {
        value: random.uniform() - 0.5,
        cover: 1 + random.below(500) as u32,
    });
    let mut parents: Vec<Option<(usize, bool)>> = vec![None];
    while tree.leaves.len() < leaves {
        let at = random.below(tree.leaves.len());
        let split = tree.splits.len();
        let new = tree.leaves.len();
        let mut flags = if random.chance(0.5) { MISSING_LEFT } else { 0 };
        if zeros && random.chance(0.2) {
            flags |= ZERO_IS_MISSING;
        }
        tree.splits.push(Split {
            feature: random.below(features) as u32,
            threshold: value(random),
            flags,
            left: Child::Leaf(at as u32),
            right: Child::Leaf(new as u32),
            gain: random.uniform() as f32,
        });
        if let Some((parent, left)) = parents[at] {
            let parent = &mut tree.splits[parent];
            *(if left {
                &mut parent.left
            } else {
                &mut parent.right
            }) = Child::Split(split as u32);
        }
        parents[at] = Some((split, true));
        parents.push(Some((split, false)));
        let cover = 1 + random.below(500) as u32;
        tree.leaves.push(Leaf {
            value: random.uniform() - 0.5,
            cover,
        });
    }
    tree
}

pub fn random_trees(seed: u64, features: usize, trees: usize, leaves_max: usize) -> Trees {
    let mut random = Random(seed);
    let trees: Vec<Tree> = (0..trees)
        .map(|_| {
            let leaves = 1 + random.below(leaves_max);
            random_tree(&mut random, features, leaves, true)
        })
        .collect();
    Trees::new(features, &trees).unwrap()
}

pub fn random_row(random: &mut Random, features: usize) -> Vec<f32> {
    (0..features)
        .map(|_| match random.below(10) {
            0 | 1 => f32::NAN,
            2 => f32::INFINITY,
            3 => f32::NEG_INFINITY,
            _ => value(random),
        })
        .collect()
}
