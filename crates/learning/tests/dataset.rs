//! Which events become rows, and in which order.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

use std::ops::ControlFlow;

use event::json::{Line, parse_line};
use event::{EventTime, Schema};
use node::{History, Journal, Place};
use ringfence_learning::dataset::{self, Labels, Range};
use tempfile::TempDir;

const SCHEMA: &str = include_str!("../../../schemas/default.toml");

fn at(day: u32) -> EventTime {
    EventTime::parse_iso(&format!("2026-01-{day:02}T00:00:00Z")).unwrap()
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
    let labels = Labels::read(&History::open(&place).unwrap(), EventTime::END).unwrap();
    let range = Range {
        from: at(4),
        until: at(15),
        known_until: EventTime::from_millis(EventTime::END.millis() - 1),
        rows_max: 100,
    };
    let rows = dataset::collect(
        &place,
        dataset::Wanted {
            range,
            labels: &labels,
            producer: None,
            parts: graph::sample::SampleParts::Tabular,
        },
        |_, _| ControlFlow::Continue(()),
    )
    .unwrap();
    assert_eq!(rows.times, [at(5), at(10), at(12)]);
    let positions: Vec<u64> = rows.positions.iter().map(|at| at.0).collect();
    assert_eq!(positions, [5, 1, 2]);
    // The amount is the first feature: values moved with their rows.
    let amounts: Vec<f32> = rows.values.chunks(rows.width).map(|row| row[0]).collect();
    assert_eq!(amounts, [5.0, 10.0, 12.0]);
}
