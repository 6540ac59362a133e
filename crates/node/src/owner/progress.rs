//! What a thread of a tenant is doing, and since when: one store when it begins something else.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::request::Request;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Nothing: it waits for something to do.
    Waiting,
    /// Replaying the log.
    Opening,
    Deciding,
    /// Taking in an event, label, outcome or policy.
    Recording,
    /// Answering a question.
    Answering,
    /// Handing a group to the disk.
    Writing,
    /// The group is full: it can go on only when the disk has answered.
    AwaitingDisk,
    /// In an fsync.
    Syncing,
    /// Throwing its memory away and trying the disk after a failure.
    Recovering,
    /// The last group and snapshot before it ends.
    Finishing,
}

impl Doing {
    const ALL: [Doing; 10] = [
        Doing::Waiting,
        Doing::Opening,
        Doing::Deciding,
        Doing::Recording,
        Doing::Answering,
        Doing::Writing,
        Doing::AwaitingDisk,
        Doing::Syncing,
        Doing::Recovering,
        Doing::Finishing,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Doing::Waiting => "waiting",
            Doing::Opening => "opening",
            Doing::Deciding => "deciding",
            Doing::Recording => "recording",
            Doing::Answering => "answering",
            Doing::Writing => "writing",
            Doing::AwaitingDisk => "awaiting_disk",
            Doing::Syncing => "syncing",
            Doing::Recovering => "recovering",
            Doing::Finishing => "finishing",
        }
    }

    pub(super) fn of(request: &Request) -> Doing {
        match request {
            Request::Decide { .. } => Doing::Deciding,
            request if request.writes() => Doing::Recording,
            _ => Doing::Answering,
        }
    }
}

#[derive(Debug)]
pub struct Progress {
    start: Instant,
    /// Microseconds from the start, times 16, plus what is done.
    since: AtomicU64,
}

const _: () = assert!(Doing::ALL.len() <= 16);

impl Progress {
    pub fn new() -> Progress {
        Progress {
            start: Instant::now(),
            since: AtomicU64::new(0),
        }
    }

    pub fn begin(&self, doing: Doing) {
        let micros = self.start.elapsed().as_micros() as u64;
        self.since
            .store(micros << 4 | doing as u64, Ordering::Relaxed);
    }

    /// What is being done, and for how long.
    pub fn now(&self) -> (Doing, Duration) {
        let since = self.since.load(Ordering::Relaxed);
        let doing = Doing::ALL[(since & 15) as usize % Doing::ALL.len()];
        let began = Duration::from_micros(since >> 4);
        (doing, self.start.elapsed().saturating_sub(began))
    }
}

impl Default for Progress {
    fn default() -> Progress {
        Progress::new()
    }
}
