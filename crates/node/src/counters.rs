//! What a tenant counts while it serves; read by whoever shows metrics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use event::record::{Decision, DecisionKind, DecisionSource, degraded};

use crate::guard::Guard;

/// Upper bounds of the time buckets, microseconds.
pub const TIME_BUCKETS_US: [u64; 14] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000,
    5_000_000,
];

#[derive(Debug, Default)]
pub struct Counters {
    /// By verdict and source, in the order of their `ALL`.
    pub decisions: [[Count; 4]; 4],
    /// By cause, in the order of `degraded::NAMES`.
    pub degraded: [Count; degraded::NAMES.len()],
    /// 1 while calls are kept away; by part and level.
    pub breaker_open: [[Count; 3]; 3],
    pub breaker_opened: [[Count; 3]; 3],
    pub duplicates: Count,
    pub events: Count,
    pub labels: Count,
    pub outcomes: Count,
    pub refused: Count,
    /// By level.
    pub queue_full: [Count; 3],
    pub expired: Count,
    /// Requests whose client went away before their turn.
    pub abandoned: Count,
    pub disk_failures: Count,
    pub snapshots: Count,
    pub snapshot_failures: Count,
    pub index_failures: Count,
    /// Longest time that one took beside the tenant, microseconds.
    pub snapshot_us_max: Count,
    /// Segments that retention let go, and the oldest record that stays.
    pub segments_retired: Count,
    pub bytes_retired: Count,
    pub retire_failures: Count,
    pub log_first: Count,
    /// Models that entered service, and the longest stop of the owner for one, microseconds.
    pub activations: Count,
    pub switch_pause_us_max: Count,
    /// What is held, and what may be.
    pub entities: Count,
    pub entities_max: Count,
    pub disk_bytes: Count,
    pub disk_bytes_max: Count,
    /// Refused for want of entities, and of bytes.
    pub quota_refused: [Count; 2],
    pub groups: Count,
    pub records: Count,
    pub fsync: Times,
    /// From a request's turn to its answer's release, the commit included.
    pub decide: Times,
}

#[derive(Debug, Default)]
pub struct Count(AtomicU64);

#[derive(Debug, Default)]
pub struct Times {
    buckets: [Count; TIME_BUCKETS_US.len()],
    pub count: Count,
    pub sum_us: Count,
}

impl Count {
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub fn raise_to(&self, value: u64) {
        self.0.fetch_max(value, Ordering::Relaxed);
    }

    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Times {
    pub fn add(&self, time: Duration) {
        let us = time.as_micros() as u64;
        if let Some(at) = TIME_BUCKETS_US.iter().position(|bound| us <= *bound) {
            self.buckets[at].add(1);
        }
        self.count.add(1);
        self.sum_us.add(us);
    }

    /// (upper bound in microseconds, how many were at most that).
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> {
        let mut sum = 0;
        TIME_BUCKETS_US
            .into_iter()
            .zip(&self.buckets)
            .map(move |(bound, count)| {
                sum += count.get();
                (bound, sum)
            })
    }
}

impl Counters {
    pub fn decided(&self, decision: &Decision) {
        let Decision {
            verdict, source, ..
        } = *decision;
        let at = |found: Option<usize>| found.unwrap_or(0);
        let verdict = at(DecisionKind::ALL.iter().position(|it| *it == verdict));
        let source = at(DecisionSource::ALL.iter().position(|it| *it == source));
        self.decisions[verdict][source].add(1);
        let causes = self.degraded.iter().zip(degraded::NAMES);
        for (count, _) in causes.filter(|(_, (bit, _))| decision.degraded & bit != 0) {
            count.add(1);
        }
    }

    pub fn guarded(&self, guard: &Guard) {
        guard.tell(|part, level, is_open, opened| {
            self.breaker_open[part][level].set(u64::from(is_open));
            self.breaker_opened[part][level].set(opened);
        });
    }
}
