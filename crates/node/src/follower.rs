//! Reads a running tenant's log behind its owner: for all that follows a decision and must not hold it up.

use std::sync::Arc;

use event::{Position, Record};

use crate::history::HistoryRecords;
use crate::owner::Shared;
use crate::{History, NodeError, Place};

/// Hands out committed records in log order, each once. Where it stands is for its user to keep.
pub struct Follower {
    place: Place,
    shared: Arc<Shared>,
    next: Position,
    /// Kept between batches, so that none is looked for from the start of its segment.
    records: Option<HistoryRecords>,
}

impl Follower {
    pub(crate) fn new(place: Place, shared: Arc<Shared>, next: Position) -> Follower {
        Follower {
            place,
            shared,
            next,
            records: None,
        }
    }

    /// The position of the record that comes next.
    pub fn next(&self) -> Position {
        self.next
    }

    /// Up to `max` records; none when nothing has been committed since. `NodeError::HistoryRemoved` when
    /// retention has let go what comes next: [`Follower::skip_to`] goes on behind it, and its user knows what
    /// is missing.
    pub fn next_batch(&mut self, max: usize) -> Result<Vec<(Position, Record)>, NodeError> {
        let committed = self.shared.committed();
        if committed <= self.next {
            return Ok(Vec::new());
        }
        let batch = self.read(committed, max);
        if batch.is_err() {
            // What was open may be gone: the next attempt looks afresh.
            self.records = None;
        }
        let batch = batch?;
        if let Some((last, _)) = batch.last() {
            self.next = Position(last.0 + 1);
        }
        Ok(batch)
    }

    /// Passes over records, which are not seen then.
    pub fn skip_to(&mut self, position: Position) {
        if position > self.next {
            self.next = position;
            self.records = None;
        }
    }

    fn read(&mut self, until: Position, max: usize) -> Result<Vec<(Position, Record)>, NodeError> {
        let records = match &mut self.records {
            Some(records) => records,
            empty => empty.insert(History::open(&self.place)?.iter_from(self.next)?),
        };
        records.extend_to(until);
        let mut batch = Vec::new();
        let mut next = self.next;
        while batch.len() < max && next < until {
            let Some((position, record)) = records.next_record()? else {
                break;
            };
            next = Position(position.0 + 1);
            batch.push((position, record));
        }
        Ok(batch)
    }
}
