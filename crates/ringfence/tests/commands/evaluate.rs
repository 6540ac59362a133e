//! Evaluation by the real binary: published figures reproduced, refusals before any work.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::world::Bench;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn shared(name: &str) -> Option<PathBuf> {
    let folder = match std::env::var_os("RINGFENCE_SHARED_DATA") {
        Some(folder) => PathBuf::from(folder),
        None => root().join("../shared/data"),
    };
    let path = folder.join(name);
    if !path.exists() {
        println!("skipped: shared data {name} is absent");
    }
    path.exists().then_some(path)
}

fn at(path: &str) -> String {
    root().join(path).display().to_string()
}

/// Fraud Detection Handbook, chapter 3: row counts of its split, and its logistic regression
/// (AUC .871, AP .606, card precision .291) within .005.
#[test]
fn the_handbooks_split_and_logistic_row_are_reproduced() {
    let Some(data) = shared("handbook_transactions.parquet") else {
        return;
    };
    let bench = Bench::new();
    let schema = at("schemas/handbook.toml");
    let data = data.display().to_string();
    let imported = bench.run(&["import", "--schema", &schema, &data]);
    assert!(imported.status.success(), "{imported:?}");
    let protocol = at("protocols/handbook_ch3.toml");
    let rung = ["--ladder", "--rung", "logistic"];
    let done = bench.run(&[&["evaluate", "--protocol", &protocol], &rung[..]].concat());
    assert!(done.status.success(), "{done:?}");
    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    let counts = json!([[[67_240, 598], [58_264, 385]]]);
    assert_eq!(report["sizes"]["test"], counts);
    assert_eq!(report["test_reads"], 1);
    let figures = &report["rungs"][0]["test"]["folds"];
    for (name, published) in [("auc", 0.871), ("ap", 0.606), ("card_precision", 0.291)] {
        let found = figures[name][0].as_f64().unwrap();
        assert!((found - published).abs() < 0.005, "{name}: {found}");
    }
}

const SMALL: &str = r#"
name = "small"
schema = "default"
label_delay = "14d"
seeds = [1]
candidates = [{ rounds = [5], leaves = 4 }]
validation = [{ train = ["2026-01-01", "2026-01-02"], test = ["2026-01-16", "2026-01-17"] }]
test = [{ train = ["2026-01-02", "2026-01-03"], test = ["2026-01-17", "2026-01-18"] }]
"#;

#[test]
fn a_protocol_that_does_not_fit_is_refused() {
    let bench = Bench::new();
    let init = bench.run(&["init"]);
    assert!(init.status.success(), "{init:?}");
    for (change, to, wanted) in [
        ("", "", "no event of the protocol's types"),
        (
            "\"default\"",
            "\"other\"",
            "the protocol is for schema \\\"other\\\"",
        ),
        ("\"14d\"", "\"15d\"", "shorter than the label delay 15d"),
        ("seeds", "seds", "unknown field `seds`"),
    ] {
        let path = bench.path("p.toml");
        fs::write(&path, SMALL.replacen(change, to, 1)).unwrap();
        let done = bench.run(&["evaluate", "--protocol", "p.toml"]);
        let error = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(1), "{error}");
        assert!(error.contains(wanted), "{error}");
    }
}
