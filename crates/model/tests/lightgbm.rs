//! LightGBM text models against Python LightGBM itself, both ways, and the refusals.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

#[path = "support/python.rs"]
mod python;
#[path = "support/random_trees.rs"]
mod random_trees;

use std::path::{Path, PathBuf};
use std::process::Command;

use python::python;
use random_trees::{Random, random_row, random_trees};
use ringfence_model::lightgbm_text::{LightgbmError, read, write};
use ringfence_model::shap::Explainer;
use ringfence_model::trees::Trees;

const ROWS: usize = 2_000;
const FEATURES: usize = 8;
const TOLERANCE: f64 = 1e-6;

fn peer(python: &Path, command: &str, dir: &Path) {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/lightgbm_peer.py");
    let output = Command::new(python)
        .arg(program)
        .arg(command)
        .arg(dir)
        .args([ROWS.to_string(), FEATURES.to_string()])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Rows with NaN, both zeros, and many exact ties; a label that depends on all of that.
fn write_rows(dir: &Path) -> Vec<f32> {
    let mut random = Random(11);
    let mut values = Vec::new();
    let mut labels = Vec::new();
    for _ in 0..ROWS {
        let mut row = random_row(&mut random, FEATURES);
        // LightGBM's training does not define infinities
        row.iter_mut()
            .filter(|x| x.is_infinite() || x.abs() > 1e30)
            .for_each(|x| *x = 0.3);
        // and its Python predictor drops what is this close to zero
        row.iter_mut()
            .filter(|x| x.abs() <= 1e-35)
            .for_each(|x| *x = 0.0);
        row[6] = random.uniform() as f32;
        row[7] = libm::exp2(random.uniform() * 1e3) as f32 % 1e6;
        row[7] = if row[7].is_finite() { row[7] } else { 7.0 };
        let score = row[6] * 3.0
            + if row[0].is_nan() {
                1.5
            } else {
                row[0] * row[6]
            }
            + if row[1] == 0.0 { 1.0 } else { -0.5 };
        labels.push(u8::from(
            random.uniform() < 1.0 / (1.0 + libm::exp(f64::from(2.0 - score))),
        ));
        values.extend(row);
    }
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    std::fs::write(dir.join("values.f32"), bytes).unwrap();
    std::fs::write(dir.join("labels.u8"), labels).unwrap();
    values
}

/// LightGBM's own contributions: per row the features, then the expected value.
fn compare_contributions(name: &str, trees: &Trees, values: &[f32], dir: &Path) {
    let explainer = Explainer::new(trees);
    let theirs = doubles(dir.join(format!("{name}.contrib")));
    for (x, theirs) in values.chunks(FEATURES).zip(theirs.chunks(FEATURES + 1)) {
        let mut ours = explainer.contributions(x);
        ours.push(explainer.expected_value());
        for (feature, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
            let off = (ours - theirs).abs();
            assert!(
                off <= TOLERANCE,
                "{name} feature {feature}: {ours} {theirs}"
            );
        }
    }
}

fn doubles(path: PathBuf) -> Vec<f64> {
    let bytes = std::fs::read(path).unwrap();
    bytes
        .as_chunks::<8>()
        .0
        .iter()
        .map(|&c| f64::from_le_bytes(c))
        .collect()
}

fn compare_scores(name: &str, trees: &Trees, values: &[f32], dir: &Path) {
    let theirs = doubles(dir.join(format!("{name}.raw")));
    for (row, (x, theirs)) in values.chunks(FEATURES).zip(theirs).enumerate() {
        let ours = trees.predict_raw(x);
        assert!(
            (ours - theirs).abs() <= TOLERANCE,
            "{name} row {row}: {ours} {theirs} {x:?}"
        );
    }
}

#[test]
fn python_models_predict_the_same_here() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().unwrap();
    let values = write_rows(dir.path());
    peer(&python, "train", dir.path());
    let text =
        |name: &str| std::fs::read_to_string(dir.path().join(format!("{name}.txt"))).unwrap();
    for name in ["nan", "zero_missing", "no_missing", "large"] {
        let model = read(&text(name)).unwrap();
        assert_eq!(model.feature_names[3], "Column_3");
        assert!(
            model.trees.leaves_per_tree_max() > 10,
            "{name} is too small to tell anything"
        );
        compare_scores(name, &model.trees, &values, dir.path());
        compare_contributions(name, &model.trees, &values, dir.path());
    }
    for (name, key) in [
        ("regression", "objective must be binary"),
        ("forest", "average_output must be absent"),
        ("linear", "is_linear must be 0"),
        ("multiclass", "num_class must be 1"),
        ("sigmoid", "objective must be binary"),
        ("categorical", "num_cat must be 0"),
    ] {
        let got = read(&text(name)).unwrap_err().to_string();
        assert!(
            got.contains(key) && got.starts_with("line "),
            "{name}: {got}"
        );
    }
}

#[test]
fn our_models_predict_the_same_in_python() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().unwrap();
    let values = write_rows(dir.path());
    let trees = random_trees(12, FEATURES, 60, 40);
    let names: Vec<String> = (0..FEATURES).map(|f| format!("f{f}")).collect();
    std::fs::write(dir.path().join("ours.txt"), write(&trees, &names).unwrap()).unwrap();
    peer(&python, "predict", dir.path());
    compare_scores("ours", &trees, &values, dir.path());
    compare_contributions("ours", &trees, &values, dir.path());
}

#[test]
fn comes_back_bit_for_bit() {
    let trees = random_trees(13, FEATURES, 30, 70);
    let names: Vec<String> = (0..FEATURES).map(|f| format!("f{f}")).collect();
    let text = write(&trees, &names).unwrap();
    let back = read(&text).unwrap();
    assert_eq!((&back.trees, &back.feature_names), (&trees, &names));
    let windows = read(&text.replace('\n', "\r\n")).unwrap();
    assert_eq!(windows, back);
}

#[test]
fn damage_is_named_with_its_line() {
    let names: Vec<String> = (0..FEATURES).map(|f| format!("f{f}")).collect();
    let text = write(&random_trees(14, FEATURES, 2, 9), &names).unwrap();
    let line_of = |key: &str| 1 + text.lines().position(|l| l.starts_with(key)).unwrap();
    let check = |damaged: String, expected: String| {
        let got = read(&damaged).unwrap_err().to_string();
        assert!(
            got.contains(&expected),
            "expected {expected:?}, got {got:?}"
        );
    };
    check(
        text.replacen("tree\n", "treee\n", 1),
        "line 1 must be \"tree\"".into(),
    );
    check(text.replacen("end of trees", "", 1), "cut short".into());
    check(text.replacen("leaf_value=", "leaf_value=1 ", 1), {
        format!("line {}: leaf_value must have", line_of("leaf_value"))
    });
    check(text.replacen("threshold=", "threshold=x", 1), {
        format!(
            "line {}: threshold must be a list of numbers",
            line_of("threshold")
        )
    });
    check(text.replacen("left_child=", "left=", 1), {
        format!(
            "the section beginning at line {} has no left_child",
            line_of("Tree=0")
        )
    });
    check(text.replacen("decision_type=", "decision_type=1", 1), {
        format!("line {}: decision_type must be", line_of("decision_type"))
    });
    check(
        text.replacen("split_feature=", "split_feature=9", 1),
        "feature must be below 8".into(),
    );
    let spaced = vec!["a b".to_owned(); FEATURES];
    let refused = write(&random_trees(15, FEATURES, 1, 3), &spaced);
    assert_eq!(
        refused,
        Err(LightgbmError::FeatureName {
            name: "a b".to_owned()
        })
    );
}
