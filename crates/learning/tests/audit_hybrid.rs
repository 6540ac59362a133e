//! The leak audit of a network: clean on an honest way, and a leak in the arrays that only it reads is found.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

#[path = "support/shop_world.rs"]
mod shop_world;

use std::collections::HashMap;
use std::ops::ControlFlow;

use event::record::Verdict as Told;
use event::{Position, Record};
use ringfence_learning::evaluate::Extent;
use ringfence_learning::evaluate::audit::{
    AuditReport, Check, Sampling, Subject, Verdict, audit, honest_full,
};
use ringfence_learning::evaluate::channel;
use ringfence_learning::evaluate::ladder::Rung;
use ringfence_learning::evaluate::protocol::Protocol;
use ringfence_learning::evaluate::samples::Samples;
use ringfence_learning::evaluate::source::{Source, Stream};
use ringfence_learning::neural::arrays::Arrays;
use shop_world::{World, stream};

const PROTOCOL: &str = r#"
name = "shops"
schema = "default"
origin = "2026-01-01T00:00:00Z"
label_delay = "1d"
seeds = [1]
candidates = [{ rounds = [10], leaves = 6 }]
networks = [{ epochs = [6], batch = 128, learning_rate = 0.01, feature_dropout = 0.0 }]
validation = [{ train = [0, 4], test = [5, 7] }, { train = [1, 5], test = [6, 8] }]
test = [{ train = [5, 8], test = [9, 10] }]
"#;

fn run(stream: &Stream, rung: &str, checks: &[Check], sampling: &Sampling) -> AuditReport {
    let protocol = Protocol::parse(PROTOCOL).unwrap();
    let ladder = Rung::ladder(&protocol);
    let subject = Subject {
        stream,
        protocol: &protocol,
        extent: Extent::Validation,
        rung: ladder.iter().find(|it| it.name == rung).unwrap(),
        sampling,
        channeling: &channel::make,
    };
    audit(&subject, checks, |_| ControlFlow::Continue(())).unwrap()
}

fn failed(report: &AuditReport) -> Vec<&'static str> {
    let leaks = report
        .findings
        .iter()
        .filter(|it| it.verdict == Verdict::Leak);
    let mut checks: Vec<&str> = leaks.map(|it| it.check).collect();
    checks.dedup();
    checks
}

#[test]
fn an_honest_network_is_clean() {
    let hidden = stream(&World {
        hidden: true,
        ..World::default()
    });
    // Its scores are the mean of both: a bit that moves in the network moves them.
    let report = run(&hidden, "hybrid + trees", &Check::ALL, &honest_full);
    assert_eq!(failed(&report), Vec::<&str>::new(), "{}", report.table());
    assert!(report.ap > 3.0 * report.prevalence, "{}", report.table());
}

/// Whether each event is labelled fraud anywhere in the log.
fn verdicts(source: &Source<'_>) -> HashMap<Position, f32> {
    let mut found = HashMap::new();
    let mut records = source.records().unwrap();
    while let Some((_, record)) = records.next_record().unwrap() {
        if let Record::Label(label) = record {
            let fraud = label.verdict == Told::Fraud;
            found.insert(label.subject.position, f32::from(u8::from(fraud)));
        }
    }
    found
}

/// The own label in place of the first value of each sample's first entity: no feature has it.
fn planted(samples: &mut Samples, told: &HashMap<Position, f32>) {
    let arrays = samples.arrays.take().unwrap();
    let rows = samples.rows.len();
    let ([sequence, entities, neighbourhood], [step_start, neighbour_start]) = arrays.parts();
    let mut entities = entities.to_vec();
    let width = entities.len() / rows;
    for row in 0..rows {
        let position = samples.seen(row).position;
        entities[row * width] = told.get(&position).copied().unwrap_or(0.0);
    }
    let floats = [sequence.to_vec(), entities, neighbourhood.to_vec()];
    let starts = [step_start.to_vec(), neighbour_start.to_vec()];
    samples.arrays = Arrays::of_parts(arrays.roles(), rows, floats, starts);
}

#[test]
fn a_label_in_the_neighbourhood_is_found() {
    let sampling: Box<Sampling> = Box::new(|source, protocol, windows, progress| {
        let mut samples = honest_full(source, protocol, windows, progress)?;
        planted(&mut samples, &verdicts(source));
        Ok(samples)
    });
    let stream = stream(&World::default());
    let report = run(
        &stream,
        "hybrid",
        &[Check::Labels, Check::Future],
        &sampling,
    );
    assert_eq!(failed(&report), ["labels", "future"], "{}", report.table());
    let future = report
        .findings
        .iter()
        .find(|it| it.check == "future")
        .unwrap();
    let changed: Vec<&String> = future.features_changed.iter().map(|it| &it.0).collect();
    assert_eq!(changed, ["sequence or neighbourhood"], "{}", report.table());
}
