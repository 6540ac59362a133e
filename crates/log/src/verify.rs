//! Walks every byte of a log directory without changing it, for operators and tests.

use std::fs;
use std::path::{Path, PathBuf};

use crate::frame::{HEADER_LEN, SegmentHeader};
use crate::index_file::{self, SegmentIdentity};
use crate::key_index::ActiveIndex;
use crate::scan::{SegmentScan, Step};
use crate::{Damage, LogError, LogId, Position, disk, sealed, segment, snapshot};

/// What stands in a log directory and what is wrong with it.
#[derive(Debug, Default)]
pub struct VerifyReport {
    pub segments: usize,
    pub records: u64,
    pub first: Position,
    /// Exclusive end of what is intact from the first record on.
    pub end: Position,
    /// Bytes of a last group that is not whole; the next writer cuts them.
    pub torn_tail_bytes: u64,
    pub indexes: usize,
    pub snapshots: usize,
    /// Acknowledged data that is damaged or missing: each names file and byte.
    pub problems: Vec<LogError>,
    /// Index files that are missing or wrong; they are rebuilt when needed.
    pub indexes_to_rebuild: Vec<PathBuf>,
}

impl VerifyReport {
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Checks all segments, indexes and snapshots. An error means that checking itself failed; damage
/// is in the report. While a writer runs, its group in flight shows as a torn tail.
pub fn verify(dir: &Path) -> Result<VerifyReport, LogError> {
    let listing = segment::list(dir)?;
    let Some(first) = listing.segments.first() else {
        return Err(LogError::NotALog {
            path: dir.to_path_buf(),
        });
    };
    let mut report = VerifyReport {
        first: Position(*first),
        end: Position(*first),
        ..VerifyReport::default()
    };
    report.problems.extend(segment::check_start(&listing).err());
    let mut link: Option<SegmentHeader> = None;
    let mut id = None;
    // Of the part without a gap: behind damage it stays where it is.
    let (mut is_whole, mut end) = (true, *first);
    for (nth, first) in listing.segments.iter().enumerate() {
        let last = nth + 1 == listing.segments.len();
        let checked = check_segment(dir, *first, last, link, &mut end, &mut report);
        if is_whole {
            report.end = Position(end);
        }
        is_whole &= checked.is_ok();
        report.segments += 1;
        link = match checked {
            Ok(end) => {
                report.records += end.first - *first;
                id = Some(end.id);
                Some(end)
            }
            // what a damaged segment should lead to is unknown: the next one is checked by itself
            Err(error @ LogError::Io { .. }) => return Err(error),
            Err(error) => {
                report.problems.push(error);
                None
            }
        };
    }
    if let Some(id) = id {
        check_snapshots(dir, &listing.snapshots, id, &mut report);
    }
    Ok(report)
}

/// Returns what the header of the next segment must say. `end` follows the groups that check out.
fn check_segment(
    dir: &Path,
    first: u64,
    last: bool,
    link: Option<SegmentHeader>,
    end: &mut u64,
    report: &mut VerifyReport,
) -> Result<SegmentHeader, LogError> {
    let (file, path, header) = match (segment::open(dir, first), link) {
        // the header of a last segment may itself be what was in flight
        (Err(LogError::Corrupt { segment: path, .. }), Some(link))
            if last && link.first == first && short_of_groups(&path)? =>
        {
            report.torn_tail_bytes = disk::len(&disk::open_readable(&path)?, &path)?;
            return Ok(link);
        }
        (opened, _) => opened?,
    };
    if let Some(link) = link {
        segment::check_link(&path, &header, &link)?;
    }
    let file_len = disk::len(&file, &path)?;
    let mut scan = SegmentScan::new(file, path, &header);
    let mut index = ActiveIndex::new(first);
    let sealed = loop {
        match scan.step()? {
            Step::Group { at, frame } => {
                sealed::index_group(&mut index, &scan, at, &frame);
                *end = scan.next;
            }
            Step::Seal(_) => break true,
            Step::End => break false,
            Step::Damaged { offset, what } => {
                if !last || what == Damage::AfterSeal || scan.later_frame()?.is_some() {
                    return Err(LogError::corrupt(scan.path(), offset, what));
                }
                report.torn_tail_bytes = file_len - scan.offset;
                break false;
            }
        }
    };
    if !sealed && !last {
        return Err(LogError::corrupt(scan.path(), scan.offset, Damage::NoSeal));
    }
    if sealed {
        let identity = SegmentIdentity {
            id: header.id,
            first,
            next: scan.next,
            chain: scan.chain,
        };
        check_index(dir, identity, &index, report);
    }
    Ok(SegmentHeader {
        id: header.id,
        first: scan.next,
        chain: scan.chain,
    })
}

pub(crate) fn short_of_groups(path: &Path) -> Result<bool, LogError> {
    Ok(disk::len(&disk::open_readable(path)?, path)? <= HEADER_LEN as u64)
}

/// An index is a pure function of its segment: any difference is damage.
fn check_index(
    dir: &Path,
    identity: SegmentIdentity,
    index: &ActiveIndex,
    report: &mut VerifyReport,
) {
    let path = segment::index_path(dir, identity.first);
    match fs::read(&path) {
        Ok(bytes) if bytes == index_file::encode(identity, index) => report.indexes += 1,
        _ => report.indexes_to_rebuild.push(path),
    }
}

fn check_snapshots(dir: &Path, positions: &[u64], id: LogId, report: &mut VerifyReport) {
    for position in positions {
        let path = segment::snapshot_path(dir, *position);
        match snapshot::check(&path, id, *position) {
            Ok(_) if *position > report.end.0 => report.problems.push(LogError::SnapshotAhead {
                path,
                position: Position(*position),
                end: report.end,
            }),
            Ok(_) => report.snapshots += 1,
            Err(error) => report.problems.push(error),
        }
    }
}
