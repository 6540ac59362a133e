//! The leak audit: clean on an honest way from log to sample, and every planted leak is found by the
//! check that is there for it.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

mod channels;
#[path = "../support/shop_world.rs"]
mod shop_world;

use std::collections::HashMap;
use std::ops::ControlFlow;

use event::ids::text_key;
use event::record::Verdict as Told;
use event::{Event, Position, Record, Span};
use ringfence_learning::evaluate::audit::alter::{Naming, renamed, shuffled};
use ringfence_learning::evaluate::audit::relabel::Stories;
use ringfence_learning::evaluate::audit::{
    AuditReport, Check, Sampling, Subject, Verdict, audit, honest,
};
use ringfence_learning::evaluate::channel;
use ringfence_learning::evaluate::ladder::Rung;
use ringfence_learning::evaluate::protocol::Protocol;
use ringfence_learning::evaluate::source::{Source, Stream};
use ringfence_learning::evaluate::{EvaluateError, Extent};
use shop_world::{World, stream};

const PROTOCOL: &str = r#"
name = "shops"
schema = "default"
origin = "2026-01-01T00:00:00Z"
label_delay = "1d"
seeds = [1]
candidates = [{ rounds = [10], leaves = 6 }]
validation = [{ train = [0, 4], test = [5, 7] }, { train = [1, 5], test = [6, 8] }]
test = [{ train = [5, 8], test = [9, 10] }]
"#;

fn run(stream: &Stream, checks: &[Check], sampling: &Sampling) -> AuditReport {
    let protocol = Protocol::parse(PROTOCOL).unwrap();
    let subject = Subject {
        stream,
        protocol: &protocol,
        extent: Extent::Validation,
        rung: &Rung::full(&protocol)[0],
        sampling,
        channeling: &channel::make,
    };
    audit(&subject, checks, |_| ControlFlow::Continue(())).unwrap()
}

fn records(source: &Source<'_>) -> Vec<(Position, Record)> {
    let mut records = Vec::new();
    let mut stream = source.records().unwrap();
    while let Some(record) = stream.next_record().unwrap() {
        records.push(record);
    }
    records
}

fn failed(report: &AuditReport) -> Vec<&'static str> {
    let mut checks: Vec<&str> = report
        .findings
        .iter()
        .filter(|it| it.verdict == Verdict::Leak)
        .map(|it| it.check)
        .collect();
    checks.dedup();
    assert_eq!(report.clean, checks.is_empty());
    checks
}

/// A way to samples on which one feature holds what `leak` says of the event at a position.
fn leaky(
    leak: impl Fn(&[(Position, Record)]) -> HashMap<Position, f32> + 'static,
) -> Box<Sampling> {
    Box::new(move |source, protocol, windows, progress| {
        let mut samples = honest(source, protocol, windows, progress)?;
        let leaked = leak(&records(source));
        let width = samples.width();
        for row in 0..samples.rows.len() {
            let position = samples.seen(row).position;
            samples.values[row * width] = leaked.get(&position).copied().unwrap_or(0.0);
        }
        Ok::<_, EvaluateError>(samples)
    })
}

fn events(records: &[(Position, Record)]) -> impl Iterator<Item = (Position, &Event)> {
    records
        .iter()
        .filter_map(|(position, record)| match record {
            Record::Event(event) => Some((*position, event)),
            _ => None,
        })
}

fn cents(event: &Event) -> f32 {
    event.amount.unwrap().minor as f32
}

#[test]
fn an_honest_way_is_clean_whether_instants_are_hidden_or_ordered() {
    for hidden in [false, true] {
        let report = run(
            &stream(&World {
                hidden,
                ..World::default()
            }),
            &Check::ALL,
            &honest,
        );
        assert_eq!(failed(&report), Vec::<&str>::new(), "{}", report.table());
        // There is something to learn, and instants hold several events: the checks had a chance.
        assert!(report.ap > 3.0 * report.prevalence, "{}", report.table());
        let of = |check: Check| {
            report
                .findings
                .iter()
                .filter(move |it| it.check == check.name())
        };
        assert!(
            of(Check::Order).all(|it| it.rows > 1_000),
            "{}",
            report.table()
        );
        assert_eq!(of(Check::Future).count(), 3);
        assert!(of(Check::Future).all(|it| it.scores > 100));
        assert!(of(Check::Delay).all(|it| it.change.is_some()));
        assert!(report.table().contains("clean: no check found a leak"));
    }
}

#[test]
fn a_feature_from_the_future_is_found() {
    let next_amount = leaky(|records| {
        let all: Vec<(Position, f32)> = events(records)
            .map(|(at, event)| (at, cents(event)))
            .collect();
        all.windows(2).map(|pair| (pair[0].0, pair[1].1)).collect()
    });
    let report = run(&stream(&World::default()), &[Check::Future], &next_amount);
    assert_eq!(failed(&report), ["future"]);
    // Of the rows before the cut only the last one sees over it: one bit of one row is enough.
    assert!(
        report.findings.iter().all(|it| it.rows_changed == 1),
        "{}",
        report.table()
    );
    assert!(
        report
            .findings
            .iter()
            .all(|it| it.features_changed.len() == 1)
    );
}

#[test]
fn a_feature_from_a_label_is_found() {
    let own_label = leaky(|records| {
        let labels = records.iter().filter_map(|(_, record)| match record {
            Record::Label(label) => Some((
                label.subject.position,
                f32::from(u8::from(label.verdict == Told::Fraud)),
            )),
            _ => None,
        });
        labels.collect()
    });
    let stream = stream(&World::default());
    let report = run(&stream, &[Check::Labels], &own_label);
    assert_eq!(failed(&report), ["labels"]);
    assert!(report.findings[0].ap.unwrap() > 0.9, "{}", report.table());
    // Its labels also lie ahead of the cut.
    assert_eq!(
        failed(&run(&stream, &[Check::Future], &own_label)),
        ["future"]
    );
}

#[test]
fn a_feature_made_from_ids_is_found() {
    let of_account = leaky(|records| {
        events(records)
            .map(|(at, event)| (at, (text_key(event.entities[0].1.as_str(), 0) % 97) as f32))
            .collect()
    });
    for hidden in [false, true] {
        let stream = stream(&World {
            hidden,
            ..World::default()
        });
        let report = run(&stream, &[Check::Ids], &of_account);
        assert_eq!(failed(&report), ["ids"], "{}", report.table());
    }
}

/// Frauds have the highest ids: where ids break ties only the order of ids is left to leak.
#[test]
fn the_order_of_ids_is_found_where_it_breaks_ties() {
    let world = World {
        hidden: true,
        frauds_last_by_id: true,
        ..World::default()
    };
    let rank = leaky(|records| {
        let mut ids: Vec<(&str, Position)> = events(records)
            .map(|(at, event)| (event.event_id.as_str(), at))
            .collect();
        ids.sort_unstable();
        let ranked = ids.into_iter().enumerate();
        ranked.map(|(rank, (_, at))| (at, rank as f32)).collect()
    });
    let report = run(&stream(&world), &[Check::Ids], &rank);
    assert_eq!(failed(&report), ["ids"], "{}", report.table());
    let random = &report.findings[1];
    assert!(random.change.unwrap().high < 0.0, "{}", report.table());
}

fn place_within_instant(records: &[(Position, Record)]) -> HashMap<Position, f32> {
    let (mut instant, mut place) = (None, 0.0);
    let ranked = events(records).map(|(at, event)| {
        let same = instant == Some(event.event_timestamp);
        place = if same { place + 1.0 } else { 0.0 };
        instant = Some(event.event_timestamp);
        (at, place)
    });
    ranked.collect()
}

#[test]
fn the_order_of_rows_within_an_instant_is_found() {
    // Where instants are hidden any trace of the order is a leak, even one that says nothing.
    let hidden = stream(&World {
        hidden: true,
        ..World::default()
    });
    let report = run(&hidden, &[Check::Order], &leaky(place_within_instant));
    assert_eq!(failed(&report), ["order"], "{}", report.table());
    // Where the order belongs to the stream it leaks when it knows the label.
    let ordered = stream(&World::default());
    let report = run(&ordered, &[Check::Order], &leaky(place_within_instant));
    assert_eq!(failed(&report), Vec::<&str>::new(), "{}", report.table());
    assert!(report.findings[0].rows_changed > 0);
    let closed_by_frauds = stream(&World {
        frauds_last: true,
        ..World::default()
    });
    let report = run(
        &closed_by_frauds,
        &[Check::Order],
        &leaky(place_within_instant),
    );
    assert_eq!(failed(&report), ["order"], "{}", report.table());
}

/// A feature that knows of labels still to come when they take longer than 30 hours: with the
/// delay as it is it says nothing.
#[test]
fn a_rise_with_later_labels_is_found() {
    let late_ahead = leaky(|records| {
        let labels = records.iter().filter_map(|(_, record)| match record {
            Record::Label(label) => {
                let delay = label.received_at.since(label.subject.event_timestamp);
                let late = delay > Span::hours(30);
                Some((label.subject.position, f32::from(u8::from(late))))
            }
            _ => None,
        });
        labels.collect()
    });
    let report = run(&stream(&World::default()), &[Check::Delay], &late_ahead);
    assert_eq!(failed(&report), ["delay"], "{}", report.table());
}

fn all(stream: &Stream) -> Vec<(Position, Record)> {
    let mut records = stream.records();
    std::iter::from_fn(|| records.next_record().unwrap()).collect()
}

/// Every label, by the account and amount of its event: what must stay whatever is renamed or moved.
fn told(stream: &Stream) -> Vec<(Span, i64, Told)> {
    let records = all(stream);
    let mut told: Vec<(Span, i64, Told)> = Vec::new();
    for (at, record) in &records {
        let Record::Label(label) = record else {
            continue;
        };
        let subject = &label.subject;
        let Record::Event(event) = &records[subject.position.0 as usize].1 else {
            panic!("the label at {at:?} names a record that is no event");
        };
        // It carries what its event says, and comes after it.
        assert_eq!(*subject, event.subject(subject.position));
        assert!(subject.position < *at);
        let delay = label.received_at.since(event.event_timestamp);
        told.push((delay, event.amount.unwrap().minor, label.verdict));
    }
    told
}

#[test]
fn altered_streams_still_hang_together() {
    let plain = stream(&World::default());
    let told_before = told(&plain);
    assert!(told_before.len() > 200);
    // Telling the same stories again is the same stream.
    let again = Stories::of(&plain).unwrap().tell(&plain).unwrap();
    assert_eq!(all(&again), all(&plain));

    let (moved, count) = shuffled(&plain, 3).unwrap();
    assert!(count > 1_000, "{count}");
    assert_eq!(told(&moved), told_before);
    assert_ne!(all(&moved), all(&plain));

    let named = renamed(&plain, &Naming::ordered(&plain).unwrap()).unwrap();
    assert_eq!(told(&named), told_before);
    let ids = |stream: &Stream| -> Vec<String> {
        let records = all(stream);
        events(&records)
            .map(|(_, event)| event.event_id.as_str().to_owned())
            .collect()
    };
    let (old, new) = (ids(&plain), ids(&named));
    for pair in [(0, 1), (7, 1_234), (99, 9)] {
        assert_eq!(old[pair.0].cmp(&old[pair.1]), new[pair.0].cmp(&new[pair.1]));
    }
    assert!(old.iter().zip(&new).all(|(old, new)| old != new));

    let mut stories = Stories::of(&plain).unwrap();
    stories.later(Span::days(1));
    let later = told(&stories.tell(&plain).unwrap());
    assert_eq!(later.len(), told_before.len());
    assert!(later.iter().all(|(delay, _, _)| *delay == Span::days(2)));

    let mut stories = Stories::of(&plain).unwrap();
    stories.permute(plain.schema().labels.legitimate, 5);
    let permuted = told(&stories.tell(&plain).unwrap());
    assert_eq!(permuted.len(), told_before.len());
    let dear = |told: &[(Span, i64, Told)]| told.iter().filter(|it| it.1 > 6_000).count();
    // Half of the frauds are dear; who has the label now is as dear as anyone.
    assert!(dear(&told_before) * 3 > told_before.len());
    assert!(dear(&permuted) * 6 < permuted.len(), "{}", dear(&permuted));
}

#[test]
fn the_audit_of_a_copy_is_that_of_the_source() {
    let plain = stream(&World::default());
    let source = Source::Memory(&plain);
    assert_eq!(source.end(), Position(plain.len() as u64));
    let first = run(&plain, &[Check::Labels], &honest);
    let second = run(&plain, &[Check::Labels], &honest);
    assert_eq!(first, second, "an audit must say the same twice");
}
