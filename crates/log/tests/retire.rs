//! The oldest segments go whole, oldest first, and only where two whole snapshots stand for them.

#![allow(clippy::unwrap_used)] // also outside #[test] functions

mod fixture;

use std::fs;
use std::sync::Arc;

use fixture::{assert_holds, expected, files, small};
use ringfence_log::{Faults, Log, LogError, LogOptions, Position, verify};

const ALL: i64 = i64::MAX;

fn snapshot(log: &mut Log, position: u64, semantics: u32) {
    log.write_snapshot(Position(position), semantics, |out| out.write_all(b"state"))
        .unwrap();
}

#[test]
fn segments_go_only_below_two_whole_snapshots() {
    let dir = fixture::fast_dir();
    fixture::write(dir.path(), small(), &[10; 20]);
    let (mut log, _) = Log::open(dir.path(), small()).unwrap();
    assert_eq!(log.coverage(1).run().unwrap(), None);
    snapshot(&mut log, 60, 1);
    assert_eq!(log.coverage(1).run().unwrap(), None, "one may rot");
    snapshot(&mut log, 150, 2);
    assert_eq!(
        log.coverage(1).run().unwrap(),
        None,
        "the other is another build's"
    );
    snapshot(&mut log, 160, 1);
    snapshot(&mut log, 170, 1);
    let covered = log.coverage(1).run().unwrap().unwrap();
    // A damaged one does not count.
    let newest = files(dir.path(), "snap").pop().unwrap();
    let whole = fs::read(&newest).unwrap();
    fs::write(&newest, &whole[..whole.len() - 1]).unwrap();
    assert_eq!(log.coverage(1).run().unwrap(), None);
    fs::write(&newest, whole).unwrap();

    let before = files(dir.path(), "seg");
    let job = log.retire(covered, ALL).unwrap().unwrap();
    let boundary = job.boundary();
    assert!(boundary.0 > 100 && boundary.0 <= 160, "{boundary}");
    // They are forgotten at once, and their files are the job's.
    assert_eq!(log.first(), boundary);
    assert!(matches!(
        log.read(Position(boundary.0 - 1)).unwrap_err(),
        LogError::OutOfRange { .. }
    ));
    let key = expected(4).key.unwrap();
    let found = log.find(key, i64::MIN).unwrap();
    assert!(!found.is_empty() && found.iter().all(|at| *at >= boundary));
    assert_eq!(files(dir.path(), "seg"), before);
    let retired = job.run().unwrap();
    let left = files(dir.path(), "seg");
    assert_eq!(left, before[retired.segments..]);
    assert!(retired.bytes >= 600 * retired.segments as u64);
    assert_eq!(files(dir.path(), "idx").len(), left.len() - 1);
    assert!(log.retire(covered, ALL).unwrap().is_none());
    fixture::append(&mut log, 5);
    log.commit().unwrap();
    drop(log);
    assert_holds(dir.path(), boundary.0..205);
    assert!(verify(dir.path()).unwrap().is_sound());
    assert_eq!(Log::open(dir.path(), small()).unwrap().1.first, boundary);
    // without any snapshot the missing start is an error, not an empty past
    for snapshot in files(dir.path(), "snap") {
        fs::remove_file(snapshot).unwrap();
    }
    let refused = Log::open(dir.path(), small()).unwrap_err();
    assert!(
        matches!(refused, LogError::MissingSegment { .. }),
        "{refused}"
    );
}

#[test]
fn a_segment_stays_for_one_record_that_is_new_enough() {
    let dir = fixture::fast_dir();
    fixture::write(dir.path(), small(), &[10; 20]);
    let (mut log, _) = Log::open(dir.path(), small()).unwrap();
    snapshot(&mut log, 190, 1);
    snapshot(&mut log, 200, 1);
    let covered = log.coverage(1).run().unwrap().unwrap();
    for old in [0, 1, 57, 58, 59, 90] {
        if let Some(job) = log.retire(covered, expected(old).time_ms).unwrap() {
            job.run().unwrap();
        }
        assert!(log.first().0 <= old, "{} {old}", log.first());
        let next = files(dir.path(), "seg")[1].file_stem().unwrap().to_owned();
        let next: u64 = next.to_str().unwrap().parse().unwrap();
        assert!(
            next > old,
            "the segment before {next} is older than {old} throughout"
        );
    }
}

/// A crash after any step leaves a log that opens, with nothing newer gone.
#[test]
fn a_removal_cut_short_anywhere_leaves_a_whole_log() {
    let mut nth = 1;
    loop {
        let dir = fixture::fast_dir();
        fixture::write(dir.path(), small(), &[10; 20]);
        let faults = Arc::new(Faults::default());
        let options = LogOptions {
            faults: Some(faults.clone()),
            ..small()
        };
        let (mut log, _) = Log::open(dir.path(), options).unwrap();
        snapshot(&mut log, 190, 1);
        snapshot(&mut log, 200, 1);
        let covered = log.coverage(1).run().unwrap().unwrap();
        let job = log.retire(covered, ALL).unwrap().unwrap();
        let boundary = job.boundary();
        drop(log);
        faults.fail_sync(nth);
        let cut_short = job.run().is_err();
        assert!(verify(dir.path()).unwrap().is_sound());
        let (mut log, recovery) = Log::open(dir.path(), small()).unwrap();
        assert!(recovery.first.0 > 0 && recovery.first <= boundary);
        assert_eq!(
            recovery.first == boundary,
            !cut_short || nth as usize == retired(boundary)
        );
        assert_holds(dir.path(), recovery.first.0..200);
        // The rest goes the next time.
        if let Some(job) = log.retire(covered, ALL).unwrap() {
            job.run().unwrap();
        }
        assert_eq!(log.first(), boundary);
        if !cut_short {
            break;
        }
        nth += 1;
    }
    assert!(nth > 5);
}

/// Segments of the log above that end at or below a position.
fn retired(boundary: Position) -> usize {
    let dir = fixture::fast_dir();
    fixture::write(dir.path(), small(), &[10; 20]);
    let starts = files(dir.path(), "seg").into_iter().map(|path| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        name.parse::<u64>().unwrap()
    });
    starts.filter(|first| *first < boundary.0).count()
}
