//! Time of one prediction: `cargo bench -p ringfence-model --bench trees`. Median and least over
//! rounds of 2,000 different rows, so that no branch predictor learns a row by heart. One thread,
//! no waiting: on a busy machine the least is the CPU time. LightGBM's single-row predictor is measured on
//! the same trees and rows when `target/python-peers` holds it (`scripts/setup test` installs it there) or
//! RINGFENCE_PYTHON names an interpreter that has it.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a command that prints a table and measures time"
)]

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use ringfence_model::fast::{FastTrees, Scratch};
use ringfence_model::lightgbm_text;
use ringfence_model::shap::Explainer;
use ringfence_model::trees::{Child, Leaf, Split, Tree, Trees};

const FEATURES: usize = 40;
const ROWS: usize = 2_000;
const ROUNDS: usize = 101;

fn main() {
    let mut random = Random(1);
    let rows: Vec<f32> = (0..ROWS * FEATURES)
        .map(|_| random.uniform() as f32)
        .collect();
    println!(
        "{:<12} {:<12} {:>10} {:>10}",
        "model", "way", "median us", "least us"
    );
    for (count, leaves) in [(150, 12), (200, 31), (200, 63), (200, 255)] {
        let trees = balanced_like(&mut random, count, leaves);
        let fast = FastTrees::new(&trees);
        let mut scratch = Scratch::default();
        let name = format!("{count} x {leaves}");
        measure(&name, "plain walk", &rows, |row| trees.predict_raw(row));
        measure(&name, "fast", &rows, |row| {
            fast.predict_raw(row, &mut scratch)
        });
        if leaves <= 63 {
            lightgbm(&trees, &rows, &name);
        }
        let explainer = Explainer::new(&trees);
        let few = &rows[..20 * FEATURES];
        measure(&name, "reasons", few, |row| explainer.contributions(row)[0]);
    }
}

fn measure(model: &str, way: &str, rows: &[f32], mut predict: impl FnMut(&[f32]) -> f64) {
    let mut each: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            for row in rows.chunks(FEATURES) {
                black_box(predict(row));
            }
            start.elapsed().as_secs_f64() * 1e6 * FEATURES as f64 / rows.len() as f64
        })
        .collect();
    each.sort_by(f64::total_cmp);
    println!(
        "{model:<12} {way:<12} {:>10.2} {:>10.2}",
        each[ROUNDS / 2],
        each[0]
    );
}

fn lightgbm(trees: &Trees, rows: &[f32], name: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = std::env::var_os("RINGFENCE_PYTHON").map_or_else(
        || Path::new(env!("CARGO_TARGET_TMPDIR")).join("../python-peers/bin/python"),
        PathBuf::from,
    );
    if !python.exists() {
        println!(
            "{name:<12} lightgbm: skipped, {} is not there",
            python.display()
        );
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..FEATURES).map(|at| format!("f{at}")).collect();
    let (model, values) = (dir.path().join("m.txt"), dir.path().join("rows.f32"));
    std::fs::write(&model, lightgbm_text::write(trees, &names).unwrap()).unwrap();
    let bytes: Vec<u8> = rows.iter().flat_map(|value| value.to_le_bytes()).collect();
    std::fs::write(&values, bytes).unwrap();
    let status = Command::new(python)
        .arg(root.join("bench/peers/lightgbm_single_row.py"))
        .args([&model, &values])
        .args([name, "21"])
        .status()
        .unwrap();
    if !status.success() {
        println!("{name:<12} lightgbm: skipped, the program ended with {status}");
    }
}

/// Grown as a learner would: the leaf with the most rows is cut, at a share that is often lopsided.
fn balanced_like(random: &mut Random, trees: usize, leaves: usize) -> Trees {
    let trees: Vec<Tree> = (0..trees).map(|_| tree(random, leaves)).collect();
    Trees::new(FEATURES, &trees).unwrap()
}

fn tree(random: &mut Random, leaves: usize) -> Tree {
    let mut tree = Tree::default();
    tree.leaves.push(Leaf {
        value: random.uniform() - 0.5,
        cover: 1_000_000,
    });
    // per leaf: its parent and side, and the box of values that reach it
    let mut parents: Vec<Option<(usize, bool)>> = vec![None];
    let mut boxes = vec![[(0.0, 1.0); FEATURES]];
    while tree.leaves.len() < leaves {
        let widest = (0..tree.leaves.len())
            .max_by_key(|&l| tree.leaves[l].cover)
            .unwrap();
        let feature = (random.uniform() * random.uniform() * FEATURES as f64) as usize;
        let share = 0.08 + 0.84 * random.uniform();
        let (low, high) = boxes[widest][feature];
        let middle = low + (high - low) * share;
        let (at, new) = (tree.splits.len(), tree.leaves.len());
        tree.splits.push(Split {
            feature: feature as u32,
            threshold: middle as f32,
            flags: 0,
            left: Child::Leaf(widest as u32),
            right: Child::Leaf(new as u32),
            gain: 1.0,
        });
        if let Some((parent, left)) = parents[widest] {
            let parent = &mut tree.splits[parent];
            *(if left {
                &mut parent.left
            } else {
                &mut parent.right
            }) = Child::Split(at as u32);
        }
        let cover = f64::from(tree.leaves[widest].cover);
        tree.leaves[widest].cover = (cover * share) as u32 + 1;
        let value = random.uniform() - 0.5;
        tree.leaves.push(Leaf {
            value,
            cover: (cover * (1.0 - share)) as u32 + 1,
        });
        boxes.push(boxes[widest]);
        boxes[widest][feature].1 = middle;
        boxes[new][feature].0 = middle;
        parents[widest] = Some((at, true));
        parents.push(Some((at, false)));
    }
    tree
}

struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1u64 << 53) as f64
    }
}
