//! Committed rows on their way to the monitor, in the order of the log.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Emptied batches that are kept for their memory, and the most rows of one.
const SPARE_MAX: usize = 4;
const SPARE_ROWS: usize = 512;

#[derive(Debug, Default)]
pub struct Queue(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    /// One per commit: from there an alert's time is counted.
    batches: VecDeque<Batch>,
    rows: usize,
    /// Empty.
    spare: Vec<Batch>,
}

/// Committed rows and ticks, up to a position.
#[derive(Debug, Default)]
pub struct Batch {
    pub rows: Vec<Row>,
    /// Features of the rows that are decided events.
    pub values: Vec<f32>,
    pub next: u64,
    pub committed_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub position: u64,
    pub time_ms: i64,
    /// `None`: a tick.
    pub score: Option<f32>,
}

impl Queue {
    /// Rows that wait.
    pub fn rows(&self) -> usize {
        self.held().rows
    }

    /// How many rows wait then.
    pub fn push(&self, batch: Batch) -> usize {
        let mut held = self.held();
        held.rows += batch.rows.len();
        held.batches.push_back(batch);
        held.rows
    }

    /// The batch that has waited longest.
    pub fn pop(&self) -> Option<Batch> {
        let mut held = self.held();
        let batch = held.batches.pop_front()?;
        held.rows -= batch.rows.len();
        Some(batch)
    }

    /// An empty batch.
    pub fn spare(&self) -> Batch {
        self.held().spare.pop().unwrap_or_default()
    }

    /// What was in a batch has been taken.
    pub fn reuse(&self, mut batch: Batch) {
        batch.rows.clear();
        batch.values.clear();
        let mut held = self.held();
        if held.spare.len() < SPARE_MAX && batch.rows.capacity() <= SPARE_ROWS {
            held.spare.push(batch);
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
