//! Invariants I4 and I5 behind the owner thread.

use std::thread;
use std::time::{Duration, Instant};

use event::{EventId, Position};
use ringfence_node::mailbox::Level;
use ringfence_node::owner::Fsync;
use ringfence_node::request::{Answer, Failed, Request};
use ringfence_node::{Accepted, NodeError};

use crate::desk::{Desk, SOON, ask, charge_back, decide, digest, payment, payment_of, settings};

#[test]
fn answers_of_many_senders_are_the_same_after_a_restart() {
    let mut desk = Desk::new();
    let tenant = desk.tenant("acme");
    let senders: Vec<_> = (0..8)
        .map(|sender| {
            let tenant = tenant.clone();
            thread::spawn(move || {
                let own = (0..50).map(|n| sender * 50 + n);
                own.map(|n| (n, decide(&tenant, payment(n)).unwrap()))
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    let answers: Vec<_> = senders
        .into_iter()
        .flat_map(|sender| sender.join().unwrap())
        .collect();
    let groups = tenant.counters().group_records.count();
    assert!(
        groups < 400,
        "{groups} groups for 400 events: nothing was shared"
    );
    drop(tenant);
    desk.restart();
    let tenant = desk.tenant("acme");
    for (number, first) in &answers {
        assert!(!first.duplicate);
        let again = decide(&tenant, payment(*number)).unwrap();
        assert!(again.duplicate);
        assert_eq!(again.decision, first.decision);
        assert_eq!(again.position, first.position);
    }
    let changed = decide(&tenant, payment_of(3, "a3", 99));
    assert!(
        matches!(&changed, Err(Failed::Refused(NodeError::Conflict { .. }))),
        "{changed:?}"
    );
}

#[test]
fn duplicates_in_flight_get_one_position() {
    let desk = Desk::new();
    let tenant = desk.tenant("acme");
    for number in 0..20 {
        let pending: Vec<_> = (0..6)
            .map(|_| {
                let request = Request::Decide {
                    event: Box::new(payment(number)),
                    explain: false,
                };
                tenant
                    .ask(request, 100, Level::L1, Instant::now() + SOON)
                    .unwrap()
            })
            .collect();
        let answers: Vec<_> = pending
            .into_iter()
            .map(|answer| match answer.blocking_recv().unwrap().unwrap() {
                Answer::Decided(decided, _) => *decided,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(answers.iter().filter(|it| !it.duplicate).count(), 1);
        assert!(answers.iter().all(|it| it.position == answers[0].position));
    }
}

#[test]
fn a_snapshot_in_the_background_gives_the_state_of_its_position() {
    let mut settings = settings();
    settings.owner.snapshot_records = 100;
    let mut desk = Desk::with(settings);
    let tenant = desk.tenant("acme");
    for number in 0..400 {
        decide(&tenant, payment(number)).unwrap();
    }
    crate::desk::until(|| tenant.counters().snapshots.get() >= 2);
    assert_eq!(tenant.counters().snapshot_failures.get(), 0);
    drop(tenant);
    // Killed, as far as the files can tell: a copy of them without the last snapshot, which a stop writes.
    assert!(desk.node.take().unwrap().drain(SOON));
    let with_snapshots = digest(desk.dir.path());
    let log = desk.dir.path().join("acme/log");
    let mut removed = 0;
    for entry in std::fs::read_dir(log).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "snap") {
            std::fs::remove_file(path).unwrap();
            removed += 1;
        }
    }
    assert!(removed >= 2, "{removed} snapshots were there");
    assert_eq!(digest(desk.dir.path()), with_snapshots);
}

#[test]
fn with_an_interval_answers_come_before_the_disk_and_reach_it_in_time() {
    let mut settings = settings();
    settings.owner.fsync = Fsync::Interval(Duration::from_millis(40));
    let desk = Desk::with(settings);
    let tenant = desk.tenant("acme");
    for number in 0..200 {
        decide(&tenant, payment(number)).unwrap();
    }
    let synced = || tenant.counters().fsync.count();
    let after = synced();
    assert!(after < 100, "{after} fsyncs for 200 answers in a row");
    crate::desk::until(|| synced() > after);
}

#[test]
fn an_event_ingested_is_history_and_labels_reach_it() {
    let desk = Desk::new();
    let tenant = desk.tenant("acme");
    let ingest = |number| ask(&tenant, Request::Ingest(Box::new(payment(number))));
    assert!(matches!(
        ingest(1),
        Ok(Answer::Accepted(Accepted::New(Position(1))))
    ));
    assert!(matches!(
        ingest(1),
        Ok(Answer::Accepted(Accepted::Duplicate(Position(1))))
    ));
    let decided = decide(&tenant, payment(1));
    assert!(
        matches!(&decided, Err(Failed::Refused(NodeError::Undecided { .. }))),
        "{decided:?}"
    );
    charge_back(&tenant, "e1");
    let id = EventId::parse("event_id", "e1").unwrap();
    match ask(&tenant, Request::Decision(id)).unwrap() {
        Answer::Decision(found, _) => {
            assert_eq!(found.decision, None);
            assert_eq!(found.labels.len(), 1);
        }
        other => panic!("{other:?}"),
    }
}
