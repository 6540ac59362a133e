//! The fifteen features of the Fraud Detection Handbook (Le Borgne et al., chapters 3 and 4), to place
//! our figures beside published ones. Only evaluation computes them; no model in service reads them.
//!
//! Windows reach back from the event itself, which they include, and are open at their far end.

use std::collections::HashMap;

use event::{EventTime, Span};

use super::samples::{NOBODY, Samples, Seen};

pub const WIDTH: usize = 15;
const WINDOWS: [Span; 3] = [Span::days(1), Span::days(7), Span::days(30)];
const DELAY: Span = Span::days(7);

/// One row per sample: amount, weekend, night; count and mean amount of the customer in 1, 7 and 30
/// days; count and fraud rate of the terminal in windows of the same lengths that end 7 days ago.
pub fn features(samples: &Samples) -> Vec<f32> {
    let per_major = samples.schema.base_currency.minor_per_major() as f64;
    let customers = histories(&samples.tape, |seen| seen.subject);
    let terminals = histories(&samples.tape, |seen| seen.counterparty);
    let frauds: Vec<bool> = samples
        .tape
        .iter()
        .map(|seen| samples.truth(seen) == Some(true))
        .collect();
    let mut values = Vec::with_capacity(samples.rows.len() * WIDTH);
    for at in &samples.rows {
        let seen = &samples.tape[*at as usize];
        let day = seen.time.millis().div_euclid(Span::days(1).millis());
        let hour = seen.time.millis().rem_euclid(Span::days(1).millis()) / 3_600_000;
        // 1970-01-01 was a Thursday.
        let weekend = (day + 3).rem_euclid(7) >= 5;
        values.push((seen.amount_minor as f64 / per_major) as f32);
        values.push(f32::from(u8::from(weekend)));
        values.push(f32::from(u8::from(hour <= 6)));
        let history = until(customers.get(&seen.subject), *at);
        for span in WINDOWS {
            let inside = after(history, &samples.tape, seen.time.minus(span));
            let sum: i64 = inside
                .iter()
                .map(|it| samples.tape[*it as usize].amount_minor)
                .sum();
            values.push(inside.len() as f32);
            values.push((sum as f64 / per_major / inside.len() as f64) as f32);
        }
        let history = until(terminals.get(&seen.counterparty), *at);
        for span in WINDOWS {
            let recent = after(history, &samples.tape, seen.time.minus(DELAY)).len();
            let both = after(history, &samples.tape, seen.time.minus(DELAY).minus(span));
            let matured = &both[..both.len() - recent];
            let known = matured.iter().filter(|it| frauds[**it as usize]).count();
            values.push(matured.len() as f32);
            values.push(known as f32 / matured.len().max(1) as f32);
        }
    }
    values
}

/// Indices into the tape by entity, in order of time.
fn histories(tape: &[Seen], entity: impl Fn(&Seen) -> u32) -> HashMap<u32, Vec<u32>> {
    let mut histories: HashMap<u32, Vec<u32>> = HashMap::new();
    for (at, seen) in tape.iter().enumerate() {
        let entity = entity(seen);
        if entity != NOBODY {
            histories.entry(entity).or_default().push(at as u32);
        }
    }
    histories
}

/// A history up to and with the given event.
fn until(history: Option<&Vec<u32>>, at: u32) -> &[u32] {
    let history = history.map_or(&[][..], Vec::as_slice);
    &history[..history.partition_point(|it| *it <= at)]
}

/// The part of a history that is later than `begin`.
fn after<'a>(history: &'a [u32], tape: &[Seen], begin: EventTime) -> &'a [u32] {
    &history[history.partition_point(|it| tape[*it as usize].time <= begin)..]
}
