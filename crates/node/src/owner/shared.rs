//! What the owner's thread shows to all others.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use event::{Position, Schema};
use graph::FeatureList;
use log::Covered;

use super::progress::Progress;
use crate::background::snapshot::Snapshots;
use crate::counters::Counters;
use crate::mailbox::{BoxLimits, Mailbox};
use crate::quota;
use crate::request::{Letter, NotServing};
use crate::shadow::Board;
use crate::watch::Watched;

/// What everybody may know of a tenant.
#[derive(Debug)]
pub struct Shared {
    pub mailbox: Mailbox<Letter>,
    pub counters: Arc<Counters>,
    pub shape: OnceLock<Shape>,
    /// Of the owner, and of the thread that waits for the disk.
    pub owner: Progress,
    pub committer: Progress,
    /// End of what is on disk, exclusive.
    committed: AtomicU64,
    pub snapshots: Snapshots,
    pub shadows: Arc<Board>,
    status: Mutex<Option<NotServing>>,
    /// What snapshots stand for, as the background last found it.
    covered: Mutex<Option<Covered>>,
    /// The watch over drift, where the model that serves has a reference.
    watch: Mutex<Option<Arc<Watched>>>,
    /// What the latest opening found and nobody was told yet.
    warnings: Mutex<Vec<String>>,
}

/// What does not change while a tenant lives.
#[derive(Debug)]
pub struct Shape {
    pub schema: Schema,
    pub features: FeatureList,
}

impl Shared {
    /// Of a tenant that is yet to be opened.
    pub(super) fn new(mailbox: BoxLimits) -> Shared {
        Shared {
            mailbox: Mailbox::new(mailbox),
            counters: Arc::default(),
            shape: OnceLock::new(),
            owner: Progress::new(),
            committer: Progress::new(),
            committed: AtomicU64::new(0),
            snapshots: Snapshots::default(),
            shadows: Arc::default(),
            status: Mutex::new(Some(NotServing::Starting)),
            covered: Mutex::new(None),
            watch: Mutex::new(None),
            warnings: Mutex::default(),
        }
    }

    /// `None`: it serves everything.
    pub fn status(&self) -> Option<NotServing> {
        let status = self.status.lock();
        status.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// End of what is on disk and may be shown, exclusive.
    pub fn committed(&self) -> Position {
        Position(self.committed.load(Ordering::Acquire))
    }

    pub fn watch(&self) -> Option<Arc<Watched>> {
        let watch = self.watch.lock();
        watch.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_watch(&self, watch: Option<Arc<Watched>>) {
        *self.watch.lock().unwrap_or_else(PoisonError::into_inner) = watch;
    }

    pub(super) fn set_committed(&self, committed: Position) {
        self.committed.store(committed.0, Ordering::Release);
    }

    pub(super) fn take_covered(&self) -> Option<Covered> {
        self.covered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    pub(crate) fn set_covered(&self, covered: Option<Covered>) {
        *self.covered.lock().unwrap_or_else(PoisonError::into_inner) = covered;
    }

    /// Counts the bytes on disk. A directory that cannot be read leaves the last count: writing to it will
    /// fail, and say so.
    pub(super) fn measure(&self, log: &Path) {
        if let Ok(bytes) = quota::bytes_in(log) {
            self.counters.disk_bytes.set(bytes);
        }
    }

    pub(super) fn set_status(&self, status: Option<NotServing>) {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }

    pub(super) fn warn(&self, warnings: Vec<String>) {
        *self.warnings.lock().unwrap_or_else(PoisonError::into_inner) = warnings;
    }

    /// What the latest opening found, once.
    pub fn take_warnings(&self) -> Vec<String> {
        let warnings = self.warnings.lock();
        std::mem::take(&mut *warnings.unwrap_or_else(PoisonError::into_inner))
    }
}
