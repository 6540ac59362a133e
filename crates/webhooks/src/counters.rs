//! What the deliverer has done since its start, for the metrics.

use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Default)]
pub struct Counters {
    pub delivered: Count,
    /// Attempts that failed, whether or not there will be another.
    pub failed: Count,
    pub dead: Count,
    pub breaker_opened: Count,
    /// Times that a tenant's file could not be read or written; what is in it is tried again.
    pub store_failures: Count,
}

#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    pub fn add(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
