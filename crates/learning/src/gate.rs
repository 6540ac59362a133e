//! Whether a candidate may follow the model that serves: both judged on the same later events.
//!
//! **Invariant**: a candidate passes by what is known of events later than its training and than the labels it
//! could have had; what was not measured is told as such and passes nothing.

pub mod window;

pub mod exam;

pub mod bounds;
pub mod report;

mod conduct;
mod ranking;
mod segments;
mod too_good;

use std::collections::BTreeMap;

use model::artifact::Thresholds;

pub use bounds::Bounds;
pub use report::{Finding, Gate, Outcome, Report, Verdict};
pub use too_good::ranked_alone;

/// The same events as two models scored them.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    pub fraud: Vec<bool>,
    /// How many events each row stands for.
    pub weights: Vec<f64>,
    /// What a bootstrap draws together: the account, or a ring where one is known.
    pub blocks: Vec<u32>,
    /// Index into `event_type_names` of each row.
    pub event_types: Vec<u8>,
    pub event_type_names: Vec<String>,
    /// Index into `segment_names` of each row: event type and channel, as the watch over drift parts events. Empty where
    /// events have no channel.
    pub segments: Vec<u16>,
    pub segment_names: Vec<String>,
    pub features: Vec<String>,
    /// Features by the AP of their values alone ([`ranked_alone`]), the best first.
    pub alone: Vec<(usize, f64)>,
    pub champion: Paper,
    pub candidate: Paper,
    /// What is left of each model's AP when one feature is shuffled.
    pub shuffled: Vec<Shuffled>,
}

/// What one model made of the events.
#[derive(Clone, Debug, Default)]
pub struct Paper {
    pub kind: String,
    /// Calibrated.
    pub log_odds: Vec<f64>,
    /// What it alerts by: the policy in force for the champion, its own for a candidate.
    pub thresholds: BTreeMap<String, Thresholds>,
    /// CPU time of a score, microseconds: the median, and what 99 of 100 stay below.
    pub score_us: f64,
    pub score_us_p99: f64,
    /// Rows of which the network said nothing: its trees did.
    pub network_failed: u64,
}

/// Share of a model's AP, on a part of the rows, that one feature carries.
#[derive(Clone, Debug, PartialEq)]
pub struct Shuffled {
    pub feature: usize,
    pub champion: f64,
    pub candidate: f64,
}

/// All gates, the reasons to refuse before those to wait. `exam` counts the examinations of one candidate from 0 on.
pub fn judge(judged: &Judged, bounds: &Bounds, exam: usize) -> Report {
    let mut findings = vec![ranking::judge(judged, bounds, exam)];
    findings.extend(segments::judge(judged, bounds));
    findings.extend(conduct::judge(judged, bounds));
    findings.extend(too_good::judge(judged, bounds));
    Report::new(judged, findings)
}

impl Judged {
    pub fn frauds(&self) -> usize {
        self.fraud.iter().filter(|fraud| **fraud).count()
    }
}
