//! The graph against a naive implementation that remembers everything and scans it for every question.

// Helpers of tests lie outside the `#[test]` functions that clippy exempts.
#![allow(clippy::unwrap_used)]

#[path = "history/fold.rs"]
mod fold;
mod history;
#[path = "reference/model.rs"]
mod model;
#[path = "reference/questions.rs"]
mod questions;

use event::schema::Part;
use event::{Position, Record};
use history::history;
use model::Reference;
use proptest::prelude::*;
use ringfence_graph::Graph;

/// Equal up to the rounding of f32 sums, or both missing.
fn agree(got: f32, expected: f64) -> bool {
    let got = f64::from(got);
    got.is_nan() && expected.is_nan() || (got - expected).abs() <= 1e-3 * expected.abs() + 1e-3
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(400), max_shrink_iters: 5000, ..ProptestConfig::default() })]

    #[test]
    fn features_agree_with_a_scan_over_everything(past in history(vec![64], 60)) {
        let schema = past.shape.schema();
        let (mut graph, mut reference) = (Graph::new(&schema), Reference::new(&schema));
        let names = graph.features().names();
        for (at, record) in past.records(&schema).iter().enumerate() {
            let at = Position(at as u64);
            let mut amount = None;
            if let Record::Event(event) = record {
                amount = fold::amount(&schema, event);
                let sample = fold::sample(&mut graph, event);
                reference.advance(event.event_timestamp.millis());
                // Rings and fraud times are exact up to their size; beyond it other tests hold the bounds.
                let full = reference.entities.values().any(|it| it.items.len() > 64 || it.labels.len() > 16);
                if full {
                    return Ok(());
                }
                for (name, expected) in questions::answers(&reference, event, amount) {
                    let ix = names.iter().position(|it| *it == name);
                    let got = sample.tabular[ix.unwrap_or_else(|| panic!("no feature {name}"))];
                    prop_assert!(agree(got, expected), "event {} {name}: graph {got}, scan {expected}", at.0);
                }
            }
            fold::fold(&mut graph, at, record);
            reference.apply(at, record, amount);
        }
    }

    /// Past its ring a node counts in sixteenths of the window: never more than there is, and at most the
    /// oldest sixteenth less.
    #[test]
    fn busy_nodes_count_within_their_bounds(mut past in history(vec![4, 8], 160)) {
        for step in &mut past.steps {
            if let history::Step::Event(event) = step {
                event.late_s = 0;
                event.gap_s = event.gap_s.min(40);
                event.who = event.who.map(|who| who.min(2));
            }
        }
        let schema = past.shape.schema();
        let (mut graph, mut reference) = (Graph::new(&schema), Reference::new(&schema));
        let names = graph.features().names();
        for (at, record) in past.records(&schema).iter().enumerate() {
            let at = Position(at as u64);
            let mut amount = None;
            if let Record::Event(event) = record {
                amount = fold::amount(&schema, event);
                let sample = fold::sample(&mut graph, event);
                let now = event.event_timestamp.millis();
                reference.advance(now);
                for (role, _) in &event.entities {
                    let (role_name, part) = (&schema.roles[role.index()].name, schema.roles[role.index()].part);
                    let id = reference.id(event, *role);
                    let inward = part == Part::Counterparty;
                    let items = reference.remembered(id.as_ref());
                    for span in schema.time.windows {
                        let count = |span: i64| {
                            items.iter().filter(|it| it.inward == inward && it.time > now - span).count() as f32
                        };
                        let (most, least) = (count(span.millis()), count(span.millis() * 15 / 16));
                        let name = format!("{role_name}_count_{}", span.label(schema.time.unit));
                        let got = sample.tabular[names.iter().position(|it| *it == name).unwrap()];
                        prop_assert!(least <= got && got <= most, "{name}: {got} of {least} to {most}");
                    }
                }
            }
            fold::fold(&mut graph, at, record);
            reference.apply(at, record, amount);
        }
    }
}
