//! Opening for writing: lock, check the links of all segments, judge the tail, make it durable.

use std::fs::{self, File, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use crate::disk::Disk;
use crate::frame::{GROUP_LEN, HEADER_LEN, SEAL_LEN, SealFrame, SegmentHeader, log_seed};
use crate::held::HeldSegments;
use crate::index_file::SegmentIdentity;
use crate::key_index::ActiveIndex;
use crate::scan::{SegmentScan, Step};
use crate::sealed::{self, SealedSegment};
use crate::segment::{self, LOCK_NAME, Listing};
use crate::writer::ActiveSegment;
use crate::{Damage, Log, LogError, LogId, LogOptions, Position, disk, snapshot};

/// What opening for writing found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The directory held no log before.
    pub created: bool,
    pub first: Position,
    pub end: Position,
    pub segments: usize,
    /// Bytes of an unacknowledged group that were cut from the end.
    pub cut_bytes: u64,
    /// Index files that were missing or damaged.
    pub indexes_rebuilt: usize,
}

impl Recovery {
    pub fn records(&self) -> u64 {
        self.end.0 - self.first.0
    }
}

struct Tail {
    active: ActiveSegment,
    sealed: Option<SealedSegment>,
    cut_bytes: u64,
}

impl Log {
    /// Opens the log in `dir` as its only writer, creating directory and log when missing.
    pub fn open(dir: &Path, options: LogOptions) -> Result<(Log, Recovery), LogError> {
        options.check()?;
        let disk = Disk::new(options.faults.clone());
        create_dir(&disk, dir)?;
        let lock = lock(dir)?;
        let listing = segment::list(dir)?;
        segment::check_start(&listing)?;
        for path in &listing.temporaries {
            disk.remove(path)?;
        }
        let (mut sealed, link, indexes_rebuilt) = open_sealed(dir, &listing, &options)?;
        let tail = match listing.segments.last() {
            Some(first) => recover_tail(&disk, dir, *first, link, &options, &listing)?,
            None => {
                let active = create_again(&disk, dir, 0, None, &options, &listing)?;
                Tail {
                    active,
                    sealed: None,
                    cut_bytes: 0,
                }
            }
        };
        sealed.extend(tail.sealed);
        remove_stray_indexes(&disk, dir, &listing, &sealed)?;
        let log = Log {
            dir: dir.to_path_buf(),
            id: segment::read_header(
                &tail.active.file,
                &tail.active.path,
                tail.active.index.first(),
            )?
            .id,
            options,
            disk,
            _lock: lock,
            sealed,
            held: HeldSegments::default(),
            pending: vec![0; GROUP_LEN],
            pending_chain: tail.active.chain,
            active: tail.active,
            index_job: None,
            unsynced_from: None,
            poisoned: false,
        };
        let recovery = Recovery {
            created: listing.segments.is_empty(),
            first: log.first(),
            end: log.committed(),
            segments: log.sealed.len() + 1,
            cut_bytes: tail.cut_bytes,
            indexes_rebuilt,
        };
        Ok((log, recovery))
    }
}

fn create_dir(disk: &Disk, dir: &Path) -> Result<(), LogError> {
    if dir.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(dir).map_err(LogError::io("create", dir))?;
    // every directory that may be new must be found again after power loss
    for parent in dir
        .ancestors()
        .skip(1)
        .filter(|parent| !parent.as_os_str().is_empty())
        .take(2)
    {
        disk.sync_dir(parent)?;
    }
    Ok(())
}

pub(crate) fn lock(dir: &Path) -> Result<File, LogError> {
    let path = dir.join(LOCK_NAME);
    let file = disk::open_writable(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LogError::Locked { path }),
        Err(TryLockError::Error(error)) => Err(LogError::io("lock", &path)(error)),
    }
}

fn first_header(options: &LogOptions) -> SegmentHeader {
    let id = options.log_id.unwrap_or_else(|| {
        // the standard library's only randomness: each state is keyed by the operating system
        let mut id = [0; 16];
        id[..8].copy_from_slice(&RandomState::new().hash_one(0_u8).to_le_bytes());
        id[8..].copy_from_slice(&RandomState::new().hash_one(1_u8).to_le_bytes());
        LogId(id)
    });
    SegmentHeader {
        id,
        first: 0,
        chain: log_seed(id),
    }
}

/// Opens all segments but the last by header and seal; returns the header that must follow.
fn open_sealed(
    dir: &Path,
    listing: &Listing,
    options: &LogOptions,
) -> Result<(Vec<SealedSegment>, Option<SegmentHeader>, usize), LogError> {
    let (mut all, mut link, mut rebuilt) = (Vec::new(), None, 0);
    let count = listing.segments.len().saturating_sub(1);
    for first in &listing.segments[..count] {
        let (file, path, header) = segment::open(dir, *first)?;
        match &link {
            Some(link) => segment::check_link(&path, &header, link)?,
            None => check_id(&path, &header, options)?,
        }
        let seal = read_seal(file, &path, &header)?;
        let identity = SegmentIdentity {
            id: header.id,
            first: *first,
            next: seal.next,
            chain: seal.chain,
        };
        let (sealed, was_rebuilt) = SealedSegment::open(dir, identity)?;
        all.push(sealed);
        rebuilt += usize::from(was_rebuilt);
        link = Some(SegmentHeader {
            id: header.id,
            first: seal.next,
            chain: seal.chain,
        });
    }
    Ok((all, link, rebuilt))
}

fn check_id(path: &Path, header: &SegmentHeader, options: &LogOptions) -> Result<(), LogError> {
    match options.log_id {
        Some(id) if id != header.id => Err(LogError::ForeignLog {
            path: path.to_path_buf(),
        }),
        _ => Ok(()),
    }
}

/// The seal stands in the last bytes of a sealed segment; without it, a full scan says where the
/// damage is.
fn read_seal(file: File, path: &Path, header: &SegmentHeader) -> Result<SealFrame, LogError> {
    let len = disk::len(&file, path)?;
    let at = len.saturating_sub(SEAL_LEN as u64);
    let mut bytes = [0; SEAL_LEN];
    let filled = disk::read_up_to(&file, path, &mut bytes, at)?;
    if let Some(seal) = SealFrame::decode(&bytes[..filled], log_seed(header.id), at) {
        return Ok(seal);
    }
    let mut scan = SegmentScan::new(file, path.to_path_buf(), header);
    loop {
        match scan.step()? {
            Step::Group { .. } => {}
            Step::Damaged { offset, what } => return Err(LogError::corrupt(path, offset, what)),
            Step::Seal(_) | Step::End => {
                return Err(LogError::corrupt(path, scan.offset, Damage::NoSeal));
            }
        }
    }
}

fn recover_tail(
    disk: &Disk,
    dir: &Path,
    first: u64,
    link: Option<SegmentHeader>,
    options: &LogOptions,
    listing: &Listing,
) -> Result<Tail, LogError> {
    let path = segment::segment_path(dir, first);
    let file = disk::open_writable(&path)?;
    let file_len = disk::len(&file, &path)?;
    let header = match segment::read_header(&file, &path, first) {
        // nothing but the header was ever written: its creation was cut short
        Err(LogError::Corrupt { .. }) if file_len <= HEADER_LEN as u64 => {
            let active = create_again(disk, dir, first, link, options, listing)?;
            return Ok(Tail {
                active,
                sealed: None,
                cut_bytes: 0,
            });
        }
        header => header?,
    };
    match &link {
        Some(link) => segment::check_link(&path, &header, link)?,
        None => check_id(&path, &header, options)?,
    }
    let mut scan = SegmentScan::new(file, path.clone(), &header);
    let ScannedTail {
        index,
        last_group_at,
        is_sealed,
    } = scan_tail(&mut scan, first)?;
    check_snapshots(dir, listing, Some(header.id), scan.next)?;
    let (end, committed, chain) = (scan.offset, scan.next, scan.chain);
    let file = scan.into_file();
    make_durable(disk, &file, &path, last_group_at, end)?;
    disk.sync_dir(dir)?;
    let cut_bytes = file_len - end;
    if !is_sealed {
        let active = ActiveSegment {
            file: file.into(),
            path,
            end,
            written: committed,
            chain,
            index,
        };
        return Ok(Tail {
            active,
            sealed: None,
            cut_bytes,
        });
    }
    // the crash came between the seal and the next segment
    let identity = SegmentIdentity {
        id: header.id,
        first,
        next: committed,
        chain,
    };
    let sealed = SealedSegment::indexed(dir, identity, &index)?;
    let header = SegmentHeader {
        id: header.id,
        first: committed,
        chain,
    };
    let active = ActiveSegment::create(disk, dir, &header)?;
    Ok(Tail {
        active,
        sealed: Some(sealed),
        cut_bytes,
    })
}

/// The segment that must follow `link`, or the first one of a log that holds nothing yet.
fn create_again(
    disk: &Disk,
    dir: &Path,
    first: u64,
    link: Option<SegmentHeader>,
    options: &LogOptions,
    listing: &Listing,
) -> Result<ActiveSegment, LogError> {
    let header = match link {
        Some(link) if link.first == first => {
            check_snapshots(dir, listing, Some(link.id), first)?;
            link
        }
        None if first == 0 => {
            check_snapshots(dir, listing, None, 0)?;
            first_header(options)
        }
        _ => {
            let path = segment::segment_path(dir, first);
            return Err(LogError::corrupt(&path, 0, Damage::Header));
        }
    };
    ActiveSegment::create(disk, dir, &header)
}

struct ScannedTail {
    index: ActiveIndex,
    /// 0, the header, when there is no group.
    last_group_at: u64,
    is_sealed: bool,
}

/// Checks every group; what follows the last whole one is a torn tail or an error.
fn scan_tail(scan: &mut SegmentScan, first: u64) -> Result<ScannedTail, LogError> {
    let mut tail = ScannedTail {
        index: ActiveIndex::new(first),
        last_group_at: 0,
        is_sealed: false,
    };
    loop {
        match scan.step()? {
            Step::Group { at, frame } => {
                sealed::index_group(&mut tail.index, scan, at, &frame);
                tail.last_group_at = at;
            }
            Step::Seal(_) => {
                tail.is_sealed = true;
                return Ok(tail);
            }
            Step::End => return Ok(tail),
            Step::Damaged { offset, what } => {
                if what == Damage::AfterSeal || scan.later_frame()?.is_some() {
                    return Err(LogError::corrupt(scan.path(), offset, what));
                }
                return Ok(tail);
            }
        }
    }
}

/// Writes the last group again and cuts what follows. The group may stand in the page cache only:
/// after a failed fsync Linux marks pages clean that never reached the disk, and a later fsync
/// would not write them. Groups before it were fsynced before it was written.
fn make_durable(
    disk: &Disk,
    file: &File,
    path: &Path,
    from: u64,
    end: u64,
) -> Result<(), LogError> {
    let mut bytes = vec![0; (end - from) as usize];
    let filled = disk::read_up_to(file, path, &mut bytes, from)?;
    disk.truncate(file, path, end)?;
    disk.write_at(file, path, &bytes[..filled], from)?;
    disk.sync(file, path)
}

/// A valid snapshot past the end proves that acknowledged records are gone: say so, cut nothing.
/// Without an id (no segment tells it) any snapshot proves it.
fn check_snapshots(
    dir: &Path,
    listing: &Listing,
    id: Option<LogId>,
    end: u64,
) -> Result<(), LogError> {
    for position in listing.snapshots.iter().filter(|position| **position > end) {
        let path = segment::snapshot_path(dir, *position);
        if snapshot::read_header(&path).is_ok_and(|header| id.is_none_or(|id| header.id == id)) {
            let (position, end) = (Position(*position), Position(end));
            return Err(LogError::SnapshotAhead {
                path,
                position,
                end,
            });
        }
    }
    Ok(())
}

fn remove_stray_indexes(
    disk: &Disk,
    dir: &Path,
    listing: &Listing,
    sealed: &[SealedSegment],
) -> Result<(), LogError> {
    for first in &listing.indexes {
        if sealed
            .binary_search_by_key(first, |sealed| sealed.identity.first)
            .is_err()
        {
            disk.remove(&segment::index_path(dir, *first))?;
        }
    }
    Ok(())
}
