//! What is kept of each event of a window until its label is known.

use event::record::{DecisionKind, Verdict};
use event::{EventId, EventTime, Position};

/// An event of the window, decided twice.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub position: Position,
    pub at: EventTime,
    /// Whether an alert is opened, by the current rulebook and the candidate.
    pub alert: [bool; 2],
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

/// Events of a window at most: some hundred bytes each.
pub const EVENTS_MAX: usize = 5_000_000;
/// A bit for each rule of a set.
const WORDS: usize = rules::RULES_MAX.div_ceil(64);

#[derive(Debug, Default)]
pub(crate) struct Rows {
    /// By position.
    pub rows: Vec<Row>,
    /// Rules of the candidate that held, with or without effect, of those rows at which one did.
    hits: Vec<(u32, [u64; WORDS])>,
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

    /// Rules by their places in the document.
    pub fn hit(&mut self, row: u32, rules: impl Iterator<Item = u16>) {
        let mut bits = [0; WORDS];
        for rule in rules.map(usize::from) {
            bits[rule / 64] |= 1 << (rule % 64);
        }
        if bits != [0; WORDS] {
            self.hits.push((row, bits));
        }
    }

    /// Row and rule of each hit.
    pub fn hits(&self) -> impl Iterator<Item = (usize, usize)> {
        self.hits.iter().flat_map(|(row, bits)| {
            let held = |rule: &usize| bits[rule / 64] >> (rule % 64) & 1 == 1;
            (0..rules::RULES_MAX)
                .filter(held)
                .map(|rule| (*row as usize, rule))
        })
    }
}
