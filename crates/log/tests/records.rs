//! What goes in comes out: by position, in sequence, by key, across restarts and segments.

#![allow(clippy::unwrap_used)] // also outside #[test] functions

mod fixture;

use fixture::{Kept, append, expected, files, positions, small};
use proptest::prelude::*;
use ringfence_log::{Log, LogError, LogOptions, Position, verify};

#[derive(Debug, Clone)]
enum Op {
    Append(Vec<u8>, i64, Option<u64>),
    Commit,
    Reopen,
}

fn op() -> impl Strategy<Value = Op> {
    let record = (
        prop::collection::vec(any::<u8>(), 0..90),
        0..50_i64,
        prop::option::of(0..6_u64),
    );
    prop_oneof![
        12 => record.prop_map(|(payload, time_ms, key)| Op::Append(payload, time_ms, key)),
        4 => Just(Op::Commit),
        1 => Just(Op::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Model: a vector. Uncommitted records vanish with the handle, all others stay, find is exact.
    #[test]
    fn behaves_like_a_vector(ops in prop::collection::vec(op(), 1..120), since in 0..50_i64) {
        let dir = fixture::fast_dir();
        let (mut log, _) = Log::open(dir.path(), small()).unwrap();
        let (mut model, mut committed) = (Vec::<Kept>::new(), 0);
        for op in ops {
            match op {
                Op::Append(payload, time_ms, key) => {
                    let position = log.append(&payload, time_ms, key).unwrap().0;
                    prop_assert_eq!(position, model.len() as u64);
                    model.push(Kept { position, time_ms, key, payload });
                }
                Op::Commit => {
                    committed = model.len();
                    prop_assert_eq!(log.commit().unwrap().0, committed as u64);
                }
                Op::Reopen => {
                    drop(log);
                    model.truncate(committed);
                    let (reopened, recovery) = Log::open(dir.path(), small()).unwrap();
                    prop_assert_eq!(recovery.records(), committed as u64);
                    prop_assert_eq!(recovery.cut_bytes, 0);
                    log = reopened;
                }
            }
        }
        for kept in &model {
            let read = log.read(Position(kept.position)).unwrap();
            prop_assert_eq!((read.time_ms, read.key), (kept.time_ms, kept.key));
            prop_assert_eq!(&read.payload, &kept.payload);
        }
        for key in 0..6 {
            let found: Vec<u64> =
                log.find(key, since).unwrap().into_iter().map(|found| found.0).collect();
            let wanted: Vec<u64> = model.iter().rev()
                .filter(|kept| kept.key == Some(key) && kept.time_ms >= since)
                .map(|kept| kept.position)
                .collect();
            prop_assert_eq!(found, wanted);
        }
        model.truncate(committed);
        prop_assert_eq!(fixture::read_all(dir.path()).unwrap(), model);
        let job = log.take_index_job();
        let report = verify(dir.path()).unwrap();
        // at most the newest sealed segment still waits for its index
        prop_assert!(report.is_sound() && report.indexes_to_rebuild.len() <= 1, "{:?}", report);
        prop_assert!(job.is_some() || report.indexes_to_rebuild.is_empty(), "{:?}", report);
        prop_assert_eq!(report.records, committed as u64);
    }
}

/// A reader racing the writer through many small segments: it never sees damage, a gap or a record
/// that is not what was written.
#[test]
fn keys_are_found_after_restart_and_without_their_index_files() {
    let dir = fixture::fast_dir();
    let end = fixture::write(dir.path(), small(), &[10; 20]);
    let wanted = |key: u64, since: i64| -> Vec<Position> {
        let hits = (0..end).rev().map(expected);
        let hits = hits.filter(|kept| kept.key == Some(key) && kept.time_ms >= since);
        positions(&hits.map(|kept| kept.position).collect::<Vec<_>>())
    };
    let since = expected(77).time_ms;
    let check = |log: &mut Log| {
        for key in 0xfeed_0000..0xfeed_0000 + 13 {
            assert_eq!(log.find(key, i64::MIN).unwrap(), wanted(key, i64::MIN));
            assert_eq!(log.find(key, since).unwrap(), wanted(key, since));
        }
    };
    let (mut log, recovery) = Log::open(dir.path(), small()).unwrap();
    assert_eq!(recovery.indexes_rebuilt, 0);
    check(&mut log);
    drop(log);
    let indexes = files(dir.path(), "idx");
    let before: Vec<_> = indexes
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect();
    for path in &indexes {
        std::fs::remove_file(path).unwrap();
    }
    let (mut log, recovery) = Log::open(dir.path(), small()).unwrap();
    assert_eq!(recovery.indexes_rebuilt, indexes.len());
    check(&mut log);
    let after: Vec<_> = indexes
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect();
    assert_eq!(before, after);
}

/// From sealing on, through the job on another thread, to the file: the same answers.
#[test]
fn keys_are_found_before_while_and_after_the_index_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = Log::open(dir.path(), small()).unwrap();
    append(&mut log, 30);
    log.commit().unwrap();
    let check = |log: &mut Log| {
        for position in (0..30).map(expected).filter(|kept| kept.key.is_some()) {
            let found = log.find(position.key.unwrap(), position.time_ms).unwrap();
            assert_eq!(found.last(), Some(&Position(position.position)));
            let read = log.read(Position(position.position)).unwrap();
            assert_eq!(read.payload, position.payload);
        }
    };
    assert_eq!(files(dir.path(), "seg").len(), 2);
    check(&mut log);
    let job = log.take_index_job().unwrap();
    assert!(log.take_index_job().is_none());
    check(&mut log);
    std::thread::spawn(|| job.run()).join().unwrap().unwrap();
    assert_eq!(files(dir.path(), "idx").len(), 1);
    check(&mut log);
    // a job that was dropped is made up for when the index is asked for
    append(&mut log, 30);
    log.commit().unwrap();
    drop(log.take_index_job().unwrap());
    check(&mut log);
    let keyed = expected(31);
    assert_eq!(
        log.find(keyed.key.unwrap(), keyed.time_ms).unwrap().last(),
        Some(&Position(31))
    );
    assert_eq!(files(dir.path(), "idx").len(), 2);
}

/// Keys with many records fill several index pages; the filter must never hide one.
#[test]
fn large_segments_find_every_key_and_few_others() {
    let dir = fixture::fast_dir();
    let options = LogOptions {
        segment_bytes: 256 << 10,
        ..small()
    };
    let (mut log, _) = Log::open(dir.path(), options).unwrap();
    let key = |position: u64| {
        if position.is_multiple_of(5) {
            5
        } else {
            position
        }
    };
    for position in 0..20_000 {
        log.append(b"payload", 0, Some(key(position))).unwrap();
        if position % 1000 == 999 {
            log.commit().unwrap();
        }
    }
    assert_eq!(log.find(5, 0).unwrap().len(), 4000);
    for position in (0..20_000).filter(|position| position % 5 != 0) {
        assert_eq!(log.find(position, 0).unwrap(), [Position(position)]);
        let read = log.read(Position(position)).unwrap();
        assert_eq!(read.key, Some(position));
    }
    assert!((20_000..40_000).all(|key| log.find(key, 0).unwrap().is_empty()));
}

#[test]
fn limits_are_refused_and_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let options = LogOptions {
        max_record_bytes: 100,
        max_batch_records: 3,
        max_batch_bytes: 200,
        ..LogOptions::default()
    };
    let (mut log, _) = Log::open(dir.path(), options).unwrap();
    let refused = log.append(&[0; 101], 0, None).unwrap_err();
    assert!(matches!(
        refused,
        LogError::RecordTooLarge { len: 101, max: 100 }
    ));
    log.append(&[1; 100], 0, None).unwrap();
    let refused = log.append(&[2; 100], 0, None).unwrap_err();
    assert!(
        matches!(
            refused,
            LogError::BatchFull {
                records: 1,
                bytes: 116
            }
        ),
        "{refused}"
    );
    log.append(&[3; 10], 0, None).unwrap();
    log.append(&[4; 10], 0, None).unwrap();
    let refused = log.append(&[], 0, None).unwrap_err();
    assert!(
        matches!(refused, LogError::BatchFull { records: 3, .. }),
        "{refused}"
    );
    assert_eq!(log.commit().unwrap(), Position(3));
    assert_eq!(log.append(&[5; 100], 0, None).unwrap(), Position(3));
    let refused = log.read(Position(4)).unwrap_err();
    assert!(matches!(refused, LogError::OutOfRange { .. }));
}

#[test]
fn options_outside_the_format_are_refused_by_name() {
    let refused = |options: LogOptions| {
        let dir = tempfile::tempdir().unwrap();
        match Log::open(&dir.path().join("log"), options).unwrap_err() {
            LogError::InvalidOption { field, .. } => field,
            other => panic!("{other}"),
        }
    };
    let good = LogOptions::default;
    assert_eq!(
        refused(LogOptions {
            segment_bytes: (1 << 30) + 1,
            ..good()
        }),
        "segment_bytes"
    );
    assert_eq!(
        refused(LogOptions {
            max_record_bytes: 16 << 20,
            ..good()
        }),
        "max_record_bytes"
    );
    assert_eq!(
        refused(LogOptions {
            max_batch_records: 0,
            ..good()
        }),
        "max_batch_records"
    );
    assert_eq!(
        refused(LogOptions {
            max_batch_bytes: 1 << 20,
            ..good()
        }),
        "max_batch_bytes"
    );
    assert_eq!(
        refused(LogOptions {
            max_batch_bytes: 65 << 20,
            ..good()
        }),
        "max_batch_bytes"
    );
    assert_eq!(
        refused(LogOptions {
            snapshots_kept: 0,
            ..good()
        }),
        "snapshots_kept"
    );
}

#[test]
fn a_second_writer_and_another_log_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(dir.path(), small()).unwrap();
    let second = Log::open(dir.path(), small()).unwrap_err();
    assert!(matches!(second, LogError::Locked { .. }), "{second}");
    drop(log);
    let other = LogOptions {
        log_id: Some(ringfence_log::LogId([9; 16])),
        ..small()
    };
    let foreign = Log::open(dir.path(), other).unwrap_err();
    assert!(matches!(foreign, LogError::ForeignLog { .. }), "{foreign}");
    let (log, recovery) = Log::open(
        dir.path(),
        LogOptions {
            log_id: None,
            ..small()
        },
    )
    .unwrap();
    assert_eq!(log.id(), fixture::ID);
    assert!(!recovery.created);
}

#[test]
fn ids_are_drawn_when_none_is_given() {
    let ids = [(); 2].map(|()| {
        let dir = tempfile::tempdir().unwrap();
        let (log, _) = Log::open(&dir.path().join("a/b"), LogOptions::default()).unwrap();
        log.id()
    });
    assert_ne!(ids[0], ids[1]);
}

/// A record that the sparse table does not name is found in its neighbourhood, however long what lies between is.
#[test]
fn any_record_of_a_sealed_segment_is_read_in_any_order() {
    let dir = tempfile::tempdir().unwrap();
    let options = LogOptions {
        segment_bytes: 1 << 20,
        ..LogOptions::default()
    };
    let (mut log, _) = Log::open(dir.path(), options.clone()).unwrap();
    let mut random = 7_u64;
    let mut draw = |below: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) % below
    };
    let mut payloads = Vec::new();
    while files(dir.path(), "seg").len() < 4 {
        // Longer than a window now and then; groups of one and of many.
        let len = if draw(40) == 0 {
            20_000 + draw(20_000)
        } else {
            draw(400)
        };
        let payload: Vec<u8> = (0..len).map(|_| draw(256) as u8).collect();
        log.append(&payload, payloads.len() as i64, None).unwrap();
        payloads.push(payload);
        if draw(6) == 0 {
            log.commit().unwrap();
        }
    }
    log.commit().unwrap();
    for reopened in [false, true] {
        if reopened {
            drop(log);
            log = Log::open(dir.path(), options.clone()).unwrap().0;
        }
        for _ in 0..4 * payloads.len() {
            let at = draw(payloads.len() as u64);
            let read = log.read(Position(at)).unwrap();
            assert_eq!(
                (read.time_ms, &read.payload),
                (at as i64, &payloads[at as usize])
            );
        }
    }
}
