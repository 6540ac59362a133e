//! Which events become rows, and in which order.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

use std::ops::ControlFlow;

use event::json::{Line, parse_line};
use event::record::{Decision, DecisionKind, DecisionSource, Findings, ModelVersion};
use event::{EventTime, Schema};
use node::{Accepted, History, Journal, Place};
use ringfence_learning::dataset::{self, Labels, Range, Rows};
use tempfile::TempDir;

const SCHEMA: &str = include_str!("../../../schemas/default.toml");

fn at(day: u32) -> EventTime {
    EventTime::parse_iso(&format!("2026-01-{day:02}T00:00:00Z")).unwrap()
}

/// Rows from a day until the fifteenth, with all labels.
fn everything(place: &Place, from: EventTime) -> Rows {
    let labels = Labels::read(&History::open(place).unwrap(), EventTime::END).unwrap();
    let range = Range {
        from,
        until: at(15),
        known_until: EventTime::from_millis(EventTime::END.millis() - 1),
        rows_max: 100,
    };
    let wanted = dataset::Wanted {
        range,
        labels: &labels,
        producer: None,
        parts: graph::sample::SampleParts::Tabular,
    };
    dataset::collect(place, wanted, |_, _| ControlFlow::Continue(())).unwrap()
}

#[test]
fn an_older_file_imported_after_a_newer_one_gives_its_rows_in_time_order() {
    let schema = Schema::parse(SCHEMA).unwrap();
    let dir = TempDir::new().unwrap();
    let place = Place::new(dir.path(), "acme").unwrap();
    let mut journal = Journal::create(&place, SCHEMA, Default::default()).unwrap();
    for day in [10, 12, 20, 3, 5] {
        let text = format!(
            r#"{{"event_id":"e{day}","event_type":"payment","event_timestamp":"{}","account":"a","merchant":"m","amount":"{day}"}}"#,
            at(day)
        );
        let Line::Event(event) = parse_line(&text, &schema, None).unwrap() else {
            panic!()
        };
        journal.accept_event(*event).unwrap();
    }
    journal.commit().unwrap();
    let rows = everything(&place, at(4));
    assert_eq!(rows.weights, None);
    assert_eq!(rows.times, [at(5), at(10), at(12)]);
    let positions: Vec<u64> = rows.positions.iter().map(|at| at.0).collect();
    assert_eq!(positions, [5, 1, 2]);
    // The amount is the first feature: values moved with their rows.
    let amounts: Vec<f32> = rows.values.chunks(rows.width).map(|row| row[0]).collect();
    assert_eq!(amounts, [5.0, 10.0, 12.0]);
}

/// Who was declined can bring no chargeback, and who was let through by chance stands for others.
#[test]
fn decisions_say_what_silence_means_and_what_a_row_counts_for() {
    let schema = Schema::parse(SCHEMA).unwrap();
    let dir = TempDir::new().unwrap();
    let place = Place::new(dir.path(), "acme").unwrap();
    let mut journal = Journal::create(&place, SCHEMA, Default::default()).unwrap();
    let decided = [
        (1, DecisionKind::Approve, 1_000_000),
        (2, DecisionKind::Decline, 990_000),
        (3, DecisionKind::Approve, 100_000),
        (4, DecisionKind::Decline, 1_000_000),
        (5, DecisionKind::Approve, 1_000),
    ];
    let line = |text: String| parse_line(&text, &schema, None).unwrap();
    for (day, verdict, propensity_ppm) in decided {
        let Line::Event(event) = line(format!(
            r#"{{"event_id":"e{day}","event_type":"payment","event_timestamp":"{}","account":"a","merchant":"m","amount":"{day}"}}"#,
            at(day)
        )) else {
            panic!()
        };
        let Accepted::New(event_position) = journal.accept_event((*event).clone()).unwrap() else {
            panic!()
        };
        let decision = Decision {
            event_position,
            decided_at: at(day),
            suspicion: Default::default(),
            verdict,
            score: 500,
            probability_ppm: 500_000,
            source: DecisionSource::Model,
            model: ModelVersion::default(),
            policy_version: 0,
            rules_version: 0,
            propensity_ppm,
            degraded: 0,
            reasons: Default::default(),
            evidence: Default::default(),
            findings: Findings::default(),
        };
        journal.append_decision(&event, &decision).unwrap();
    }
    // The victim of the fourth reported the attempt all the same.
    let Line::Label(label) = line(format!(
        r#"{{"label":"fraud","event_id":"e4","label_timestamp":"{}","source":"customer_report"}}"#,
        at(9)
    )) else {
        panic!()
    };
    let label = journal.resolve_label(&label, at(9)).unwrap().unwrap();
    journal.append(&event::Record::Label(label)).unwrap();
    journal.commit().unwrap();
    let rows = everything(&place, at(1));
    assert_eq!(rows.times, [at(1), at(3), at(4), at(5)]);
    assert_eq!(rows.fraud, [false, false, true, false]);
    assert_eq!(rows.unknown, 1);
    // 1 over .1 is 10; 1 over .001 is clipped at 20.
    assert_eq!(rows.weights_of(0..4), Some(&[1.0, 10.0, 1.0, 20.0][..]));
    assert_eq!(rows.effective(), 32.0 * 32.0 / 502.0);
}
