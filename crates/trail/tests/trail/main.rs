//! The trail on a disk: what is appended, what is damaged, what is resumed.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

mod damage;
mod independent;
mod reading;
mod resume;

use std::fs;
use std::path::{Path, PathBuf};

use ringfence_trail::{ActorKind, Entry, Options, Source, Trail};
use serde_json::{Value, json};

/// Segments of two or three entries.
const SMALL: Options = Options { segment_bytes: 700 };

fn entry(source: &str, seq: u64) -> Entry {
    Entry {
        at: 1_790_000_000_000 + seq as i64,
        actor: ["ann", "ben\u{e9} \"q\""][seq as usize % 2].to_owned(),
        actor_kind: [ActorKind::Token, ActorKind::Cli, ActorKind::System][seq as usize % 3],
        action: ["rules.set", "list.put"][seq as usize % 2].to_owned(),
        target: format!("target-{}", seq % 3),
        before: (seq > 1).then(|| json!({"z": seq, "a": [1.5, null, "x\n"]})),
        after: Some(Value::from(seq)),
        why: format!("reason {seq}"),
        source: Source {
            name: source.to_owned(),
            seq,
        },
    }
}

/// In memory where there is such a place: some tests open a trail thousands of times.
fn home() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    made.unwrap()
}

/// Appended one by one.
fn written(dir: &Path, entries: &[Entry]) -> Trail {
    let mut trail = Trail::open(dir, "bank", SMALL).unwrap();
    for entry in entries {
        trail.append(std::slice::from_ref(entry)).unwrap();
    }
    trail
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|it| it == "jsonl"));
    paths.sort();
    paths
}

/// Names and contents of all segments.
fn bytes(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, fs::read(path).unwrap())
    };
    segments(dir).into_iter().map(read).collect()
}
