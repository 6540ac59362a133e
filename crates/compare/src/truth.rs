//! What is known of an event, and for how many it stands.
//!
//! Labels come late, and those of fraud sooner than silence becomes an answer: an event counts only when its label
//! had time to come, whether it has one already or not. Who was declined brings no label, and the few of whom one is
//! known were not chosen by chance; the random approvals stand for them, by the chance with which they passed
//! (Horvitz and Thompson 1952), clipped, since a rare one must not outweigh the rest (Ionides 2008).

use event::EventTime;
use event::record::{DecisionKind, Verdict};
use serde::Serialize;

use crate::row::Row;
use crate::table::Options;

const CERTAIN: u32 = 1_000_000;

/// Of one row; the weight is that of a known one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Known {
    pub fraud: bool,
    pub weight: f64,
}

/// What is known of the rows of a window.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Truth {
    /// Events before this had time to be labelled.
    pub mature_until: EventTime,
    pub frauds: u64,
    pub legitimate: u64,
    /// Too young to count.
    pub immature: u64,
    /// Old enough, without a label, where silence says nothing.
    pub unlabelled: u64,
    /// Declined: unknown, whatever somebody thinks of them.
    pub declined: u64,
    /// Let pass by chance in place of a decline, and those among them whose weight was clipped.
    pub drawn: u64,
    pub clipped: u64,
    /// Known rows of weight 1 that would tell as much (Kish 1965); and the same of the frauds among them.
    pub effective: f64,
    pub effective_frauds: f64,
}

pub(crate) fn of_rows(rows: &[Row], options: &Options) -> (Vec<Option<Known>>, Truth) {
    let mature_until = options.known_until.minus(options.maturity);
    let mut truth = Truth {
        mature_until,
        ..Truth::default()
    };
    let mut all = Kish::default();
    let mut frauds = Kish::default();
    let known = rows.iter().map(|row| {
        let known = of_row(row, options, &mut truth)?;
        match known.fraud {
            true => truth.frauds += 1,
            false => truth.legitimate += 1,
        }
        all.add(known.weight);
        if known.fraud {
            frauds.add(known.weight);
        }
        Some(known)
    });
    let known = known.collect();
    truth.effective = all.effective();
    truth.effective_frauds = frauds.effective();
    (known, truth)
}

fn of_row(row: &Row, options: &Options, truth: &mut Truth) -> Option<Known> {
    if row.at >= truth.mature_until {
        truth.immature += 1;
        return None;
    }
    if row.verdict == DecisionKind::Decline {
        truth.declined += 1;
        return None;
    }
    let fraud = match row.label {
        Some(verdict) => verdict == Verdict::Fraud,
        None if options.presumed => false,
        None => {
            truth.unlabelled += 1;
            return None;
        }
    };
    let mut weight = 1.0;
    if row.propensity_ppm < CERTAIN {
        let whole = f64::from(CERTAIN) / f64::from(row.propensity_ppm.max(1));
        weight = whole.min(options.weight_max);
        truth.drawn += 1;
        truth.clipped += u64::from(weight < whole);
    }
    Some(Known { fraud, weight })
}

/// Effective sample size of weighted rows: the square of the sum over the sum of squares.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Kish {
    sum: f64,
    squares: f64,
}

impl Kish {
    pub fn add(&mut self, weight: f64) {
        self.sum += weight;
        self.squares += weight * weight;
    }

    pub fn effective(&self) -> f64 {
        match self.squares > 0.0 {
            true => self.sum * self.sum / self.squares,
            false => 0.0,
        }
    }
}
