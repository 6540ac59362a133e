//! A producer's channel under audit: clean where it is made by what was known then.

use std::cell::Cell;
use std::collections::HashMap;
use std::ops::ControlFlow;

use event::ids::text_key;
use event::{Event, Position, Record};
use ringfence_learning::calibrate::{CalibrateError, Method};
use ringfence_learning::evaluate::Extent;
use ringfence_learning::evaluate::audit::{
    AuditReport, Channeling, Check, Subject, Verdict, audit, honest,
};
use ringfence_learning::evaluate::channel;
use ringfence_learning::evaluate::folds::Part;
use ringfence_learning::evaluate::ladder::Rung;
use ringfence_learning::evaluate::protocol::Protocol;
use ringfence_learning::producer::ProducerError;

use crate::shop_world::{World, stream};
use crate::{cents, events, failed, place_within_instant, records};

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
