//! The bytes of format version 1. The files in `golden/v1` were written once and never change:
//! later builds must read them, and as long as version 1 is written, reproduce them.

#![allow(clippy::unwrap_used)] // also outside #[test] functions

mod fixture;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use fixture::{assert_holds, copy, small};
use ringfence_log::{Log, LogError, Position, verify};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1")
}

fn write_sample(dir: &Path) {
    fixture::write(dir, small(), &[3, 1, 20, 7, 2, 1]);
    let (mut log, _) = Log::open(dir, small()).unwrap();
    log.write_snapshot(Position(24), 5, |out| out.write_all(b"state at 24"))
        .unwrap();
    drop(log);
    fs::remove_file(dir.join("lock")).unwrap();
}

#[test]
#[ignore = "run once for a new format version, with its directory name"]
fn write_golden_files() {
    assert!(!golden().exists(), "golden files never change");
    write_sample(&golden());
}

#[test]
fn the_writer_reproduces_every_byte() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("log");
    write_sample(&dir);
    let names = |dir: &Path| {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(&dir), names(&golden()));
    for name in names(&dir) {
        let written = fs::read(dir.join(&name)).unwrap();
        assert!(
            written == fs::read(golden().join(&name)).unwrap(),
            "{}",
            name.display()
        );
    }
}

#[test]
fn version_1_opens_and_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("log");
    copy(&golden(), &dir);
    let report = verify(&dir).unwrap();
    assert!(
        report.is_sound() && report.indexes_to_rebuild.is_empty(),
        "{report:?}"
    );
    assert_eq!(
        (report.records, report.snapshots, report.torn_tail_bytes),
        (34, 1, 0)
    );
    let (mut log, recovery) = Log::open(&dir, small()).unwrap();
    assert_eq!((recovery.indexes_rebuilt, recovery.end), (0, Position(34)));
    let mut state = String::new();
    let mut snapshot = log.latest_snapshot(5).unwrap().snapshot.unwrap();
    snapshot.read_to_string(&mut state).unwrap();
    assert_eq!(
        (snapshot.position(), state.as_str()),
        (Position(24), "state at 24")
    );
    fixture::append(&mut log, 30);
    log.commit().unwrap();
    drop(log);
    assert_holds(&dir, 0..64);
}

#[test]
fn a_later_version_is_refused_by_number() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("log");
    copy(&golden(), &dir);
    let path = fixture::files(&dir, "seg").remove(0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[8] = 2;
    let sum = crc(0, &bytes[..60]).to_le_bytes();
    bytes[60..64].copy_from_slice(&sum);
    fs::write(&path, bytes).unwrap();
    let writer = Log::open(&dir, small()).unwrap_err();
    let reader = fixture::read_all(&dir).unwrap_err();
    for refused in [writer, reader] {
        assert!(
            matches!(
                refused,
                LogError::UnsupportedVersion {
                    found: 2,
                    supported: 1,
                    ..
                }
            ),
            "{refused}"
        );
    }
}

/// Reads the segments by `docs/log-format.md` alone: own offsets, own CRC.
#[test]
fn the_specification_reads_the_segments() {
    let (mut position, mut before) = (0, crc(0, &fixture::ID.0));
    let seed = before;
    for path in fixture::files(&golden(), "seg") {
        let bytes = fs::read(&path).unwrap();
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        assert_eq!(&bytes[..8], b"RINGFSEG");
        assert_eq!((u32_at(8), u64_at(32), u32_at(40)), (1, position, before));
        assert_eq!(
            (&bytes[16..32], u32_at(60)),
            (&fixture::ID.0[..], crc(0, &bytes[..60]))
        );
        let mut at = 64;
        while at < bytes.len() {
            let (kind, end) = (
                bytes[at + 7],
                at + 8 + (u32_at(at + 4) & 0xff_ffff) as usize,
            );
            let start = if kind < 3 {
                seed ^ position as u32
            } else {
                seed
            };
            assert_eq!(
                u32_at(at),
                crc(start, &bytes[at + 4..end]),
                "{} at {at}",
                path.display()
            );
            match kind {
                1 | 2 => {
                    let wanted = fixture::expected(position);
                    assert_eq!(u64_at(at + 8) as i64, wanted.time_ms);
                    assert_eq!((kind == 2).then(|| u64_at(at + 16)), wanted.key);
                    assert_eq!(bytes[at + 8 * kind as usize + 8..end], wanted.payload);
                    before = crc(before, &bytes[at..at + 4]);
                    position += 1;
                }
                3 => {
                    assert_eq!((u64_at(at + 8), u32_at(at + 16) as usize), (position, at));
                    assert!(u32_at(at + 20) > 0 && u32_at(at + 24) > 0);
                }
                4 => {
                    assert_eq!((u64_at(at + 8), u32_at(at + 20)), (position, before));
                    assert_eq!((u32_at(at + 16) as usize, end), (at, bytes.len()));
                }
                _ => panic!("kind {kind}"),
            }
            at = end;
        }
    }
    assert_eq!(position, 34);
}

/// CRC-32C bit by bit (RFC 3720), continued from the checksum of what came before.
fn crc(before: u32, bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!before, |register, byte| {
        (0..8).fold(register ^ u32::from(*byte), |register, _| {
            (register >> 1) ^ if register & 1 == 1 { 0x82f6_3b78 } else { 0 }
        })
    })
}
