//! Letting go of the oldest segments. Records are never rewritten: a segment goes whole, or stays.
//!
//! In three steps, so that a thread that serves does no I/O: `Coverage::run` elsewhere finds whole snapshots,
//! `Log::retire` forgets segments that they stand for, `RetireJob::run` elsewhere removes the files.

use std::path::PathBuf;

use crate::disk::Disk;
use crate::{Log, LogError, LogId, Position, disk, segment, snapshot};

/// Snapshots that must be whole before anything goes: one may rot later.
const SNAPSHOTS_MIN: usize = 2;

/// Looks through the snapshots.
#[derive(Debug)]
pub struct Coverage {
    dir: PathBuf,
    id: LogId,
    semantics: u32,
}

/// At and above this position there are enough whole snapshots to start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Covered {
    from: Position,
    id: LogId,
}

/// Segments that the log has forgotten, to be removed.
#[derive(Debug)]
pub struct RetireJob {
    dir: PathBuf,
    disk: Disk,
    segments: Vec<u64>,
    boundary: Position,
}

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retired {
    pub segments: usize,
    pub bytes: u64,
}

impl Coverage {
    /// Reads every snapshot; `None`: too few with these semantics are whole.
    pub fn run(&self) -> Result<Option<Covered>, LogError> {
        let mut oldest = None;
        let mut whole = 0;
        for position in segment::list(&self.dir)?.snapshots {
            let path = segment::snapshot_path(&self.dir, position);
            if snapshot::check(&path, self.id, position)
                .is_ok_and(|it| it.semantics() == self.semantics)
            {
                whole += 1;
                oldest = oldest.or(Some(position));
            }
        }
        let from = oldest.filter(|_| whole >= SNAPSHOTS_MIN).map(Position);
        Ok(from.map(|from| Covered { from, id: self.id }))
    }
}

impl Log {
    pub fn coverage(&self, semantics: u32) -> Coverage {
        Coverage {
            dir: self.dir.clone(),
            id: self.id,
            semantics,
        }
    }

    /// Forgets the oldest sealed segments that end where snapshots stand for them and whose records are all older
    /// than `older_than_ms`. Their records and keys are no longer found; their files are the job's to remove.
    pub fn retire(
        &mut self,
        covered: Covered,
        older_than_ms: i64,
    ) -> Result<Option<RetireJob>, LogError> {
        self.check_usable()?;
        let goes = |sealed: &crate::sealed::SealedSegment| {
            sealed.identity.next <= covered.from.0 && sealed.newest_ms < older_than_ms
        };
        let count = self.sealed.iter().take_while(|it| goes(it)).count();
        let Some(last) = count.checked_sub(1).filter(|_| covered.id == self.id) else {
            return Ok(None);
        };
        let boundary = Position(self.sealed[last].identity.next);
        let job = self.index_job.take();
        self.index_job = job.filter(|job| job.first() >= boundary.0);
        self.held.forget_before(boundary.0);
        let segments = self.sealed.drain(..count).map(|it| it.identity.first);
        Ok(Some(RetireJob {
            segments: segments.collect(),
            dir: self.dir.clone(),
            disk: self.disk.clone(),
            boundary,
        }))
    }
}

impl RetireJob {
    /// The oldest record that stays.
    pub fn boundary(&self) -> Position {
        self.boundary
    }

    pub fn run(self) -> Result<Retired, LogError> {
        let mut retired = Retired::default();
        // oldest first: a crash in between leaves no gap
        for first in self.segments {
            let path = segment::segment_path(&self.dir, first);
            retired.bytes += disk::len(&disk::open_readable(&path)?, &path)?;
            retired.segments += 1;
            self.disk.remove(&path)?;
            self.disk.sync_dir(&self.dir)?;
            let index = segment::index_path(&self.dir, first);
            if index.exists() {
                self.disk.remove(&index)?;
            }
        }
        Ok(retired)
    }
}
