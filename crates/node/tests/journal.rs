//! Invariant I5 at the log: what is there is recognised, whatever came under its id in between.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

use std::ops::ControlFlow;

use event::json::{LabelLine, Line, parse_line};
use event::record::{Record, Verdict};
use event::{Event, EventTime, Position, Schema};
use log::{Log, LogOptions};
use ringfence_node::{Accepted, History, Journal, NodeError, Place, Tenant};
use tempfile::TempDir;

const SCHEMA: &str = include_str!("../../../schemas/default.toml");

fn line(text: &str) -> Line {
    parse_line(text, &Schema::parse(SCHEMA).unwrap(), None).unwrap()
}

fn payment(id: &str, day: u32) -> Event {
    let text = format!(
        r#"{{"event_id":"{id}","event_type":"payment","event_timestamp":"2026-01-{day:02}T00:00:00Z",
        "account":"a","merchant":"m","amount":"10"}}"#
    );
    match line(&text) {
        Line::Event(event) => *event,
        other => panic!("{other:?}"),
    }
}

fn label(id: &str, verdict: &str, at: &str) -> LabelLine {
    let text = format!(
        r#"{{"label":"{verdict}","event_id":"{id}","label_timestamp":"{at}","source":"analyst"}}"#
    );
    match line(&text) {
        Line::Label(label) => label,
        other => panic!("{other:?}"),
    }
}

fn place(dir: &TempDir) -> Place {
    Place::new(dir.path(), "acme").unwrap()
}

fn journal(place: &Place) -> Journal {
    Journal::create(place, SCHEMA, LogOptions::default()).unwrap()
}

/// Resolves and appends; `None` when the label is already there, else what it replaces.
fn take(journal: &mut Journal, line: &LabelLine) -> Option<Option<(Verdict, Position)>> {
    let label = journal.resolve_label(line, line.label_timestamp).unwrap()?;
    let prior = label.prior;
    journal.append(&Record::Label(label)).unwrap();
    Some(prior)
}

#[test]
fn an_id_used_again_after_the_window_does_not_hide_its_first_event() {
    let dir = TempDir::new().unwrap();
    let mut journal = journal(&place(&dir));
    let (first, second) = (payment("e", 1), payment("e", 20));
    let accept = |journal: &mut Journal, event: &Event| journal.accept_event(event.clone());
    let one = Position(1);
    assert_eq!(accept(&mut journal, &first).unwrap(), Accepted::New(one));
    let two = Position(2);
    assert_eq!(accept(&mut journal, &second).unwrap(), Accepted::New(two));
    assert_eq!(
        accept(&mut journal, &first).unwrap(),
        Accepted::Duplicate(one)
    );
    assert_eq!(
        accept(&mut journal, &second).unwrap(),
        Accepted::Duplicate(two)
    );
    let other = accept(&mut journal, &payment("e", 21));
    assert!(matches!(other, Err(NodeError::Conflict { position, .. }) if position == two));

    // A label dated between the two is about the first.
    let between = label("e", "fraud", "2026-01-10T00:00:00Z");
    let now = between.label_timestamp;
    let resolved = journal.resolve_label(&between, now).unwrap().unwrap();
    assert_eq!(resolved.subject.position, one);
}

#[test]
fn labels_find_pending_events_and_a_corrected_label_sent_again_is_a_duplicate() {
    let dir = TempDir::new().unwrap();
    let mut journal = journal(&place(&dir));
    let event = payment("e", 1);
    journal.accept_event(event).unwrap();
    // Nothing is committed yet: event, labels and corrections are in one pending group.
    let fraud = label("e", "fraud", "2026-01-02T00:00:00Z");
    let cleared = label("e", "legitimate", "2026-01-03T00:00:00Z");
    assert_eq!(take(&mut journal, &fraud), Some(None));
    let prior = Some((Verdict::Fraud, Position(2)));
    assert_eq!(take(&mut journal, &cleared), Some(prior));
    assert_eq!(take(&mut journal, &fraud), None);
    assert_eq!(take(&mut journal, &cleared), None);
    assert_eq!(journal.committed(), Position(1));
    let again = label("e", "fraud", "2026-01-04T00:00:00Z");
    let prior = Some((Verdict::Legitimate, Position(3)));
    assert_eq!(take(&mut journal, &again), Some(prior));
}

#[test]
fn a_label_dated_ahead_of_the_clock_is_recognised_when_it_comes_again() {
    let dir = TempDir::new().unwrap();
    let mut journal = journal(&place(&dir));
    let mut event = payment("e", 2);
    // The sender's clock runs four minutes ahead of ours.
    let clock = EventTime::parse_iso("2026-01-01T23:56:00Z").unwrap();
    event.received_at = clock;
    journal.accept_event(event).unwrap();
    let report = label("e", "fraud", "2026-01-02T00:00:10Z");
    let taken = journal.resolve_label(&report, clock).unwrap().unwrap();
    journal.append(&Record::Label(taken)).unwrap();
    assert_eq!(journal.resolve_label(&report, clock).unwrap(), None);
}

#[test]
fn the_newest_event_is_known_after_a_restart_whatever_came_last() {
    let dir = TempDir::new().unwrap();
    let place = place(&dir);
    let mut journal = journal(&place);
    for day in [1, 20, 3] {
        journal
            .accept_event(payment(&format!("e{day}"), day))
            .unwrap();
    }
    journal.commit().unwrap();
    let newest = payment("e", 20).event_timestamp;
    assert_eq!(journal.newest(), newest);
    drop(journal);
    let (journal, _) = Journal::open(&place, LogOptions::default()).unwrap();
    assert_eq!(journal.newest(), newest);
}

/// More records than one batch holds.
#[test]
fn reading_ahead_gives_the_same_records_and_stops_when_told() {
    let dir = TempDir::new().unwrap();
    let place = place(&dir);
    let mut journal = journal(&place);
    for number in 0..2000 {
        let event = payment(&format!("e{number}"), 1);
        journal.append(&Record::Event(event)).unwrap();
    }
    journal.commit().unwrap();
    let history = History::open(&place).unwrap();
    let from = Position(700);
    let mut one_by_one = Vec::new();
    let mut records = history.iter_from(from).unwrap();
    while let Some(record) = records.next_record().unwrap() {
        one_by_one.push(record);
    }
    assert_eq!(one_by_one.len(), 1301);
    let mut ahead = Vec::new();
    let taken = history.read_ahead(from, |position, record| {
        ahead.push((position, record));
        ControlFlow::Continue(())
    });
    taken.unwrap();
    assert_eq!(ahead, one_by_one);
    let mut seen = 0;
    let taken = history.read_ahead(from, |_, _| {
        seen += 1;
        if seen == 3 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    taken.unwrap();
    assert_eq!(seen, 3);
}

#[test]
fn a_tenant_can_be_made_where_a_crash_left_an_empty_log() {
    let dir = TempDir::new().unwrap();
    let place = place(&dir);
    drop(Log::open(&place.log(), LogOptions::default()).unwrap());
    let opened = Journal::open(&place, LogOptions::default());
    assert!(matches!(opened, Err(NodeError::NoTenant { .. })));
    drop(journal(&place));
    let twice = Journal::create(&place, SCHEMA, LogOptions::default());
    assert!(matches!(twice, Err(NodeError::TenantExists { .. })));
}

#[test]
fn a_snapshot_that_cannot_be_restored_is_passed_over_and_named() {
    let dir = TempDir::new().unwrap();
    let place = place(&dir);
    drop(journal(&place));
    let open = || Tenant::open(&place, LogOptions::default(), |_, _| {}).unwrap();
    let (mut tenant, _) = open();
    tenant.decide(payment("e", 1)).unwrap();
    tenant.commit().unwrap();
    let digest = tenant.engine().digest();
    let at = log::Position(tenant.journal().committed().0);
    let semantics = engine::ENGINE_SEMANTICS;
    let log = tenant.journal().log();
    log.write_snapshot(at, semantics, |to| to.write_all(b"no state"))
        .unwrap();
    drop(tenant);
    let (tenant, recovered) = open();
    assert_eq!(tenant.engine().digest(), digest);
    assert_eq!((recovered.snapshot, recovered.replayed), (None, 3));
    let told = &recovered.warnings[0];
    assert!(
        told.starts_with("snapshot of position 3 passed over: "),
        "{told}"
    );
}
