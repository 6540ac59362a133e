//! A commit in two halves, so that the owner of a log goes on appending while another thread waits for
//! the disk: `write_behind` here, `Unsynced::sync` there, `synced` here again.
//!
//! At most one group is on its way: with two, a power loss could keep the second without the first.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use crate::disk::Disk;
use crate::snapshot::{self, SnapshotHeader};
use crate::{Log, LogError, Position};

/// A written group that waits for its fsync.
#[derive(Debug)]
pub struct Unsynced {
    file: Arc<File>,
    path: PathBuf,
    disk: Disk,
}

/// What its fsync said; the log must hear it.
#[derive(Debug)]
#[must_use = "the log takes no further group before it hears this"]
pub struct Synced(Result<(), LogError>);

/// A snapshot to be written by a thread that does not serve.
#[derive(Debug)]
pub struct SnapshotJob {
    disk: Disk,
    dir: PathBuf,
    header: SnapshotHeader,
    kept: usize,
}

impl Unsynced {
    pub fn sync(self) -> Synced {
        Synced(self.disk.sync(&self.file, &self.path))
    }
}

impl Log {
    /// Writes the pending group without waiting for the disk; `None` when there is nothing to wait for.
    /// A group that fills the segment is synced here, because the next segment proves its seal.
    pub fn write_behind(&mut self) -> Result<Option<Unsynced>, LogError> {
        self.check_usable()?;
        if self.unsynced_from.is_some() {
            return Err(LogError::Unsynced);
        }
        if self.pending_records() == 0 {
            return Ok(None);
        }
        if self.active.end + self.pending.len() as u64 >= self.options.segment_bytes {
            self.commit()?;
            return Ok(None);
        }
        let written = self.write_group();
        self.poisoned = written.is_err();
        written?;
        Ok(Some(Unsynced {
            file: self.active.file.clone(),
            path: self.active.path.clone(),
            disk: self.disk.clone(),
        }))
    }

    /// Takes the result of the fsync: the new committed end, or a poisoned log.
    pub fn synced(&mut self, synced: Synced) -> Result<Position, LogError> {
        self.check_usable()?;
        // Whatever comes next must not find the group committed when its fsync failed.
        self.poisoned = synced.0.is_err();
        synced.0?;
        self.unsynced_from = None;
        Ok(self.committed())
    }

    /// As [`Log::write_snapshot`], for a state that another thread writes down.
    pub fn snapshot_job(
        &self,
        position: Position,
        semantics: u32,
    ) -> Result<SnapshotJob, LogError> {
        self.check_usable()?;
        let (first, end) = (self.first(), self.committed());
        if position < first || position > end {
            return Err(LogError::OutOfRange {
                position,
                first,
                end,
            });
        }
        Ok(SnapshotJob {
            disk: self.disk.clone(),
            dir: self.dir.clone(),
            header: SnapshotHeader {
                id: self.id,
                position: position.0,
                semantics,
            },
            kept: self.options.snapshots_kept,
        })
    }
}

impl SnapshotJob {
    /// A failure leaves the log and older snapshots as they were.
    pub fn run(self, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), LogError> {
        snapshot::write(&self.disk, &self.dir, self.header, fill)?;
        snapshot::keep_newest(&self.disk, &self.dir, self.kept)
    }
}
