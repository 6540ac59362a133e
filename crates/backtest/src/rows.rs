//! What is kept of each event of a window until its label is known.

use event::record::{DecisionKind, Verdict};
use event::{EventId, EventTime, Position};

/// An event of the window, decided twice.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub position: Position,
    pub at: EventTime,
    pub current: DecisionKind,
    pub candidate: DecisionKind,
    /// The model's, before rules; `None`: none.
    pub score: Option<u16>,
    /// Major units of the base currency; 0 without an amount or a rate.
    pub amount: f32,
    /// Of those that are to be named: changed decisions, up to a bound.
    pub event_id: Option<EventId>,
    /// The latest that is in the log.
    pub label: Option<Verdict>,
}

/// A rule of the candidate that held, by its place in the document; with or without effect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hit {
    pub row: u32,
    pub rule: u16,
}

#[derive(Debug, Default)]
pub(crate) struct Rows {
    /// By position.
    pub rows: Vec<Row>,
    pub hits: Vec<Hit>,
}

impl Rows {
    /// A label of the log, of an event that may be of the window.
    pub fn label(&mut self, position: Position, verdict: Verdict) {
        if let Ok(at) = self
            .rows
            .binary_search_by_key(&position, |row| row.position)
        {
            self.rows[at].label = Some(verdict);
        }
    }
}
