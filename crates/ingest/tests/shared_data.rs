//! The shared public data sets import as they are with the committed schemas. Expected figures were taken
//! from the files with another reader (pyarrow, Python's csv and decimal).

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::path::{Path, PathBuf};

use event::record::Verdict;
use event::{EventTime, Schema, Span};
use ringfence_ingest::{Item, Mapping, Options, Source};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn shared(name: &str) -> Option<PathBuf> {
    let folder = match std::env::var_os("RINGFENCE_SHARED_DATA") {
        Some(folder) => PathBuf::from(folder),
        None => root().join("../shared/data"),
    };
    let path = folder.join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: shared data {name} is absent");
    None
}

#[derive(Debug, PartialEq)]
struct Seen {
    events: u64,
    by_type: Vec<u64>,
    fraud: u64,
    legitimate: u64,
    rejects: u64,
    minor: i64,
    entities: u64,
    first: String,
    last: String,
}

/// Imports the file and checks what every import must keep: time order, and labels at their delay.
fn import(path: &Path, schema_file: &str, delay: Span) -> Seen {
    let text = std::fs::read_to_string(root().join("schemas").join(schema_file)).unwrap();
    let schema = Schema::parse(&text).unwrap();
    let mapping = Mapping::parse(&text, &schema).unwrap();
    let mut source = Source::open(path, None, &schema, &mapping, Options::default()).unwrap();
    let mut seen = Seen {
        events: 0,
        by_type: vec![0; schema.event_types.len()],
        fraud: 0,
        legitimate: 0,
        rejects: 0,
        minor: 0,
        entities: 0,
        first: String::new(),
        last: String::new(),
    };
    let mut times = std::collections::HashMap::new();
    let mut latest = EventTime::from_millis(0);
    while let Some(item) = source.next() {
        match item.unwrap() {
            Item::Event { row, event } => {
                assert_eq!(row, seen.events);
                assert!(event.event_timestamp >= latest);
                latest = event.event_timestamp;
                if seen.events == 0 {
                    seen.first = latest.to_string();
                }
                seen.last = latest.to_string();
                seen.events += 1;
                seen.by_type[event.event_type.index()] += 1;
                seen.minor += event.amount.unwrap().minor;
                seen.entities += event.entities.len() as u64;
                times.insert(event.event_id, latest);
            }
            Item::Label(label) => {
                assert!(label.label_timestamp >= latest);
                latest = label.label_timestamp;
                assert_eq!(label.label_timestamp.since(times[&label.event_id]), delay);
                match label.verdict {
                    Verdict::Fraud => seen.fraud += 1,
                    Verdict::Legitimate => seen.legitimate += 1,
                }
            }
            Item::Reject(reject) => {
                println!("{reject:?}");
                seen.rejects += 1;
            }
            Item::Outcome(_) => panic!("no outcomes in these files"),
        }
    }
    let progress = source.progress();
    assert_eq!(progress.rows, seen.events);
    assert_eq!(progress.bytes_read, progress.bytes_total);
    assert_eq!(progress.labels, seen.fraud + seen.legitimate);
    seen
}

#[test]
fn handbook() {
    let Some(path) = shared("handbook_transactions.parquet") else {
        return;
    };
    let expected = Seen {
        events: 1_754_155,
        by_type: vec![1_754_155],
        fraud: 14_681,
        legitimate: 0,
        rejects: 0,
        minor: 9_407_937_008,
        entities: 2 * 1_754_155,
        first: "2018-04-01T00:00:31.000Z".to_owned(),
        last: "2018-09-30T23:59:57.000Z".to_owned(),
    };
    assert_eq!(import(&path, "handbook.toml", Span::days(7)), expected);
}

#[test]
fn s_ffsd() {
    let Some(path) = shared("s-ffsd.csv") else {
        return;
    };
    let expected = Seen {
        events: 77_881,
        by_type: vec![77_881],
        fraud: 5_256,
        legitimate: 24_387,
        rejects: 0,
        minor: 1_523_546_271,
        entities: 3 * 77_881,
        first: "2020-01-01T00:00:00.000Z".to_owned(),
        last: "2020-01-01T21:38:00.000Z".to_owned(),
    };
    assert_eq!(import(&path, "s_ffsd.toml", Span::seconds(500)), expected);
}

#[test]
fn amlgentex() {
    // rows, transfers, spendings, SAR, cents, accounts that are not the outside
    let tables = [
        (668_984, 111_377, 527_607, 884, 157_484_395_181, 780_361),
        (668_069, 111_146, 526_923, 814, 156_386_157_420, 779_215),
        (668_049, 110_250, 527_799, 809, 157_870_572_614, 778_299),
    ];
    for (seed, (events, transfers, spendings, fraud, minor, entities)) in
        tables.into_iter().enumerate()
    {
        let Some(path) = shared(&format!("amlgentex_{seed}.parquet")) else {
            return;
        };
        let expected = Seen {
            events,
            by_type: vec![transfers, 30_000, spendings],
            fraud,
            legitimate: 0,
            rejects: 0,
            minor,
            entities,
            first: "2025-01-01T00:00:00.000Z".to_owned(),
            last: "2025-04-10T00:00:00.000Z".to_owned(),
        };
        assert_eq!(import(&path, "amlgentex.toml", Span::days(14)), expected);
    }
}
