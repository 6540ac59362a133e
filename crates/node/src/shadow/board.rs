//! What a tenant's shadows count, and which there should be; read by whoever shows it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use meters::histogram::Stage;
use meters::{Count, Histogram};

/// Of one tenant, for as long as the process knows it.
#[derive(Debug, Default)]
pub struct Board {
    /// Samples that the owner handed over, and those that it could not.
    pub handed: Count,
    pub dropped: Count,
    /// Samples that were scored, or given up at the end.
    pub taken: Count,
    wanted: Mutex<Vec<[u8; 32]>>,
    /// Counts the changes of `wanted`.
    changes: AtomicU64,
    /// Those of them that `lanes` stand for.
    followed: AtomicU64,
    /// Whether no shadow reads more than the tabular part of a sample.
    tabular_only: AtomicBool,
    lanes: Mutex<Vec<Arc<Lane>>>,
    /// The thread that scores, or the one that did last.
    pub(super) thread: Mutex<Option<JoinHandle<()>>>,
}

/// One shadow.
#[derive(Debug, Default)]
pub struct Lane {
    pub artifact: [u8; 32],
    pub scored: Count,
    /// Samples of which it said nothing: what it says is no number.
    pub failed: Count,
    /// Blocks of scores that could not be written, and files found damaged.
    pub faults: Count,
    /// CPU time of one score.
    pub time: Histogram<Stage>,
    /// Why it does not score; `None`: it does.
    trouble: Mutex<Option<String>>,
}

impl Board {
    /// Samples on their way.
    pub fn lag(&self) -> u64 {
        self.handed.get().saturating_sub(self.taken.get())
    }

    pub fn lanes(&self) -> Vec<Arc<Lane>> {
        let lanes = self.lanes.lock();
        lanes.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn lane(&self, artifact: &[u8; 32]) -> Option<Arc<Lane>> {
        self.lanes().into_iter().find(|it| it.artifact == *artifact)
    }

    /// Waits for the thread that scores to end, once its owner has let go.
    pub(crate) fn join(&self) {
        let held = self.thread.lock();
        let thread = held.unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            self.taken.set(self.handed.get());
        }
    }

    pub(crate) fn want(&self, artifacts: &[[u8; 32]]) {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        *wanted = artifacts.to_vec();
        // Until the thread has loaded them nobody knows what they read.
        self.tabular_only.store(false, Ordering::Relaxed);
        if artifacts.is_empty() {
            self.set_lanes(Vec::new());
        }
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// Whether a model's file is written, or soon will be.
    pub(crate) fn wants(&self, artifact: &[u8; 32]) -> bool {
        let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.contains(artifact)
    }

    pub(super) fn wanted(&self) -> (u64, Vec<[u8; 32]>) {
        let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        (self.changes.load(Ordering::Acquire), wanted.clone())
    }

    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Nobody scores, and this is why.
    pub(crate) fn fail(&self, artifacts: &[[u8; 32]], why: &std::io::Error) {
        let lanes = artifacts.iter().map(|artifact| {
            let lane = self.lane(artifact);
            let lane = lane.unwrap_or_else(|| Arc::new(Lane::new(*artifact)));
            lane.set_trouble(Some(format!("cannot start a thread: {why}")));
            lane
        });
        self.set_lanes(lanes.collect());
        self.followed.store(self.changes(), Ordering::Release);
    }

    /// Whether a lane stands for every shadow that is wanted, and says whether it scores.
    pub fn is_followed(&self) -> bool {
        self.followed.load(Ordering::Acquire) == self.changes()
    }

    /// What was loaded of the wish that was read as `changes`; nothing is told of one that is not the newest.
    pub(super) fn follow(&self, changes: u64, lanes: Vec<Arc<Lane>>, tabular_only: bool) {
        let _wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        if self.changes() == changes {
            self.set_lanes(lanes);
            self.tabular_only.store(tabular_only, Ordering::Relaxed);
            self.followed.store(changes, Ordering::Release);
        }
    }

    /// A lane that goes on keeps its counts.
    fn set_lanes(&self, lanes: Vec<Arc<Lane>>) {
        *self.lanes.lock().unwrap_or_else(PoisonError::into_inner) = lanes;
    }

    pub(super) fn tabular_only(&self) -> bool {
        self.tabular_only.load(Ordering::Relaxed)
    }
}

impl Lane {
    pub(super) fn new(artifact: [u8; 32]) -> Lane {
        Lane {
            artifact,
            ..Lane::default()
        }
    }

    pub fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.lock();
        trouble.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}
