//! I4 and I5 under damage: a torn tail is cut and nothing else; damage to acknowledged bytes is an
//! error that names file and byte; a damaged index is rebuilt. Nothing is ever silently wrong.

#![allow(clippy::unwrap_used)] // also outside #[test] functions

mod fixture;

use std::fs;
use std::path::{Path, PathBuf};

use fixture::{Kept, assert_holds, copy, expected, files, small};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use ringfence_log::{Log, LogError, LogOptions, Position, SkipReason, verify};

/// One segment, so that the last group ends the file.
fn one_segment() -> LogOptions {
    LogOptions {
        segment_bytes: 1 << 20,
        ..small()
    }
}

fn segment_with_last_group(dir: &Path) -> (PathBuf, usize, Vec<u8>) {
    fixture::write(dir, one_segment(), &[4, 3]);
    let path = files(dir, "seg").remove(0);
    let acknowledged = fs::read(&path).unwrap().len();
    fixture::write(dir, one_segment(), &[5]);
    let bytes = fs::read(&path).unwrap();
    (path, acknowledged, bytes)
}

/// Opens after the tail was damaged: the first seven records are there, the log goes on, and the
/// result is the same as if the lost group had never been written.
fn assert_recovers(dir: &Path, cut: u64) {
    let (mut log, recovery) = Log::open(dir, one_segment()).unwrap();
    assert_eq!((recovery.end, recovery.cut_bytes), (Position(7), cut));
    fixture::append(&mut log, 2);
    log.commit().unwrap();
    drop(log);
    assert_holds(dir, 0..9);
    assert!(verify(dir).unwrap().is_sound());
}

#[test]
fn a_tail_torn_at_every_byte_loses_only_the_group_in_flight() {
    let home = fixture::fast_dir();
    let dir = home.path().join("log");
    let (path, acknowledged, whole) = segment_with_last_group(&dir);
    for cut in acknowledged..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let report = verify(&dir).unwrap();
        let torn = (cut - acknowledged) as u64;
        assert!(
            report.is_sound() && report.torn_tail_bytes == torn,
            "cut at {cut}: {report:?}"
        );
        assert_recovers(&dir, torn);
        // the file has its full length, but from here on the blocks never arrived
        let mut zeroed = whole.clone();
        zeroed[cut..].fill(0);
        fs::write(&path, &zeroed).unwrap();
        // trailing zeros may be what the group ended with
        if zeroed != whole {
            assert_recovers(&dir, (whole.len() - acknowledged) as u64);
        }
    }
}

#[test]
fn a_tail_of_garbage_or_with_holes_is_cut() {
    let home = fixture::fast_dir();
    let dir = home.path().join("log");
    let (path, acknowledged, whole) = segment_with_last_group(&dir);
    let len = whole.len() - acknowledged;
    let strategy = (
        0..len,
        prop::collection::vec(any::<u8>(), 1..len + 50),
        any::<bool>(),
    );
    let mut runner = TestRunner::new(Config {
        cases: 150,
        ..Config::default()
    });
    let run = runner.run(&strategy, |(start, garbage, keeps_end)| {
        let mut bytes = whole.clone();
        let start = acknowledged + start;
        let end = (start + garbage.len()).min(if keeps_end { bytes.len() } else { usize::MAX });
        bytes.resize(bytes.len().max(end), 0);
        bytes[start..end].copy_from_slice(&garbage[..end - start]);
        prop_assume!(!bytes.starts_with(&whole));
        fs::write(&path, &bytes).unwrap();
        assert_recovers(&dir, (bytes.len() - acknowledged) as u64);
        Ok(())
    });
    run.unwrap();
}

/// Every byte of every file of a log with several segments, an index each, and two snapshots.
#[test]
fn no_flipped_byte_is_silently_wrong() {
    let home = fixture::fast_dir();
    let (good, dir) = (home.path().join("good"), home.path().join("log"));
    let end = fixture::write(&good, small(), &[6, 7, 14, 2, 14, 3, 2]);
    let (mut log, _) = Log::open(&good, small()).unwrap();
    log.write_snapshot(Position(9), 1, |out| out.write_all(b"older state"))
        .unwrap();
    log.write_snapshot(Position(20), 1, |out| out.write_all(b"newer state"))
        .unwrap();
    drop(log);
    assert!(files(&good, "seg").len() >= 3);
    let last_group_at = last_group(&good);
    assert!(
        last_group_at > 64,
        "the newest segment needs an acknowledged group and a last one"
    );
    copy(&good, &dir);
    for source in files(&good, "seg")
        .iter()
        .chain(&files(&good, "idx"))
        .chain(&files(&good, "snap"))
    {
        let bytes = fs::read(source).unwrap();
        let path = dir.join(source.file_name().unwrap());
        for at in 0..bytes.len() {
            // index pages are mostly unused bytes: one in 29, coprime to every field width
            if at > 600 && bytes.len() > 4000 && at % 29 != 0 {
                continue;
            }
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            fs::write(&path, &flipped).unwrap();
            match path.extension().unwrap().to_str().unwrap() {
                "seg" if source == files(&good, "seg").last().unwrap() && at >= last_group_at => {
                    // the one group that may have been in flight
                    let report = verify(&dir).unwrap();
                    assert!(report.is_sound() && report.torn_tail_bytes > 0);
                }
                "seg" => assert_segment_damage_is_named(&dir, &path, at),
                "idx" => {
                    assert_eq!(verify(&dir).unwrap().indexes_to_rebuild, [path.as_path()]);
                    assert_index_is_rebuilt(&dir, end);
                    assert_eq!(fs::read(&path).unwrap(), bytes, "flip at {at}");
                }
                _ => assert_snapshot_is_passed_over(&dir, &path, at),
            }
            fs::write(&path, &bytes).unwrap();
        }
    }
    assert_holds(&dir, 0..end);
}

/// Offset of the last group in the last segment, learned by appending to a copy.
fn last_group(good: &Path) -> usize {
    let path = files(good, "seg").pop().unwrap();
    let whole = fs::read(&path).unwrap();
    let home = fixture::fast_dir();
    let dir = home.path().join("cut");
    copy(good, &dir);
    let cut_path = dir.join(path.file_name().unwrap());
    fs::write(&cut_path, &whole[..whole.len() - 1]).unwrap();
    whole.len() - 1 - verify(&dir).unwrap().torn_tail_bytes as usize
}

fn assert_segment_damage_is_named(dir: &Path, path: &Path, at: usize) {
    let report = verify(dir).unwrap();
    let named = report.problems.iter().any(|problem| match problem {
        LogError::Corrupt {
            segment, offset, ..
        } => {
            // the check fails at the damaged byte's frame: never behind it, never in another group
            segment == path && *offset as usize <= at && at - (*offset as usize) < 160
        }
        _ => false,
    });
    assert!(
        named,
        "flip at {at} of {}: {:?}",
        path.display(),
        report.problems
    );
    // and whoever reads it gets the same error instead of records
    let read = fixture::read_all(dir);
    assert!(
        matches!(read, Err(LogError::Corrupt { .. })),
        "flip at {at}: {read:?}"
    );
}

fn assert_index_is_rebuilt(dir: &Path, end: u64) {
    let (mut log, _) = Log::open(dir, small()).unwrap();
    for position in 0..end {
        let Kept { key, payload, .. } = expected(position);
        if let Some(key) = key {
            assert!(
                log.find(key, i64::MIN)
                    .unwrap()
                    .contains(&Position(position))
            );
        }
        assert_eq!(log.read(Position(position)).unwrap().payload, payload);
    }
}

fn assert_snapshot_is_passed_over(dir: &Path, path: &Path, at: usize) {
    assert!(!verify(dir).unwrap().is_sound(), "flip at {at}");
    let (log, _) = Log::open(dir, small()).unwrap();
    let found = log.latest_snapshot(1).unwrap();
    let mut snapshot = found.snapshot.unwrap();
    let mut state = Vec::new();
    std::io::Read::read_to_end(&mut snapshot, &mut state).unwrap();
    if path.ends_with("00000000000000000020.snap") {
        assert_eq!(
            (snapshot.position(), &state[..]),
            (Position(9), &b"older state"[..])
        );
        assert!(
            matches!(found.skipped[0].reason, SkipReason::Unreadable(_)),
            "flip at {at}"
        );
    } else {
        assert_eq!(
            (snapshot.position(), &state[..]),
            (Position(20), &b"newer state"[..])
        );
    }
}

/// Damage with a later group behind it is corruption even in the segment being written.
#[test]
fn a_corrupt_middle_is_never_cut() {
    let home = fixture::fast_dir();
    let dir = home.path().join("log");
    let (path, acknowledged, whole) = segment_with_last_group(&dir);
    for at in 0..acknowledged {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&path, &bytes).unwrap();
        let refused = Log::open(&dir, one_segment()).unwrap_err();
        let LogError::Corrupt {
            segment, offset, ..
        } = &refused
        else {
            panic!("{refused}")
        };
        assert!(
            segment == &path && *offset as usize <= at,
            "flip at {at}: {refused}"
        );
        assert_eq!(
            fs::read(&path).unwrap(),
            bytes,
            "a refused open changed the file"
        );
    }
}

/// A header whose creation was cut short is written again; it held nothing.
#[test]
fn a_torn_segment_creation_is_repaired() {
    let home = fixture::fast_dir();
    let dir = home.path().join("log");
    let mut groups = vec![];
    // until a group has just filled a segment: the newest one is empty then
    let end = loop {
        groups.push(3);
        let _ = fs::remove_dir_all(&dir);
        let end = fixture::write(&dir, small(), &groups);
        let newest = files(&dir, "seg").pop().unwrap();
        if end > 3 && fs::metadata(&newest).unwrap().len() == 64 {
            break end;
        }
    };
    let newest = files(&dir, "seg").pop().unwrap();
    let header = fs::read(&newest).unwrap();
    for len in 0..64 {
        fs::write(&newest, &header[..len]).unwrap();
        assert!(verify(&dir).unwrap().is_sound());
        assert_holds(&dir, 0..end);
        assert_eq!(Log::open(&dir, small()).unwrap().1.end.0, end);
        assert_eq!(fs::read(&newest).unwrap(), header);
    }
    // the crash between seal and creation, and within the seal
    let sealed = files(&dir, "seg").into_iter().rev().nth(1).unwrap();
    let whole = fs::read(&sealed).unwrap();
    for torn in 0..=24 {
        fs::remove_file(&newest).unwrap();
        fs::write(&sealed, &whole[..whole.len() - torn]).unwrap();
        let (log, recovery) = Log::open(&dir, small()).unwrap();
        assert_eq!(recovery.end.0, end);
        drop(log);
        assert_holds(&dir, 0..end);
        fs::write(&sealed, &whole).unwrap();
        fs::write(&newest, &header).unwrap();
    }
}

#[test]
fn a_missing_segment_and_a_foreign_one_are_errors() {
    let home = fixture::fast_dir();
    let dir = home.path().join("log");
    fixture::write(&dir, small(), &[10; 8]);
    let segments = files(&dir, "seg");
    let middle = fs::read(&segments[1]).unwrap();
    fs::remove_file(&segments[1]).unwrap();
    let refused = Log::open(&dir, small()).unwrap_err();
    assert!(
        matches!(refused, LogError::MissingSegment { .. }),
        "{refused}"
    );
    assert!(!verify(&dir).unwrap().is_sound());
    fs::write(&segments[1], middle).unwrap();

    let other = home.path().join("other");
    let options = LogOptions {
        log_id: Some(ringfence_log::LogId([7; 16])),
        ..small()
    };
    fixture::write(&other, options, &[10; 8]);
    fs::copy(&files(&other, "seg")[1], &segments[1]).unwrap();
    let refused = Log::open(&dir, small()).unwrap_err();
    assert!(matches!(refused, LogError::ForeignLog { .. }), "{refused}");
}

/// Two copies of one log that went on differently: same id, same positions, other history. Only the
/// checksum chain tells them apart.
#[test]
fn a_fork_of_the_same_log_does_not_fit() {
    let home = fixture::fast_dir();
    let (ours, fork) = (home.path().join("ours"), home.path().join("fork"));
    let go_on = |dir: &Path, options: LogOptions, fill: u8| {
        let (mut log, _) = Log::open(dir, options).unwrap();
        for _ in 0..30 {
            log.append(&[fill; 30], 0, None).unwrap();
            log.commit().unwrap();
        }
    };
    for (options, changed) in [
        (small(), "a later segment"),
        (one_segment(), "later groups"),
    ] {
        let _ = fs::remove_dir_all(&ours);
        fixture::write(&ours, options.clone(), &[4]);
        copy(&ours, &fork);
        go_on(&ours, options.clone(), 1);
        go_on(&fork, options.clone(), 2);
        let path = files(&ours, "seg").pop().unwrap();
        let mut bytes = fs::read(&path).unwrap();
        let other = fs::read(fork.join(path.file_name().unwrap())).unwrap();
        assert_eq!(bytes.len(), other.len());
        // in one segment the first half stays ours: all of its groups are equally long
        let from = if files(&ours, "seg").len() > 1 {
            0
        } else {
            bytes.len() - 10 * (32 + 46)
        };
        bytes[from..].copy_from_slice(&other[from..]);
        fs::write(&path, bytes).unwrap();
        let refused = Log::open(&ours, options).unwrap_err();
        assert!(
            matches!(refused, LogError::Corrupt { .. }),
            "{changed}: {refused}"
        );
        assert!(!verify(&ours).unwrap().is_sound(), "{changed}");
        assert!(fixture::read_all(&ours).is_err(), "{changed}");
    }
}

/// The cut would be silent here if the snapshot did not prove that the group was acknowledged.
#[test]
fn a_snapshot_past_the_end_proves_loss() {
    let home = fixture::fast_dir();
    let dir = home.path().join("log");
    let (path, acknowledged, whole) = segment_with_last_group(&dir);
    let (mut log, _) = Log::open(&dir, one_segment()).unwrap();
    log.write_snapshot(Position(12), 1, |out| out.write_all(b"state"))
        .unwrap();
    drop(log);
    fs::write(&path, &whole[..acknowledged]).unwrap();
    let refused = Log::open(&dir, one_segment()).unwrap_err();
    let LogError::SnapshotAhead { position, end, .. } = &refused else {
        panic!("{refused}")
    };
    assert_eq!((*position, *end), (Position(12), Position(7)));
    assert!(!verify(&dir).unwrap().is_sound());
    // also when nothing is left to tell which log it was
    for options in [
        one_segment(),
        LogOptions {
            log_id: None,
            ..one_segment()
        },
    ] {
        fs::write(&path, &whole[..30]).unwrap();
        let refused = Log::open(&dir, options.clone()).unwrap_err();
        assert!(
            matches!(refused, LogError::SnapshotAhead { .. }),
            "{refused}"
        );
        fs::remove_file(&path).unwrap();
        let refused = Log::open(&dir, options).unwrap_err();
        assert!(
            matches!(refused, LogError::SnapshotAhead { .. }),
            "{refused}"
        );
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(Log::open(&dir, one_segment()).unwrap().1.end, Position(12));
}
