//! Rings beside their hard negatives, measured on the observable stream: what a ring looks like, friends
//! must look like too.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::tape::{NOBODY, Row, Tape, Truth};
use crate::oracle::{Oracle, Role};

/// Measures count as equal within this ratio.
const NEAR: f64 = 0.2;
/// Hard negatives that each ring must have.
pub const HARD_NEGATIVES_MIN: usize = 5;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Likeness {
    pub typology: String,
    pub rings: usize,
    pub hard_negatives: usize,
    /// Means of rings and of hard negatives.
    pub measures: Vec<Measure>,
    /// Share of the rings that have at least five hard negatives near them in every measure.
    pub matched_rings: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measure {
    pub name: &'static str,
    pub rings: f64,
    pub hard_negatives: f64,
}

impl Measure {
    pub fn is_near(&self) -> bool {
        near(self.rings, self.hard_negatives)
    }
}

const NAMES: [&str; 4] = ["accounts", "hours", "flow_ratio", "accounts_per_shared"];

/// One structure as it was played.
#[derive(Clone, Debug, Default)]
struct Played {
    accounts: BTreeSet<u32>,
    first: i64,
    last: i64,
    sent: BTreeMap<u32, f64>,
    received: BTreeMap<u32, f64>,
    shared: BTreeMap<(usize, u32), BTreeSet<u32>>,
}

impl Played {
    fn see(&mut self, row: &Row) {
        if self.accounts.is_empty() {
            self.first = row.time;
        }
        self.last = row.time;
        self.accounts.insert(row.account);
        if row.payee != NOBODY {
            self.accounts.insert(row.payee);
        }
        if let (true, Some(amount)) = (row.is_transfer && row.moved, row.amount) {
            *self.sent.entry(row.account).or_default() += amount as f64;
            *self.received.entry(row.payee).or_default() += amount as f64;
        }
        for (kind, id) in row.shared.into_iter().enumerate() {
            if id != NOBODY {
                let users = self.shared.entry((kind, id)).or_default();
                users.insert(row.account);
            }
        }
    }

    /// Accounts; hours from first to last event; what accounts in the middle pass on of what they got;
    /// accounts behind one device or merchant. NaN where there is none.
    fn measures(&self) -> [f64; 4] {
        let middle = self
            .received
            .iter()
            .filter_map(|(account, received)| Some((self.sent.get(account)?, received)));
        let (out, into) = middle.fold((0.0, 0.0), |sum, (out, into)| (sum.0 + out, sum.1 + into));
        let users: usize = self.shared.values().map(BTreeSet::len).sum();
        [
            self.accounts.len() as f64,
            (self.last - self.first) as f64 / 3_600_000.0,
            if into > 0.0 { out / into } else { f64::NAN },
            if self.shared.is_empty() {
                f64::NAN
            } else {
                users as f64 / self.shared.len() as f64
            },
        ]
    }
}

fn near(a: f64, b: f64) -> bool {
    if a.is_nan() || b.is_nan() {
        return a.is_nan() && b.is_nan();
    }
    (a - b).abs() <= NEAR * a.abs().max(b.abs()) + 1e-9
}

pub fn likenesses(tape: &Tape, oracle: &Oracle) -> Vec<Likeness> {
    let mut played = vec![Played::default(); oracle.structures.len()];
    for row in &tape.rows {
        if let Truth::Known(Role::Fraud | Role::Cover | Role::HardNegative, structure) = row.truth {
            played[structure as usize].see(row);
        }
    }
    // what was cut off by the span's end is no structure to compare
    let last = tape.rows.last().map_or(0, |row| row.time);
    let first = tape.rows.first().map_or(0, |row| row.time);
    let margin = (last - first) / 6;
    let mut kinds: BTreeMap<&str, [Vec<[f64; 4]>; 2]> = BTreeMap::new();
    for (structure, played) in oracle.structures.iter().zip(&played) {
        if !played.accounts.is_empty() && played.first < last - margin {
            let kind = kinds.entry(&structure.typology).or_default();
            kind[usize::from(structure.hard_negative)].push(played.measures());
        }
    }
    kinds
        .into_iter()
        .map(|(typology, [rings, friends])| likeness(typology, &rings, &friends))
        .collect()
}

fn likeness(typology: &str, rings: &[[f64; 4]], friends: &[[f64; 4]]) -> Likeness {
    let matched = rings.iter().filter(|ring| {
        let alike = |friend: &&[f64; 4]| (0..4).all(|at| near(ring[at], friend[at]));
        friends.iter().filter(alike).count() >= HARD_NEGATIVES_MIN
    });
    let measures = NAMES.iter().enumerate().map(|(at, name)| Measure {
        name,
        rings: mean(rings, at),
        hard_negatives: mean(friends, at),
    });
    Likeness {
        typology: typology.to_owned(),
        rings: rings.len(),
        hard_negatives: friends.len(),
        measures: measures.collect(),
        matched_rings: matched.count() as f64 / rings.len().max(1) as f64,
    }
}

/// Of those that have the measure; NaN where none has.
fn mean(all: &[[f64; 4]], at: usize) -> f64 {
    let held = all.iter().map(|it| it[at]).filter(|it| !it.is_nan());
    let (sum, count) = held.fold((0.0, 0.0), |(sum, count), it| (sum + it, count + 1.0));
    sum / count
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::Position;

    fn row(hour: i64, account: u32, payee: u32, amount: i64, device: u32) -> Row {
        Row {
            position: Position(hour as u64),
            time: hour * 3_600_000,
            event_type: 1,
            channel: 0,
            amount: Some(amount),
            account,
            payee,
            shared: [device, NOBODY],
            is_transfer: true,
            truth: Truth::Known(Role::Fraud, 0),
            moved: true,
            is_mule: true,
        }
    }

    #[test]
    fn a_fan_in_and_out_is_measured_by_what_moved() {
        let mut played = Played::default();
        for row in [
            row(0, 1, 9, 400, 70),
            row(1, 2, 9, 600, 70),
            // stopped: no money came in
            Row {
                moved: false,
                ..row(2, 3, 9, 5_000, 71)
            },
            row(6, 9, 4, 900, 71),
        ] {
            played.see(&row);
        }
        let [accounts, hours, flow, sharing] = played.measures();
        // of the accounts in the middle: 900 out of 1,000; two devices with two accounts each
        assert_eq!((accounts, hours, flow, sharing), (5.0, 6.0, 0.9, 2.0));
    }

    #[test]
    fn a_ring_is_matched_by_five_near_it_in_every_measure() {
        let ring = [5.0, 10.0, f64::NAN, 2.0];
        let near = [4.5, 11.0, f64::NAN, 2.0];
        let far = [5.0, 14.0, f64::NAN, 2.0];
        let other = [5.0, 10.0, 0.5, 2.0];
        let matched = |friends: &[[f64; 4]]| likeness("any", &[ring], friends).matched_rings;
        assert_eq!(matched(&[near; 5]), 1.0);
        assert_eq!(matched(&[near, near, near, near, far]), 0.0);
        assert_eq!(matched(&[near, near, near, near, other]), 0.0);
    }
}
