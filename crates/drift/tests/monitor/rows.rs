//! Rows of a small world without events: hours of the week differ, days differ a little, one column grows.

use std::sync::Arc;

use ringfence_drift::column::of_probability;
use ringfence_drift::reference::{DAY_MS, HOUR_MS, SegmentBy};
use ringfence_drift::{Builder, Column, Field, Monitor, Reference, Scale, Settings};

/// Monday.
pub const START: i64 = 1_767_571_200_000;
pub const REFERENCE_DAYS: i64 = 28;
pub const PER_HOUR: i64 = 60;

pub const EVENT_TYPE: usize = 0;
pub const CHANNEL: usize = 1;
pub const CHANNEL_SHARE: usize = 2;
pub const AMOUNT: usize = 3;
pub const COUNT: usize = 4;
pub const RATE: usize = 5;
pub const TENURE: usize = 6;
pub const DEVICE: usize = 7;
pub const DEVICE_SUM: usize = 8;
pub const HOUR: usize = 9;
pub const WIDTH: usize = 10;

#[derive(Clone, Debug)]
pub struct Row {
    pub position: u64,
    pub time: i64,
    pub values: [f32; WIDTH],
    pub score: f32,
}

pub fn columns() -> Vec<Column> {
    let amount = 1;
    let channel = 2;
    let device = 4;
    let column = |name: &str, scale, field, sources| Column {
        field,
        sources,
        ..Column::plain(name, scale)
    };
    let mut columns = vec![
        column("event_type", Scale::Category, Field::None, 0),
        column("channel_code", Scale::Category, Field::Value, channel),
        column("channel_share", Scale::Plain, Field::None, channel),
        column("amount", Scale::Money, Field::Value, amount),
        column("count", Scale::Log, Field::None, 0),
        column("rate", Scale::Plain, Field::None, 0),
        column("tenure", Scale::Log, Field::None, 0),
        column("device_events", Scale::Log, Field::Presence, device),
        column("device_sum_7d", Scale::Log, Field::None, amount | device),
        column("hour_of_day", Scale::Clock, Field::None, 0),
        column("score", Scale::Plain, Field::None, 0),
    ];
    columns[CHANNEL].novelty = Some(CHANNEL_SHARE as u16);
    columns
}

/// A number of 0 to 1 that goes with its arguments.
pub fn draw(seed: u64, position: u64, salt: u64) -> f64 {
    let mut z = seed
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(position.wrapping_mul(0xbf58_476d_1ce4_e5b9))
        .wrapping_add(salt.wrapping_mul(0x94d0_49bb_1331_11eb));
    for _ in 0..2 {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
    }
    (z >> 11) as f64 / (1_u64 << 53) as f64
}

/// Standard normal, of twelve draws.
pub fn normal(seed: u64, position: u64, salt: u64) -> f64 {
    let each = (0..12).map(|it| draw(seed, position, salt * 16 + it));
    each.sum::<f64>() - 6.0
}

pub fn row(seed: u64, position: u64) -> Row {
    let hours = position as i64 / PER_HOUR;
    let time = START + hours * HOUR_MS + (position as i64 % PER_HOUR) * (HOUR_MS / PER_HOUR);
    let hour = hours % 24;
    let is_night = !(7..22).contains(&hour);
    let day = normal(seed, (hours / 24) as u64, 99);
    let n = |salt: u64| normal(seed, position, salt);
    let is_transfer = draw(seed, position, 1) < if is_night { 0.5 } else { 0.2 };
    let channel = if draw(seed, position, 2) < 0.3 {
        1.0
    } else {
        0.0
    };
    let level = if is_night { 2.0 } else { 0.0 };
    let amount = libm::exp(3.0 + 0.3 * level + 0.05 * day + n(3)) as f32;
    let has_device = draw(seed, position, 6) < 0.9;
    let events = libm::floor(libm::exp(1.0 + n(7))) as f32;
    let device = |value: f32| if has_device { value } else { f32::NAN };
    let values = [
        f32::from(u8::from(is_transfer)),
        channel,
        if channel == 0.0 { 0.7 } else { 0.3 },
        amount,
        libm::floor(libm::exp(0.5 + 0.2 * level + n(4))) as f32,
        (level + 0.05 * day + n(5)) as f32,
        (hours as f64 / 24.0 * draw(seed, position, 8) * 24.0) as f32,
        device(events),
        device(events * amount),
        hour as f32,
    ];
    let ppm = 1e6 / (1.0 + libm::exp(4.0 - n(9)));
    Row {
        position,
        time,
        values,
        score: of_probability(ppm as u32),
    }
}

pub fn reference(seed: u64) -> Arc<Reference> {
    reference_of(seed, |_| {})
}

/// Of rows that are altered before they count.
pub fn reference_of(seed: u64, mut change: impl FnMut(&mut Row)) -> Arc<Reference> {
    let by = SegmentBy {
        event_type: EVENT_TYPE as u16,
        channel: Some(CHANNEL as u16),
    };
    let sources = ["amount", "channel", "device"].map(str::to_owned).to_vec();
    let mut builder = Builder::new(columns(), sources, by);
    for position in 0..(REFERENCE_DAYS * 24 * PER_HOUR) as u64 {
        let mut row = row(seed, position);
        change(&mut row);
        builder.push(row.time, &row.values, row.score);
    }
    let name =
        |key: ringfence_drift::reference::SegmentKey| format!("{}/{}", key.event_type, key.channel);
    Arc::new(builder.build(name).unwrap())
}

/// The days behind the reference.
pub fn live(seed: u64, days: i64) -> impl Iterator<Item = Row> {
    let first = REFERENCE_DAYS * 24 * PER_HOUR;
    let last = first + days * 24 * PER_HOUR;
    (first as u64..last as u64).map(move |position| row(seed, position))
}

pub fn monitor(reference: &Arc<Reference>) -> Monitor {
    Monitor::new(reference.clone(), Settings::default(), 0).unwrap()
}

pub fn feed(monitor: &mut Monitor, row: &Row) {
    monitor.feed(row.position, row.time, &row.values, row.score);
}

/// When rows of the given number of live days begin.
pub fn live_day(day: i64) -> i64 {
    START + (REFERENCE_DAYS + day) * DAY_MS
}
