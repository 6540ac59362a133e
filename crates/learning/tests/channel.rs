//! Invariant I3 with a producer in the loop: what a decision's sample holds of suspicion is, bit for bit,
//! what training's replay and evaluation's channel hold, whoever spoke before.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

#[path = "support/transfers.rs"]
mod transfers;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use event::EventTime;
use graph::FeatureGroup;
use graph::sample::SampleParts;
use model::artifact::TrainingWindow;
use model::producer::Producer;
use node::{Place, Tenant};
use ringfence_learning::dataset::Rows;
use ringfence_learning::evaluate::channel::{self, ChannelKey};
use ringfence_learning::evaluate::folds::divide;
use ringfence_learning::evaluate::ladder::{LabelAccess, Rung};
use ringfence_learning::evaluate::protocol::Protocol;
use ringfence_learning::evaluate::samples::Samples;
use ringfence_learning::evaluate::source::Source;
use ringfence_learning::evaluate::{Extent, windows};
use ringfence_learning::producer::{self, ProducerRows};
use tempfile::TempDir;
use transfers::{PER_DAY, decide, import, model, open, rows, time_of};

const PROTOCOL: &str = r#"
name = "transfers"
schema = "default"
origin = "2026-01-01T00:00:00Z"
label_delay = "1d"
event_types = ["transfer"]
seeds = [7]
candidates = [{ rounds = [10], leaves = 6 }]
producer = { rounds = [20], leaves = 6 }
validation = [{ train = [0, 3], test = [4, 5], producer = [0, 1], consumer = [1, 3] }]
test = [{ train = [0, 4], test = [6, 8], producer = [0, 2], consumer = [2, 4] }]
"#;

fn samples(place: &Place, protocol: &Protocol) -> Samples {
    let source = Source::open(place).unwrap();
    let windows = windows(protocol, Extent::Test);
    let mut samples = Samples::read(&source, protocol, &windows).unwrap();
    let go_on = |_, _| ControlFlow::Continue(());
    samples
        .replay(&source, SampleParts::Tabular, go_on)
        .unwrap();
    samples
}

/// The producer of the test fold, from the same rows as evaluation's.
fn producer_of(samples: &Samples, protocol: &Protocol) -> Producer {
    let part = divide(samples, protocol, &protocol.test[0])
        .staged
        .unwrap()
        .producer;
    let width = samples.width();
    let row = |row: &usize| &samples.values[row * width..(row + 1) * width];
    let values: Vec<f32> = part.rows.iter().flat_map(row).copied().collect();
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
        weights: None,
        negative_rate: 1.0,
    };
    let window = protocol.test[0].staged.unwrap().producer;
    let window = TrainingWindow {
        from: window.from.millis(),
        until: window.until.millis(),
    };
    let config = protocol.producer.as_ref().unwrap().boost(20, 7_500);
    producer::train(&rows, window, &config).unwrap()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// What the decisions of some days saw, by time.
fn served(tenant: &mut Tenant, from: u64, until: u64) -> BTreeMap<EventTime, Vec<u32>> {
    let mut served = BTreeMap::new();
    decide(tenant, from * PER_DAY, until * PER_DAY, |number, tenant| {
        let sample = tenant.last_sample();
        served.insert(time_of(number), bits(&sample.tabular));
    });
    served
}

fn assert_same(rows: &Rows, served: &BTreeMap<EventTime, Vec<u32>>) {
    assert!(rows.len() > PER_DAY as usize / 2, "{} rows", rows.len());
    for (row, time) in rows.times.iter().enumerate() {
        let values = &rows.values[row * rows.width..(row + 1) * rows.width];
        assert_eq!(bits(values), served[time], "training at {time}");
    }
}

#[test]
fn decisions_training_and_evaluation_read_the_same_suspicion() {
    let protocol = Protocol::parse(PROTOCOL).unwrap();
    let dir = TempDir::new().unwrap();
    let place = Place::new(dir.path(), "acme").unwrap();
    import(&place, 0, 5 * PER_DAY);
    let producer = producer_of(&samples(&place, &protocol), &protocol);
    let ours = model(&place, 2, 4, Some(producer.clone()), 1);
    let other = transfers::producer(&place, 1, 9);
    let others = model(&place, 1, 4, Some(other), 2);

    // Another producer speaks for a while, then ours; none of the other's scores may be left.
    let mut tenant = open(&place);
    tenant.activate(others).unwrap();
    decide(&mut tenant, 5 * PER_DAY, 6 * PER_DAY, |_, _| {});
    tenant.activate(ours).unwrap();
    let served = served(&mut tenant, 6, 8);
    drop(tenant);
    assert_same(&rows(&place, 6, 8, Some(&producer)), &served);

    let mut samples = samples(&place, &protocol);
    let go_on = |_| ControlFlow::Continue(());
    let (source, rungs) = (Source::open(&place).unwrap(), Rung::ladder(&protocol));
    channel::fill(
        &mut samples,
        &source,
        &protocol,
        &rungs,
        Extent::Test,
        go_on,
    )
    .unwrap();
    let key = ChannelKey {
        set: "test",
        fold: 0,
        seed: 7,
        labels: LabelAccess::Features,
    };
    let channel = &samples.channels[&key];
    let mut read = [0; 2];
    for row in 0..samples.rows.len() {
        let Some(served) = served.get(&samples.seen(row).time) else {
            continue;
        };
        for (feature, held) in samples.features.features().iter().enumerate() {
            let suspicion = channel.value(row, feature);
            assert_eq!(suspicion.is_some(), held.group == FeatureGroup::Suspicion);
            let value = suspicion.unwrap_or(samples.values[row * samples.width() + feature]);
            assert_eq!(
                value.to_bits(),
                served[feature],
                "{} of row {row}",
                held.name
            );
            let is_heard = suspicion.is_some_and(|value| !value.is_nan());
            read[usize::from(held.name.contains("_next_"))] += u32::from(is_heard);
        }
    }
    assert!(
        read.iter().all(|read| *read > 1_000),
        "suspicion reached samples: {read:?}"
    );
}

/// A model without a producer is trained without suspicion, and reads none when it serves.
#[test]
fn without_a_producer_nobody_is_heard() {
    let dir = TempDir::new().unwrap();
    let place = Place::new(dir.path(), "acme").unwrap();
    import(&place, 0, 5 * PER_DAY);
    let speaking = model(&place, 2, 4, Some(transfers::producer(&place, 2, 1)), 1);
    let silent = model(&place, 0, 4, None, 2);
    let mut tenant = open(&place);
    tenant.activate(speaking).unwrap();
    decide(&mut tenant, 5 * PER_DAY, 6 * PER_DAY, |_, _| {});
    tenant.activate(silent).unwrap();
    let served = served(&mut tenant, 6, 8);
    drop(tenant);
    let collected = rows(&place, 6, 8, None);
    assert_same(&collected, &served);
    let features = graph::FeatureList::new(&transfers::schema());
    for row in collected.values.chunks_exact(collected.width) {
        for (value, feature) in row.iter().zip(features.features()) {
            let is_suspicion = feature.group == FeatureGroup::Suspicion;
            assert!(!is_suspicion || value.is_nan(), "{}", feature.name);
        }
    }
}
