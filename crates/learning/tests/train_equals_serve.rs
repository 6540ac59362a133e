//! Invariant I3: the samples a decision saw are, bit for bit, those that training's replay sees.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

use std::ops::ControlFlow;

use engine::Engine;
use event::json::{Line, parse_line};
use event::{EventTime, Position, Record, Schema};
use graph::Sample;
use graph::sample::SampleParts;
use node::{History, Journal, Place, Tenant};
use proptest::prelude::*;
use ringfence_learning::dataset::{self, Labels, Range};
use tempfile::TempDir;

const SCHEMA: &str = include_str!("../../../schemas/default.toml");

/// (kind of event, account, counterparty, device, minutes later, amount in cents)
type Step = (u8, u8, u8, u8, u16, u32);

fn line(number: usize, step: Step, minutes: u64) -> String {
    let (kind, account, other, device, _, amount) = step;
    let (day, hour, minute) = (1 + minutes / 1440, minutes / 60 % 24, minutes % 60);
    let at = format!("2026-01-{day:02}T{hour:02}:{minute:02}:00Z");
    let head = format!(r#""event_id":"e{number}","event_timestamp":"{at}","account":"a{account}""#);
    let money = format!(r#""amount":"{}.{:02}""#, amount / 100, amount % 100);
    match kind % 4 {
        0 => format!(
            r#"{{{head},"event_type":"payment","merchant":"m{other}","device":"d{device}",{money}}}"#
        ),
        1 => format!(
            r#"{{{head},"event_type":"transfer","payee":"a{other}","device":"d{device}",{money}}}"#
        ),
        2 => format!(r#"{{{head},"event_type":"login","device":"d{device}"}}"#),
        _ => format!(
            r#"{{{head},"event_type":"payment","merchant":"m{other}","channel":"pos",{money}}}"#
        ),
    }
}

fn step() -> impl Strategy<Value = Step> {
    (
        any::<u8>(),
        0..6_u8,
        0..6_u8,
        0..4_u8,
        0..400_u16,
        1..200_000_u32,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn samples_at_decision_time_equal_those_of_the_replay(
        steps in prop::collection::vec(step(), 20..120),
        labelled in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let schema = Schema::parse(SCHEMA).unwrap();
        let dir = TempDir::new().unwrap();
        let place = Place::new(dir.path(), "acme").unwrap();
        Journal::create(&place, SCHEMA, Default::default()).unwrap();
        let (mut tenant, _) = Tenant::open(&place, Default::default(), |_, _| {}).unwrap();
        let mut served: Vec<(Position, Vec<u32>, Vec<u32>)> = Vec::new();
        let mut minutes = 0;
        for (number, step) in steps.iter().enumerate() {
            minutes += u64::from(step.4);
            let text = line(number, *step, minutes);
            let Line::Event(event) = parse_line(&text, &schema, None).unwrap() else { panic!() };
            let now = event.event_timestamp;
            let decided = tenant.decide(*event).unwrap();
            let sample = tenant.last_sample();
            let tabular = sample.tabular.iter().map(|value| value.to_bits()).collect();
            served.push((decided.position, sample.bits(), tabular));
            if labelled.iter().any(|index| index.index(steps.len()) == number) {
                let text = format!(
                    r#"{{"label":"fraud","event_id":"e{number}","label_timestamp":"{now}","source":"analyst"}}"#
                );
                let Line::Label(label) = parse_line(&text, &schema, None).unwrap() else { panic!() };
                tenant.label(&label, now).unwrap();
            }
        }
        tenant.commit().unwrap();

        // The replay, whole samples.
        let history = History::open(&place).unwrap();
        let mut engine = Engine::new(&schema);
        let mut sample = Sample::default();
        let mut records = history.iter_from(Position(0)).unwrap();
        let mut replayed = Vec::new();
        while let Some((position, record)) = records.next_record().unwrap() {
            if let Record::Event(event) = &record {
                engine.sample(event, SampleParts::Full, &mut sample);
                replayed.push((position, sample.bits()));
            }
            engine.apply(position, &record);
        }
        let served_bits: Vec<_> = served.iter().map(|(at, bits, _)| (*at, bits.clone())).collect();
        prop_assert_eq!(served_bits, replayed);

        // What training gets.
        let labels = Labels::read(&history, EventTime::END).unwrap();
        let range = Range {
            from: EventTime::MIN,
            until: EventTime::END,
            known_until: EventTime::from_millis(EventTime::END.millis() - 1),
            rows_max: 1_000_000,
        };
        let rows =
            dataset::collect(&place, dataset::Wanted {
 range,
 labels: &labels,
 producer: None,
 parts: graph::sample::SampleParts::Tabular,
 }, |_, _| ControlFlow::Continue(())).unwrap();
        prop_assert_eq!(rows.len(), served.len());
        for (row, (position, _, tabular)) in served.iter().enumerate() {
            let values = &rows.values[row * rows.width..(row + 1) * rows.width];
            let bits: Vec<u32> = values.iter().map(|value| value.to_bits()).collect();
            prop_assert_eq!(rows.positions[row], *position);
            prop_assert_eq!(&bits, tabular);
        }
    }
}
