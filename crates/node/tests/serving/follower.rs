//! What follows the log behind its owner sees each committed record once, and nothing before it is committed.

use std::thread;
use std::time::Duration;

use event::{Position, Record};
use ringfence_node::owner::Fsync;
use ringfence_node::{Follower, History, NodeError};

use crate::desk::{Desk, decide, payment, payment_of, settings, until};

fn all(follower: &mut Follower, max: usize) -> Vec<(Position, Record)> {
    let mut seen = Vec::new();
    loop {
        let batch = follower.next_batch(max).unwrap();
        if batch.is_empty() {
            return seen;
        }
        assert!(batch.len() <= max);
        seen.extend(batch);
    }
}

fn history(desk: &Desk) -> Vec<(Position, Record)> {
    let history = History::open(desk.tenant("acme").place()).unwrap();
    let mut records = history.iter_from(Position(0)).unwrap();
    std::iter::from_fn(|| records.next_record().unwrap()).collect()
}

#[test]
fn every_record_is_seen_once_across_segments_while_events_are_decided() {
    let mut settings = settings();
    settings.owner.log.segment_bytes = 8 << 10;
    let desk = Desk::with(settings);
    let tenant = desk.tenant("acme");
    let mut follower = tenant.follower(Position(0));
    let sender = {
        let tenant = tenant.clone();
        thread::spawn(move || {
            for number in 0..300 {
                decide(&tenant, payment(number)).unwrap();
            }
        })
    };
    let mut seen = Vec::new();
    let mut rounds = 0;
    while !sender.is_finished() {
        let batch = all(&mut follower, 7);
        rounds += usize::from(!batch.is_empty());
        seen.extend(batch);
    }
    sender.join().unwrap();
    seen.extend(all(&mut follower, 7));
    assert!(rounds > 1, "nothing was read while events were decided");
    assert_eq!(seen, history(&desk));
    assert!(seen.len() > 600);
    let mut later = tenant.follower(Position(100));
    assert_eq!(all(&mut later, 1000), seen[100..]);
}

#[test]
fn what_is_answered_but_not_on_disk_is_not_seen() {
    let mut settings = settings();
    settings.owner.fsync = Fsync::Interval(Duration::from_millis(300));
    let desk = Desk::with(settings);
    let tenant = desk.tenant("acme");
    let mut follower = tenant.follower(Position(0));
    until(|| tenant.committed().0 > 0);
    let before = all(&mut follower, 100).len();
    // The first may open a group of its own at once; the rest wait for its interval.
    for number in 0..20 {
        decide(&tenant, payment(number)).unwrap();
    }
    let at_once = all(&mut follower, 100).len();
    assert!(at_once < 40, "{at_once} records, before: {before}");
    let mut seen = at_once;
    until(|| {
        seen += all(&mut follower, 100).len();
        seen == 40
    });
}

#[test]
fn records_that_retention_let_go_are_named_and_can_be_passed_over() {
    let mut settings = settings();
    settings.owner.snapshot_records = 100;
    settings.owner.keep = Some(event::Span::days(3));
    settings.owner.log.segment_bytes = 8 << 10;
    let schema = crate::desk::SCHEMA
        .replace("horizon = \"180d\"", "horizon = \"2d\"")
        .replace("maturity = \"14d\"", "maturity = \"1d\"")
        .replace("dedup_window = \"7d\"", "dedup_window = \"1d\"");
    let desk = Desk::with_schema(settings, &schema);
    let tenant = desk.tenant("acme");
    let mut follower = tenant.follower(Position(0));
    let mut number = 0;
    until(|| {
        for _ in 0..20 {
            decide(&tenant, payment_of(30 * number, "a1", 10)).unwrap();
            number += 1;
        }
        tenant.counters().log_first.get() > 0
    });
    // Forgotten first; the files go behind it.
    until(|| tenant.counters().segments_retired.get() > 0);
    let first = Position(tenant.counters().log_first.get());
    let refused = follower.next_batch(10);
    let Err(NodeError::HistoryRemoved { first: named }) = refused else {
        panic!("{refused:?}");
    };
    assert!(named >= first);
    follower.skip_to(named);
    let seen = all(&mut follower, 100);
    assert_eq!(seen[0].0, named);
    assert_eq!(seen.last().unwrap().0.0 + 1, tenant.committed().0);
}
