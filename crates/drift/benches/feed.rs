//! What the watch takes of a decision: one row of as many features as the default schema has, and the close of an
//! hour's window, which all rows of the hour share.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a command that prints a table and measures time"
)]

use std::fs;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use ringfence_drift::reference::{DAY_MS, HOUR_MS, SegmentBy};
use ringfence_drift::{Builder, Column, Monitor, Reference, Scale};

/// The default schema's features.
const FEATURES: usize = 452;
const CHANNELS: u64 = 3;
const EVENT_TYPES: u64 = 3;
const DAYS: i64 = 28;
/// Monday.
const START: i64 = 1_767_571_200_000;
/// Of the reference, and of what is fed: enough for every segment's rules.
const PER_HOUR: i64 = 60;
const FED_PER_HOUR: usize = 50_000;
const HOURS: i64 = 24;
/// Rows that are fed over and over.
const KEPT: usize = 4_096;

fn main() {
    let reference = reference();
    let mut monitor = Monitor::by_default(reference.clone(), 0);
    let rows: Vec<Vec<f32>> = (0..KEPT as u64).map(|at| values(1 << 32 | at)).collect();
    let (mut feeds, mut closes) = (Duration::ZERO, Duration::ZERO);
    let (mut at, mut begin) = (0, START + DAYS * DAY_MS);
    for _ in 0..HOURS {
        let started = now();
        for _ in 0..FED_PER_HOUR {
            let values = &rows[at % KEPT];
            monitor.feed(at as u64, begin, black_box(values), values[10]);
            at += 1;
        }
        let fed = now();
        begin += HOUR_MS;
        monitor.pass(at as u64, Some(begin));
        feeds += fed - started;
        closes += now() - fed;
    }
    let segments = reference.segments.len();
    println!(
        "{FEATURES} features and a score, {segments} segments, {FED_PER_HOUR} rows an hour; CPU time"
    );
    let (row, close) = (feeds / at as u32, closes / HOURS as u32);
    println!("{:<24} {row:>12?}", "a row");
    println!("{:<24} {close:>12?}", "the close of an hour");
    let share = close / FED_PER_HOUR as u32;
    println!("{:<24} {:>12?}", "a row with its share", row + share);
    assert_eq!(monitor.rows(), at as u64);
}

/// CPU time of the thread, where the system tells it (Linux, scheduler statistics): others may use the machine.
fn now() -> Duration {
    let told = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(told.split(' ').next().unwrap().parse().unwrap())
}

/// Kinds of columns as often as the default schema has them: most are counts and times.
fn columns() -> Vec<Column> {
    let scale = |at: usize| match at {
        0 => Scale::Money,
        1..10 => Scale::Category,
        _ if at.is_multiple_of(4) => Scale::Plain,
        _ => Scale::Log,
    };
    let mut columns: Vec<Column> = (0..FEATURES)
        .map(|at| Column::plain(&format!("f{at}"), scale(at)))
        .collect();
    columns.push(Column::plain("score", Scale::Plain));
    columns
}

fn mixed(seed: u64) -> u64 {
    let z = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// One feature in nine is missing in a third of the rows.
fn values(position: u64) -> Vec<f32> {
    let draw = |salt: u64| mixed(position * 1_031 + salt * 0x9e37_79b9 + 1);
    let mut values: Vec<f32> = (0..FEATURES as u64)
        .map(|at| match at {
            10.. if at.is_multiple_of(9) && draw(at + 1_000).is_multiple_of(3) => f32::NAN,
            1..10 => (draw(at) % 7) as f32,
            _ => (draw(at) % 1_000) as f32 * (draw(at) >> 60) as f32 / 16.0,
        })
        .collect();
    values[1] = (draw(1) % EVENT_TYPES) as f32;
    values[2] = (draw(2) % CHANNELS) as f32;
    values
}

fn reference() -> Arc<Reference> {
    let by = SegmentBy {
        event_type: 1,
        channel: Some(2),
    };
    let mut builder = Builder::new(columns(), Vec::new(), by);
    for position in 0..DAYS * 24 * PER_HOUR {
        let values = values(position as u64);
        let score = values[10];
        builder.push(START + position * (HOUR_MS / PER_HOUR), &values, score);
    }
    let name =
        |key: ringfence_drift::reference::SegmentKey| format!("{}/{}", key.event_type, key.channel);
    Arc::new(builder.build(name).unwrap())
}
