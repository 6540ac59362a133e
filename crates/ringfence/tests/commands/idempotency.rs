//! Invariant I5: the same event gets the same answer, across restarts; another body under its id is a
//! conflict; importing again changes nothing.

use crate::world::{Bench, split, world_files};

#[test]
fn importing_twice_changes_nothing() {
    let bench = Bench::new();
    let first = bench.import();
    let digest = bench.digest();
    let second = bench.import();
    assert_eq!(second["events"], 0);
    assert_eq!(second["labels"], 0);
    let all = ["events", "labels", "outcomes"].map(|kind| first[kind].as_u64().unwrap());
    assert_eq!(
        second["duplicates"].as_u64().unwrap(),
        all.iter().sum::<u64>()
    );
    assert_eq!(bench.digest(), digest);
}

#[test]
fn a_repeated_event_gets_its_first_answer_after_a_restart() {
    let bench = Bench::new();
    let (schema, _) = world_files();
    let (history, later) = split(&bench, 0.9);
    bench.json(&bench.import_args(&schema, &history));
    bench.json(&["train", "--rounds", "20"]);
    let first = bench.decide(&later[..50]);
    let digest = bench.digest();
    let again = bench.decide(&later[..50]);
    for (first, again) in first.iter().zip(&again) {
        assert_eq!(again["duplicate"], true);
        for field in [
            "decision",
            "score",
            "probability",
            "reasons",
            "position",
            "model_version",
        ] {
            assert_eq!(first[field], again[field], "{field}");
        }
    }
    assert_eq!(bench.digest(), digest, "repeating changed the state");

    let changed = later[0].replacen("\"channel\":\"", "\"channel\":\"x", 1);
    assert_ne!(changed, later[0]);
    let answer = &bench.decide(&[changed])[0];
    assert_eq!(answer["error"]["code"], "event_id_conflict", "{answer}");
    assert_eq!(bench.digest(), digest, "a conflict changed the state");
}

#[test]
fn an_imported_event_is_history_and_is_not_decided() {
    let bench = Bench::new();
    bench.import();
    let line = crate::world::event_lines().pop().unwrap();
    let answer = &bench.decide(&[line])[0];
    assert_eq!(answer["error"]["code"], "event_is_history", "{answer}");
}
