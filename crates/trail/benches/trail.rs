//! Appends 10^5 entries of some 500 bytes in batches, opens, verifies and searches the trail.
//!
//! `cargo bench -p ringfence-trail`; batches of 1, 10 and 1,000 on the disk that `TMPDIR` names.

// A benchmark reads the clock and prints.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::time::Instant;

use ringfence_trail::{ActorKind, Entry, Options, Query, Source, Trail, verify};
use serde_json::json;

const ENTRIES: u64 = 100_000;

fn entry(seq: u64) -> Entry {
    Entry {
        at: 1_790_000_000_000 + seq as i64,
        actor: format!("analyst-{}", seq % 40),
        actor_kind: ActorKind::Token,
        action: "case.disposition".to_owned(),
        target: format!("case-{seq}"),
        before: Some(json!({"status": "open", "assigned": "analyst-7", "priority": 734})),
        after: Some(
            json!({"status": "closed", "disposition": "fraud", "type": "account_takeover"}),
        ),
        why: "the customer did not know the device and had a call before".to_owned(),
        source: Source {
            name: "casework".to_owned(),
            seq,
        },
    }
}

fn main() {
    for batch in [1, 10, 1_000] {
        let dir = tempfile::tempdir().unwrap();
        let mut trail = Trail::open(dir.path(), "bench", Options::default()).unwrap();
        // A lone entry costs an fsync: fewer of them say as much.
        let entries = if batch == 1 {
            1_000
        } else {
            ENTRIES / if batch == 10 { 10 } else { 1 }
        };
        let all: Vec<Entry> = (1..=entries).map(entry).collect();
        let start = Instant::now();
        all.chunks(batch).for_each(|it| trail.append(it).unwrap());
        let rate = entries as f64 / start.elapsed().as_secs_f64();
        println!("append in batches of {batch:>4}: {rate:>9.0} entries/s");
        if batch < 1_000 {
            continue;
        }
        drop(trail);
        let start = Instant::now();
        let trail = Trail::open(dir.path(), "bench", Options::default()).unwrap();
        println!("open: {:?}", start.elapsed());
        let start = Instant::now();
        let report = verify(dir.path(), trail.head()).unwrap();
        assert!(report.is_sound() && report.entries == entries);
        let rate = entries as f64 / start.elapsed().as_secs_f64();
        println!("verify {} segments: {rate:.0} entries/s", report.segments);
        let query = Query {
            actor: Some("nobody".to_owned()),
            ..Query::default()
        };
        let start = Instant::now();
        let page = trail.view().read(1, &query, 100).unwrap();
        println!(
            "page of {:?} entries without a hit: {:?}",
            page.next,
            start.elapsed()
        );
    }
}
