//! A model in Python by the commands a user has: the example program scores an event as the tenant decided it.

use std::fs;
use std::path::Path;
use std::process::Command;

use event::Schema;
use model::artifact::{Artifact, Blend, Network};
use model::calibration::{Calibration, CalibrationMap};
use model::hybrid::knots::Knots;
use model::hybrid::shape::Shape;
use serde_json::Value;

use crate::python::python;
use crate::random_networks::{Dice, random_network};
use crate::world::{Bench, split, world_files};

/// Answers of the example to the samples of some events.
fn example(python: &Path, bench: &Bench, model: &str, events: &[String]) -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for event in events {
        let sample = bench.json(&["inspect", "sample", event, "--full"]);
        fs::write(bench.path(&format!("{event}.json")), sample.to_string()).unwrap();
    }
    let done = Command::new(python)
        .current_dir(bench.dir.path())
        .arg(root.join("examples/score_onnx.py"))
        .arg(model)
        .args(events.iter().map(|event| format!("{event}.json")))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
    let text = String::from_utf8(done.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The model with a network beside its trees, written into the tenant's folder.
fn with_network(bench: &Bench, model: &str, schema: &str) -> String {
    let folder = bench.path("data/default/models");
    let (mut artifact, _) = Artifact::load(&folder.join(format!("{model}.model"))).unwrap();
    let schema = Schema::parse(&fs::read_to_string(schema).unwrap()).unwrap();
    let shape = Shape {
        features: artifact.header.features.len(),
        roles: schema.roles.len(),
        event_types: schema.event_types.len(),
        hidden: 32,
        wide: 32,
        graph: true,
        sequence: true,
    };
    let knots = Knots::of_each(vec![[-1.0, 0.0, 1.0, 8.0, 200.0]; shape.features]);
    artifact.network = Some(Network {
        hybrid: random_network(&mut Dice(5), shape, knots, 1.0),
        blend: Blend {
            network: 1.5,
            trees: 0.5,
            constant: 0.0,
        },
        trees_calibration: artifact.header.calibration.clone(),
    });
    // Probabilities in the middle, where a difference shows.
    artifact.header.calibration = Calibration {
        map: CalibrationMap::Platt {
            slope: 0.25,
            intercept: 0.5,
        },
        prior_shift: 0.0,
    };
    let identity = artifact.save(&folder.join("new")).unwrap();
    let name = format!("{}.model", identity.as_str());
    fs::rename(folder.join("new"), folder.join(name)).unwrap();
    identity.as_str().to_owned()
}

#[test]
fn an_exported_model_scores_in_python_what_was_decided() {
    let Some(python) = python() else { return };
    let bench = Bench::new();
    let (schema, _) = world_files();
    let (history, later) = split(&bench, 0.9);
    bench.json(&bench.import_args(&schema, &history));
    let trained = bench.json(&["train", "--model", "trees", "--rounds", "40"]);
    let trees = trained["model"].as_str().unwrap();
    let hybrid = with_network(&bench, trees, &schema);
    let mut from = 0;
    for (model, kind) in [(trees, "trees"), (&hybrid, "hybrid")] {
        bench.json(&["models", "activate", model]);
        let answers = bench.decide(&later[from..from + 12]);
        from += 12;
        let file = format!("{kind}.onnx");
        let written = bench.json(&["models", "export", "--onnx", &file]);
        assert_eq!(
            (&written["kind"], &written["model"]),
            (&kind.into(), &model.into())
        );
        let event = |it: &Value| it["event_id"].as_str().unwrap().to_owned();
        let events: Vec<String> = answers.iter().map(event).collect();
        let mut seen = Vec::new();
        for (ours, theirs) in answers.iter().zip(example(&python, &bench, &file, &events)) {
            let (ours, theirs) = [ours, &theirs]
                .map(|it| it["probability"].as_f64().unwrap())
                .into();
            assert!((ours - theirs).abs() < 1e-4, "{kind}: {ours} {theirs}");
            seen.push(ours);
        }
        let different = seen.iter().any(|it| (it - seen[0]).abs() > 1e-3);
        assert!(different || kind == "trees", "{seen:?}");
    }
}
