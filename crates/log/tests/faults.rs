//! I4: a failed write or fsync is never retried, poisons the handle, and loses nothing acknowledged.

#![allow(clippy::unwrap_used)] // also outside #[test] functions

mod fixture;

use std::fs;
use std::sync::Arc;

use fixture::{append, assert_holds, files, small};
use ringfence_log::{Faults, Log, LogError, LogOptions, Position};

fn with_faults(faults: &Arc<Faults>) -> LogOptions {
    LogOptions {
        faults: Some(faults.clone()),
        ..small()
    }
}

/// Commits groups of five until one fails; returns the acknowledged end.
fn commit_until_failure(log: &mut Log) -> u64 {
    for _ in 0..50 {
        append(log, 5);
        let before = log.committed().0;
        match log.commit() {
            Ok(end) => assert_eq!(end.0, before + 5),
            Err(error) => {
                assert!(matches!(error, LogError::Io { .. }), "{error}");
                return before;
            }
        }
    }
    panic!("the injected failure never came");
}

fn assert_poisoned(log: &mut Log) {
    let poisoned = |result: Result<(), LogError>| matches!(result, Err(LogError::Poisoned));
    assert!(poisoned(log.append(b"x", 0, None).map(drop)));
    assert!(poisoned(log.commit().map(drop)));
    assert!(poisoned(log.read(Position(0)).map(drop)));
    assert!(poisoned(log.find(1, 0).map(drop)));
    assert!(poisoned(log.write_snapshot(Position(0), 1, |_| Ok(()))));
    assert!(poisoned(log.latest_snapshot(1).map(drop)));
}

/// The first 25 fsyncs cover groups, seals, segment headers and directories of several segments.
#[test]
fn every_failing_fsync_poisons_and_loses_nothing_acknowledged() {
    for nth in 1..=25 {
        for power_loss in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let faults = Arc::new(Faults::default());
            let (mut log, _) = Log::open(dir.path(), with_faults(&faults)).unwrap();
            faults.fail_sync(nth);
            let acknowledged = commit_until_failure(&mut log);
            assert_poisoned(&mut log);
            drop(log);
            if power_loss {
                // what was written since the last good fsync may be gone, in part
                let newest = files(dir.path(), "seg").pop().unwrap();
                let bytes = fs::read(&newest).unwrap();
                fs::write(&newest, &bytes[..bytes.len() - bytes.len().min(10)]).unwrap();
            }
            let (mut log, recovery) = Log::open(dir.path(), with_faults(&faults)).unwrap();
            assert!(recovery.end.0 >= acknowledged, "fsync {nth}: {recovery:?}");
            append(&mut log, 5);
            let end = log.commit().unwrap().0;
            drop(log);
            assert_holds(dir.path(), 0..end);
        }
    }
}

/// A commit that does not seal a segment is one fsync, and it is waited for.
#[test]
fn each_commit_fsyncs_its_own_group() {
    for commits in 0..3 {
        let dir = tempfile::tempdir().unwrap();
        let faults = Arc::new(Faults::default());
        let options = LogOptions {
            segment_bytes: 1 << 20,
            ..with_faults(&faults)
        };
        let (mut log, _) = Log::open(dir.path(), options).unwrap();
        faults.fail_sync(commits + 1);
        for _ in 0..commits {
            append(&mut log, 1);
            log.commit().unwrap();
        }
        append(&mut log, 1);
        assert!(matches!(
            log.commit(),
            Err(LogError::Io { op: "fsync", .. })
        ));
        assert_eq!(log.committed(), Position(u64::from(commits)));
    }
}

#[test]
fn every_failing_write_poisons_and_its_rest_is_cut() {
    for nth in 1..=10 {
        for kept in [0, 1, 31, 32, 33, 100, 1 << 20] {
            let dir = tempfile::tempdir().unwrap();
            let faults = Arc::new(Faults::default());
            let (mut log, _) = Log::open(dir.path(), with_faults(&faults)).unwrap();
            faults.fail_write(nth, kept);
            let acknowledged = commit_until_failure(&mut log);
            assert_poisoned(&mut log);
            drop(log);
            let (_, recovery) = Log::open(dir.path(), with_faults(&faults)).unwrap();
            assert!(
                recovery.end.0 >= acknowledged,
                "write {nth}, {kept} kept: {recovery:?}"
            );
            assert_holds(dir.path(), 0..recovery.end.0);
        }
    }
}

/// After a failed fsync the last group may stand in the page cache only, marked clean. Opening must
/// write it again and fsync it; when that fails, opening fails and the bytes stay.
#[test]
fn opening_writes_the_last_group_again_before_trusting_it() {
    let dir = tempfile::tempdir().unwrap();
    fixture::write(dir.path(), small(), &[3, 2]);
    let segment = files(dir.path(), "seg").remove(0);
    let before = fs::read(&segment).unwrap();
    let faults = Arc::new(Faults::default());
    for arm in [
        |faults: &Faults| faults.fail_write(1, 0),
        |faults: &Faults| faults.fail_sync(1),
    ] {
        arm(&faults);
        let refused = Log::open(dir.path(), with_faults(&faults)).unwrap_err();
        assert!(matches!(refused, LogError::Io { .. }), "{refused}");
        assert_eq!(fs::read(&segment).unwrap(), before);
    }
    assert_eq!(
        Log::open(dir.path(), with_faults(&faults)).unwrap().1.end,
        Position(5)
    );
}

#[test]
fn a_failed_snapshot_leaves_log_and_older_snapshots() {
    let dir = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    let (mut log, _) = Log::open(dir.path(), with_faults(&faults)).unwrap();
    append(&mut log, 4);
    log.commit().unwrap();
    log.write_snapshot(Position(2), 1, |out| out.write_all(b"old"))
        .unwrap();
    for nth in 1..=2 {
        faults.fail_sync(nth);
        let failed = log.write_snapshot(Position(3), 1, |out| out.write_all(b"new"));
        assert!(matches!(failed, Err(LogError::Io { .. })));
    }
    let full = || std::io::Error::from(std::io::ErrorKind::StorageFull);
    log.write_snapshot(Position(4), 1, |_| Err(full()))
        .unwrap_err();
    assert!(files(dir.path(), "tmp").is_empty());
    assert!(
        !files(dir.path(), "snap")
            .iter()
            .any(|path| path.ends_with("4.snap"))
    );
    assert!(log.latest_snapshot(1).unwrap().snapshot.unwrap().position() >= Position(2));
    append(&mut log, 1);
    assert_eq!(log.commit().unwrap(), Position(5));
}
