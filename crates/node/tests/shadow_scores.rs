//! Files of shadows' scores: what was written is read, what a crash cut short is cut off, what is damaged is said so.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

use std::fs;
use std::path::PathBuf;

use event::{EventTime, Position};
use ringfence_node::Place;
use ringfence_node::shadow::store::{BLOCK_MAX, BYTES_MIN, Entry, Found, Held, ScoreWriter, read};
use tempfile::TempDir;

const MODEL: [u8; 32] = [7; 32];

fn place(dir: &TempDir) -> Place {
    Place::new(dir.path(), "default").unwrap()
}

fn file(dir: &TempDir, name: &str) -> PathBuf {
    place(dir).shadow().join(name)
}

fn newer(dir: &TempDir) -> PathBuf {
    file(dir, &format!("{}.scores", "07".repeat(32)))
}

/// A different number in every field.
fn entry(at: u64) -> Entry {
    let small = at as u32;
    Entry {
        position: Position(at * 2),
        at: EventTime::from_millis(1_767_225_600_000 + at as i64 * 1000),
        check: small ^ 0xabcd_ef01,
        score: (at % 1001) as u16,
        probability_ppm: small % 1_000_001,
        nanos: small + 11,
        deciding_nanos: small + 12,
    }
}

fn open(dir: &TempDir, bytes_max: u64) -> (ScoreWriter, Found) {
    ScoreWriter::open(&place(dir), MODEL, bytes_max).unwrap()
}

fn write(dir: &TempDir, entries: impl Iterator<Item = Entry>) -> Found {
    let (mut writer, found) = open(dir, 1 << 30);
    for entry in entries {
        writer.push(&entry).unwrap();
    }
    writer.flush().unwrap();
    found
}

fn all(dir: &TempDir) -> Held {
    read(&place(dir), &MODEL, EventTime::MIN..EventTime::END).unwrap()
}

#[test]
fn what_was_written_is_read_over_restarts_and_by_its_time() {
    let dir = TempDir::new().unwrap();
    assert_eq!(all(&dir), Held::default());
    let found = write(&dir, (0..700).map(entry));
    assert_eq!(found, Found::default());
    assert_eq!(write(&dir, (700..710).map(entry)), Found::default());
    let held = all(&dir);
    assert_eq!(held.entries, (0..710).map(entry).collect::<Vec<_>>());
    assert!(!held.damaged);
    let stretch = entry(5).at..entry(9).at;
    let some = read(&place(&dir), &MODEL, stretch).unwrap();
    assert_eq!(some.entries, (5..9).map(entry).collect::<Vec<_>>());
}

/// A log that lost its tail gives the positions away again, and a block holds 49 days at most.
#[test]
fn positions_and_times_may_step_back_and_the_later_score_stays() {
    let dir = TempDir::new().unwrap();
    let again = Entry {
        score: 999,
        check: 1,
        ..entry(3)
    };
    let far = Entry {
        position: Position(1 << 40),
        at: EventTime::from_millis(entry(0).at.millis() + 60 * 86_400_000),
        ..entry(4)
    };
    write(&dir, [entry(3), entry(9), again, far].into_iter());
    assert_eq!(all(&dir).entries, [again, entry(9), far]);
}

#[test]
fn a_torn_tail_is_cut_wherever_it_tore() {
    let dir = TempDir::new().unwrap();
    write(&dir, (0..8).map(entry));
    let sound = fs::read(newer(&dir)).unwrap();
    write(&dir, (8..16).map(entry));
    let whole = fs::read(newer(&dir)).unwrap();
    for len in sound.len() + 1..whole.len() {
        fs::write(newer(&dir), &whole[..len]).unwrap();
        // Read as it lies, and by the next writer.
        let held = all(&dir);
        assert_eq!(held.entries.len(), 8, "{len}");
        assert!(!held.damaged);
        let (writer, found) = open(&dir, 1 << 30);
        drop(writer);
        let torn_bytes = (len - sound.len()) as u64;
        let damaged = false;
        assert_eq!(
            found,
            Found {
                torn_bytes,
                damaged
            }
        );
        assert_eq!(fs::read(newer(&dir)).unwrap(), sound);
    }
    write(&dir, (20..21).map(entry));
    assert_eq!(all(&dir).entries.last(), Some(&entry(20)));
}

#[test]
fn a_damaged_middle_is_said_and_kept_aside() {
    let dir = TempDir::new().unwrap();
    let many = 3 * BLOCK_MAX as u64;
    write(&dir, (0..many).map(entry));
    let mut bytes = fs::read(newer(&dir)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(newer(&dir), &bytes).unwrap();
    let held = all(&dir);
    assert!(held.damaged);
    assert_eq!(held.entries.len(), BLOCK_MAX);
    let (writer, found) = open(&dir, 1 << 30);
    drop(writer);
    assert!(found.damaged);
    let aside = file(&dir, &format!("{}.damaged", "07".repeat(32)));
    assert_eq!(fs::read(&aside).unwrap(), bytes);
    assert!(!all(&dir).damaged, "what is left checks out");

    // Another model's, or no such file at all, is put aside and begun anew.
    for other in [&b"no scores"[..], &[0; 100]] {
        fs::write(newer(&dir), other).unwrap();
        assert!(all(&dir).damaged);
        assert!(write(&dir, [entry(1)].into_iter()).damaged);
        assert_eq!(all(&dir).entries, [entry(1)]);
        assert_eq!(fs::read(&aside).unwrap(), other);
    }
}

#[test]
fn bytes_are_bounded_and_at_least_half_of_them_is_the_latest() {
    let dir = TempDir::new().unwrap();
    let (mut writer, _) = open(&dir, BYTES_MIN);
    let many = 20_000;
    for at in 0..many {
        writer.push(&entry(at)).unwrap();
        if at % 1000 == 0 {
            let bytes: u64 = fs::read_dir(place(&dir).shadow())
                .unwrap()
                .map(|it| it.unwrap().metadata().unwrap().len())
                .sum();
            assert!(bytes <= BYTES_MIN, "{bytes}");
        }
    }
    writer.flush().unwrap();
    let held = all(&dir).entries;
    // 26 bytes an entry: half of 64 KiB is 1,260 of them.
    assert!(held.len() > 1100 && held.len() < 2600, "{}", held.len());
    let first = many - held.len() as u64;
    assert_eq!(held, (first..many).map(entry).collect::<Vec<_>>());
}

/// A disk without room for a new file: the older scores stay, and go when there is one.
#[test]
fn a_file_that_cannot_be_followed_by_another_costs_no_older_scores() {
    let dir = TempDir::new().unwrap();
    let (mut writer, _) = open(&dir, BYTES_MIN);
    let mut at = 0;
    let mut push = |writer: &mut ScoreWriter| {
        let entries = (0..BLOCK_MAX as u64).map(|more| entry(at + more));
        entries.for_each(|entry| writer.push(&entry).unwrap());
        at += BLOCK_MAX as u64;
        writer.flush()
    };
    // Two blocks fill half of the bytes: the older file has two, and so has the newer.
    for _ in 0..4 {
        push(&mut writer).unwrap();
    }
    let before = all(&dir).entries;
    assert_eq!(before.len(), 4 * BLOCK_MAX);
    let fresh = file(&dir, &format!("{}.fresh", "07".repeat(32)));
    fs::create_dir(&fresh).unwrap();
    for _ in 0..3 {
        push(&mut writer).unwrap_err();
        assert_eq!(all(&dir).entries, before);
    }
    fs::remove_dir(&fresh).unwrap();
    push(&mut writer).unwrap();
    let held = all(&dir).entries;
    assert_eq!(held.len(), 3 * BLOCK_MAX);
    assert_eq!(held[..2 * BLOCK_MAX], before[2 * BLOCK_MAX..]);
    // It failed half way: the newer has become the older one, and nobody stands in its place.
    for _ in 0..2 {
        push(&mut writer).unwrap();
    }
    let older = newer(&dir).with_extension("older.scores");
    fs::rename(newer(&dir), &older).unwrap();
    push(&mut writer).unwrap();
    push(&mut writer).unwrap();
    assert!(fs::metadata(&older).unwrap().len() > BYTES_MIN / 4);
    assert!(!all(&dir).entries.is_empty());
}
