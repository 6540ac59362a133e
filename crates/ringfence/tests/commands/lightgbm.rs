//! Models to and from Python's LightGBM, by the commands a user has: what it scores there, it scores
//! here.

use std::fs;
use std::path::Path;
use std::process::Command;

use model::artifact::Artifact;
use model::lightgbm_text;

use crate::python::python;
use crate::world::{Bench, split, world_files};

const TOLERANCE: f64 = 1e-6;

fn peer(python: &Path, bench: &Bench, command: &str, model: &str) -> Vec<f64> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/exchange.py");
    let done = Command::new(python)
        .current_dir(bench.dir.path())
        .arg(program)
        .args([command, "rows.csv", model, "scores.f64"])
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let bytes = fs::read(bench.path("scores.f64")).unwrap();
    let doubles = bytes.as_chunks::<8>().0.iter();
    doubles.map(|bytes| f64::from_le_bytes(*bytes)).collect()
}

/// Raw scores of a model file over the table of samples.
fn ours(bench: &Bench, model: &str) -> Vec<f64> {
    let path = bench
        .path("data/default/models")
        .join(format!("{model}.model"));
    let (artifact, _) = Artifact::load(&path).unwrap();
    let text = fs::read_to_string(bench.path("rows.csv")).unwrap();
    let rows = text.lines().skip(1).map(|line| {
        let values: Vec<f32> = line
            .split(',')
            .skip(3)
            .map(|field| {
                if field.is_empty() {
                    f32::NAN
                } else {
                    field.parse().unwrap()
                }
            })
            .collect();
        artifact.trees.predict_raw(&values)
    });
    rows.collect()
}

fn check_same(ours: &[f64], theirs: &[f64]) {
    assert_eq!(ours.len(), theirs.len());
    assert!(ours.len() > 5_000, "{}", ours.len());
    for (row, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        assert!(
            (ours - theirs).abs() <= TOLERANCE,
            "row {row}: {ours} {theirs}"
        );
    }
    let least = ours.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(
        ours.iter().any(|it| *it > least + 1.0),
        "a constant tells nothing"
    );
}

fn text<'a>(value: &'a serde_json::Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

#[test]
fn models_go_to_python_and_come_from_it() {
    let Some(python) = python() else { return };
    let bench = Bench::new();
    let (schema, _) = world_files();
    let (history, later) = split(&bench, 0.9);
    bench.json(&bench.import_args(&schema, &history));
    let written = bench.json(&["samples", "rows.csv", "--rows-max", "6000"]);
    assert!(written["frauds"].as_u64().unwrap() >= 50, "{written}");

    let trained = bench.json(&["train", "--model", "trees", "--rounds", "40"]);
    bench.json(&["models", "export", "ours.txt"]);
    let theirs = peer(&python, &bench, "predict", "ours.txt");
    check_same(&ours(&bench, text(&trained, "model")), &theirs);

    let theirs = peer(&python, &bench, "train", "theirs.txt");
    let taken = bench.json(&["models", "import", "theirs.txt"]);
    assert_eq!(
        (&taken["activated"], &taken["trees"]),
        (&true.into(), &40.into())
    );
    check_same(&ours(&bench, text(&taken, "model")), &theirs);
    for answer in bench.decide(&later[..50]) {
        assert_eq!(answer["source"], "model", "{answer}");
        assert_eq!(answer["model_version"], taken["model_version"]);
    }
    // And out again, under our order of features.
    bench.json(&["models", "export", "again.txt"]);
    check_same(&theirs, &peer(&python, &bench, "predict", "again.txt"));

    let listed = bench.json(&["models", "list"]);
    // What set its calibration it has seen, up to the last event.
    let rows = listed.as_array().unwrap().iter();
    let of = |model: &str| rows.clone().find(|it| it["model"] == *model).unwrap();
    let ours = &of(text(&trained, "model"))["lineage"];
    let theirs = &of(text(&taken, "model"))["lineage"];
    assert_eq!(theirs["trained_until"], ours["trained_until"]);
    assert!(text(theirs, "trained_from") > text(ours, "trained_from"));
    let serving: Vec<&str> = listed
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["serving"] == true)
        .map(|it| text(it, "model"))
        .collect();
    assert_eq!(serving, [text(&taken, "model")]);
    assert_eq!(listed.as_array().unwrap().len(), 2);
}

/// A text model over two columns; `change` spoils it.
fn small_model(names: [&str; 2], change: (&str, &str)) -> String {
    use model::trees::{Child, Leaf, Split, Tree, Trees};
    let leaf = |value| Leaf { value, cover: 10 };
    let tree = Tree {
        splits: vec![Split {
            feature: 0,
            threshold: 5.0,
            flags: 0,
            left: Child::Leaf(0),
            right: Child::Leaf(1),
            gain: 1.0,
        }],
        leaves: vec![leaf(-1.0), leaf(1.0)],
    };
    let trees = Trees::new(2, &[tree]).unwrap();
    let text = lightgbm_text::write(&trees, &names.map(str::to_owned)).unwrap();
    assert!(text.contains(change.0), "{} is not in {text}", change.0);
    text.replacen(change.0, change.1, 1)
}

#[test]
fn a_lightgbm_file_that_cannot_be_served_is_refused_before_any_work() {
    let bench = Bench::new();
    let (schema, _) = world_files();
    let (history, _) = split(&bench, 0.9);
    bench.json(&bench.import_args(&schema, &history));
    let known = ["amount", "never_read_by_a_tree"];
    for (names, change, told) in [
        (known, ("num_cat=0", "num_cat=1"), "num_cat must be 0"),
        (
            known,
            ("binary sigmoid:1", "regression"),
            "objective must be binary",
        ),
        (
            ["speed_of_light", "amount"],
            ("", ""),
            "feature \\\"speed_of_light\\\" is not one of the tenant's",
        ),
        (known, ("end of trees", ""), "it is cut short"),
        (
            known,
            ("tree\n", "wood\n"),
            "the first line of a LightGBM text model",
        ),
    ] {
        fs::write(bench.path("m.txt"), small_model(names, change)).unwrap();
        let done = bench.run(&["models", "import", "m.txt"]);
        let error = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(1), "{error}");
        assert!(error.contains(told), "{error}");
    }
    assert!(!bench.path("data/default/models").exists());
    // A column that no tree reads needs no feature.
    fs::write(bench.path("m.txt"), small_model(known, ("", ""))).unwrap();
    let taken = bench.json(&["models", "import", "m.txt", "--no-activate"]);
    assert_eq!(taken["activated"], false);
    let done = bench.run(&["models", "export", "out.txt"]);
    assert!(String::from_utf8_lossy(&done.stderr).contains("no model serves"));
    let version = text(&taken, "model_version");
    bench.json(&["models", "export", "out.txt", "--model", &version[..6]]);
    let done = bench.run(&["models", "export", "out.txt", "--model", "zz"]);
    assert!(String::from_utf8_lossy(&done.stderr).contains("must begin the version"));
}
