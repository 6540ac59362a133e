//! Invariant I4 around a tenant: a failed fsync is never papered over, recovery gives the same state from
//! any snapshot, and reads follow what was committed.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

use std::sync::Arc;

use event::json::{Line, parse_line};
use event::{Event, Schema};
use log::{Faults, LogError, LogOptions};
use ringfence_node::{Journal, NodeError, Place, Tenant};
use tempfile::TempDir;

const SCHEMA: &str = include_str!("../../../schemas/default.toml");

fn place(dir: &TempDir) -> Place {
    Place::new(dir.path(), "acme").unwrap()
}

fn payment(number: u32) -> Event {
    let schema = Schema::parse(SCHEMA).unwrap();
    let text = format!(
        r#"{{"event_id":"e{number}","event_type":"payment","event_timestamp":"2026-01-{:02}T{:02}:{:02}:00Z",
        "account":"a{}","merchant":"m{}","device":"d{}","amount":"{}.50"}}"#,
        1 + number / 1440,
        number / 60 % 24,
        number % 60,
        number % 7,
        number % 3,
        number % 5,
        10 + number % 90,
    );
    match parse_line(&text, &schema, None).unwrap() {
        Line::Event(event) => *event,
        other => panic!("{other:?}"),
    }
}

fn open(place: &Place, options: LogOptions) -> Tenant {
    let (tenant, recovered) = Tenant::open(place, options, |_, _| {}).unwrap();
    assert!(recovered.warnings.is_empty(), "{:?}", recovered.warnings);
    tenant
}

#[test]
fn a_failed_fsync_loses_nothing_acknowledged_and_shows_nothing_else() {
    let dir = TempDir::new().unwrap();
    let place = place(&dir);
    Journal::create(&place, SCHEMA, LogOptions::default()).unwrap();
    let faults = Arc::new(Faults::default());
    let options = LogOptions {
        faults: Some(faults.clone()),
        ..LogOptions::default()
    };
    let mut tenant = open(&place, options);
    for number in 0..10 {
        tenant.decide(payment(number)).unwrap();
        tenant.commit().unwrap();
    }
    let acknowledged = tenant.journal().committed();
    let digest = tenant.engine().digest();
    faults.fail_sync(1);
    tenant.decide(payment(10)).unwrap();
    assert!(tenant.commit().is_err());
    let refused = tenant.decide(payment(11));
    assert!(
        matches!(refused, Err(NodeError::Log(LogError::Poisoned))),
        "{refused:?}"
    );
    assert!(matches!(
        tenant.commit(),
        Err(NodeError::Log(LogError::Poisoned))
    ));
    drop(tenant);

    let mut tenant = open(&place, LogOptions::default());
    // The group whose fsync failed may or may not be there; what was acknowledged is.
    assert!(tenant.journal().committed() >= acknowledged);
    if tenant.journal().committed() == acknowledged {
        assert_eq!(tenant.engine().digest(), digest);
    }
    for number in 0..10 {
        assert!(
            tenant.decide(payment(number)).unwrap().duplicate,
            "e{number} was lost"
        );
    }
}

#[test]
fn any_snapshot_and_any_batching_lead_to_the_same_state() {
    let mut digests = Vec::new();
    for (snapshot_every, commit_every) in [(1000, 1), (37, 5), (1, 50), (1000, 200)] {
        let dir = TempDir::new().unwrap();
        let place = place(&dir);
        let options = || LogOptions {
            segment_bytes: 4096,
            ..LogOptions::default()
        };
        Journal::create(&place, SCHEMA, options()).unwrap();
        let mut tenant = open(&place, options());
        for number in 0..150 {
            tenant.decide(payment(number * 11)).unwrap();
            if number % commit_every == 0 {
                tenant.commit().unwrap();
            }
            if number % snapshot_every == snapshot_every - 1 {
                tenant.snapshot().unwrap();
                drop(tenant);
                tenant = open(&place, options());
            }
        }
        tenant.commit().unwrap();
        digests.push(tenant.engine().digest());
        drop(tenant);
        assert_eq!(
            open(&place, options()).engine().digest(),
            *digests.last().unwrap()
        );
    }
    assert!(
        digests.windows(2).all(|pair| pair[0] == pair[1]),
        "{digests:?}"
    );
}

#[test]
fn an_event_and_its_decision_are_never_in_different_groups() {
    let dir = TempDir::new().unwrap();
    let place = place(&dir);
    Journal::create(&place, SCHEMA, LogOptions::default()).unwrap();
    let options = LogOptions {
        max_batch_records: 3,
        ..LogOptions::default()
    };
    let mut tenant = open(&place, options);
    for number in 0..20 {
        tenant.decide(payment(number)).unwrap();
        // Whatever has been committed on the way ends with a decision, never between the two.
        let committed = tenant.journal().committed().0;
        assert_eq!(committed % 2, 1, "schema, then pairs: {committed}");
    }
}

#[test]
fn two_writers_are_refused_and_readers_are_not() {
    let dir = TempDir::new().unwrap();
    let place = place(&dir);
    Journal::create(&place, SCHEMA, LogOptions::default()).unwrap();
    let mut tenant = open(&place, LogOptions::default());
    let second = Tenant::open(&place, LogOptions::default(), |_, _| {});
    assert!(matches!(
        second,
        Err(NodeError::Log(LogError::Locked { .. }))
    ));
    tenant.decide(payment(1)).unwrap();
    tenant.commit().unwrap();
    assert_eq!(ringfence_node::History::open(&place).unwrap().end().0, 3);
}
