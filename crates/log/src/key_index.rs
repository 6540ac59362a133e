//! Where each record of the active segment stands, and which of them carry a key (I5).
//!
//! Kept in memory, 24 bytes a record plus the hash table; sealing turns it into an index file.
//! It includes the pending group, so that a duplicate within one group is found as well.

use std::collections::HashMap;

use crate::Position;

const NO_PREVIOUS: u32 = u32::MAX;
const UNKEYED: u32 = u32::MAX - 1;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    key: u64,
    time_ms: i64,
    /// Of the record frame, in the segment file.
    pub(crate) offset: u32,
    /// The record before with the same key, counted from the segment's first.
    previous: u32,
}

#[derive(Debug)]
pub(crate) struct ActiveIndex {
    first: u64,
    entries: Vec<Entry>,
    /// Only looked up, never iterated: its order reaches nobody. The default hasher is keyed, so
    /// chosen event ids cannot pile up in one bucket.
    newest: HashMap<u64, u32>,
    /// Oldest and newest record time; an empty range when there is no record.
    time_range: (i64, i64),
}

impl ActiveIndex {
    pub(crate) fn new(first: u64) -> Self {
        Self {
            first,
            entries: Vec::new(),
            newest: HashMap::new(),
            time_range: (i64::MAX, i64::MIN),
        }
    }

    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    pub(crate) fn next(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    pub(crate) fn push(&mut self, key: Option<u64>, time_ms: i64, offset: u64) {
        let relative = self.entries.len() as u32;
        let previous = match key {
            Some(key) => self.newest.insert(key, relative).unwrap_or(NO_PREVIOUS),
            None => UNKEYED,
        };
        self.time_range = (
            self.time_range.0.min(time_ms),
            self.time_range.1.max(time_ms),
        );
        self.entries.push(Entry {
            key: key.unwrap_or(0),
            time_ms,
            offset: offset as u32,
            previous,
        });
    }

    pub(crate) fn offset_of(&self, position: u64) -> u64 {
        u64::from(self.entries[(position - self.first) as usize].offset)
    }

    /// Adds the positions with `key` at or after `since_ms`, newest first.
    pub(crate) fn find(&self, key: u64, since_ms: i64, found: &mut Vec<Position>) {
        let mut cursor = self.newest.get(&key).copied().unwrap_or(NO_PREVIOUS);
        while cursor != NO_PREVIOUS {
            let entry = &self.entries[cursor as usize];
            if entry.time_ms >= since_ms {
                found.push(Position(self.first + u64::from(cursor)));
            }
            cursor = entry.previous;
        }
    }

    pub(crate) fn time_range(&self) -> (i64, i64) {
        self.time_range
    }

    pub(crate) fn offsets(&self) -> impl Iterator<Item = u32> {
        self.entries.iter().map(|entry| entry.offset)
    }

    /// `(key, record counted from the first, offset)` of every keyed record, sorted.
    pub(crate) fn sorted_keys(&self) -> Vec<(u64, u32, u32)> {
        let mut keys: Vec<_> = self
            .entries
            .iter()
            .zip(0..)
            .filter(|(entry, _)| entry.previous != UNKEYED)
            .map(|(entry, relative)| (entry.key, relative, entry.offset))
            .collect();
        keys.sort_unstable();
        keys
    }
}
