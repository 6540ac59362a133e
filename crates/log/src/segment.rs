//! File names in a log directory, and opening a segment file with its header checked.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::frame::{self, FORMAT_VERSION, HEADER_LEN, HeaderFault, SegmentHeader};
use crate::{Damage, LogError, Position, disk};

pub(crate) const LOCK_NAME: &str = "lock";
const SEGMENT: &str = "seg";
const INDEX: &str = "idx";
const SNAPSHOT: &str = "snap";
const TEMPORARY: &str = "tmp";

/// What a log directory holds, each list ascending by position.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) segments: Vec<u64>,
    pub(crate) indexes: Vec<u64>,
    pub(crate) snapshots: Vec<u64>,
    pub(crate) temporaries: Vec<PathBuf>,
}

pub(crate) fn list(dir: &Path) -> Result<Listing, LogError> {
    let mut listing = Listing::default();
    for entry in fs::read_dir(dir).map_err(LogError::io("list", dir))? {
        let path = entry.map_err(LogError::io("list", dir))?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if extension == Some(TEMPORARY) {
            listing.temporaries.push(path);
            continue;
        }
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        let Some(first) = (stem.len() == 20).then(|| stem.parse().ok()).flatten() else {
            continue;
        };
        match extension {
            Some(SEGMENT) => listing.segments.push(first),
            Some(INDEX) => listing.indexes.push(first),
            Some(SNAPSHOT) => listing.snapshots.push(first),
            _ => {}
        }
    }
    listing.segments.sort_unstable();
    listing.indexes.sort_unstable();
    listing.snapshots.sort_unstable();
    Ok(listing)
}

/// Records below the first segment may be absent only when a snapshot stands for them.
pub(crate) fn check_start(listing: &Listing) -> Result<(), LogError> {
    let first = listing.segments.first().copied().unwrap_or(0);
    let covered = listing
        .snapshots
        .last()
        .is_some_and(|position| *position >= first);
    if first > 0 && !covered {
        return Err(LogError::MissingSegment {
            expected: Position(0),
            found: Position(first),
        });
    }
    Ok(())
}

pub(crate) fn segment_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.{SEGMENT}"))
}

pub(crate) fn index_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.{INDEX}"))
}

pub(crate) fn snapshot_path(dir: &Path, position: u64) -> PathBuf {
    dir.join(format!("{position:020}.{SNAPSHOT}"))
}

pub(crate) fn temporary_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(TEMPORARY);
    PathBuf::from(name)
}

/// Opens the segment whose name says `first` and checks its header against the name.
pub(crate) fn open(dir: &Path, first: u64) -> Result<(File, PathBuf, SegmentHeader), LogError> {
    let path = segment_path(dir, first);
    let file = disk::open_readable(&path)?;
    let header = read_header(&file, &path, first)?;
    Ok((file, path, header))
}

pub(crate) fn read_header(file: &File, path: &Path, first: u64) -> Result<SegmentHeader, LogError> {
    let mut bytes = [0; HEADER_LEN];
    let filled = disk::read_up_to(file, path, &mut bytes, 0)?;
    match SegmentHeader::decode(&bytes[..filled]) {
        Ok(header) if header.first == first => Ok(header),
        Ok(_) | Err(HeaderFault::Damaged) => Err(LogError::corrupt(path, 0, Damage::Header)),
        Err(HeaderFault::Version(found)) => Err(LogError::UnsupportedVersion {
            path: path.to_path_buf(),
            found,
            supported: FORMAT_VERSION,
        }),
    }
}

/// The next segment must belong to the same log and go on exactly where the one before ended.
pub(crate) fn check_link(
    path: &Path,
    header: &SegmentHeader,
    before: &SegmentHeader,
) -> Result<(), LogError> {
    if header.id != before.id {
        return Err(LogError::ForeignLog {
            path: path.to_path_buf(),
        });
    }
    if header.first != before.first {
        return Err(LogError::MissingSegment {
            expected: Position(before.first),
            found: Position(header.first),
        });
    }
    if header.chain != before.chain {
        return Err(LogError::corrupt(path, 40, Damage::HeaderChain));
    }
    Ok(())
}

/// Reads and checks one record whose frame begins at `at`; `buf` is scratch space.
pub(crate) fn read_record<'a>(
    file: &File,
    path: &Path,
    at: u64,
    seed: u32,
    position: u64,
    buf: &'a mut Vec<u8>,
) -> Result<frame::RecordFrame<'a>, LogError> {
    // most records fit the first read; a longer one costs a second
    const FIRST_READ: usize = 1024;
    buf.resize(FIRST_READ, 0);
    let mut filled = disk::read_up_to(file, path, buf, at)?;
    if let Some(len) = frame::record_frame_len(&buf[..filled])
        && len > filled
    {
        buf.resize(len, 0);
        filled = disk::read_up_to(file, path, buf, at)?;
    }
    frame::RecordFrame::checked(&buf[..filled], seed, position)
        .ok_or_else(|| LogError::corrupt(path, at, Damage::Record))
}
