//! As good as LightGBM with the same parameters on the same rows.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

#[path = "../../model/tests/support/python.rs"]
mod python;
#[path = "support/synthetic.rs"]
mod synthetic;

use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;

use ringfence_learning::boost::{BoostConfig, Dataset, Layout, Matrix, train};
use synthetic::{Synthetic, auc, synthetic};

const FEATURES: usize = 12;
const ROUNDS: usize = 60;

fn ours(data: &Synthetic, test: &Synthetic, max_bin: usize) -> f64 {
    let config = BoostConfig {
        rounds: ROUNDS,
        num_leaves: 63,
        max_bin,
        ..BoostConfig::default()
    };
    let features = Matrix::new(&data.values, data.rows, data.features, Layout::RowMajor).unwrap();
    let set = Dataset {
        features,
        labels: &data.labels,
        weights: None,
    };
    let trained = train(&config, &set, None, |_| ControlFlow::Continue(())).unwrap();
    let mut scores = vec![0.0; test.rows];
    trained.trees.predict_raw_batch(&test.values, &mut scores);
    auc(&scores, &test.labels)
}

/// AUC at 255 and at 1023 bins: the last column of the program's table.
fn theirs(python: &Path, data: &Synthetic, test: &Synthetic) -> Vec<f64> {
    let dir = tempfile::tempdir().unwrap();
    data.write(dir.path(), "train");
    test.write(dir.path(), "test");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = Command::new(python)
        .arg(root.join("bench/peers/lightgbm_train.py"))
        .arg(dir.path())
        .args([FEATURES.to_string(), ROUNDS.to_string(), "1".to_owned()])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let table = String::from_utf8(output.stdout).unwrap();
    table
        .lines()
        .map(|row| row.rsplit(' ').next().unwrap().parse().unwrap())
        .collect()
}

#[test]
fn auc_is_not_below_lightgbms() {
    let Some(python) = python::python() else {
        return;
    };
    let (data, test) = (
        synthetic(40_000, FEATURES, -3.0, 31),
        synthetic(100_000, FEATURES, -3.0, 32),
    );
    let theirs = theirs(&python, &data, &test);
    for (max_bin, theirs) in [255, 1023].into_iter().zip(theirs) {
        let ours = ours(&data, &test, max_bin);
        println!("{max_bin} bins: AUC {ours:.5}, LightGBM {theirs:.5}");
        assert!(
            ours > theirs - 0.001,
            "{max_bin} bins: AUC {ours:.5}, LightGBM {theirs:.5}"
        );
    }
}
