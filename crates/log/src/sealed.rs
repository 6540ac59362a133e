//! A sealed segment as the writer keeps it: identity, time range, and its index while needed.

use std::fs;
use std::path::Path;

use crate::frame::log_seed;
use crate::index_file::{self, IndexHeader, SealedIndex, SegmentIdentity};
use crate::key_index::ActiveIndex;
use crate::scan::{SegmentScan, Step};
use crate::{Damage, LogError, OwnedRecord, Position, disk, frame, scan, segment};

#[derive(Debug)]
pub(crate) struct SealedSegment {
    pub(crate) identity: SegmentIdentity,
    oldest_ms: i64,
    newest_ms: i64,
    /// Loaded by the first lookup that needs it, dropped when its records are older than asked for.
    index: Option<SealedIndex>,
}

impl SealedSegment {
    /// Reads the index's header only; true when the index had to be rebuilt.
    pub(crate) fn open(dir: &Path, identity: SegmentIdentity) -> Result<(Self, bool), LogError> {
        let path = segment::index_path(dir, identity.first);
        let head = fs::File::open(&path).ok().and_then(|file| {
            let mut bytes = [0; index_file::HEADER_LEN];
            let filled = disk::read_up_to(&file, &path, &mut bytes, 0).ok()?;
            IndexHeader::decode(&bytes[..filled], identity)
        });
        if let Some(header) = head {
            let (oldest_ms, newest_ms) = (header.oldest_ms, header.newest_ms);
            return Ok((
                Self {
                    identity,
                    oldest_ms,
                    newest_ms,
                    index: None,
                },
                false,
            ));
        }
        Ok((Self::create(dir, identity, &rebuild(dir, identity)?)?, true))
    }

    /// Writes the index of a segment that was just sealed, or whose index is lost.
    pub(crate) fn create(
        dir: &Path,
        identity: SegmentIdentity,
        index: &ActiveIndex,
    ) -> Result<Self, LogError> {
        let path = segment::index_path(dir, identity.first);
        let temporary = segment::temporary_path(&path);
        // no fsync: a torn index fails its checksums and is rebuilt
        fs::write(&temporary, index_file::encode(identity, index))
            .map_err(LogError::io("write", &temporary))?;
        fs::rename(&temporary, &path).map_err(LogError::io("rename", &temporary))?;
        let (oldest_ms, newest_ms) = index.time_range();
        Ok(Self {
            identity,
            oldest_ms,
            newest_ms,
            index: None,
        })
    }

    /// Adds the positions with `key` at or after `since_ms`, newest first.
    pub(crate) fn find(
        &mut self,
        dir: &Path,
        key: u64,
        since_ms: i64,
        found: &mut Vec<Position>,
    ) -> Result<(), LogError> {
        if self.newest_ms < since_ms {
            self.index = None;
            return Ok(());
        }
        if !self.load(dir)?.may_contain(key) {
            return Ok(());
        }
        let path = segment::index_path(dir, self.identity.first);
        let mut slots = self.load(dir)?.lookup(&path, key)?;
        if slots.is_none() {
            // a damaged page: derive the file from the segment again, once
            *self = Self::create(dir, self.identity, &rebuild(dir, self.identity)?)?;
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

    pub(crate) fn read(&mut self, dir: &Path, position: u64) -> Result<OwnedRecord, LogError> {
        let first = self.identity.first;
        let start = self.load(dir)?.nearest((position - first) as u32);
        let (file, path, header) = segment::open(dir, first)?;
        let Some((relative, offset)) = start else {
            return Err(LogError::corrupt(
                &path,
                frame::HEADER_LEN as u64,
                Damage::Frame,
            ));
        };
        let (mut at, mut next) = (u64::from(offset), first + u64::from(relative));
        let seed = log_seed(header.id);
        let mut buf = Vec::new();
        loop {
            let mut head = [0; frame::GROUP_LEN];
            let filled = disk::read_up_to(&file, &path, &mut head, at)?;
            if frame::GroupFrame::decode(&head[..filled], seed, at).is_some() {
                at += frame::GROUP_LEN as u64;
                continue;
            }
            let record = segment::read_record(&file, &path, at, seed, next, &mut buf)?;
            if next == position {
                return Ok(OwnedRecord::of(&record, position));
            }
            at += record.frame_len as u64;
            next += 1;
        }
    }

    fn load(&mut self, dir: &Path) -> Result<&SealedIndex, LogError> {
        let identity = self.identity;
        let path = segment::index_path(dir, identity.first);
        let index = match self.index.take() {
            Some(index) => index,
            None => match SealedIndex::load(&path, identity)? {
                Some(index) => index,
                None => {
                    Self::create(dir, identity, &rebuild(dir, identity)?)?;
                    SealedIndex::load(&path, identity)?
                        .ok_or_else(|| LogError::corrupt(&path, 0, Damage::Index))?
                }
            },
        };
        Ok(self.index.insert(index))
    }
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
