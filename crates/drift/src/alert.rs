//! What is told: a finding that was believed.

use event::EventTime;
use serde::{Deserialize, Serialize};

use crate::Reference;

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

/// An alert in names and times.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Told<'a> {
    pub number: u64,
    pub kind: Kind,
    pub data_quality: bool,
    pub feature: &'a str,
    pub segment: &'a str,
    pub also_in: Vec<&'a str>,
    pub from: EventTime,
    pub until: EventTime,
    pub events: u64,
    pub baseline: f64,
    pub value: f64,
    pub interval: [f64; 2],
    pub p: f64,
    pub examples: &'a [u64],
    pub over_at: Option<EventTime>,
}

impl Alert {
    pub fn told<'a>(&'a self, reference: &'a Reference) -> Told<'a> {
        let segment = |at: &u16| reference.segments[usize::from(*at)].name.as_str();
        let reading = &self.reading;
        Told {
            number: self.number,
            kind: reading.kind,
            data_quality: reading.kind.is_data_quality(),
            feature: &reference.columns[usize::from(self.column)].name,
            segment: segment(&self.segment),
            also_in: self.also_in.iter().map(segment).collect(),
            from: EventTime::from_millis(reading.from),
            until: EventTime::from_millis(reading.until),
            events: reading.rows,
            baseline: reading.baseline,
            value: reading.value,
            interval: [reading.low, reading.high],
            p: self.p,
            examples: &self.examples,
            over_at: self.over_at.map(EventTime::from_millis),
        }
    }
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
