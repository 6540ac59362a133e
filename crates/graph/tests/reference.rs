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
}
