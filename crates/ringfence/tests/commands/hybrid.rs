//! The hybrid from training to decisions: killed and gone on with, served, replayed.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::world::{Bench, split, world_files};

const TRAIN: [&str; 9] = [
    "train",
    "--model",
    "hybrid+trees",
    "--epochs",
    "3",
    "--rounds",
    "40",
    "--rows-max",
    "20000",
];

fn imported() -> (Bench, Vec<String>) {
    let bench = Bench::new();
    let (schema, _) = world_files();
    let (history, later) = split(&bench, 0.9);
    bench.json(&bench.import_args(&schema, &history));
    (bench, later)
}

#[test]
fn a_training_killed_in_the_middle_ends_in_the_same_model() {
    let (bench, later) = imported();
    let checkpoint = bench.path("data/default/training/hybrid.checkpoint");
    let mut child = bench.command(&TRAIN).spawn().unwrap();
    let patience = Instant::now();
    while !checkpoint.exists() {
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none(), "it ended before its first checkpoint");
        assert!(
            patience.elapsed() < Duration::from_secs(300),
            "no checkpoint"
        );
        thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(checkpoint.exists());

    let mut unlike = TRAIN.to_vec();
    unlike.extend(["--hidden", "64"]);
    let refused = bench.run(&unlike);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success());
    assert!(told.contains("a setting differs"), "{told}");

    let mut quiet = TRAIN.to_vec();
    quiet.push("--no-activate");
    let resumed = bench.json(&quiet);
    assert!(!checkpoint.exists());
    let whole = bench.json(&TRAIN);
    assert_eq!(resumed["model"], whole["model"]);
    serves(&bench, &whole, &later[..later.len().min(600)]);
}

/// Decisions are the network's, and a replay ends in the same state.
fn serves(bench: &Bench, trained: &Value, later: &[String]) {
    let shares = [
        &trained["network"]["share"],
        &trained["network"]["trees_share"],
    ];
    let sum: f64 = shares.iter().map(|it| it.as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-9, "{trained}");
    let answers = bench.decide(later);
    for answer in &answers {
        assert_eq!(answer["source"], "model", "{answer}");
        assert_eq!(
            answer["model_version"], trained["model_version"],
            "{answer}"
        );
        assert_eq!(answer["degraded"], json!([]));
    }
    let digest = bench.digest();
    assert_eq!(bench.digest(), digest);
    let scores: Vec<u64> = answers
        .iter()
        .map(|it| it["score"].as_u64().unwrap())
        .collect();
    let mut distinct = scores.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert!(distinct.len() > 20, "{} distinct scores", distinct.len());
}
