//! The corpus of `fuzz/`, and what grows from it by a few random changes: never a panic, never memory without
//! bound. `make fuzz` looks further.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

// The name under which the harness knows it.
extern crate ringfence_gateway as gateway;

#[path = "../../../fuzz/harness.rs"]
mod harness;

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// A change of some bytes, at a place given as a share of the length.
#[derive(Clone, Debug)]
enum Change {
    Set(u16, u8),
    Flip(u16, u8),
    Cut(u16),
    Remove(u16, u8),
    Repeat(u16, u8),
    Insert(u16, Vec<u8>),
    /// A number of four bytes: lengths, counts, positions.
    Number(u16, u32),
}

fn change() -> impl Strategy<Value = Change> {
    use Change::{Cut, Flip, Insert, Number, Remove, Repeat, Set};
    let odd = prop_oneof![
        Just(0),
        Just(1),
        Just(u32::MAX),
        Just(1 << 24),
        any::<u32>()
    ];
    prop_oneof![
        (any::<u16>(), any::<u8>()).prop_map(|(at, byte)| Set(at, byte)),
        (any::<u16>(), 0_u8..8).prop_map(|(at, bit)| Flip(at, bit)),
        any::<u16>().prop_map(Cut),
        (any::<u16>(), any::<u8>()).prop_map(|(at, len)| Remove(at, len)),
        (any::<u16>(), any::<u8>()).prop_map(|(at, len)| Repeat(at, len)),
        (any::<u16>(), prop::collection::vec(any::<u8>(), 1..12))
            .prop_map(|(at, it)| Insert(at, it)),
        (any::<u16>(), odd).prop_map(|(at, number)| Number(at, number)),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    let place = |at: u16, bytes: &[u8]| usize::from(at) * bytes.len() / (1 << 16);
    match change {
        Change::Set(at, byte) => {
            let at = place(*at, bytes);
            if let Some(held) = bytes.get_mut(at) {
                *held = *byte;
            }
        }
        Change::Flip(at, bit) => {
            let at = place(*at, bytes);
            if let Some(held) = bytes.get_mut(at) {
                *held ^= 1 << bit;
            }
        }
        Change::Cut(at) => bytes.truncate(place(*at, bytes)),
        Change::Remove(at, len) => {
            let at = place(*at, bytes);
            let end = (at + usize::from(*len)).min(bytes.len());
            bytes.drain(at..end);
        }
        Change::Repeat(at, len) => {
            let at = place(*at, bytes);
            let end = (at + usize::from(*len)).min(bytes.len());
            let part = bytes[at..end].to_vec();
            bytes.splice(at..at, part);
        }
        Change::Insert(at, part) => {
            let at = place(*at, bytes);
            bytes.splice(at..at, part.clone());
        }
        Change::Number(at, number) => {
            let at = place(*at, bytes);
            if let Some(held) = bytes.get_mut(at..at + 4) {
                held.copy_from_slice(&number.to_le_bytes());
            }
        }
    }
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target);
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    files.sort();
    files.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Most memory that this process has had.
fn peak_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib << 10
}

fn grow(target: &str, cases: u32, run: fn(&[u8])) {
    let seeds = corpus(target);
    assert!(seeds.len() >= 4, "{target} has {} seeds", seeds.len());
    let before = peak_bytes();
    for seed in &seeds {
        run(seed);
    }
    let strategy = (0..seeds.len(), prop::collection::vec(change(), 1..6));
    let mut runner = TestRunner::new(Config {
        cases,
        ..Config::default()
    });
    let done = runner.run(&strategy, |(seed, changes)| {
        let mut bytes = seeds[seed].clone();
        for change in &changes {
            apply(&mut bytes, change);
        }
        run(&bytes);
        Ok(())
    });
    done.unwrap();
    // The longest group of a log is 64 MiB; a reader makes room for one, a buffer and a copy.
    let grown = peak_bytes().saturating_sub(before);
    assert!(grown < 256 << 20, "{target}: {grown} bytes more");
}

#[test]
fn event_json() {
    grow("event_json", 4_000, harness::event_json);
}

#[test]
fn ndjson() {
    grow("ndjson", 2_000, harness::ndjson);
}

#[test]
fn token() {
    grow("token", 2_000, harness::token);
}

#[test]
fn webhook_url() {
    grow("webhook_url", 4_000, harness::webhook_url);
}

#[test]
fn log_segment() {
    grow("log_segment", 1_500, harness::log_segment);
}

#[test]
fn list_csv() {
    grow("list_csv", 2_000, harness::list_csv);
}

#[test]
fn cidr() {
    grow("cidr", 2_000, harness::cidr);
}

#[test]
fn rule_set() {
    grow("rule_set", 3_000, harness::rule_set);
}

/// The seeds reach what they are for: a log that opens, a token that is believed, lines of each kind.
#[test]
fn the_corpus_holds_what_is_accepted_too() {
    let schema = event::Schema::parse(include_str!("../../../schemas/default.toml")).unwrap();
    let taken = corpus("event_json")
        .iter()
        .filter(|it| {
            let text = std::str::from_utf8(it).unwrap_or_default();
            event::json::parse_line(text, &schema, None).is_ok()
        })
        .count();
    assert!(taken >= 4, "{taken}");
    let networks = corpus("cidr");
    let networks = networks
        .iter()
        .filter_map(|it| std::str::from_utf8(it).ok());
    let networks: Vec<_> = networks.map(lists::Cidr::parse).collect();
    assert!(
        networks.iter().filter(|it| it.is_ok()).count() >= 3,
        "{networks:?}"
    );
    let vocabulary = harness::vocabulary();
    let taken = corpus("rule_set")
        .iter()
        .filter(|it| rules::RuleSet::parse(std::str::from_utf8(it).unwrap(), vocabulary).is_ok())
        .count();
    assert!(taken >= 3, "{taken}");
    for seed in corpus("log_segment").iter().filter(|it| it[0] % 2 == 0) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("00000000000000000000.seg"), &seed[1..]).unwrap();
        let report = log::verify(dir.path()).unwrap();
        assert!(report.is_sound() && report.records > 0, "{report:?}");
    }
}
