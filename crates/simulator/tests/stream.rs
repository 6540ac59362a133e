//! What the written files look like from outside.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use event::json::{Line, parse_line};
use ringfence_simulator as simulator;
use simulator::{Params, SCHEMA, write_world};

fn small(overrides: &str) -> Params {
    let text = format!("days = 10\naccounts = 700\nprevalence = 0.02\n{overrides}");
    Params::from_toml(&text).unwrap()
}

fn written(params: &Params, threads: usize) -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().unwrap();
    write_world(params, threads, folder.path(), |_| {}).unwrap();
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.path().to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path
                    .strip_prefix(folder.path())
                    .unwrap()
                    .display()
                    .to_string();
                files.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    files
}

#[test]
fn every_line_is_accepted_by_the_schema_written_beside_it() {
    let files = written(&small(""), 1);
    let schema = event::Schema::parse(&files["schema.toml"]).unwrap();
    assert_eq!(files["schema.toml"], SCHEMA);
    let mut times = BTreeMap::new();
    let (mut last, mut labels, mut outcomes) = (i64::MIN, 0, 0);
    for (index, line) in files["stream.jsonl"].lines().enumerate() {
        let parsed = parse_line(line, &schema, None)
            .unwrap_or_else(|error| panic!("line {}: {error}: {line}", index + 1));
        let time = match &parsed {
            Line::Event(event) => {
                let time = event.event_timestamp.millis();
                assert_eq!(times.insert(event.event_id.clone(), time), None, "{line}");
                time
            }
            Line::Label(label) => {
                labels += 1;
                let time = label.label_timestamp.millis();
                assert!(
                    times[&label.event_id] < time,
                    "a label not after its event: {line}"
                );
                time
            }
            Line::Outcome(outcome) => {
                outcomes += 1;
                let time = outcome.outcome_timestamp.millis();
                assert!(
                    times[&outcome.event_id] < time,
                    "an outcome not after its event: {line}"
                );
                time
            }
        };
        assert!(last <= time, "out of time order: {line}");
        last = time;
    }
    assert!(
        times.len() > 5_000 && labels > 60 && outcomes > 100,
        "{} {labels} {outcomes}",
        times.len()
    );
}

#[test]
fn threads_and_repetition_change_no_byte_and_the_seed_changes_them_all() {
    // more than one block of people, so that threads have something to share
    let params = Params::from_toml("days = 3\naccounts = 30000\nprevalence = 0.004").unwrap();
    let one = written(&params, 1);
    for threads in [1, 2, 3, 7] {
        assert!(
            written(&params, threads) == one,
            "{threads} threads wrote other bytes"
        );
    }
    let other = written(&Params { seed: 8, ..params }, 2);
    let ids = |files: &BTreeMap<String, String>| -> BTreeSet<String> {
        let events = files["stream.jsonl"]
            .lines()
            .filter(|line| line.starts_with("{\"event_id"));
        events
            .filter_map(|line| line.get(13..22))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(ids(&one).intersection(&ids(&other)).count(), 0);
}
