//! Records of a log as notices, wherever a batch is cut.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

use std::collections::BTreeSet;

use event::record::{
    Activation, Config, ConfigSection, Decision, DecisionKind, DecisionSource, Label, LabelSource,
    ModelVersion, ServingPart, Subject, Tick, Verdict,
};
use event::{Event, EventId, EventTime, EventTypeIx, Position, Record};
use ringfence_webhooks::source::{CaseChange, Happened, LogSource, Written};
use ringfence_webhooks::store::deliveries::{Filter, State};
use ringfence_webhooks::{Kind, Notice};
use serde_json::{Value, json};

const AT: EventTime = EventTime::from_millis(1_790_000_000_000);

fn event(id: &str) -> Record {
    Record::Event(Event {
        event_id: EventId::parse("event_id", id).unwrap(),
        event_type: EventTypeIx(0),
        event_timestamp: AT,
        received_at: AT,
        entities: Default::default(),
        amount: None,
        attributes: Default::default(),
    })
}

fn decision(event_position: u64) -> Record {
    Record::Decision(Decision {
        event_position: Position(event_position),
        decided_at: AT,
        suspicion: Default::default(),
        verdict: DecisionKind::Review,
        score: 700,
        probability_ppm: 5000,
        source: DecisionSource::Model,
        model: ModelVersion::default(),
        policy_version: 1,
        rules_version: 0,
        propensity_ppm: 1_000_000,
        degraded: 0,
        reasons: Default::default(),
        evidence: Default::default(),
        findings: Default::default(),
    })
}

fn label(id: &str, position: u64) -> Record {
    Record::Label(Label {
        subject: Subject {
            event_id: EventId::parse("event_id", id).unwrap(),
            position: Position(position),
            event_type: EventTypeIx(0),
            event_timestamp: AT,
            entities: Default::default(),
            amount: None,
            categories: Default::default(),
        },
        verdict: Verdict::Fraud,
        source: LabelSource::Chargeback,
        reason: Default::default(),
        confidence_percent: 100,
        label_timestamp: AT,
        received_at: AT,
        prior: None,
    })
}

fn config(section: ConfigSection) -> Record {
    Record::Config(Config {
        at: AT,
        section,
        version: 3,
        author: "ann".into(),
        why: "tighter".into(),
        body: "secret = 1".to_owned(),
    })
}

/// A log with every kind of record; position and record.
fn log() -> Vec<(Position, Record)> {
    let activation = Activation::new(AT, ServingPart::Champion, [0xab; 32], 0);
    let records = [
        config(ConfigSection::Schema),
        event("a"),
        decision(1),
        event("imported"),
        event("b"),
        decision(4),
        label("a", 1),
        config(ConfigSection::Policy),
        config(ConfigSection::Rules),
        config(ConfigSection::Lists),
        Record::Activation(activation),
        Record::Tick(Tick { at: AT }),
        // Of an event that is not the record before it.
        decision(3),
        config(ConfigSection::Drift),
        event("c"),
    ];
    let numbered = records.into_iter().enumerate();
    numbered
        .map(|(at, record)| (Position(at as u64), record))
        .collect()
}

fn untraced(data: Value) -> Written {
    Written {
        data,
        traceparent: None,
    }
}

fn written(happened: &Happened<'_>) -> Written {
    untraced(write(happened))
}

fn write(happened: &Happened<'_>) -> Value {
    match happened {
        Happened::Decided {
            event,
            position,
            decision,
        } => json!([event.event_id.as_str(), position.0, decision.score]),
        Happened::Labelled { position, label } => {
            json!([label.subject.event_id.as_str(), position.0])
        }
    }
}

/// Id, kind and data of a notice, as an endpoint would be sent them.
fn bodies(notices: &[Notice]) -> Vec<(String, String, Value)> {
    let folder = tempfile::TempDir::new().unwrap();
    let store = common::store(folder.path());
    store.take_in("log", 100, notices, AT).unwrap();
    let filter = Filter {
        state: Some(State::Pending),
        ..Filter::default()
    };
    let mut rows = store.deliveries(&filter, 1000).unwrap();
    rows.reverse();
    let body = |id| {
        let (.., body) = store.delivery(id).unwrap();
        serde_json::from_str::<Value>(&body).unwrap()["data"].take()
    };
    rows.into_iter()
        .map(|row| (row.notice, row.kind, body(row.id)))
        .collect()
}

mod common;

#[test]
fn each_record_that_tells_something_is_one_notice_wherever_batches_end() {
    let (log, wanted) = (log(), BTreeSet::from(Kind::ALL));
    let model = "ab".repeat(32);
    let changed = |section: &str, position: u64| json!({ "section": section, "version": 3, "author": "ann", "why": "tighter", "position": position });
    let expected = [
        ("log:2", "decision.created", json!(["a", 1, 700])),
        ("log:5", "decision.created", json!(["b", 4, 700])),
        ("log:6", "label.recorded", json!(["a", 6])),
        ("log:7", "policy.changed", changed("policy", 7)),
        ("log:8", "rules.changed", changed("rules", 8)),
        ("log:9", "lists.changed", changed("lists", 9)),
        (
            "log:10",
            "model.changed",
            json!({ "part": "champion", "model": model, "share_ppm": 0, "author": "", "why": "", "position": 10 }),
        ),
        ("log:13", "policy.changed", changed("drift", 13)),
    ];
    let at = AT.millis();
    let expected = expected.map(|(id, kind, data)| (format!("{id}:{at}"), kind.to_owned(), data));
    for size in 1..=log.len() {
        // A reader that goes on, and one that starts anew behind `upto` after every batch.
        for anew in [false, true] {
            let (mut source, mut notices, mut next) = (LogSource::default(), Vec::new(), 0);
            while next < log.len() {
                let end = (next + size).min(log.len());
                let told = source.read(&log[next..end], &wanted, written).unwrap();
                notices.extend(told.notices);
                let upto = told.upto.map_or(0, |upto| upto as usize + 1);
                let stuck = upto <= next;
                // A batch of one event brings a new reader nowhere: it takes a larger one, as a log that goes on gives.
                if anew && !stuck {
                    (source, next) = (LogSource::default(), upto);
                } else {
                    next = end;
                }
                if end == log.len() {
                    // The last event may still be decided.
                    assert_eq!(told.upto, Some(13));
                    break;
                }
            }
            assert_eq!(
                bodies(&notices),
                expected,
                "batches of {size}, anew: {anew}"
            );
        }
    }
}

#[test]
fn what_nobody_wants_is_not_written_down() {
    let (log, wanted) = (log(), BTreeSet::from([Kind::LabelRecorded]));
    let told = LogSource::default().read(&log, &wanted, |happened| match happened {
        Happened::Decided { .. } => panic!("a decision was written down"),
        Happened::Labelled { .. } => untraced(json!(1)),
    });
    assert_eq!(bodies(&told.unwrap().notices).len(), 1);
}

#[test]
fn changes_of_cases_are_told_as_they_were_noted() {
    let change = CaseChange {
        seq: 9,
        at: AT,
        actor: "ann",
        action: "case.claimed",
        target: "case:4",
        before: None,
        after: Some(r#"{"status":"open","amount":129.90}"#),
        why: None,
    };
    let notices: Vec<Notice> = [
        "alert.created",
        "case.claimed",
        "alert.expired",
        "settings.changed",
    ]
    .into_iter()
    .zip(1..)
    .filter_map(|(action, seq)| {
        CaseChange {
            seq,
            action,
            ..change
        }
        .notice()
        .unwrap()
    })
    .collect();
    let bodies = bodies(&notices);
    let kinds: Vec<(&str, &str)> = bodies.iter().map(|it| (&*it.0, &*it.1)).collect();
    let id = |seq: u64| format!("case:{seq}:{}", AT.millis());
    let (one, two, three) = (id(1), id(2), id(3));
    let expected = [
        (&*one, "alert.created"),
        (&*two, "case.updated"),
        (&*three, "case.updated"),
    ];
    assert_eq!(kinds, expected);
    assert_eq!(
        bodies[1].2,
        json!({
            "action": "case.claimed", "target": "case:4", "actor": "ann", "before": null,
            "after": { "status": "open", "amount": 129.90 }, "why": null,
        })
    );
    let broken = CaseChange {
        after: Some("{"),
        ..change
    };
    assert!(broken.notice().is_err());
}
