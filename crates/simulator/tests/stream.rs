//! What the written files look like from outside.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use event::json::{Line, parse_line};
use ringfence_simulator as simulator;
use simulator::{Lines, Params, SCHEMA, write_world};

fn small(overrides: &str) -> Params {
    let text = format!("days = 10\naccounts = 700\nprevalence = 0.02\n{overrides}");
    Params::from_toml(&text).unwrap()
}

fn written(params: &Params, threads: usize) -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().unwrap();
    write_world(params, threads, folder.path(), Lines::Written, |_| Ok(())).unwrap();
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

/// The oracle's words and ring ids appear nowhere in the stream, and the stream's columns and text values
/// are exactly those of the schema's vocabulary.
#[test]
fn the_oracle_is_not_reachable_from_the_stream() {
    // enough wrong labels that some are corrected
    let files = written(&small("[labels]\nfalse_share = 0.1"), 1);
    let mut columns: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in files["stream.jsonl"].lines() {
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(line).unwrap();
        for (name, value) in object {
            let values = columns.entry(name).or_default();
            if let Some(text) = value.as_str() {
                values.insert(text.to_owned());
            }
        }
    }
    let names: Vec<&str> = columns.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "account",
            "amount",
            "balance_before",
            "card",
            "change",
            "channel",
            "counterparty",
            "currency",
            "device",
            "device_type",
            "event_id",
            "event_timestamp",
            "event_type",
            "ip",
            "label",
            "label_timestamp",
            "lat",
            "location",
            "lon",
            "merchant",
            "merchant_category",
            "outcome",
            "outcome_timestamp",
            "reason",
            "source",
            "terminal",
        ]
    );
    let vocabulary = |column: &str| {
        columns[column]
            .iter()
            .cloned()
            .collect::<Vec<_>>()
            .join(" ")
    };
    for (column, words) in [
        ("label", "fraud legitimate"),
        ("channel", "app atm bank pos web"),
        ("change", "address email limit password phone"),
        ("device_type", "android desktop ios tablet"),
        ("source", "analyst chargeback customer_report"),
        ("currency", "EUR"),
    ] {
        assert_eq!(vocabulary(column), words, "{column}");
    }
    let mut secrets = BTreeSet::new();
    for line in files["oracle.jsonl"].lines() {
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(line).unwrap();
        for field in ["role", "typology", "ring", "part", "stage"] {
            secrets.insert(object[field].as_str().unwrap().to_owned());
        }
    }
    // a label says "fraud" when it has become known
    secrets.remove("fraud");
    assert!(secrets.len() > 100);
    for (column, values) in &columns {
        assert!(
            !secrets.contains(column),
            "column {column} is a word of the oracle"
        );
        let leaked: Vec<&String> = values.intersection(&secrets).collect();
        assert!(leaked.is_empty(), "column {column} holds {leaked:?}");
    }
}

#[test]
fn an_interrupted_run_leaves_no_file_under_its_final_name() {
    let folder = tempfile::tempdir().unwrap();
    let stopped = std::panic::catch_unwind(|| {
        write_world(&small(""), 1, folder.path(), Lines::Written, |_| {
            panic!("the power went")
        })
    });
    assert!(stopped.is_err());
    let names: BTreeSet<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(names.contains("stream.jsonl.partial"), "{names:?}");
    assert!(
        !names.contains("stream.jsonl") && !names.contains("oracle.jsonl"),
        "{names:?}"
    );

    let untouched = folder.path().join("new");
    let refused = write_world(
        &Params {
            days: 0,
            ..small("")
        },
        1,
        &untouched,
        Lines::Written,
        |_| Ok(()),
    );
    assert_eq!(
        refused.unwrap_err().to_string(),
        "days must be in 1..=3660, got 0"
    );
    assert!(!untouched.exists());
}

/// A transfer between two banks is an outgoing transfer in one stream and a deposit in the other; no bank
/// sees an account of its own balance in another's stream.
#[test]
fn three_banks_see_their_own_side() {
    let files = written(&small("banks = 3"), 1);
    let mut holders: BTreeMap<String, usize> = BTreeMap::new();
    let mut sides: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for bank in 0..3 {
        let schema = event::Schema::parse(&files[&format!("bank-{bank}/schema.toml")]).unwrap();
        for line in files[&format!("bank-{bank}/stream.jsonl")].lines() {
            parse_line(line, &schema, None).unwrap_or_else(|error| panic!("{error}: {line}"));
            let object: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(line).unwrap();
            let text = |name: &str| object[name].as_str().unwrap().to_owned();
            if object.contains_key("event_type") {
                let holder = *holders.entry(text("account")).or_insert(bank);
                assert_eq!(holder, bank, "an account at two banks: {line}");
                sides
                    .entry(text("event_id"))
                    .or_default()
                    .push(text("event_type"));
            }
        }
    }
    let both: Vec<&Vec<String>> = sides.values().filter(|side| side.len() == 2).collect();
    assert!(both.len() > 300, "{}", both.len());
    assert!(
        both.iter().all(|side| side.contains(&"deposit".to_owned())),
        "{both:?}"
    );
    assert!(sides.values().all(|side| side.len() <= 2));
}

/// The bytes of one small world: a change of the generator is a change of every figure measured on its
/// streams, so it is made on purpose (`UPDATE_EXPECT=1`) and said in the commit.
#[test]
fn the_world_is_the_one_that_was_measured() {
    let files = written(&small("seed = 99"), 2);
    // FNV-1a, 64 bits
    let digest = |text: &str| {
        text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    };
    let (stream, oracle) = (
        digest(&files["stream.jsonl"]),
        digest(&files["oracle.jsonl"]),
    );
    expect_test::expect!["02170ffa0cde378d d9698159573ff218"]
        .assert_eq(&format!("{stream:016x} {oracle:016x}"));
}
