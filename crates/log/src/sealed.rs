//! A sealed segment as the writer keeps it: identity, time range, and its index while needed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::frame::log_seed;
use crate::held::{HeldSegments, Place};
use crate::index_file::{self, IndexHeader, SealedIndex, SegmentIdentity};
use crate::key_index::ActiveIndex;
use crate::scan::{SegmentScan, Step};
use crate::{Damage, LogError, OwnedRecord, Position, disk, frame, scan, segment};

#[derive(Debug)]
pub(crate) struct SealedSegment {
    pub(crate) identity: SegmentIdentity,
    oldest_ms: i64,
    pub(crate) newest_ms: i64,
    /// As the segment left it, until its index job has ended.
    fresh: Option<Arc<ActiveIndex>>,
    /// By the first lookup that needs it; dropped when its records are older than asked for.
    loaded: Option<SealedIndex>,
}

/// Writes the index file of a segment that was just sealed: sorting its keys takes tens of
/// milliseconds, which a thread that serves should not spend. Lookups work before it has run.
#[derive(Debug)]
pub struct IndexJob {
    dir: PathBuf,
    identity: SegmentIdentity,
    index: Arc<ActiveIndex>,
}

impl IndexJob {
    pub(crate) fn first(&self) -> u64 {
        self.identity.first
    }

    /// A failure costs nothing but the time to rebuild the index when it is needed.
    pub fn run(self) -> Result<(), LogError> {
        write_index(&self.dir, self.identity, &self.index)
    }
}

impl SealedSegment {
    fn new(identity: SegmentIdentity, (oldest_ms, newest_ms): (i64, i64)) -> Self {
        Self {
            identity,
            oldest_ms,
            newest_ms,
            fresh: None,
            loaded: None,
        }
    }

    /// Reads the index's header only; true when the index had to be rebuilt.
    pub(crate) fn open(dir: &Path, identity: SegmentIdentity) -> Result<(Self, bool), LogError> {
        let path = segment::index_path(dir, identity.first);
        let head = fs::File::open(&path).ok().and_then(|file| {
            let mut bytes = [0; index_file::HEADER_LEN];
            let filled = disk::read_up_to(&file, &path, &mut bytes, 0).ok()?;
            IndexHeader::decode(&bytes[..filled], identity)
        });
        match head {
            Some(header) => Ok((Self::new(identity, header.time_range()), false)),
            None => Ok((
                Self::indexed(dir, identity, &rebuild(dir, identity)?)?,
                true,
            )),
        }
    }

    /// A sealed segment whose index file is written here and now.
    pub(crate) fn indexed(
        dir: &Path,
        identity: SegmentIdentity,
        index: &ActiveIndex,
    ) -> Result<Self, LogError> {
        write_index(dir, identity, index)?;
        Ok(Self::new(identity, index.time_range()))
    }

    /// A segment that was just sealed, and the job that writes its index.
    pub(crate) fn fresh(
        dir: &Path,
        identity: SegmentIdentity,
        index: ActiveIndex,
    ) -> (Self, IndexJob) {
        let mut sealed = Self::new(identity, index.time_range());
        let index = Arc::new(index);
        sealed.fresh = Some(index.clone());
        (
            sealed,
            IndexJob {
                dir: dir.to_path_buf(),
                identity,
                index,
            },
        )
    }

    /// Lets go of the memory of a segment whose index job has ended, whether it wrote or failed.
    pub(crate) fn release_fresh(&mut self) {
        if self
            .fresh
            .as_ref()
            .is_some_and(|index| Arc::strong_count(index) == 1)
        {
            self.fresh = None;
        }
    }

    /// Adds the positions with `key` at or after `since_ms`, newest first.
    pub(crate) fn find(
        &mut self,
        dir: &Path,
        key: u64,
        since_ms: i64,
        found: &mut Vec<Position>,
    ) -> Result<(), LogError> {
        self.release_fresh();
        if let Some(index) = &self.fresh {
            index.find(key, since_ms, found);
            return Ok(());
        }
        if self.newest_ms < since_ms {
            self.loaded = None;
            return Ok(());
        }
        if !self.load(dir)?.may_contain(key) {
            return Ok(());
        }
        let path = segment::index_path(dir, self.identity.first);
        let mut slots = self.load(dir)?.lookup(&path, key)?;
        if slots.is_none() {
            // a damaged page: derive the file from the segment again, once
            write_index(dir, self.identity, &rebuild(dir, self.identity)?)?;
            self.loaded = None;
            slots = self.load(dir)?.lookup(&path, key)?;
        }
        let slots = slots.ok_or_else(|| LogError::corrupt(&path, 0, Damage::Index))?;
        if slots.is_empty() {
            return Ok(());
        }
        if self.oldest_ms >= since_ms {
            let positions = slots
                .iter()
                .rev()
                .map(|(relative, _)| self.position(*relative));
            found.extend(positions);
            return Ok(());
        }
        let (file, segment_path, header) = segment::open(dir, self.identity.first)?;
        let mut buf = Vec::new();
        for (relative, offset) in slots.into_iter().rev() {
            let position = self.position(relative);
            let (at, seed) = (u64::from(offset), log_seed(header.id));
            let record =
                segment::read_record(&file, &segment_path, at, seed, position.0, &mut buf)?;
            if record.time_ms >= since_ms {
                found.push(position);
            }
        }
        Ok(())
    }

    fn position(&self, relative: u32) -> Position {
        Position(self.identity.first + u64::from(relative))
    }

    pub(crate) fn read(
        &self,
        dir: &Path,
        position: u64,
        held: &mut HeldSegments,
    ) -> Result<OwnedRecord, LogError> {
        let first = self.identity.first;
        let exact = self.fresh.as_ref().map(|index| Place {
            at: index.offset_of(position),
            next: position,
        });
        let sparse = || Ok(load_or_rebuild(dir, self.identity)?.sparse());
        held.read(dir, first, exact, sparse, position)
    }

    fn load(&mut self, dir: &Path) -> Result<&SealedIndex, LogError> {
        let index = match self.loaded.take() {
            Some(index) => index,
            None => load_or_rebuild(dir, self.identity)?,
        };
        Ok(self.loaded.insert(index))
    }
}

fn write_index(dir: &Path, identity: SegmentIdentity, index: &ActiveIndex) -> Result<(), LogError> {
    let path = segment::index_path(dir, identity.first);
    let temporary = segment::temporary_path(&path);
    // no fsync: a torn index fails its checksums and is rebuilt
    fs::write(&temporary, index_file::encode(identity, index))
        .map_err(LogError::io("write", &temporary))?;
    fs::rename(&temporary, &path).map_err(LogError::io("rename", &temporary))
}

fn load_or_rebuild(dir: &Path, identity: SegmentIdentity) -> Result<SealedIndex, LogError> {
    let path = segment::index_path(dir, identity.first);
    if let Some(index) = SealedIndex::load(&path, identity)? {
        return Ok(index);
    }
    write_index(dir, identity, &rebuild(dir, identity)?)?;
    SealedIndex::load(&path, identity)?.ok_or_else(|| LogError::corrupt(&path, 0, Damage::Index))
}

/// Reads the whole segment, checking all of it.
fn rebuild(dir: &Path, identity: SegmentIdentity) -> Result<ActiveIndex, LogError> {
    let (file, path, header) = segment::open(dir, identity.first)?;
    let mut scan = SegmentScan::new(file, path, &header);
    let mut index = ActiveIndex::new(identity.first);
    loop {
        match scan.step()? {
            Step::Group { at, frame } => index_group(&mut index, &scan, at, &frame),
            Step::Seal(_) => return Ok(index),
            Step::End => return Err(LogError::corrupt(scan.path(), scan.offset, Damage::NoSeal)),
            Step::Damaged { offset, what } => {
                return Err(LogError::corrupt(scan.path(), offset, what));
            }
        }
    }
}

pub(crate) fn index_group(
    index: &mut ActiveIndex,
    scan: &SegmentScan,
    at: u64,
    group: &frame::GroupFrame,
) {
    let body_at = at + frame::GROUP_LEN as u64;
    for (offset, record) in scan::records(scan.body(at, group)) {
        index.push(record.key, record.time_ms, body_at + offset as u64);
    }
}
