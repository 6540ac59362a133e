//! Sources go on where the trail ends: nothing lost, nothing twice.

use std::fs;

use ringfence_trail::{Entry, Options, Repaired, Trail, TrailError, verify};
use serde_json::json;

use super::{SMALL, bytes, entry, home, segments, written};

/// What each source has behind its last place, as the one who writes the trail does it.
fn catch_up(trail: &mut Trail, all: &[Entry]) {
    let mut missing = all.to_vec();
    missing.retain(|it| {
        trail
            .last(&it.source.name)
            .is_none_or(|last| it.source.seq > last)
    });
    for entry in missing {
        trail.append(&[entry]).unwrap();
    }
}

#[test]
fn after_a_cut_at_any_byte_the_sources_fill_the_trail_to_the_same_bytes() {
    let dir = home();
    let all = [
        entry("log", 3),
        entry("casework", 1),
        entry("log", 9),
        entry("casework", 2),
        entry("log", 10),
    ];
    drop(written(dir.path(), &all));
    let whole = bytes(dir.path());
    let path = segments(dir.path()).pop().unwrap();
    let last = fs::read(&path).unwrap();
    for cut in 0..last.len() {
        for zeros in [0, 5_000] {
            let mut torn = last[..cut].to_vec();
            torn.resize(cut + zeros, 0);
            fs::write(&path, &torn).unwrap();
            let at_line = cut == 0 || last[cut - 1] == b'\n';
            let report = verify(dir.path(), None).unwrap();
            // A whole line without its end, and one byte of something else, is taken for damage.
            let mut trail = Trail::open(dir.path(), "bank", SMALL).unwrap();
            assert!(report.is_sound(), "cut at {cut}, {zeros}: {report:?}");
            assert_eq!(
                report.torn == 0,
                at_line && zeros == 0,
                "cut at {cut}: {report:?}"
            );
            let bytes_cut = trail.repaired().map_or(0, |it: &Repaired| it.bytes);
            assert_eq!(bytes_cut, report.torn);
            catch_up(&mut trail, &all);
            drop(trail);
            assert_eq!(bytes(dir.path()), whole, "cut at {cut}");
        }
    }
}

#[test]
fn what_a_source_has_told_is_not_taken_again() {
    let dir = home();
    let mut trail = written(dir.path(), &[entry("log", 5), entry("casework", 1)]);
    let before = bytes(dir.path());
    for (batch, got) in [
        (vec![entry("log", 5)], 5),
        (vec![entry("log", 6), entry("log", 4)], 4),
        (vec![entry("log", 6), entry("log", 6)], 6),
    ] {
        let refused = trail.append(&batch).unwrap_err();
        assert!(
            matches!(refused, TrailError::SourceOrder { got: it, .. } if it == got),
            "{refused}"
        );
    }
    assert_eq!(bytes(dir.path()), before);
    assert_eq!(
        (trail.last("log"), trail.last("casework")),
        (Some(5), Some(1))
    );
    assert_eq!(trail.last("other"), None);
    trail.append(&[entry("log", 6), entry("log", 8)]).unwrap();
    let head = trail.head();
    let locked = Trail::open(dir.path(), "bank", SMALL).unwrap_err();
    assert!(matches!(locked, TrailError::Locked { .. }), "{locked}");
    drop(trail);
    let trail = Trail::open(dir.path(), "bank", SMALL).unwrap();
    assert_eq!(
        (trail.last("log"), trail.last("casework")),
        (Some(8), Some(1))
    );
    assert_eq!((trail.head(), trail.repaired()), (head, None));
}

/// Opening reads the last segment only, so each segment begins with what is before it.
#[test]
fn a_source_that_was_quiet_for_many_segments_is_remembered() {
    let dir = home();
    let mut entries = vec![entry("casework", 77)];
    entries.extend((1..=20).map(|seq| entry("log", seq)));
    let head = written(dir.path(), &entries).head();
    for path in &segments(dir.path())[..3] {
        fs::write(path, b"not looked at").unwrap();
    }
    let trail = Trail::open(dir.path(), "bank", SMALL).unwrap();
    assert_eq!(
        (trail.last("casework"), trail.last("log")),
        (Some(77), Some(20))
    );
    assert_eq!(trail.head(), head);
}

#[test]
fn what_is_too_long_or_unnamed_is_refused_and_nothing_is_written() {
    let dir = home();
    let mut trail = Trail::open(dir.path(), "bank", Options::default()).unwrap();
    let with = |change: fn(&mut Entry)| {
        let mut entry = entry("log", 2);
        change(&mut entry);
        entry
    };
    for (bad, said) in [
        (
            with(|it| it.action = "Rules Set".to_owned()),
            "action must be 1 to 64 of",
        ),
        (
            with(|it| it.source.name = "a:b".to_owned()),
            "source must be 1 to 64 of",
        ),
        (
            with(|it| it.actor = String::new()),
            "actor must not be empty",
        ),
        (
            with(|it| it.actor = "x".repeat(257)),
            "actor must be at most 256 bytes, got 257",
        ),
        (
            with(|it| it.target = "x".repeat(513)),
            "target must be at most 512 bytes",
        ),
        (
            with(|it| it.why = "x".repeat(4_001)),
            "why must be at most 4000 bytes",
        ),
        (with(|it| it.at = i64::MAX), "at is no time"),
    ] {
        // The good one before it is not written either.
        let refused = trail.append(&[entry("log", 1), bad]).unwrap_err();
        assert!(refused.to_string().contains(said), "{refused}");
    }
    let many: Vec<Entry> = (1..=1_001).map(|seq| entry("log", seq)).collect();
    let refused = trail.append(&many).unwrap_err();
    assert!(
        matches!(refused, TrailError::BatchTooLarge { entries: 1_001, .. }),
        "{refused}"
    );
    let large = |seq| Entry {
        after: Some(json!("x".repeat(65_000))),
        ..entry("log", seq)
    };
    let many: Vec<Entry> = (1..=200).map(large).collect();
    let refused = trail.append(&many).unwrap_err();
    assert!(
        matches!(refused, TrailError::BatchTooLarge { bytes, .. } if bytes > 8 << 20),
        "{refused}"
    );
    let sources: Vec<Entry> = (0..17).map(|n| entry(&format!("s{n}"), 1)).collect();
    let refused = trail.append(&sources).unwrap_err();
    assert!(matches!(refused, TrailError::TooManySources), "{refused}");
    assert_eq!((trail.head(), segments(dir.path()).len()), (None, 0));
    trail.append(&sources[..16]).unwrap();
    assert_eq!(trail.head().unwrap().seq, 16);
}

#[test]
fn after_a_failed_write_nothing_more_is_taken() {
    let dir = home();
    let home = dir.path().join("trail");
    let mut trail = Trail::open(&home, "bank", SMALL).unwrap();
    fs::remove_dir_all(&home).unwrap();
    let failed = trail.append(&[entry("log", 1)]).unwrap_err();
    assert!(
        matches!(failed, TrailError::Io { op: "create", .. }),
        "{failed}"
    );
    fs::create_dir(&home).unwrap();
    let refused = trail.append(&[entry("log", 1)]).unwrap_err();
    assert!(matches!(refused, TrailError::Poisoned), "{refused}");
    assert_eq!(trail.head(), None);
}
