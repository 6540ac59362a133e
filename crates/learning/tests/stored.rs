//! Samples from a file are those of a replay, and a file that cannot serve is passed over.

#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "a helper of a test fails like the test; other tests use more of the world"
)]

#[path = "support/transfers.rs"]
mod transfers;

use std::fs;
use std::ops::ControlFlow;

use event::EventTime;
use graph::sample::SampleParts;
use node::{History, Place};
use ringfence_learning::dataset::stored::{self, Origin};
use ringfence_learning::dataset::{self, Labels, Range, Rows, Wanted};
use tempfile::TempDir;
use transfers::{PER_DAY, day, import};

/// Rows of the first days by way of the file and by a replay.
fn both(place: &Place, known_until: EventTime) -> (Rows, Origin, Rows) {
    let labels = Labels::read(&History::open(place).unwrap(), known_until).unwrap();
    let wanted = Wanted {
        range: Range {
            from: day(1),
            until: day(4),
            known_until,
            rows_max: 500,
        },
        labels: &labels,
        producer: None,
        parts: SampleParts::Full,
    };
    let go_on = |_, _| ControlFlow::Continue(());
    let (rows, origin) = stored::collect(place, wanted, go_on).unwrap();
    (
        rows,
        origin,
        dataset::collect(place, wanted, go_on).unwrap(),
    )
}

/// Bit by bit: missing values are NaN, which equals nothing.
fn same(a: &Rows, b: &Rows) -> bool {
    let bits = |rows: &Rows| {
        rows.values
            .iter()
            .map(|it| it.to_bits())
            .collect::<Vec<_>>()
    };
    bits(a) == bits(b)
        && (&a.positions, &a.times, &a.fraud) == (&b.positions, &b.times, &b.fraud)
        && a.negative_rate == b.negative_rate
        && a.arrays == b.arrays
}

#[test]
fn a_file_gives_what_a_replay_gives_until_it_lacks_something() {
    let folder = TempDir::new().unwrap();
    let place = Place::new(folder.path(), "acme").unwrap();
    import(&place, 0, 5 * PER_DAY);
    let (first, origin, replayed) = both(&place, day(5));
    assert_eq!(origin, Origin::Replay);
    assert!(same(&first, &replayed));
    assert!(
        first
            .arrays
            .as_ref()
            .is_some_and(|it| it.len() == first.len())
    );

    let (again, origin, _) = both(&place, day(5));
    let Origin::File(path) = origin else {
        panic!("the file is there");
    };
    assert!(same(&again, &first));

    // A flipped bit: not believed, made anew.
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let (mended, origin, _) = both(&place, day(5));
    assert!(same(&mended, &first));
    assert_eq!(origin, Origin::Replay);
    assert!(matches!(both(&place, day(5)).1, Origin::File(_)));

    // Frauds told since that had not been drawn: their samples are not in the file.
    let (early, _, _) = both(&place, day(3));
    assert!(early.frauds() < first.frauds());
    fs::remove_file(&path).unwrap();
    assert_eq!(both(&place, day(3)).1, Origin::Replay);
    let (late, origin, replayed) = both(&place, day(5));
    assert_eq!(origin, Origin::Replay);
    assert!(same(&late, &replayed));
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}
