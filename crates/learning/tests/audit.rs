//! The leak audit: clean on an honest way from log to sample, and every planted leak is found by the
//! check that is there for it.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

#[path = "support/shop_world.rs"]
mod shop_world;

use std::cell::Cell;
use std::collections::HashMap;
use std::ops::ControlFlow;

use event::ids::text_key;
use event::record::Verdict as Told;
use event::{Event, Position, Record, Span};
use ringfence_learning::calibrate::{CalibrateError, Method};
use ringfence_learning::evaluate::audit::alter::{Naming, renamed, shuffled};
use ringfence_learning::evaluate::audit::relabel::Stories;
use ringfence_learning::evaluate::audit::{
    AuditReport, Channeling, Check, Sampling, Subject, Verdict, audit, honest,
};
use ringfence_learning::evaluate::channel;
use ringfence_learning::evaluate::folds::Part;
use ringfence_learning::evaluate::ladder::Rung;
use ringfence_learning::evaluate::protocol::Protocol;
use ringfence_learning::evaluate::source::{Source, Stream};
use ringfence_learning::evaluate::{EvaluateError, Extent};
use ringfence_learning::producer::ProducerError;
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

/// Two stages in each fold, on a longer history.
const STAGED: &str = r#"
name = "shops"
schema = "default"
origin = "2026-01-01T00:00:00Z"
label_delay = "1d"
seeds = [1]
candidates = [{ rounds = [10], leaves = 6 }]
producer = { rounds = [10], leaves = 6 }
validation = [
    { train = [0, 7], test = [8, 10], producer = [0, 4], consumer = [4, 7] },
    { train = [1, 8], test = [9, 11], producer = [1, 5], consumer = [5, 8] },
]
test = [{ train = [0, 11], test = [12, 14], producer = [0, 5], consumer = [5, 11] }]
"#;

fn run_staged(hidden: bool, checks: &[Check], channeling: &Channeling) -> AuditReport {
    let protocol = Protocol::parse(STAGED).unwrap();
    let world = World {
        days: 14,
        hidden,
        ..World::default()
    };
    let subject = Subject {
        stream: &stream(&world),
        protocol: &protocol,
        extent: Extent::Validation,
        rung: &Rung::full(&protocol)[0],
        sampling: &honest,
        channeling,
    };
    audit(&subject, checks, |_| ControlFlow::Continue(())).unwrap()
}

/// A channel on which one value holds what `leak` says of the event at a position.
fn leaky_channel(
    leak: impl Fn(&[(Position, Record)]) -> HashMap<Position, f32> + 'static,
) -> Box<Channeling> {
    Box::new(move |making, part| {
        let mut channel = channel::make(making, part)?;
        let leaked = leak(&records(making.source));
        for row in 0..making.samples.rows.len() {
            let position = making.samples.seen(row).position;
            let at = row * channel.width;
            channel.values[at] = leaked.get(&position).copied().unwrap_or(0.0);
        }
        Ok(channel)
    })
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

#[test]
fn an_honest_channel_is_clean() {
    for hidden in [false, true] {
        let report = run_staged(hidden, &Check::ALL, &channel::make);
        assert_eq!(failed(&report), Vec::<&str>::new(), "{}", report.table());
        assert!(report.rung.contains("producer in the loop"));
        assert!(report.ap > 3.0 * report.prevalence, "{}", report.table());
        // Without the channel the audited model is another one: it does read what the producer says.
        let silent = run_staged(hidden, &[Check::Labels], &|making, part| {
            let mut channel = channel::make(making, part)?;
            assert!(channel.values.iter().any(|value| !value.is_nan()));
            channel.values.fill(f32::NAN);
            Ok(channel)
        });
        assert_ne!(silent.ap, report.ap);
    }
}

#[test]
fn what_leaks_through_a_channel_is_found() {
    let next_amount = |records: &[(Position, Record)]| -> HashMap<Position, f32> {
        let all: Vec<(Position, f32)> = events(records)
            .map(|(at, event)| (at, cents(event)))
            .collect();
        all.windows(2).map(|pair| (pair[0].0, pair[1].1)).collect()
    };
    let of_account = |records: &[(Position, Record)]| -> HashMap<Position, f32> {
        let code = |event: &Event| (text_key(event.entities[0].1.as_str(), 0) % 97) as f32;
        events(records)
            .map(|(at, event)| (at, code(event)))
            .collect()
    };
    let own_label = |records: &[(Position, Record)]| -> HashMap<Position, f32> {
        let labels = records.iter().filter_map(|(_, record)| match record {
            Record::Label(label) => Some((label.subject.position, 1.0)),
            _ => None,
        });
        labels.collect()
    };
    let cases: [(Check, Box<Channeling>); 4] = [
        (Check::Future, leaky_channel(next_amount)),
        (Check::Ids, leaky_channel(of_account)),
        (Check::Labels, leaky_channel(own_label)),
        (Check::Order, leaky_channel(place_within_instant)),
    ];
    for (check, channeling) in &cases {
        let report = run_staged(true, &[*check], channeling);
        assert_eq!(failed(&report), [check.name()], "{}", report.table());
    }
}

/// Too few frauds in an altered history is no fault of the way: another permutation is drawn, and without
/// any the check is skipped, not failed.
#[test]
fn a_history_with_too_few_frauds_for_the_producer_skips_the_check() {
    // The two validation folds of the history as it is are the first two channels.
    let refusing = |refusals: usize| {
        let made = Cell::new(0);
        move |making: &channel::Making<'_>, part: &Part| {
            made.set(made.get() + 1);
            if (3..3 + refusals).contains(&made.get()) {
                let few = CalibrateError::Few {
                    method: Method::Platt,
                    min: 10,
                    positives: 7,
                    negatives: 100,
                    hint: "",
                };
                return Err(ProducerError::from(few).into());
            }
            channel::make(making, part)
        }
    };
    let verdicts = |refusals, checks: &[Check]| -> Vec<Verdict> {
        let report = run_staged(false, checks, &refusing(refusals));
        report.findings.iter().map(|it| it.verdict).collect()
    };
    assert_eq!(verdicts(1, &[Check::Labels]), [Verdict::Clean]);
    let both = [Check::Labels, Check::Delay];
    assert_eq!(verdicts(usize::MAX - 3, &both), [Verdict::Skipped; 2]);
}

/// A producer that trained on what it speaks of, with labels that nobody had then.
#[test]
fn a_producer_that_has_seen_the_test_is_found() {
    let clairvoyant = |making: &channel::Making<'_>, part: &Part| {
        let mut seen = Part::default();
        for row in making.samples.rows_in(making.fold.test) {
            if let Some(fraud) = making.samples.truth(making.samples.seen(row)) {
                seen.rows.push(row);
                seen.fraud.push(fraud);
            }
        }
        // The latest rows make the calibration and have to hold frauds, also where the test is cut.
        seen.rows.extend(&part.rows);
        seen.fraud.extend(&part.fraud);
        channel::make(making, &seen)
    };
    let report = run_staged(false, &[Check::Future], &clairvoyant);
    assert_eq!(failed(&report), ["future"], "{}", report.table());
}
