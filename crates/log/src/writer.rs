//! The single writer: a pending group in memory, one write and one fdatasync a commit.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::Disk;
use crate::frame::{self, GROUP_LEN, GroupFrame, RecordFrame, SealFrame, SegmentHeader};
use crate::held::HeldSegments;
use crate::index_file::SegmentIdentity;
use crate::key_index::ActiveIndex;
use crate::sealed::{IndexJob, SealedSegment};
use crate::snapshot::{self, Semantics, SnapshotSearch};
use crate::{Damage, LogError, LogId, LogOptions, OwnedRecord, Position, disk, segment};

/// The only writer of a log directory; holds its lock until dropped. Dropping discards the pending
/// group. After an error of `commit` every call returns [`LogError::Poisoned`]: whether that group
/// is durable is unknown until the log is opened again.
#[derive(Debug)]
pub struct Log {
    pub(crate) dir: PathBuf,
    pub(crate) options: LogOptions,
    pub(crate) disk: Disk,
    pub(crate) _lock: File,
    pub(crate) id: LogId,
    pub(crate) sealed: Vec<SealedSegment>,
    pub(crate) held: HeldSegments,
    pub(crate) active: ActiveSegment,
    /// Space for the group frame, then the record frames of the pending group.
    pub(crate) pending: Vec<u8>,
    pub(crate) pending_chain: u32,
    /// Of the segment sealed last, until someone takes it or the next segment is sealed.
    pub(crate) index_job: Option<IndexJob>,
    /// While a written group waits for its fsync: where it begins.
    pub(crate) unsynced_from: Option<u64>,
    pub(crate) poisoned: bool,
}

#[derive(Debug)]
pub(crate) struct ActiveSegment {
    pub(crate) file: Arc<File>,
    pub(crate) path: PathBuf,
    /// File offset behind the last committed group.
    pub(crate) end: u64,
    /// Position behind the last record that is in the file, and the chain there.
    pub(crate) written: u64,
    pub(crate) chain: u32,
    pub(crate) index: ActiveIndex,
}

/// Segments that one page looks into: their filters and fences are read when they are not in memory, some hundreds
/// of KiB each.
pub const PAGE_SEGMENTS: usize = 16;

/// Positions with a key, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    pub positions: Vec<Position>,
    /// There may be more below this position.
    pub rest: Option<Position>,
}

impl Page {
    fn cut(&mut self, before: Position, max: usize) {
        self.positions.retain(|position| *position < before);
        if self.positions.len() >= max {
            self.positions.truncate(max);
            self.rest = self.positions.last().copied();
        }
    }
}

impl Log {
    pub fn id(&self) -> LogId {
        self.id
    }

    /// Oldest record still present.
    pub fn first(&self) -> Position {
        let oldest = self.sealed.first().map(|sealed| sealed.identity.first);
        Position(oldest.unwrap_or_else(|| self.active.index.first()))
    }

    /// End of what is durable, exclusive.
    pub fn committed(&self) -> Position {
        Position(self.unsynced_from.unwrap_or(self.active.written))
    }

    /// Position of the next append.
    pub fn next(&self) -> Position {
        Position(self.active.index.next())
    }

    /// The latest record time of the log, pending records included; `None` in an empty log.
    pub fn newest_ms(&self) -> Option<i64> {
        let sealed = self.sealed.iter().map(|sealed| sealed.newest_ms);
        let active = self.active.index.time_range().1;
        // An empty index has the least value there is.
        sealed
            .chain(std::iter::once(active))
            .max()
            .filter(|newest| *newest != i64::MIN)
    }

    /// Adds a record to the pending group; durable only when `commit` returns. `BatchFull` and
    /// `RecordTooLarge` change nothing.
    pub fn append(
        &mut self,
        payload: &[u8],
        time_ms: i64,
        key: Option<u64>,
    ) -> Result<Position, LogError> {
        self.check_usable()?;
        if payload.len() > self.options.max_record_bytes {
            let max = self.options.max_record_bytes;
            return Err(LogError::RecordTooLarge {
                len: payload.len(),
                max,
            });
        }
        let (records, bytes) = (self.pending_records(), self.pending.len() - GROUP_LEN);
        if records >= self.options.max_batch_records
            || bytes + frame::record_len(payload.len(), key.is_some())
                > self.options.max_batch_bytes
        {
            return Err(LogError::BatchFull { records, bytes });
        }
        let position = self.active.index.next();
        let offset = self.active.end + self.pending.len() as u64;
        let seed = frame::log_seed(self.id);
        let crc = frame::put_record(&mut self.pending, seed, position, time_ms, key, payload);
        self.pending_chain = frame::extend_chain(self.pending_chain, crc);
        self.active.index.push(key, time_ms, offset);
        Ok(Position(position))
    }

    /// Makes the pending group durable and returns the new committed end. Seals the segment when it
    /// has reached its size: that commit takes four fsyncs (see also `take_index_job`).
    pub fn commit(&mut self) -> Result<Position, LogError> {
        self.check_usable()?;
        if self.unsynced_from.is_some() {
            return Err(LogError::Unsynced);
        }
        if self.pending_records() == 0 {
            return Ok(self.committed());
        }
        let written = self.write_and_sync();
        self.poisoned = written.is_err();
        written.map(|()| self.committed())
    }

    fn write_and_sync(&mut self) -> Result<(), LogError> {
        self.write_group()?;
        self.disk.sync(&self.active.file, &self.active.path)?;
        self.unsynced_from = None;
        if self.active.end >= self.options.segment_bytes {
            self.roll()?;
        }
        Ok(())
    }

    pub(crate) fn pending_records(&self) -> u32 {
        (self.active.index.next() - self.active.written) as u32
    }

    /// Into the file, not yet to the disk: `unsynced_from` says so.
    pub(crate) fn write_group(&mut self) -> Result<(), LogError> {
        self.unsynced_from = Some(self.active.written);
        let active = &mut self.active;
        let group = GroupFrame {
            first: active.written,
            body_len: (self.pending.len() - GROUP_LEN) as u32,
            count: (active.index.next() - active.written) as u32,
            chain: self.pending_chain,
        };
        let head = group.encode(frame::log_seed(self.id), active.end);
        self.pending[..GROUP_LEN].copy_from_slice(&head);
        self.disk
            .write_at(&active.file, &active.path, &self.pending, active.end)?;
        active.end += self.pending.len() as u64;
        active.written += u64::from(group.count);
        active.chain = group.chain;
        self.pending.truncate(GROUP_LEN);
        Ok(())
    }

    /// The next segment is created only when the seal is durable: its existence proves the seal.
    fn roll(&mut self) -> Result<(), LogError> {
        let active = &self.active;
        let seal = SealFrame {
            next: active.written,
            chain: active.chain,
        };
        let bytes = seal.encode(frame::log_seed(self.id), active.end);
        self.disk
            .write_at(&active.file, &active.path, &bytes, active.end)?;
        self.disk.sync(&active.file, &active.path)?;
        let identity = SegmentIdentity {
            id: self.id,
            first: active.index.first(),
            next: active.written,
            chain: active.chain,
        };
        let header = SegmentHeader {
            id: self.id,
            first: active.written,
            chain: active.chain,
        };
        let next = ActiveSegment::create(&self.disk, &self.dir, &header)?;
        let full = std::mem::replace(&mut self.active, next);
        // nobody took the job before: memory is bounded by doing it here
        self.index_job.take().map_or(Ok(()), IndexJob::run)?;
        self.sealed
            .iter_mut()
            .for_each(SealedSegment::release_fresh);
        let (sealed, job) = SealedSegment::fresh(&self.dir, identity, full.index);
        self.sealed.push(sealed);
        self.index_job = Some(job);
        Ok(())
    }

    /// The unwritten index of the segment sealed last, to be run on a thread that does not serve.
    /// Left alone, the commit that seals the next segment writes it, or the next open rebuilds it.
    pub fn take_index_job(&mut self) -> Option<IndexJob> {
        self.index_job.take()
    }

    /// One record, from the pending group as well: a position at or past `committed()` is visible to
    /// the writer alone and not durable yet.
    pub fn read(&mut self, position: Position) -> Result<OwnedRecord, LogError> {
        self.check_usable()?;
        let (first, end) = (self.first(), self.next());
        if position < first || position >= end {
            return Err(LogError::OutOfRange {
                position,
                first,
                end,
            });
        }
        let active = &self.active;
        if position.0 < active.index.first() {
            let behind = self
                .sealed
                .partition_point(|sealed| sealed.identity.next <= position.0);
            return self.sealed[behind].read(&self.dir, position.0, &mut self.held);
        }
        let at = active.index.offset_of(position.0);
        let seed = frame::log_seed(self.id);
        if position.0 >= active.written {
            let bytes = &self.pending[(at - active.end) as usize..];
            return RecordFrame::checked(bytes, seed, position.0)
                .map(|record| OwnedRecord::of(&record, position.0))
                .ok_or_else(|| LogError::corrupt(&active.path, at, Damage::Record));
        }
        let mut buf = Vec::new();
        let record =
            segment::read_record(&active.file, &active.path, at, seed, position.0, &mut buf)?;
        Ok(OwnedRecord::of(&record, position.0))
    }

    /// Positions of the records with `key` and a time of `since_ms` or later, newest first, the
    /// pending group included. Equal keys of different ids are the caller's to tell apart.
    /// Segments that ended before `since_ms` cost a comparison and give their memory back.
    pub fn find(&mut self, key: u64, since_ms: i64) -> Result<Vec<Position>, LogError> {
        self.check_usable()?;
        let mut found = Vec::new();
        self.active.index.find(key, since_ms, &mut found);
        for sealed in self.sealed.iter_mut().rev() {
            sealed.find(&self.dir, key, since_ms, &mut found)?;
        }
        Ok(found)
    }

    /// A page of the positions with `key`, newest first, in positions below `before`. Segments whose records are
    /// all older than `since_ms` are passed over; within one, time is the caller's to look at. Bounded by `max`
    /// positions and by [`PAGE_SEGMENTS`] segments looked into: `Page::rest` tells where to go on.
    pub fn find_page(
        &mut self,
        key: u64,
        since_ms: i64,
        before: Position,
        max: usize,
    ) -> Result<Page, LogError> {
        self.check_usable()?;
        let mut page = Page::default();
        let mut looked_into = 0;
        if self.active.index.first() < before.0 {
            looked_into += 1;
            self.active.index.find(key, i64::MIN, &mut page.positions);
            page.cut(before, max);
        }
        for sealed in self.sealed.iter_mut().rev() {
            if page.rest.is_some() || sealed.identity.first >= before.0 {
                continue;
            }
            if sealed.newest_ms < since_ms {
                continue;
            }
            if looked_into == PAGE_SEGMENTS {
                page.rest = Some(Position(sealed.identity.next));
                break;
            }
            looked_into += 1;
            let mut found = Vec::new();
            sealed.find(&self.dir, key, i64::MIN, &mut found)?;
            page.positions.append(&mut found);
            page.cut(before, max);
        }
        Ok(page)
    }

    /// Writes the state as of `position` (a committed one) through `fill`, then removes all but the
    /// newest `snapshots_kept`. A failure leaves the log and older snapshots as they were.
    pub fn write_snapshot(
        &mut self,
        position: Position,
        semantics: u32,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), LogError> {
        self.snapshot_job(position, semantics)?.run(fill)
    }

    /// The newest valid snapshot with these semantics, and why newer ones were passed over.
    pub fn latest_snapshot(
        &self,
        semantics: impl Into<Semantics>,
    ) -> Result<SnapshotSearch, LogError> {
        self.check_usable()?;
        snapshot::search(&self.dir, self.id, self.committed().0, semantics.into())
    }

    pub(crate) fn check_usable(&self) -> Result<(), LogError> {
        if self.poisoned {
            Err(LogError::Poisoned)
        } else {
            Ok(())
        }
    }
}

impl ActiveSegment {
    /// Creates the file, or writes it again when its creation was cut short.
    pub(crate) fn create(
        disk: &Disk,
        dir: &Path,
        header: &SegmentHeader,
    ) -> Result<Self, LogError> {
        let path = segment::segment_path(dir, header.first);
        let file = disk::open_writable(&path)?;
        disk.write_at(&file, &path, &header.encode(), 0)?;
        disk.sync(&file, &path)?;
        disk.sync_dir(dir)?;
        Ok(Self {
            file: Arc::new(file),
            path,
            end: frame::HEADER_LEN as u64,
            written: header.first,
            chain: header.chain,
            index: ActiveIndex::new(header.first),
        })
    }
}

impl OwnedRecord {
    pub(crate) fn of(frame: &RecordFrame<'_>, position: u64) -> Self {
        Self {
            position: Position(position),
            time_ms: frame.time_ms,
            key: frame.key,
            payload: frame.payload.to_vec(),
        }
    }
}
