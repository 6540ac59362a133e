//! Snapshots are made beside the tenant, from disk: it never waits for one, and ends one that it need not have.

use std::fs::{self, OpenOptions};
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use engine::{ENGINE_SEMANTICS, Engine};
use event::Position;
use log::{LogOptions, SnapshotReader};
use ringfence_node::owner::progress::Doing;
use ringfence_node::{History, Place, Tenant, channel};
use tempfile::TempDir;

use crate::desk::{Desk, SOON, decide, digest, payment, settings, until};

fn desk() -> Desk {
    let mut settings = settings();
    settings.owner.snapshot_records = 100;
    Desk::with(settings)
}

fn fill(desk: &Desk, numbers: std::ops::Range<u32>) {
    let tenant = desk.tenant("acme");
    for number in numbers {
        assert!(!decide(&tenant, payment(number)).unwrap().duplicate);
    }
}

fn replayed(place: &Place, until: Position) -> [u8; 32] {
    let history = History::open(place).unwrap();
    let mut engine = Engine::new(history.schema());
    let mut records = history.iter_from(Position(0)).unwrap();
    while engine.next() < until {
        let (position, record) = records.next_record().unwrap().unwrap();
        channel::apply(&mut engine, place, position, &record).unwrap();
    }
    engine.digest()
}

#[test]
fn a_snapshot_has_the_digest_that_a_replay_to_its_position_has() {
    let desk = desk();
    let tenant = desk.tenant("acme");
    fill(&desk, 0..400);
    until(|| tenant.counters().snapshots.get() >= 2);
    fill(&desk, 400..450);
    assert_eq!(tenant.counters().snapshot_failures.get(), 0);
    let place = Place::new(desk.dir.path(), "acme").unwrap();
    let history = History::open(&place).unwrap();
    let log = log::Reader::open(&place.log()).unwrap();
    let newest = log.latest_snapshot(ENGINE_SEMANTICS).unwrap().snapshot;
    let oldest = log.oldest_snapshot(ENGINE_SEMANTICS).unwrap();
    let positions = [oldest, newest].map(|snapshot| {
        let mut snapshot: SnapshotReader = snapshot.unwrap();
        let position = Position(snapshot.position().0);
        let engine = Engine::read_snapshot(history.schema(), &mut snapshot).unwrap();
        assert_eq!(engine.next(), position);
        assert_eq!(
            engine.digest(),
            replayed(&place, position),
            "at {}",
            position.0
        );
        position
    });
    assert!(
        positions[0] >= Position(100) && positions[0] < positions[1],
        "{positions:?}"
    );
}

/// Where the thread that makes snapshots stands until it is let go on: a named pipe under the name of a snapshot,
/// which it opens to see whether it can start from there. A pipe opens when somebody opens its other end.
struct Barrier(PathBuf);

impl Barrier {
    /// At the end of what is committed, so that it is looked at first.
    fn new(place: &Place) -> Barrier {
        let end = History::open(place).unwrap().end().0;
        let path = place.log().join(format!("{end:020}.snap"));
        assert!(
            Command::new("mkfifo")
                .arg(&path)
                .status()
                .unwrap()
                .success()
        );
        Barrier(path)
    }

    /// Waits for the thread to come, and lets it go on: there is nothing in it to start from.
    fn lift(self) {
        drop(OpenOptions::new().write(true).open(&self.0).unwrap());
        fs::remove_file(self.0).unwrap();
    }
}

fn with_one_snapshot() -> (Desk, Place, Position) {
    let desk = desk();
    fill(&desk, 0..55);
    until(|| desk.tenant("acme").counters().snapshots.get() == 1);
    let place = Place::new(desk.dir.path(), "acme").unwrap();
    let newest = newest(&place);
    (desk, place, newest)
}

fn newest(place: &Place) -> Position {
    let log = log::Reader::open(&place.log()).unwrap();
    let newest = log.latest_snapshot(ENGINE_SEMANTICS).unwrap().snapshot;
    Position(newest.unwrap().position().0)
}

/// As a crash would leave the files now.
fn copied(place: &Place) -> (TempDir, Place) {
    let dir = TempDir::new().unwrap();
    let copy = Place::new(dir.path(), "acme").unwrap();
    fs::create_dir_all(copy.log()).unwrap();
    for entry in fs::read_dir(place.log()).unwrap() {
        let path = entry.unwrap().path();
        if path.metadata().unwrap().is_file() {
            fs::copy(&path, copy.log().join(path.file_name().unwrap())).unwrap();
        }
    }
    (dir, copy)
}

#[test]
fn the_tenant_decides_while_one_is_made_and_a_crash_leaves_the_one_before() {
    let (desk, place, first) = with_one_snapshot();
    let barrier = Barrier::new(&place);
    // Far more than after which the next one is wanted.
    fill(&desk, 55..400);
    let tenant = desk.tenant("acme");
    assert_eq!(tenant.counters().snapshots.get(), 1);
    let (dir, copy) = copied(&place);
    assert_eq!(newest(&copy), first);
    let (opened, recovered) = Tenant::open(&copy, LogOptions::default(), |_, _| {}).unwrap();
    assert_eq!(recovered.snapshot, Some(first));
    let end = opened.engine().next();
    assert_eq!(opened.engine().digest(), replayed(&copy, end));
    drop((opened, dir));
    barrier.lift();
    until(|| tenant.counters().snapshots.get() > 1);
    assert!(newest(&place) > first);
    assert_eq!(tenant.counters().snapshot_failures.get(), 0);
}

#[test]
fn a_stop_ends_the_one_that_is_made_and_writes_the_last_itself() {
    let (mut desk, place, _) = with_one_snapshot();
    let barrier = Barrier::new(&place);
    fill(&desk, 55..200);
    let tenant = desk.tenant("acme");
    let node = desk.node.take().unwrap();
    let drained = thread::spawn(move || node.drain(SOON));
    until(|| tenant.owner().now().0 == Doing::Finishing);
    barrier.lift();
    assert!(drained.join().unwrap());
    let counters = tenant.counters();
    let counted = (counters.snapshots.get(), counters.snapshot_failures.get());
    assert_eq!(counted, (2, 0));
    let end = History::open(&place).unwrap().end();
    assert_eq!(newest(&place), end);
    assert_eq!(
        digest(desk.dir.path()),
        format!("{:?}", replayed(&place, end))
    );
}
