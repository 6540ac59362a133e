//! What the deliverer has done since its start, for the metrics.

use meters::Count;

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
