//! Properties of samples over generated histories. A failing case is shrunk, and its seed is kept in
//! `proptest-regressions`; run it again with `cargo test -p ringfence-graph --test properties`.

// Helpers of tests lie outside the `#[test]` functions that clippy exempts.
#![allow(clippy::unwrap_used)]

#[path = "history/fold.rs"]
mod fold;
mod history;

use std::collections::BTreeMap;

use event::{EventTime, Position, Record, Schema};
use fold::sample;
use history::{Step, Writer, history, shape, step};
use proptest::prelude::*;
use ringfence_graph::sample::SampleParts;
use ringfence_graph::{FeatureList, Graph, Sample};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases: ProptestConfig::default().cases.max(cases),
        max_shrink_iters: 2000,
        ..ProptestConfig::default()
    }
}

/// Folds everything; the sample of every event, in log order.
fn replay(graph: &mut Graph, records: &[Record]) -> Vec<Sample> {
    let mut samples = Vec::new();
    for (at, record) in records.iter().enumerate() {
        if let Record::Event(event) = record {
            samples.push(sample(graph, event));
        }
        fold::fold(graph, Position(at as u64), record);
    }
    samples
}

fn snapshot(graph: &Graph) -> Vec<u8> {
    let mut bytes = Vec::new();
    graph.write_snapshot(&mut bytes).unwrap();
    bytes
}

fn bits(samples: &[Sample]) -> Vec<Vec<u32>> {
    samples.iter().map(Sample::bits).collect()
}

proptest! {
    #![proptest_config(config(256))]

    /// I2: whatever comes after an event, its sample is the same to the bit.
    #[test]
    fn nothing_later_shows_in_a_sample(
        past in history(vec![4, 8, 64], 90),
        futures in prop::collection::vec(prop::collection::vec(step(), 0..40), 2),
    ) {
        let schema = past.shape.schema();
        let seen: Vec<Vec<Vec<u32>>> = futures.iter().map(|future| {
            let mut writer = Writer::new(&schema);
            past.steps.iter().chain(future).for_each(|step| writer.write(step));
            let events = past.records(&schema).iter().filter(|it| matches!(it, Record::Event(_))).count();
            let mut samples = replay(&mut Graph::new(&schema), &writer.records);
            samples.truncate(events);
            bits(&samples)
        }).collect();
        prop_assert_eq!(&seen[0], &seen[1]);
    }

    /// I2: a label or decision that stands behind an event in the log is not in the event's sample, even
    /// if it is about a neighbour and bears an earlier time.
    #[test]
    fn labels_do_not_show_before_their_position(past in history(vec![4, 64], 80)) {
        let schema = past.shape.schema();
        let records = past.records(&schema);
        let all = bits(&replay(&mut Graph::new(&schema), &records));
        let last = records.iter().rposition(|it| matches!(it, Record::Event(_)));
        let Some(last) = last else { return Ok(()) };
        let Record::Event(event) = &records[last] else { unreachable!() };
        let mut graph = Graph::new(&schema);
        replay(&mut graph, &records[..last]);
        prop_assert_eq!(&sample(&mut graph, event).bits(), all.last().unwrap());
    }

    /// I3: taking samples leaves no trace; a replay for training that skips some serves the same.
    #[test]
    fn sampling_changes_nothing(past in history(vec![4, 64], 80)) {
        let schema = past.shape.schema();
        let records = past.records(&schema);
        let (mut with, mut without) = (Graph::new(&schema), Graph::new(&schema));
        replay(&mut with, &records);
        for (at, record) in records.iter().enumerate() {
            fold::fold(&mut without, Position(at as u64), record);
        }
        prop_assert_eq!(snapshot(&with), snapshot(&without));
    }

    /// I1: a graph that was written and read back goes on like the one that was not.
    #[test]
    fn a_restored_graph_goes_on_bit_for_bit(past in history(vec![4, 8, 64], 120), cut in 0.0..1.0) {
        let schema = past.shape.schema();
        let records = past.records(&schema);
        let cut = (records.len() as f64 * cut) as usize;
        let mut whole = Graph::new(&schema);
        let expected = bits(&replay(&mut whole, &records));
        let mut first = Graph::new(&schema);
        let head = bits(&replay(&mut first, &records[..cut]));
        let written = snapshot(&first);
        let mut restored = Graph::read_snapshot(&schema, &mut written.as_slice()).unwrap();
        prop_assert_eq!(&snapshot(&restored), &written);
        let mut tail = Vec::new();
        for (at, record) in records.iter().enumerate().skip(cut) {
            if let Record::Event(event) = record {
                tail.push(sample(&mut restored, event).bits());
            }
            fold::fold(&mut restored, Position(at as u64), record);
        }
        prop_assert_eq!(&expected[..head.len()], head.as_slice());
        prop_assert_eq!(&expected[head.len()..], tail.as_slice());
        prop_assert_eq!(snapshot(&restored), snapshot(&whole));
    }

    /// Reclaiming memory is not seen: strangers that come in numbers drive the sweep on and take over
    /// freed places, and no sample of anybody else changes.
    #[test]
    fn expiry_is_invisible(past in history(vec![64], 60), crowd in 1_usize..60) {
        let schema = past.shape.schema();
        let records = past.records(&schema);
        let quiet = replay(&mut Graph::new(&schema), &records);
        let mut graph = Graph::new(&schema);
        let names = graph.features().names();
        let mut strangers = 0;
        let mut samples = Vec::new();
        for (at, record) in records.iter().enumerate() {
            let at = Position((at * 1000) as u64);
            if let Record::Event(event) = record {
                for n in 0..crowd {
                    strangers += 1;
                    let stranger = stranger(&schema, event.event_timestamp, strangers);
                    fold::fold(&mut graph, Position(at.0 + 1 + n as u64), &Record::Event(stranger));
                }
                samples.push(sample(&mut graph, event));
            }
            let record = moved(record, |position| Position(position.0 * 1000 + 999));
            fold::fold(&mut graph, Position(at.0 + 999), &record);
        }
        for (alone, crowded) in quiet.iter().zip(&samples) {
            for (at, name) in names.iter().enumerate() {
                // These are shares of the whole tenant, strangers included.
                let of_all = ["fraud_rate", "_share", "_code", "vs_type", "cohort"];
                if !of_all.iter().any(|part| name.contains(part)) {
                    prop_assert_eq!(alone.tabular[at].to_bits(), crowded.tabular[at].to_bits(), "{}", name);
                }
            }
            prop_assert_eq!(&alone.sequence, &crowded.sequence);
            prop_assert_eq!(&alone.neighbourhood, &crowded.neighbourhood);
            prop_assert_eq!(&alone.entities, &crowded.entities);
        }
    }

    /// Hidden simultaneous events: their order of arrival is nowhere to be seen, neither by themselves
    /// nor by what follows.
    #[test]
    fn order_within_an_instant_leaves_no_trace(
        mut past in history(vec![4, 8, 64], 50),
        instant in prop::collection::vec(step(), 2..8),
        after in prop::collection::vec(step(), 1..20),
        turn in 1_usize..8,
    ) {
        past.shape.hidden = true;
        let schema = past.shape.schema();
        let mut writer = Writer::new(&schema);
        past.steps.iter().for_each(|step| writer.write(step));
        writer.write(&Step::Tick { gap_s: 1 });
        let start = writer.records.len();
        for step in &instant {
            let Step::Event(step) = step else { continue };
            let mut step = step.clone();
            (step.gap_s, step.late_s) = (0, 0);
            writer.write(&Step::Event(step));
        }
        let end = writer.records.len();
        after.iter().for_each(|step| writer.write(step));
        let straight = writer.records;
        let mut turned = straight.clone();
        let by = turn % (end - start).max(1);
        turned[start..end].rotate_left(by);
        turned[start..end - by].reverse();
        let place = |event: &event::Event| -> Position {
            let found = turned.iter().position(|it| matches!(it, Record::Event(other) if other.event_id == event.event_id));
            Position(found.unwrap() as u64)
        };
        let map: BTreeMap<Position, Position> = straight.iter().enumerate()
            .filter_map(|(at, it)| match it { Record::Event(event) => Some((Position(at as u64), place(event))), _ => None })
            .collect();
        let turned: Vec<Record> = turned.iter().map(|it| moved(it, |position| map[&position])).collect();
        let mut expected = by_id(&straight, replay(&mut Graph::new(&schema), &straight));
        for sample in expected.values_mut() {
            sample.evidence.iter_mut().for_each(|position| *position = map[position]);
        }
        let got = by_id(&turned, replay(&mut Graph::new(&schema), &turned));
        for (id, sample) in &expected {
            prop_assert_eq!(sample.bits(), got[id].bits(), "event {}", id);
        }
    }

    /// The list and the arrays agree, names are unique, values are finite or the one NaN.
    #[test]
    fn arrays_are_well_formed(past in history(vec![4, 16, 64], 80)) {
        let schema = past.shape.schema();
        let mut graph = Graph::new(&schema);
        let samples = replay(&mut graph, &past.records(&schema));
        let roles = schema.roles.len();
        for sample in samples {
            prop_assert_eq!(sample.tabular.len(), graph.features().len());
            for value in &sample.tabular {
                prop_assert!(value.is_finite() || value.to_bits() == f32::NAN.to_bits());
            }
            let arrays = [&sample.sequence, &sample.entities, &sample.neighbourhood];
            prop_assert!(arrays.into_iter().flatten().all(|value| value.is_finite()));
            prop_assert_eq!(sample.sequence.len(), 64 * 14);
            prop_assert_eq!(sample.neighbourhood.len(), roles * 16 * 16);
            prop_assert!(sample.sequence[sample.steps * 14..].iter().all(|value| *value == 0.0));
        }
    }

    /// Buffers are reused from event to event, by trees and networks in turn: nothing stays in them.
    #[test]
    fn a_reused_sample_holds_nothing_of_the_one_before(past in history(vec![4, 64], 80), networks in any::<u64>()) {
        let schema = past.shape.schema();
        let mut graph = Graph::new(&schema);
        let mut reused = Sample::default();
        for (at, record) in past.records(&schema).iter().enumerate() {
            if let Record::Event(event) = record {
                let fresh = sample(&mut graph, event);
                let full = networks >> (at % 64) & 1 == 1;
                let parts = if full { SampleParts::Full } else { SampleParts::Tabular };
                graph.sample(event, fold::amount(&schema, event), parts, &mut reused);
                if full {
                    prop_assert_eq!(fresh.bits(), reused.bits());
                } else {
                    prop_assert_eq!(fresh.tabular.len(), reused.tabular.len());
                    prop_assert!(reused.sequence.is_empty() && reused.neighbourhood.is_empty());
                }
            }
            fold::fold(&mut graph, Position(at as u64), record);
        }
    }

    #[test]
    fn feature_names_are_unique(shape in shape(vec![64])) {
        check_names(&shape.schema());
    }
}

fn check_names(schema: &Schema) {
    let list = FeatureList::new(schema);
    let mut names = list.names();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), list.len());
}

#[test]
fn feature_names_of_the_committed_schemas_are_unique_and_match_their_arrays() {
    for text in [
        include_str!("../../../schemas/default.toml"),
        include_str!("../../../schemas/handbook.toml"),
        include_str!("../../../schemas/s_ffsd.toml"),
        include_str!("../../../schemas/amlgentex.toml"),
    ] {
        let schema = Schema::parse(text).unwrap();
        check_names(&schema);
        let mut graph = Graph::new(&schema);
        let event = stranger(&schema, EventTime::from_millis(history::START_MS), 1);
        let sample = sample(&mut graph, &event);
        assert_eq!(sample.tabular.len(), graph.features().len());
    }
}

/// An event of entities that nobody else knows, in every role.
fn stranger(schema: &Schema, at: EventTime, number: usize) -> event::Event {
    let name = format!("stranger-{number}");
    let roles = (0..schema.roles.len()).map(|role| (event::RoleIx(role as u8), name.as_str()));
    let draft = event::Draft {
        event_id: &name,
        event_type: event::EventTypeIx(0),
        event_timestamp: at,
        received_at: at,
        entities: roles.collect(),
        amount: Some(event::draft::DraftAmount {
            value: event::draft::AmountText::Minor(100),
            currency: schema.base_currency.code(),
        }),
        attributes: Default::default(),
    };
    draft.validate(schema).unwrap()
}

fn by_id(records: &[Record], samples: Vec<Sample>) -> BTreeMap<String, Sample> {
    let events = records.iter().filter_map(|record| match record {
        Record::Event(event) => Some(event.event_id.as_str().to_owned()),
        _ => None,
    });
    events.zip(samples).collect()
}

/// The record with the event position it refers to renamed.
fn moved(record: &Record, to: impl Fn(Position) -> Position) -> Record {
    match record.clone() {
        Record::Label(mut label) => {
            label.subject.position = to(label.subject.position);
            Record::Label(label)
        }
        Record::Outcome(mut outcome) => {
            outcome.subject.position = to(outcome.subject.position);
            Record::Outcome(outcome)
        }
        Record::Decision(mut decision) => {
            decision.event_position = to(decision.event_position);
            Record::Decision(decision)
        }
        other => other,
    }
}
