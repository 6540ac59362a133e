//! What comes in: decided events, and what each model said of them.

use event::record::{DecisionKind, Verdict};
use event::{EventTime, Position};

/// A decided event.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Of the event in the log; rows are ascending by it.
    pub position: Position,
    pub at: EventTime,
    /// Major units of the base currency; 0 without an amount or a rate.
    pub amount: f32,
    /// What stands or falls together in a resample: the account.
    pub block: u64,
    /// As it was decided.
    pub verdict: DecisionKind,
    /// Chance with which it was decided so, parts per million.
    pub propensity_ppm: u32,
    /// The latest that is known; `None`: none has come.
    pub label: Option<Verdict>,
}

/// What a model said of an event, and what its own thresholds make of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// 0..=1000.
    pub score: u16,
    /// Finer than the score: what ranks.
    pub probability_ppm: u32,
    pub verdict: DecisionKind,
    /// What scoring took; `None`: nobody measured.
    pub nanos: Option<u32>,
}

impl Said {
    /// Whether somebody has to look at the event, or it is stopped.
    pub fn alerts(&self) -> bool {
        matches!(self.verdict, DecisionKind::Review | DecisionKind::Decline)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    pub name: String,
    /// What it is: champion, challenger, shadow.
    pub part: &'static str,
    /// Of each row; `None`: it was not asked, or its score was shed.
    pub said: Vec<Option<Said>>,
}

/// A stretch of event time, the end not included.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    pub from: EventTime,
    pub until: EventTime,
    pub rows: Vec<Row>,
    /// The first is what the others are held against.
    pub models: Vec<Model>,
}
