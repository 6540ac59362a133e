//! A leak would show here: figures must not move when the future, the ids or nothing but the ids change,
//! and must vanish when labels say nothing.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

use std::collections::VecDeque;
use std::ops::ControlFlow;

use event::json::{Line, parse_line};
use event::{EventTime, Schema};
use node::{Journal, Place};
use ringfence_learning::evaluate::ladder::Rung;
use ringfence_learning::evaluate::protocol::Protocol;
use ringfence_learning::evaluate::report::Report;
use ringfence_learning::evaluate::{Extent, evaluate};
use tempfile::TempDir;

const PROTOCOL: &str = r#"
name = "synthetic"
schema = "default"
origin = "2026-01-01T00:00:00Z"
label_delay = "1d"
seeds = [1]
bootstrap = 20
candidates = [{ rounds = [10, 30], leaves = 6 }]
producer = { rounds = [10], leaves = 6 }
validation = [{ train = [0, 4], test = [5, 7], producer = [0, 2], consumer = [2, 4] }]
test = [{ train = [2, 6], test = [7, 9], producer = [2, 4], consumer = [4, 6] }]
"#;

struct Row {
    minute: u64,
    account: u64,
    merchant: u64,
    cents: u64,
    fraud: bool,
}

fn mixed(seed: u64) -> u64 {
    let z = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// An event every two minutes. Two merchants of twenty are compromised on every day; frauds there are
/// dear, but not every dear payment is fraud.
fn world(days: u64) -> Vec<Row> {
    let row = |number: u64| {
        let draw = |salt: u64| mixed(number * 31 + salt * 0x9e37_79b9_7f4b + 1);
        let merchant = draw(1) % 20;
        let fraud = merchant < 2 && draw(2) % 10 < 7;
        let dear = fraud || draw(3) % 20 == 0;
        Row {
            minute: number * 2,
            account: draw(4) % 150,
            merchant,
            cents: 500 + draw(5) % 4_000 + if dear { 6_000 } else { 0 },
            fraud,
        }
    };
    (0..days * 720).map(row).collect()
}

fn stamp(minute: u64) -> String {
    let (day, hour, minute) = (1 + minute / 1440, minute / 60 % 24, minute % 60);
    format!("2026-01-{day:02}T{hour:02}:{minute:02}:00Z")
}

/// Imports the rows, each fraud's label one day after it, and evaluates all features.
fn report(rows: &[Row], name: impl Fn(u64) -> String) -> Report {
    report_of(rows, name, PROTOCOL)
}

fn report_of(rows: &[Row], name: impl Fn(u64) -> String, protocol: &str) -> Report {
    let text = include_str!("../../../schemas/default.toml")
        .replace("maturity = \"14d\"", "maturity = \"1d\"");
    let schema = Schema::parse(&text).unwrap();
    let dir = TempDir::new().unwrap();
    let place = Place::new(dir.path(), "acme").unwrap();
    let mut journal = Journal::create(&place, &text, Default::default()).unwrap();
    let mut waiting: VecDeque<(u64, u64)> = VecDeque::new();
    for (number, row) in rows.iter().enumerate() {
        while let Some((due, event)) = waiting.pop_front() {
            if due > row.minute {
                waiting.push_front((due, event));
                break;
            }
            let at = stamp(due);
            let line = format!(
                r#"{{"label":"fraud","event_id":"e{event}","label_timestamp":"{at}","source":"analyst"}}"#
            );
            let Line::Label(label) = parse_line(&line, &schema, None).unwrap() else {
                panic!("{line}");
            };
            let now = EventTime::parse_iso(&at).unwrap();
            let label = journal.resolve_label(&label, now).unwrap().unwrap();
            journal.append(&event::Record::Label(label)).unwrap();
        }
        let line = format!(
            r#"{{"event_id":"e{number}","event_type":"payment","event_timestamp":"{}","account":"{}","merchant":"{}","amount":"{}.{:02}"}}"#,
            stamp(row.minute),
            name(row.account),
            name(row.merchant),
            row.cents / 100,
            row.cents % 100,
        );
        let Line::Event(event) = parse_line(&line, &schema, None).unwrap() else {
            panic!("{line}");
        };
        journal.accept_event(*event).unwrap();
        if row.fraud {
            waiting.push_back((row.minute + 1440, number as u64));
        }
    }
    journal.commit().unwrap();
    let protocol = Protocol::parse(protocol).unwrap();
    let rungs = Rung::full(&protocol);
    evaluate(&place, &protocol, &rungs, Extent::Test, |_| {
        ControlFlow::Continue(())
    })
    .unwrap()
}

fn plain(id: u64) -> String {
    format!("n{id}")
}

fn ap(report: &Report) -> f64 {
    report.rungs[0].test.as_ref().unwrap().folds["ap"].0
}

fn check_same(a: &Report, b: &Report) {
    assert_eq!(a.sizes, b.sizes);
    let (a, b) = (&a.rungs[0], &b.rungs[0]);
    assert_eq!(a.validation, b.validation);
    let (a, b) = (a.test.as_ref().unwrap(), b.test.as_ref().unwrap());
    assert_eq!(a.folds, b.folds);
    assert_eq!(a.importance, b.importance);
}

#[test]
fn neither_the_future_nor_ids_move_a_figure() {
    // The test ends with day 9 and its last label comes by the end of day 10.
    let known = report(&world(10), plain);
    assert!(
        ap(&known) > 0.5,
        "there is something to learn: {}",
        ap(&known)
    );
    check_same(&known, &report(&world(13), plain));
    check_same(
        &known,
        &report(&world(10), |id| format!("other-{}", mixed(id + 7))),
    );
}

#[test]
fn permuted_labels_leave_nothing_to_learn() {
    let mut rows = world(10);
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|row| mixed(*row as u64 + 99));
    let fraud: Vec<bool> = order.iter().map(|row| rows[*row].fraud).collect();
    for (row, fraud) in rows.iter_mut().zip(fraud) {
        row.fraud = fraud;
    }
    let permuted = report(&rows, plain);
    let [_, (scored, frauds)] = permuted.sizes.test[0];
    let prevalence = frauds as f64 / scored as f64;
    assert!(
        ap(&permuted) < 2.0 * prevalence,
        "{} {prevalence}",
        ap(&permuted)
    );
}

/// The graph and the scored rows keep every event; the loss loses a share of the legitimate ones, the same
/// for any ids and any future.
#[test]
fn thinned_training_keeps_its_frauds_and_every_scored_row() {
    let thinned = PROTOCOL.replace("seeds", "negative_rate = 0.25\nseeds");
    let all = report(&world(10), plain);
    let few = report_of(&world(10), plain, &thinned);
    let [(rows, frauds), scored] = all.sizes.test[0];
    let [(rows_left, frauds_left), scored_left] = few.sizes.test[0];
    assert_eq!((scored, frauds), (scored_left, frauds_left));
    let share = (rows_left - frauds) as f64 / (rows - frauds) as f64;
    assert!((share - 0.25).abs() < 0.04, "{share}");
    assert!(ap(&few) > 0.5, "{}", ap(&few));
    let other = |id| format!("other-{}", mixed(id + 7));
    check_same(&few, &report_of(&world(13), other, &thinned));
}
