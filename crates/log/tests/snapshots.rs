//! Snapshots: whole or absent, newest valid first, other semantics refused by name.

#![allow(clippy::unwrap_used)] // also outside #[test] functions

mod fixture;

use std::fs;
use std::io::Read;

use fixture::{append, files, small};
use ringfence_log::{Damage, Log, LogError, LogOptions, Position, Reader, SkipReason};

fn state(len: usize) -> Vec<u8> {
    (0..len)
        .map(|at| ((at * 2_654_435_761) >> 7) as u8)
        .collect()
}

/// Lengths around the chunk size, written in pieces that do not fit it.
#[test]
fn what_was_written_is_read() {
    const CHUNK: usize = 256 << 10;
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = Log::open(dir.path(), small()).unwrap();
    for len in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 17] {
        let wanted = state(len);
        log.write_snapshot(Position(0), 7, |out| {
            wanted
                .chunks(1000)
                .try_for_each(|piece| out.write_all(piece))
        })
        .unwrap();
        let mut found = log.latest_snapshot(7).unwrap().snapshot.unwrap();
        let mut read = Vec::new();
        found.read_to_end(&mut read).unwrap();
        assert!(read == wanted, "length {len}");
        assert_eq!((found.position(), found.semantics()), (Position(0), 7));
    }
}

#[test]
fn only_the_newest_are_kept_and_a_shortened_one_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = Log::open(dir.path(), small()).unwrap();
    append(&mut log, 9);
    log.commit().unwrap();
    for position in [2, 5, 9] {
        log.write_snapshot(Position(position), 1, |out| out.write_all(b"some state"))
            .unwrap();
    }
    let kept = files(dir.path(), "snap");
    assert_eq!(kept.len(), 2);
    let newest = &kept[1];
    let whole = fs::read(newest).unwrap();
    for len in 0..whole.len() {
        fs::write(newest, &whole[..len]).unwrap();
        let found = log.latest_snapshot(1).unwrap();
        assert_eq!(
            found.snapshot.unwrap().position(),
            Position(5),
            "cut at {len}"
        );
        assert_eq!(
            (found.skipped.len(), found.skipped[0].position),
            (1, Position(9))
        );
    }
    fs::write(newest, [&whole[..], b"x"].concat()).unwrap();
    let found = log.latest_snapshot(1).unwrap();
    let SkipReason::Unreadable(LogError::Corrupt { what, .. }) = &found.skipped[0].reason else {
        panic!("{found:?}")
    };
    assert_eq!(*what, Damage::SnapshotEnd);
}

#[test]
fn other_semantics_and_positions_past_the_end_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = Log::open(dir.path(), small()).unwrap();
    append(&mut log, 6);
    log.commit().unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    append(&mut log, 1);
    let pending = log.write_snapshot(Position(7), 1, |_| Ok(())).unwrap_err();
    assert!(matches!(pending, LogError::OutOfRange { .. }), "{pending}");
    log.commit().unwrap();
    log.write_snapshot(Position(3), 1, |out| out.write_all(b"one"))
        .unwrap();
    log.write_snapshot(Position(7), 2, |out| out.write_all(b"two"))
        .unwrap();

    let found = log.latest_snapshot(1).unwrap();
    assert_eq!(found.snapshot.unwrap().position(), Position(3));
    assert!(matches!(
        found.skipped[0].reason,
        SkipReason::Semantics {
            found: 2,
            wanted: 1
        }
    ));
    assert_eq!(
        log.latest_snapshot(2).unwrap().snapshot.unwrap().position(),
        Position(7)
    );
    assert!(log.latest_snapshot(3).unwrap().snapshot.is_none());

    // a reader that has not seen position 7 yet must not start there
    let found = reader.latest_snapshot(2).unwrap();
    assert!(found.snapshot.is_none());
    let end = Position(6);
    assert!(matches!(found.skipped[0].reason, SkipReason::AheadOfLog { end: at } if at == end));
}

#[test]
fn a_snapshot_of_another_log_is_no_start() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (log, _) = Log::open(here.path(), small()).unwrap();
    let other = LogOptions {
        log_id: None,
        ..small()
    };
    let (mut foreign, _) = Log::open(there.path(), other).unwrap();
    foreign
        .write_snapshot(Position(0), 1, |out| out.write_all(b"foreign"))
        .unwrap();
    let path = files(there.path(), "snap").remove(0);
    fs::copy(&path, here.path().join(path.file_name().unwrap())).unwrap();
    let found = log.latest_snapshot(1).unwrap();
    assert!(found.snapshot.is_none());
    let reason = &found.skipped[0].reason;
    assert!(
        matches!(reason, SkipReason::Unreadable(LogError::ForeignLog { .. })),
        "{reason}"
    );
}
