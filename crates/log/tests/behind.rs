//! A commit in two halves: what is on its way to the disk is not committed, and one group is on its way.

#![allow(clippy::unwrap_used)] // also outside #[test] functions

mod fixture;

use std::sync::Arc;

use fixture::{append, assert_holds, small};
use ringfence_log::{Faults, Log, LogError, LogOptions, Position, Unsynced};

fn open(dir: &tempfile::TempDir, options: LogOptions) -> Log {
    Log::open(dir.path(), options).unwrap().0
}

/// Writes what is pending; one fixture group is always shorter than a segment.
fn written(log: &mut Log) -> Unsynced {
    log.write_behind().unwrap().unwrap()
}

#[test]
fn a_group_counts_as_committed_only_when_its_fsync_was_heard() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(
        &dir,
        LogOptions {
            segment_bytes: 1 << 20,
            ..small()
        },
    );
    append(&mut log, 5);
    let first = written(&mut log);
    append(&mut log, 3);
    assert_eq!(log.committed(), Position(0));
    assert_eq!(log.next(), Position(8));
    // the writer itself sees both: the group on its way and the pending one
    for position in 0..8 {
        let held = log.read(Position(position)).unwrap();
        assert_eq!(held.payload, fixture::expected(position).payload);
    }
    assert!(matches!(log.write_behind(), Err(LogError::Unsynced)));
    assert!(matches!(log.commit(), Err(LogError::Unsynced)));
    assert!(matches!(
        log.snapshot_job(Position(5), 1),
        Err(LogError::OutOfRange { .. })
    ));
    let first = std::thread::spawn(|| first.sync()).join().unwrap();
    assert_eq!(log.synced(first).unwrap(), Position(5));
    let second = written(&mut log);
    assert_eq!(log.committed(), Position(5));
    assert_eq!(log.synced(second.sync()).unwrap(), Position(8));
    assert!(log.write_behind().unwrap().is_none());
    drop(log);
    assert_holds(dir.path(), 0..8);
}

#[test]
fn groups_written_behind_fill_segments_like_others() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(&dir, small());
    let mut rolled = 0;
    for round in 1..=40 {
        append(&mut log, 5);
        match log.write_behind().unwrap() {
            Some(unsynced) => {
                log.synced(unsynced.sync()).unwrap();
            }
            None => rolled += 1,
        }
        assert_eq!(log.committed(), Position(5 * round));
    }
    assert!(rolled >= 3, "{rolled} segments were filled");
    drop(log);
    assert_holds(dir.path(), 0..200);
}

#[test]
fn a_failed_fsync_behind_poisons_and_loses_nothing_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    let options = LogOptions {
        segment_bytes: 1 << 20,
        faults: Some(faults.clone()),
        ..small()
    };
    let mut log = open(&dir, options);
    append(&mut log, 5);
    let first = written(&mut log);
    log.synced(first.sync()).unwrap();
    append(&mut log, 5);
    faults.fail_sync(1);
    let second = written(&mut log);
    let failed = log.synced(second.sync());
    assert!(
        matches!(failed, Err(LogError::Io { op: "fsync", .. })),
        "{failed:?}"
    );
    assert!(matches!(log.append(b"x", 0, None), Err(LogError::Poisoned)));
    assert!(matches!(log.write_behind(), Err(LogError::Poisoned)));
    drop(log);
    let (log, _) = Log::open(dir.path(), small()).unwrap();
    assert!(log.committed() >= Position(5));
    assert_holds(dir.path(), 0..log.committed().0);
}

#[test]
fn a_snapshot_job_runs_on_another_thread_while_the_log_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(&dir, small());
    append(&mut log, 5);
    log.commit().unwrap();
    let job = log.snapshot_job(Position(5), 7).unwrap();
    let writer = std::thread::spawn(|| job.run(|to| to.write_all(b"state at five")));
    append(&mut log, 5);
    log.commit().unwrap();
    writer.join().unwrap().unwrap();
    let mut found = log.latest_snapshot(7).unwrap().snapshot.unwrap();
    assert_eq!(found.position(), Position(5));
    let mut text = String::new();
    std::io::Read::read_to_string(&mut found, &mut text).unwrap();
    assert_eq!(text, "state at five");
}
