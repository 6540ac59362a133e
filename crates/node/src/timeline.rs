//! When the steps of one request ended, noted by the thread that takes them and read by whoever asked.
//!
//! Times go into metrics and spans and nowhere else: no record and no state knows them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// In the order in which a decision passes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It was read and handed to the owner's box.
    Asked,
    /// Its turn came.
    Turn,
    /// It was looked for among earlier ones, and its sample taken.
    Sampled,
    /// Its event is in the state.
    Applied,
    /// Producer and model have spoken.
    Scored,
    /// Lists, rules and thresholds have decided.
    Judged,
    /// The decision, with its reasons, is in the state and in the pending group, and its answer is made.
    Recorded,
    /// The group is on disk.
    Committed,
}

impl Step {
    pub const ALL: [Step; 8] = [
        Step::Asked,
        Step::Turn,
        Step::Sampled,
        Step::Applied,
        Step::Scored,
        Step::Judged,
        Step::Recorded,
        Step::Committed,
    ];

    /// What the time before this step was spent on.
    pub fn name(self) -> &'static str {
        match self {
            Step::Asked => "read",
            Step::Turn => "queue",
            Step::Sampled => "sample",
            Step::Applied => "apply",
            Step::Scored => "score",
            Step::Judged => "policy",
            Step::Recorded => "record",
            Step::Committed => "commit",
        }
    }
}

#[derive(Debug)]
pub struct Timeline {
    start: Instant,
    /// Nanoseconds from the start, and one; 0: not reached.
    ends: [AtomicU64; Step::ALL.len()],
}

impl Timeline {
    pub fn from(start: Instant) -> Timeline {
        Timeline {
            start,
            ends: Default::default(),
        }
    }

    pub fn mark(&self, step: Step) {
        let nanos = self.start.elapsed().as_nanos() as u64;
        // Whoever reads it got the answer after this, through a channel.
        self.ends[step as usize].store(nanos + 1, Ordering::Relaxed);
    }

    /// Each step that was reached: when it began, which is when the one before it ended, and when it ended.
    pub fn steps(&self) -> impl Iterator<Item = (Step, Duration, Duration)> {
        let mut began = Duration::ZERO;
        Step::ALL.into_iter().filter_map(move |step| {
            let nanos = self.ends[step as usize].load(Ordering::Relaxed);
            let ended = Duration::from_nanos(nanos.checked_sub(1)?);
            let found = (step, began, ended);
            began = ended;
            Some(found)
        })
    }
}
