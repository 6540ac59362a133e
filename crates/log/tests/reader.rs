//! Reading: from every position, while a writer runs, and when the writer has dropped what is read.
#![allow(clippy::unwrap_used)] // also outside #[test] functions

mod fixture;

use fixture::{append, expected, files, small};
use ringfence_log::{Log, LogError, LogOptions, Position, Reader};

#[test]
fn iterates_from_every_position_across_segments() {
    let dir = tempfile::tempdir().unwrap();
    let end = fixture::write(dir.path(), small(), &[5, 1, 30, 2, 17, 9, 1, 1]);
    assert!(files(dir.path(), "seg").len() >= 4);
    let reader = Reader::open(dir.path()).unwrap();
    for from in 0..=end {
        let mut records = reader.iter_from(Position(from)).unwrap();
        for position in from..end {
            let record = records.next_record().unwrap().unwrap();
            assert_eq!(record.position.0, position);
            assert_eq!(record.payload, expected(position).payload);
        }
        assert!(records.next_record().unwrap().is_none());
    }
    let past = reader.iter_from(Position(end + 1)).err().unwrap();
    assert!(matches!(past, LogError::OutOfRange { .. }), "{past}");
}

#[test]
fn a_reader_follows_a_writer_and_sees_whole_groups_only() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, recovery) = Log::open(dir.path(), small()).unwrap();
    assert!(recovery.created);
    let mut reader = Reader::open(dir.path()).unwrap();
    assert_eq!(reader.end(), Position(0));
    for round in 1..40 {
        append(&mut log, 3);
        assert_eq!(
            reader.refresh().unwrap().0,
            (round - 1) * 3,
            "pending records showed"
        );
        log.commit().unwrap();
        assert_eq!(reader.refresh().unwrap().0, round * 3);
    }
}

#[test]
fn a_reader_races_a_writer_through_many_segments() {
    const END: u64 = 30_000;
    let home = fixture::fast_dir();
    let dir = home.path();
    let options = LogOptions {
        segment_bytes: 5000,
        ..small()
    };
    let (mut log, _) = Log::open(dir, options).unwrap();
    let writer = std::thread::spawn(move || {
        while log.next().0 < END {
            let next = log.next().0;
            append(&mut log, 1 + next % 9);
            log.commit().unwrap();
        }
        log.committed()
    });
    let mut reader = Reader::open(dir).unwrap();
    let (mut seen, mut rounds) = (0, 0);
    while seen < END {
        let end = reader.refresh().unwrap().0;
        let mut records = reader.iter_from(Position(seen)).unwrap();
        while let Some(record) = records.next_record().unwrap() {
            assert_eq!(record.position.0, seen);
            assert_eq!(record.payload, expected(seen).payload);
            seen += 1;
        }
        assert_eq!(seen, end);
        rounds += 1;
    }
    assert_eq!(writer.join().unwrap().0, reader.refresh().unwrap().0);
    assert!(
        rounds > 10,
        "the writer was done before the reader began: {rounds}"
    );
}

#[test]
fn a_reader_left_behind_by_dropped_segments_says_so() {
    let home = fixture::fast_dir();
    let dir = home.path();
    let (mut log, _) = Log::open(dir, small()).unwrap();
    append(&mut log, 2);
    log.commit().unwrap();
    let mut reader = Reader::open(dir).unwrap();
    for _ in 0..20 {
        append(&mut log, 10);
        log.commit().unwrap();
    }
    for position in [log.committed().0 - 1, log.committed().0] {
        log.write_snapshot(Position(position), 1, |_| Ok(()))
            .unwrap();
    }
    let covered = log.coverage(1).run().unwrap().unwrap();
    let job = log.retire(covered, i64::MAX).unwrap().unwrap();
    job.run().unwrap();
    let behind = reader.refresh().unwrap_err();
    assert!(
        matches!(behind, LogError::MissingSegment { .. }),
        "{behind}"
    );
    assert_eq!(Reader::open(dir).unwrap().end(), Position(202));
}

#[test]
fn a_half_written_group_is_invisible_until_it_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let end = fixture::write(dir.path(), LogOptions::default(), &[5, 4]);
    let segment = files(dir.path(), "seg").pop().unwrap();
    let whole = std::fs::read(&segment).unwrap();
    for torn in 1..60 {
        std::fs::write(&segment, &whole[..whole.len() - torn]).unwrap();
        let mut reader = Reader::open(dir.path()).unwrap();
        assert_eq!(reader.end(), Position(5));
        assert_eq!(reader.refresh().unwrap(), Position(5));
        std::fs::write(&segment, &whole).unwrap();
        assert_eq!(reader.refresh().unwrap(), Position(end));
    }
}
