//! What is told: a finding that was believed.

use serde::{Deserialize, Serialize};

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The standard deviation has changed.
    Spread,
    /// The distribution has changed: population stability index.
    Shape,
    /// The distribution has changed: Kolmogorov and Smirnov's distance.
    Distance,
    /// A field is missing more often, or less.
    Missing,
    /// A category has values that the reference does not know.
    NewCategory,
    /// A field's numbers come in another unit.
    Unit,
}

impl Kind {
    pub const ALL: [Kind; 6] = [
        Kind::Spread,
        Kind::Shape,
        Kind::Distance,
        Kind::Missing,
        Kind::NewCategory,
        Kind::Unit,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Spread => "spread",
            Kind::Shape => "shape",
            Kind::Distance => "distance",
            Kind::Missing => "missing",
            Kind::NewCategory => "new_category",
            Kind::Unit => "unit",
        }
    }

    /// A fault of the data that come in, told apart from drift.
    pub fn is_data_quality(self) -> bool {
        matches!(self, Kind::Missing | Kind::NewCategory | Kind::Unit)
    }
}

/// A statistic of one window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    pub kind: Kind,
    /// Half-open, ms of event time.
    pub from: i64,
    pub until: i64,
    pub rows: u64,
    pub baseline: f64,
    pub value: f64,
    /// 99 % interval of the value.
    pub low: f64,
    pub high: f64,
    /// Consecutive windows in which the rule held.
    pub streak: u8,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    pub number: u64,
    pub column: u16,
    /// 0: all events.
    pub segment: u16,
    pub reading: Reading,
    /// Chance of such a reading without drift.
    pub p: f64,
    /// Other segments in which the same was found while it went on.
    pub also_in: Vec<u16>,
    /// Positions of events that show it, newest first.
    pub examples: Vec<u64>,
    /// Event time at which the window closed, ms.
    pub at: i64,
    /// Position of the first record behind the window.
    pub position: u64,
    /// End of the last window in which the rule held, ms.
    pub held_at: i64,
    /// Event time at which it was over; `None`: it goes on.
    pub over_at: Option<i64>,
}
