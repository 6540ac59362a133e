//! Training and evaluation on what nothing can be learnt from: refused before the replay, with what
//! would help.

use std::fmt::Write;
use std::fs;

use crate::leaks::{PROTOCOL, SCHEMA, bench};
use crate::world::Bench;

fn refused(bench: &Bench, args: &[&str], wanted: &str) {
    let done = bench.run(args);
    let error = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{args:?}: {error}");
    assert!(error.contains(wanted), "{args:?}: {error}");
}

/// A tenant of 2,000 payments of which the first `frauds` are fraud.
fn tenant(frauds: usize) -> Bench {
    let bench = Bench::new();
    let mut text = String::from("at,amount,account,batch,fraud\n");
    for row in 0..2_000 {
        let (day, hour) = (1 + row / 80, row / 4 % 20);
        let fraud = u8::from(row < frauds);
        writeln!(
            text,
            "2026-01-{day:02}T{hour:02}:00:00Z,{},a{},b,{fraud}",
            100 + row,
            row % 50
        )
        .unwrap();
    }
    fs::write(bench.path("schema.toml"), SCHEMA).unwrap();
    fs::write(bench.path("rows.csv"), text).unwrap();
    bench.json(&bench.import_args("schema.toml", "rows.csv"));
    bench
}

#[test]
fn one_class_and_few_frauds_cannot_be_trained_on() {
    refused(
        &tenant(0),
        &["train"],
        "one class only (0 known frauds, 1920 legitimate events): widen it, or import the labels",
    );
    let few = tenant(49);
    refused(
        &few,
        &["train"],
        "hold 49 known frauds, at least 50 are needed: widen the time range",
    );
    refused(
        &few,
        &["train", "--from", "2026-01-05T00:00:00Z"],
        "one class only (0 known frauds",
    );
    // Two stages: each part has to have its fifty, and here the earlier one has all there are.
    refused(
        &tenant(99),
        &["train", "--producer"],
        "that train its model hold 0 known frauds, at least 50",
    );
    assert!(!few.path("data/default/models").exists());
    // With one more the labels pass; that all of them are early is what is wrong then.
    refused(
        &tenant(50),
        &["train"],
        "stop the training hold 0 known frauds",
    );
}

#[test]
fn other_kinds_of_model_are_refused_with_the_list() {
    let done = Bench::new().run(&["train", "--model", "forest"]);
    let error = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(2), "{error}");
    assert!(
        error.contains("invalid value 'forest'") && error.contains("[possible values: trees"),
        "{error}"
    );
}

#[test]
fn protocols_that_leak_or_cannot_be_measured_are_refused() {
    let bench = bench(false, "ordered");
    let train = "train = [\"2026-01-01\", \"2026-01-05\"], test = [\"2026-01-06\", \"2026-01-10\"]";
    for (change, to, wanted) in [
        (
            train,
            "train = [\"2026-01-01\", \"2026-01-07\"], test = [\"2026-01-06\", \"2026-01-10\"]",
            "a test must come after its training",
        ),
        (
            "label_delay = \"1d\"",
            "label_delay = \"2d\"",
            "the gap between training and test is 1d, shorter than the label delay 2d",
        ),
        (
            train,
            "train = [\"2026-01-01\", \"2026-01-03\"], test = [\"2026-01-06\", \"2026-01-10\"]",
            "training of fold 0 holds 35 frauds, at least 50 are needed: widen the time range",
        ),
        (
            train,
            "train = [\"2025-01-01\", \"2025-01-05\"], test = [\"2026-01-06\", \"2026-01-10\"]",
            "training of fold 0 holds one class only (0 frauds of 0 rows): widen the time range",
        ),
        (
            "seeds = [1]",
            "seeds = [1]\ncalibration = \"isotonic\"",
            "isotonic calibration needs at least 1000 frauds in the validation folds, got",
        ),
        (
            "seeds = [1]",
            "seeds = [1]\ncalibration = \"guess\"",
            "unknown variant `guess`, expected one of `platt`, `beta`, `isotonic`",
        ),
    ] {
        assert!(PROTOCOL.contains(change), "{change}");
        fs::write(bench.path("bad.toml"), PROTOCOL.replacen(change, to, 1)).unwrap();
        refused(
            &bench,
            &["evaluate", "--validation-only", "--protocol", "bad.toml"],
            wanted,
        );
    }
    // Platt and beta need no thousand; they give other probabilities and the same ranking.
    let of = |method: &str| {
        let text = PROTOCOL.replace(
            "seeds = [1]",
            &format!("seeds = [1]\ncalibration = {method:?}"),
        );
        fs::write(bench.path("p.toml"), text).unwrap();
        bench.json(&["evaluate", "--validation-only", "--protocol", "p.toml"])
    };
    let (platt, beta) = (of("platt"), of("beta"));
    let figure = |report: &serde_json::Value, name: &str| {
        report["rungs"][0]["validation"][name].as_f64().unwrap()
    };
    assert_eq!(figure(&platt, "ap"), figure(&beta, "ap"));
    assert_ne!(figure(&platt, "brier"), figure(&beta, "brier"));
}
