//! A damaged log is cut behind its last sound group: what stays is whole, what goes is kept and told of.

#![allow(clippy::unwrap_used)] // also outside #[test] functions

mod fixture;

use std::fs;
use std::path::Path;

use fixture::{copy, expected, files, small};
use ringfence_log::{Log, LogError, Lost, Position, Repair, verify};

/// Several segments with an index each, and two snapshots.
fn good(dir: &Path) -> u64 {
    let end = fixture::write(dir, small(), &[6, 7, 14, 2, 14, 3, 2]);
    let (mut log, _) = Log::open(dir, small()).unwrap();
    for position in [9, 20] {
        log.write_snapshot(Position(position), 1, |out| out.write_all(b"a state"))
            .unwrap();
    }
    assert!(files(dir, "seg").len() >= 3);
    end
}

/// Repairs, checks that all told of is as it was written, and that the log is whole and goes on.
fn repair(dir: &Path, aside: &Path) -> (Position, Lost, Vec<u64>) {
    let _ = fs::remove_dir_all(aside);
    let plan = Repair::plan(dir).unwrap().unwrap();
    let mut told = Vec::new();
    let lost = plan
        .lost(|position, time_ms, payload| {
            let wanted = expected(position.0);
            assert_eq!((time_ms, payload), (wanted.time_ms, &wanted.payload[..]));
            told.push(position.0);
        })
        .unwrap();
    assert_eq!(lost.readable, told.len() as u64);
    assert!(
        told.iter()
            .all(|position| (plan.end.0..lost.end.0).contains(position))
    );
    let end = plan.end;
    plan.cut(aside).unwrap();
    let report = verify(dir).unwrap();
    assert!(report.is_sound() && report.end == end, "{report:?}");
    assert!(Repair::plan(dir).unwrap().is_none());
    let (mut log, recovery) = Log::open(dir, small()).unwrap();
    assert_eq!((recovery.end, recovery.cut_bytes), (end, 0));
    fixture::append(&mut log, 30);
    log.commit().unwrap();
    drop(log);
    fixture::assert_holds(dir, 0..end.0 + 30);
    assert!(verify(dir).unwrap().is_sound());
    (end, lost, told)
}

#[test]
fn whatever_byte_is_damaged_the_sound_part_stays_and_the_rest_is_told() {
    let home = fixture::fast_dir();
    let (whole, dir) = (home.path().join("good"), home.path().join("log"));
    let aside = home.path().join("aside");
    let end = good(&whole);
    let mut cuts = 0;
    for source in files(&whole, "seg").iter().chain(&files(&whole, "snap")) {
        let bytes = fs::read(source).unwrap();
        for at in 0..bytes.len() {
            copy(&whole, &dir);
            let path = dir.join(source.file_name().unwrap());
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            fs::write(&path, &flipped).unwrap();
            let found = verify(&dir).unwrap();
            if found.is_sound() {
                // reserved bytes, or the one group that may have been in flight
                continue;
            }
            let first_header = at < 64 && source == &files(&whole, "seg")[0];
            if first_header {
                assert!(Repair::plan(&dir).is_err(), "byte {at} of the first header");
                continue;
            }
            let (stays, lost, told) = repair(&dir, &aside);
            if lost.bytes == 0 {
                assert_eq!((stays.0, told.len()), (end, 0), "{source:?} byte {at}");
                continue;
            }
            cuts += 1;
            assert_eq!(found.end, stays, "{source:?} byte {at}");
            assert_eq!(lost.end.0, end, "{source:?} byte {at}");
            // one record is damaged, or the one group whose frame is
            let gone = lost.end.0 - stays.0 - lost.readable;
            assert!(
                gone <= 14,
                "{source:?} byte {at}: {gone} of {}",
                lost.end.0 - stays.0
            );
        }
    }
    assert!(cuts > 500, "{cuts}");
}

#[test]
fn what_was_cut_is_kept_whole() {
    let home = fixture::fast_dir();
    let (dir, aside) = (home.path().join("log"), home.path().join("aside"));
    good(&dir);
    let segments = files(&dir, "seg");
    let mut bytes = fs::read(&segments[1]).unwrap();
    bytes[100] ^= 1;
    fs::write(&segments[1], &bytes).unwrap();
    let before: Vec<Vec<u8>> = segments.iter().map(|it| fs::read(it).unwrap()).collect();
    repair(&dir, &aside);
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let tail = files(&aside, "from-64")
        .into_iter()
        .chain(files(&aside, "seg"));
    let mut kept: Vec<u8> = Vec::new();
    for path in tail {
        kept.extend(fs::read(&path).unwrap());
    }
    let mut wanted = before[1][64..].to_vec();
    wanted.extend(before[2..].concat());
    assert_eq!(
        kept,
        wanted,
        "{:?}",
        fs::read_dir(&aside)
            .unwrap()
            .map(|it| name(&it.unwrap().path()))
            .collect::<Vec<_>>()
    );
    // a snapshot past the cut would prove a loss to every later open
    assert_eq!(files(&aside, "snap").len() + files(&dir, "snap").len(), 2);
}

#[test]
fn a_lost_seal_or_a_missing_segment() {
    let home = fixture::fast_dir();
    let (whole, dir) = (home.path().join("good"), home.path().join("log"));
    let aside = home.path().join("aside");
    let end = good(&whole);
    let segments = files(&whole, "seg");
    // Only the seal: the next segment proves it, so it is written again.
    for cut in 1..=24 {
        copy(&whole, &dir);
        let path = dir.join(segments[1].file_name().unwrap());
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - cut]).unwrap();
        let plan = Repair::plan(&dir).unwrap().unwrap();
        assert_eq!(plan.end.0, end);
        drop(plan);
        repair(&dir, &aside);
    }
    // A segment in the middle: what follows it is lost, and can be read.
    copy(&whole, &dir);
    fs::remove_file(dir.join(segments[1].file_name().unwrap())).unwrap();
    let (stays, lost, told) = repair(&dir, &aside);
    assert!(stays.0 > 0 && stays.0 < told[0]);
    assert_eq!((*told.last().unwrap() + 1, lost.end.0), (end, end));
}

#[test]
fn a_sound_log_and_one_that_is_written_are_left_alone() {
    let home = fixture::fast_dir();
    let dir = home.path().join("log");
    good(&dir);
    assert!(Repair::plan(&dir).unwrap().is_none());
    let writer = Log::open(&dir, small()).unwrap();
    assert!(matches!(Repair::plan(&dir), Err(LogError::Locked { .. })));
    drop(writer);
    let nothing = home.path().join("nothing");
    fs::create_dir(&nothing).unwrap();
    assert!(matches!(
        Repair::plan(&nothing),
        Err(LogError::NotALog { .. })
    ));
    assert_eq!(fs::read_dir(&nothing).unwrap().count(), 0);
}
