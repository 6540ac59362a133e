//! Training time and AUC of the boosted trees next to LightGBM's on the same generated rows.
//! `cargo bench -p ringfence-learning --bench boost [-- ROWS ROUNDS]`; LightGBM is measured when
//! `target/python-peers` holds it (the LightGBM test of `ringfence-model` installs it there) or
//! RINGFENCE_PYTHON names an interpreter that has it.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a command that prints a table"
)]

#[path = "../tests/support/synthetic.rs"]
mod synthetic;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use ringfence_learning::boost::{BoostConfig, Dataset, Layout, Matrix, train};
use synthetic::{Synthetic, auc, synthetic};

const FEATURES: usize = 40;
const TEST_ROWS: usize = 100_000;
const REPEATS: usize = 3;

fn main() {
    let mut numbers = std::env::args()
        .skip(1)
        .filter_map(|a| a.parse::<usize>().ok());
    let rows = numbers.next().unwrap_or(500_000);
    let rounds = numbers.next().unwrap_or(100);
    let data = synthetic(rows, FEATURES, -4.0, 1);
    let test = synthetic(TEST_ROWS, FEATURES, -4.0, 2);
    let frauds = data.labels.iter().filter(|&&l| l).count();
    println!("training {rows} x {FEATURES}, {frauds} frauds, {rounds} rounds, 63 leaves");
    println!(
        "{:<28} {:>9} {:>9} {:>9}",
        "learner", "wall s", "CPU s", "AUC"
    );
    for max_bin in [255, 1023] {
        let (wall, cpu, auc) = ours(&data, &test, rounds, max_bin);
        println!(
            "{:<28} {wall:>9.2} {cpu:>9.2} {auc:>9.5}",
            format!("ringfence, {max_bin} bins")
        );
    }
    lightgbm(&data, &test, rounds);
}

fn matrix(data: &Synthetic) -> Matrix<'_> {
    Matrix::new(&data.values, data.rows, data.features, Layout::RowMajor).unwrap()
}

fn ours(data: &Synthetic, test: &Synthetic, rounds: usize, max_bin: usize) -> (f64, f64, f64) {
    let config = BoostConfig {
        rounds,
        num_leaves: 63,
        max_bin,
        ..BoostConfig::default()
    };
    let set = Dataset {
        features: matrix(data),
        labels: &data.labels,
        weights: None,
    };
    let mut runs: Vec<(f64, f64, f64)> = (0..REPEATS)
        .map(|_| {
            let (start, cpu) = (Instant::now(), cpu_seconds());
            let trained = train(&config, &set, None, |_| ControlFlow::Continue(())).unwrap();
            let (wall, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
            let mut scores = vec![0.0; test.rows];
            trained.trees.predict_raw_batch(&test.values, &mut scores);
            (wall, cpu, auc(&scores, &test.labels))
        })
        .collect();
    runs.sort_by(|a, b| a.0.total_cmp(&b.0));
    runs[REPEATS / 2]
}

/// User and system time of this process (fields 14 and 15 of /proc/self/stat, 100 ticks a second).
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(") ").unwrap().1;
    let ticks = |field: usize| {
        after_name
            .split(' ')
            .nth(field)
            .unwrap()
            .parse::<f64>()
            .unwrap()
    };
    (ticks(11) + ticks(12)) / 100.0
}

fn lightgbm(data: &Synthetic, test: &Synthetic, rounds: usize) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = std::env::var_os("RINGFENCE_PYTHON").map_or_else(
        || Path::new(env!("CARGO_TARGET_TMPDIR")).join("../python-peers/bin/python"),
        PathBuf::from,
    );
    if !python.exists() {
        println!("lightgbm: skipped, {} is not there", python.display());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    data.write(dir.path(), "train");
    test.write(dir.path(), "test");
    let status = Command::new(python)
        .arg(root.join("bench/peers/lightgbm_train.py"))
        .arg(dir.path())
        .args([FEATURES.to_string(), rounds.to_string(), "2".to_owned()])
        .status()
        .unwrap();
    if !status.success() {
        println!("lightgbm: skipped, the program ended with {status}");
    }
}
