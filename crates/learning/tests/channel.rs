//! The channel that evaluation makes is the one that serving would make: score an event after its sample,
//! log the score in its decision, let later samples read it.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

use std::ops::ControlFlow;

use engine::Engine;
use event::json::{Line, parse_line};
use event::record::{
    Decision, DecisionKind, DecisionSource, Label, LabelSource, ModelVersion, Verdict,
};
use event::{Event, EventTime, Position, Record, Schema, Span};
use graph::sample::SampleParts;
use graph::{FeatureGroup, Sample};
use node::{Journal, Place};
use ringfence_learning::evaluate::channel::{self, ChannelKey};
use ringfence_learning::evaluate::folds::divide;
use ringfence_learning::evaluate::ladder::{LabelAccess, Rung};
use ringfence_learning::evaluate::protocol::Protocol;
use ringfence_learning::evaluate::samples::Samples;
use ringfence_learning::evaluate::source::Source;
use ringfence_learning::evaluate::{Extent, windows};
use ringfence_learning::producer::{Producer, ProducerRows};
use tempfile::TempDir;

const PROTOCOL: &str = r#"
name = "transfers"
schema = "default"
origin = "2026-01-01T00:00:00Z"
label_delay = "1d"
event_types = ["transfer"]
seeds = [7]
candidates = [{ rounds = [10], leaves = 6 }]
producer = { rounds = [20], leaves = 6 }
validation = [{ train = [0, 4], test = [5, 6], producer = [0, 2], consumer = [2, 4] }]
test = [{ train = [0, 5], test = [6, 7], producer = [0, 2], consumer = [2, 5] }]
"#;

fn mixed(seed: u64) -> u64 {
    let z = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A transfer every two minutes among 60 accounts; the dear ones to ten of them are fraud.
fn transfer(number: u64, schema: &Schema) -> (Event, bool) {
    let draw = |salt: u64| mixed(number * 31 + salt * 0x9e37_79b9 + 1);
    let (payer, payee) = (draw(1) % 60, draw(2) % 60);
    let dear = draw(3) % 5 == 0 || payee < 10 && draw(4) % 2 == 0;
    let cents = 1_000 + draw(5) % 4_000 + if dear { 7_000 } else { 0 };
    let at = EventTime::parse_iso("2026-01-01T00:00:00Z").unwrap();
    let at = at.plus(Span::from_millis(number as i64 * 120_000));
    let line = format!(
        r#"{{"event_id":"e{number}","event_type":"transfer","event_timestamp":"{at}","account":"a{payer}","payee":"a{payee}","amount":"{}.{:02}"}}"#,
        cents / 100,
        cents % 100,
    );
    let Line::Event(event) = parse_line(&line, schema, None).unwrap() else {
        panic!("{line}");
    };
    (*event, dear && payee < 10)
}

fn decision(event: &Event, position: Position, suspicion: Option<u16>) -> Decision {
    Decision {
        event_position: position,
        decided_at: event.received_at,
        suspicion: suspicion.into_iter().map(|score| (0, score)).collect(),
        verdict: DecisionKind::Approve,
        score: 0,
        probability_ppm: 0,
        source: DecisionSource::Model,
        model: ModelVersion::default(),
        policy_version: 0,
        rules_version: 0,
        propensity_ppm: 1_000_000,
        degraded: 0,
        reasons: Default::default(),
        evidence: Default::default(),
    }
}

fn label(event: &Event, position: Position) -> Label {
    let known = event.event_timestamp.plus(Span::days(1));
    Label {
        subject: event.subject(position),
        verdict: Verdict::Fraud,
        source: LabelSource::Analyst,
        reason: Default::default(),
        confidence_percent: 100,
        label_timestamp: known,
        received_at: known,
        prior: None,
    }
}

/// Every event with a decision that holds what another producer had said of it.
fn log(place: &Place, text: &str, schema: &Schema) {
    let mut journal = Journal::create(place, text, Default::default()).unwrap();
    let mut due: Vec<Label> = Vec::new();
    for number in 0..8 * 720 {
        let (event, fraud) = transfer(number, schema);
        while due
            .first()
            .is_some_and(|it| it.received_at <= event.event_timestamp)
        {
            journal.append(&Record::Label(due.remove(0))).unwrap();
        }
        let position = journal.append(&Record::Event(event.clone())).unwrap();
        let other = decision(&event, position, Some(number as u16 | 1));
        journal.append_decision(&event.event_id, &other).unwrap();
        if fraud {
            due.push(label(&event, position));
        }
    }
    journal.commit().unwrap();
}

/// The producer of the test fold, from the same rows.
fn producer(samples: &Samples, protocol: &Protocol) -> Producer {
    let part = divide(samples, protocol, &protocol.test[0])
        .staged
        .unwrap()
        .producer;
    let features = samples.features.features();
    let width = samples.width();
    let mut values = Vec::new();
    for row in &part.rows {
        let held = &samples.values[row * width..(row + 1) * width];
        values.extend(held.iter().zip(features).map(|(value, it)| match it.group {
            FeatureGroup::Suspicion | FeatureGroup::Labels => f32::NAN,
            _ => *value,
        }));
    }
    let times: Vec<EventTime> = part
        .rows
        .iter()
        .map(|row| samples.seen(*row).time)
        .collect();
    let rows = ProducerRows {
        values: &values,
        width,
        fraud: &part.fraud,
        times: &times,
    };
    let config = protocol.producer.as_ref().unwrap().boost(20, 7_500);
    Producer::train(&rows, &config).unwrap()
}

#[test]
fn later_samples_read_what_serving_would_have_logged() {
    let text = include_str!("../../../schemas/default.toml")
        .replace("maturity = \"14d\"", "maturity = \"1d\"");
    let schema = Schema::parse(&text).unwrap();
    let protocol = Protocol::parse(PROTOCOL).unwrap();
    let dir = TempDir::new().unwrap();
    let place = Place::new(dir.path(), "acme").unwrap();
    log(&place, &text, &schema);
    let source = Source::open(&place).unwrap();
    let mut samples = Samples::read(&source, &protocol, &windows(&protocol, Extent::Test)).unwrap();
    let go_on = |_, _| ControlFlow::Continue(());
    samples
        .replay(&source, SampleParts::Tabular, go_on)
        .unwrap();
    let rungs: Vec<Rung> = Rung::ladder(&protocol);
    channel::fill(
        &mut samples,
        &source,
        &protocol,
        &rungs,
        Extent::Test,
        |_| ControlFlow::Continue(()),
    )
    .unwrap();
    let key = ChannelKey {
        set: "test",
        fold: 0,
        seed: 7,
        labels: LabelAccess::None,
    };
    let channel = &samples.channels[&key];
    let mut producer = producer(&samples, &protocol);
    let from = protocol.test[0].staged.unwrap().producer.until;

    let mut engine = Engine::new(&schema);
    let mut sample = Sample::default();
    let mut next = 0;
    let mut apply = |engine: &mut Engine, record: &Record| {
        engine.apply(Position(next), record);
        next += 1;
        Position(next - 1)
    };
    let mut due: Vec<Label> = Vec::new();
    let mut read = [0; 2];
    for number in 0..8 * 720 {
        let (event, fraud) = transfer(number, &schema);
        while due
            .first()
            .is_some_and(|it| it.received_at <= event.event_timestamp)
        {
            apply(&mut engine, &Record::Label(due.remove(0)));
        }
        engine.sample(&event, SampleParts::Tabular, &mut sample);
        let scored = (event.event_timestamp >= from).then(|| producer.score(&sample.tabular));
        let position = apply(&mut engine, &Record::Event(event.clone()));
        let logged = decision(&event, position, scored);
        apply(&mut engine, &Record::Decision(logged));
        if fraud {
            due.push(label(&event, position));
        }
        let time = event.event_timestamp;
        let row = (0..samples.rows.len()).find(|row| samples.seen(*row).time == time);
        let Some(row) = row.filter(|_| time >= from) else {
            continue;
        };
        for (feature, held) in samples.features.features().iter().enumerate() {
            let value = channel.value(row, feature);
            assert_eq!(value.is_some(), held.group == FeatureGroup::Suspicion);
            if let Some(value) = value {
                let served = sample.tabular[feature];
                assert_eq!(
                    value.to_bits(),
                    served.to_bits(),
                    "{} of e{number}",
                    held.name
                );
                read[usize::from(held.name.contains("_next_"))] += u32::from(!value.is_nan());
            }
        }
    }
    assert!(
        read.iter().all(|read| *read > 1_000),
        "suspicion reached samples: {read:?}"
    );
}
