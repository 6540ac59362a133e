//! The whole way: import, train, decide, inspect, replay.

use serde_json::Value;

use crate::world::{Bench, split, world_files};

#[test]
fn history_becomes_a_model_and_decisions() {
    let bench = Bench::new();
    let (schema, _) = world_files();
    let (history, later) = split(&bench, 0.9);
    let imported = bench.json(&bench.import_args(&schema, &history));
    assert_eq!(imported["rejects"], 0);
    let before = bench.digest();

    let trained = bench.json(&["train", "--rounds", "60", "--leaves", "15"]);
    assert_eq!(trained["activated"], true);
    assert!(
        trained["train"]["frauds"].as_u64().unwrap() >= 50,
        "{trained}"
    );
    let version = trained["model_version"].as_str().unwrap().to_owned();
    assert_ne!(bench.digest(), before, "activation is a record");

    let later = &later[..later.len().min(2500)];
    let answers = bench.decide(later);
    for answer in &answers {
        assert_eq!(answer["source"], "model", "{answer}");
        assert_eq!(
            answer["model_version"].as_str().unwrap(),
            version,
            "{answer}"
        );
        assert_eq!(answer["degraded"], serde_json::json!([]));
    }
    let stopped: Vec<&Value> = answers
        .iter()
        .filter(|answer| answer["decision"] != "approve")
        .collect();
    let (stops, all) = (stopped.len(), answers.len());
    assert!(stops > 0 && stops * 10 < all, "{stops} of {all} stopped");
    assert!(
        stopped
            .iter()
            .all(|answer| !answer["reasons"].as_array().unwrap().is_empty())
    );

    let event_id = stopped[0]["event_id"].as_str().unwrap();
    let event = bench.json(&["inspect", "event", event_id]);
    assert_eq!(event["decision"]["score"], stopped[0]["score"]);
    assert_eq!(event["decision"]["reasons"], stopped[0]["reasons"]);
    let sample = bench.json(&["inspect", "sample", event_id, "--full"]);
    let features = bench.json(&["inspect", "features"]);
    assert_eq!(
        sample["tabular"].as_object().unwrap().len(),
        features.as_array().unwrap().len()
    );
    let account = event["event"]["account"].as_str().unwrap();
    let entity = bench.json(&["inspect", "entity", "account", account]);
    let positions = entity["interactions"].as_array().unwrap().iter();
    assert!(
        positions
            .map(|it| &it["position"])
            .any(|at| *at == event["position"])
    );
    let log = bench.json(&["inspect", "log"]);
    assert_eq!(log["by_kind"]["decision"], later.len());
    assert_eq!(bench.json(&["log", "verify"])["end"], log["records"]);
}

#[test]
fn without_a_model_the_decision_is_a_named_fallback() {
    let bench = Bench::new();
    let (schema, _) = world_files();
    let (history, later) = split(&bench, 0.5);
    bench.json(&bench.import_args(&schema, &history));
    for answer in bench.decide(&later[..20]) {
        assert_eq!(answer["source"], "fallback");
        assert_eq!(answer["decision"], "review");
        assert_eq!(answer["degraded"], serde_json::json!(["no_model"]));
    }
}

#[test]
fn a_damaged_model_file_falls_back_and_says_so() {
    let bench = Bench::new();
    let (schema, _) = world_files();
    let (history, later) = split(&bench, 0.9);
    bench.json(&bench.import_args(&schema, &history));
    let trained = bench.json(&["train", "--rounds", "20"]);
    let file = bench
        .path("data/default/models")
        .join(format!("{}.model", trained["model"].as_str().unwrap()));
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let answers = bench.decide(&later[..5]);
    assert!(
        answers.iter().all(|answer| answer["source"] == "fallback"),
        "{answers:?}"
    );
    assert!(
        answers
            .iter()
            .all(|answer| answer["degraded"] == serde_json::json!(["model_fault"])),
        "{answers:?}"
    );
}

#[test]
fn training_leaves_only_models_and_another_model_under_the_name_does_not_serve() {
    let bench = Bench::new();
    let (schema, _) = world_files();
    let (history, later) = split(&bench, 0.9);
    bench.json(&bench.import_args(&schema, &history));
    let model = |rounds: &str| {
        let trained = bench.json(&["train", "--rounds", rounds]);
        format!("{}.model", trained["model"].as_str().unwrap())
    };
    let (other, serving) = (model("10"), model("20"));
    let models = bench.path("data/default/models");
    let mut held: Vec<String> = std::fs::read_dir(&models)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    held.sort();
    let mut wanted = vec![other.clone(), serving.clone()];
    wanted.sort();
    assert_eq!(held, wanted);

    std::fs::copy(models.join(other), models.join(serving)).unwrap();
    for answer in bench.decide(&later[..5]) {
        assert_eq!(answer["source"], "fallback", "{answer}");
        assert_eq!(
            answer["degraded"],
            serde_json::json!(["model_fault"]),
            "{answer}"
        );
    }
}
