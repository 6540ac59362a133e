//! Reading a log that another process may be writing.
//!
//! A reader sees whole groups only. The newest one may have been written but not yet fsynced, so a
//! reader serves tools, replay and training; what may be acknowledged, the writer alone knows.

use std::io;
use std::path::{Path, PathBuf};

use crate::frame::{self, GROUP_LEN, HEADER_LEN, RecordFrame, SegmentHeader};
use crate::scan::{SegmentScan, Step};
use crate::segment::{self, Listing};
use crate::snapshot::{self, Semantics, SnapshotReader, SnapshotSearch};
use crate::{Damage, LogError, LogId, Position, Record, disk};

/// Read-only view of a log directory up to the end found by the last `open` or `refresh`.
pub struct Reader {
    dir: PathBuf,
    id: LogId,
    first: u64,
    /// Stands behind the last whole group seen.
    tail: SegmentScan,
    tail_first: u64,
    tail_sealed: bool,
}

impl Reader {
    /// Checks the newest segment whole; older ones are checked when they are read.
    pub fn open(dir: &Path) -> Result<Self, LogError> {
        let listing = segment::list(dir)?;
        segment::check_start(&listing)?;
        let (first, tail_first) = ends(dir, &listing)?;
        let (file, path, header) = segment::open(dir, tail_first)?;
        let tail = SegmentScan::new(file, path, &header);
        let mut reader = Self {
            dir: dir.to_path_buf(),
            id: header.id,
            first,
            tail,
            tail_first,
            tail_sealed: false,
        };
        reader.refresh()?;
        Ok(reader)
    }

    pub fn id(&self) -> LogId {
        self.id
    }

    /// Oldest record still present when the log was opened.
    pub fn first(&self) -> Position {
        Position(self.first)
    }

    /// Exclusive end of what this reader has seen.
    pub fn end(&self) -> Position {
        Position(self.tail.next)
    }

    /// Looks for groups written since; returns the new end. `MissingSegment` when the writer has
    /// dropped records that this reader has not seen yet: open a new reader.
    pub fn refresh(&mut self) -> Result<Position, LogError> {
        self.tail.forget();
        loop {
            match self.tail.step()? {
                Step::Group { .. } => {}
                Step::Seal(_) => self.tail_sealed = true,
                Step::End if !self.tail_sealed => return Ok(self.end()),
                Step::End => match self.open_next()? {
                    Some(tail) => {
                        self.tail_first = self.tail.next;
                        self.tail = tail;
                        self.tail_sealed = false;
                    }
                    None => return Ok(self.end()),
                },
                Step::Damaged { .. } => {
                    if !self.passes_on_second_look()? {
                        return Ok(self.end());
                    }
                }
            }
        }
    }

    /// The segment after the sealed tail, once its header is written.
    fn open_next(&self) -> Result<Option<SegmentScan>, LogError> {
        let path = segment::segment_path(&self.dir, self.tail.next);
        let Some(file) = open_started(&path)? else {
            // not created yet, unless a later one shows that it was removed before we got there
            return match segment::list(&self.dir)?.segments.last() {
                Some(last) if *last > self.tail.next && !path.exists() => {
                    let (expected, found) = (Position(self.tail.next), Position(*last));
                    Err(LogError::MissingSegment { expected, found })
                }
                _ => Ok(None),
            };
        };
        let header = segment::read_header(&file, &path, self.tail.next)?;
        let link = SegmentHeader {
            id: self.id,
            first: self.tail.next,
            chain: self.tail.chain,
        };
        segment::check_link(&path, &header, &link)?;
        Ok(Some(SegmentScan::new(file, path, &header)))
    }

    /// A group may be half written, or have been so when its bytes were read: it is damage only when
    /// something later stands behind it and a fresh look still fails. True: it is whole by now;
    /// false: the log ends before it for now.
    fn passes_on_second_look(&mut self) -> Result<bool, LogError> {
        let later = self.tail.later_frame()?.is_some()
            || segment::list(&self.dir)?.segments.last() > Some(&self.tail_first);
        if !later {
            self.tail.forget();
            return Ok(false);
        }
        let retry_at = self.tail.offset;
        self.tail.forget();
        match self.tail.step()? {
            Step::Damaged { offset, what } => {
                Err(LogError::corrupt(self.tail.path(), offset, what))
            }
            step => {
                self.tail_sealed |= matches!(step, Step::Seal(_));
                Ok(self.tail.offset > retry_at)
            }
        }
    }

    /// The records from `position` (at most `end`) up to the end as it is now.
    pub fn iter_from(&self, position: Position) -> Result<Records, LogError> {
        let (first, end) = (self.first(), self.end());
        if position < first || position > end {
            return Err(LogError::OutOfRange {
                position,
                first,
                end,
            });
        }
        let segments = segment::list(&self.dir)?.segments;
        // never a segment newer than the tail: its header may not be written yet
        let newest = position.0.min(self.tail_first);
        let behind = segments.partition_point(|first| *first <= newest);
        let Some(start) = behind.checked_sub(1) else {
            return Err(LogError::OutOfRange {
                position,
                first,
                end,
            });
        };
        let (file, path, header) = segment::open(&self.dir, segments[start])?;
        if header.id != self.id {
            return Err(LogError::ForeignLog { path });
        }
        let mut scan = SegmentScan::new(file, path, &header);
        scan.skip_to(position.0)?;
        Ok(Records {
            dir: self.dir.clone(),
            id: self.id,
            scan,
            group_at: 0,
            body_len: 0,
            at: 0,
            next: position.0,
            group_next: position.0,
            end: end.0,
        })
    }

    /// The files that hold what this reader sees, and how much of each: segments, the newest one up to its last
    /// whole group, and the valid snapshots within. A writer may remove the oldest of them meanwhile.
    pub fn files(&self) -> Result<Vec<LogFile>, LogError> {
        let listing = segment::list(&self.dir)?;
        let mut files = Vec::new();
        for first in listing.segments.iter().filter(|it| **it < self.tail_first) {
            let path = segment::segment_path(&self.dir, *first);
            let bytes = disk::len(&disk::open_readable(&path)?, &path)?;
            files.push(LogFile { path, bytes });
        }
        files.push(LogFile {
            path: self.tail.path().to_path_buf(),
            bytes: self.tail.offset,
        });
        for position in listing.snapshots.iter().filter(|it| **it <= self.tail.next) {
            let path = segment::snapshot_path(&self.dir, *position);
            if snapshot::check(&path, self.id, *position).is_ok() {
                let bytes = disk::len(&disk::open_readable(&path)?, &path)?;
                files.push(LogFile { path, bytes });
            }
        }
        Ok(files)
    }

    /// Where a replay of all that is left begins, in a log whose oldest records are gone.
    pub fn oldest_snapshot(
        &self,
        semantics: impl Into<Semantics>,
    ) -> Result<Option<SnapshotReader>, LogError> {
        snapshot::oldest(&self.dir, self.id, self.tail.next, semantics.into())
    }

    /// As [`crate::Log::latest_snapshot`], at or below this reader's end.
    pub fn latest_snapshot(
        &self,
        semantics: impl Into<Semantics>,
    ) -> Result<SnapshotSearch, LogError> {
        snapshot::search(&self.dir, self.id, self.tail.next, semantics.into())
    }
}

/// A file of a log, and how many of its bytes count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    pub path: PathBuf,
    pub bytes: u64,
}

/// Oldest segment, and the newest one whose header is written.
fn ends(dir: &Path, listing: &Listing) -> Result<(u64, u64), LogError> {
    let not_a_log = || LogError::NotALog {
        path: dir.to_path_buf(),
    };
    let first = *listing.segments.first().ok_or_else(not_a_log)?;
    for candidate in listing.segments.iter().rev() {
        if open_started(&segment::segment_path(dir, *candidate))?.is_some() {
            return Ok((first, *candidate));
        }
    }
    Err(not_a_log())
}

/// None when the file is missing or still shorter than its header.
fn open_started(path: &Path) -> Result<Option<std::fs::File>, LogError> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(LogError::io("open", path)(error)),
    };
    Ok((disk::len(&file, path)? >= HEADER_LEN as u64).then_some(file))
}

/// Sequential records; every group is checked before its first record is handed out.
pub struct Records {
    dir: PathBuf,
    id: LogId,
    scan: SegmentScan,
    /// The current group: offset of its records, their length, and how far it is handed out.
    group_at: u64,
    body_len: u32,
    at: usize,
    /// Position of the record to hand out next, and of the one at `at`.
    next: u64,
    group_next: u64,
    end: u64,
}

impl Records {
    /// Goes on up to a later end, which the caller knows to be written whole.
    pub fn extend_to(&mut self, end: Position) {
        if end.0 > self.end {
            self.end = end.0;
            // What was read beyond the group at hand may have been half written then.
            if self.at >= self.body_len as usize {
                self.scan.forget();
            }
        }
    }

    /// Ends before what stands from here on.
    pub fn stop_at(&mut self, end: Position) {
        self.end = self.end.min(end.0);
    }

    /// The next record, borrowed until the following call; None at the end.
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>, LogError> {
        if self.next >= self.end {
            return Ok(None);
        }
        loop {
            if self.at >= self.body_len as usize {
                self.next_group()?;
            }
            if self.group_next >= self.next {
                break;
            }
            let body = self.scan.slice(self.group_at, self.body_len as usize);
            self.at += frame::record_frame_len(&body[self.at..]).unwrap_or(body.len());
            self.group_next += 1;
        }
        let body = self.scan.slice(self.group_at, self.body_len as usize);
        let Some(record) = RecordFrame::split(&body[self.at..]) else {
            let offset = self.group_at + self.at as u64;
            return Err(LogError::corrupt(self.scan.path(), offset, Damage::Record));
        };
        let position = Position(self.next);
        self.at += record.frame_len;
        self.group_next += 1;
        self.next += 1;
        let RecordFrame {
            time_ms,
            key,
            payload,
            ..
        } = record;
        Ok(Some(Record {
            position,
            time_ms,
            key,
            payload,
        }))
    }

    fn next_group(&mut self) -> Result<(), LogError> {
        loop {
            match self.scan.step()? {
                Step::Group { at, frame } => {
                    self.group_at = at + GROUP_LEN as u64;
                    self.body_len = frame.body_len;
                    self.at = 0;
                    self.group_next = frame.first;
                    return Ok(());
                }
                Step::Seal(seal) => {
                    let (file, path, header) = segment::open(&self.dir, seal.next)?;
                    let link = SegmentHeader {
                        id: self.id,
                        first: seal.next,
                        chain: seal.chain,
                    };
                    segment::check_link(&path, &header, &link)?;
                    self.scan = SegmentScan::new(file, path, &header);
                }
                // the reader has seen whole groups up to `end`
                Step::End => {
                    let (path, offset) = (self.scan.path(), self.scan.offset);
                    return Err(LogError::corrupt(path, offset, Damage::ShortGroup));
                }
                Step::Damaged { offset, what } => {
                    return Err(LogError::corrupt(self.scan.path(), offset, what));
                }
            }
        }
    }
}
