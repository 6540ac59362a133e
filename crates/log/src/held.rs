//! Sealed segments that are read again and again: a few stay open, and a record that the sparse table does not
//! name is found in one read of its neighbourhood.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::frame::{self, GroupFrame, RecordFrame, log_seed};
use crate::index_file::SPARSE_STRIDE;
use crate::{Damage, LogError, OwnedRecord, disk, segment};

/// Segments kept open: what a decision looks back at lies in the latest few.
const OPEN_MAX: usize = 8;
/// From a record named by the sparse table up to the next one, and that one's whole frame for all but the longest.
const WINDOW: usize = SPARSE_STRIDE as usize + 2048;

/// Where a walk over frames stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) at: u64,
    /// Position of the record that comes next.
    pub(crate) next: u64,
}

#[derive(Debug)]
struct Held {
    first: u64,
    file: File,
    path: PathBuf,
    seed: u32,
    /// Of its index; read when it is first needed. With the file it costs some 32 KiB, the whole index megabytes.
    sparse: Option<Vec<(u32, u32)>>,
}

#[derive(Debug, Default)]
pub(crate) struct HeldSegments {
    /// The one read last in front.
    held: Vec<Held>,
    window: Vec<u8>,
}

impl HeldSegments {
    /// Lets go of what lies before the log's first position.
    pub(crate) fn forget_before(&mut self, first: u64) {
        self.held.retain(|held| held.first >= first);
    }

    /// The record at `position` of the segment that begins with `first`: at its `exact` place, or by a walk from the
    /// nearest record of the sparse table. Records passed on the way are not checked: what is found there instead
    /// fails its own checksum, which knows its position.
    pub(crate) fn read(
        &mut self,
        dir: &Path,
        first: u64,
        exact: Option<Place>,
        sparse: impl FnOnce() -> Result<Vec<(u32, u32)>, LogError>,
        position: u64,
    ) -> Result<OwnedRecord, LogError> {
        self.bring_to_front(dir, first)?;
        let held = &mut self.held[0];
        let mut place = match (exact, &held.sparse) {
            (Some(place), _) => place,
            (None, Some(sparse)) => nearest(sparse, first, position, &held.path)?,
            (None, None) => {
                let sparse = held.sparse.insert(sparse()?);
                nearest(sparse, first, position, &held.path)?
            }
        };
        let Held {
            file, path, seed, ..
        } = held;
        loop {
            self.window.resize(WINDOW, 0);
            let filled = disk::read_up_to(file, path, &mut self.window, place.at)?;
            let window = &self.window[..filled];
            let began = place.at;
            if let Some(bytes) = walk(window, *seed, &mut place, position)
                && let Some(record) = RecordFrame::checked(bytes, *seed, position)
            {
                return Ok(OwnedRecord::of(&record, position));
            }
            if place.at != began {
                continue;
            }
            if place.next != position {
                return Err(LogError::corrupt(path, place.at, Damage::Record));
            }
            // Longer than a window, or damaged.
            let (at, buf) = (place.at, &mut self.window);
            let record = segment::read_record(file, path, at, *seed, position, buf)?;
            return Ok(OwnedRecord::of(&record, position));
        }
    }

    fn bring_to_front(&mut self, dir: &Path, first: u64) -> Result<(), LogError> {
        match self.held.iter().position(|held| held.first == first) {
            Some(at) => self.held[..=at].rotate_right(1),
            None => {
                let (file, path, header) = segment::open(dir, first)?;
                self.held.truncate(OPEN_MAX - 1);
                let seed = log_seed(header.id);
                let opened = Held {
                    first,
                    file,
                    path,
                    seed,
                    sparse: None,
                };
                self.held.insert(0, opened);
            }
        }
        Ok(())
    }
}

fn nearest(
    sparse: &[(u32, u32)],
    first: u64,
    position: u64,
    path: &Path,
) -> Result<Place, LogError> {
    let behind = sparse.partition_point(|(relative, _)| first + u64::from(*relative) <= position);
    let Some((relative, offset)) = behind.checked_sub(1).map(|at| sparse[at]) else {
        let at = frame::HEADER_LEN as u64;
        return Err(LogError::corrupt(path, at, Damage::Frame));
    };
    Ok(Place {
        at: u64::from(offset),
        next: first + u64::from(relative),
    })
}

/// Walks over frames to the record at `position` as far as the window reaches; the bytes from there on.
fn walk<'a>(window: &'a [u8], seed: u32, place: &mut Place, position: u64) -> Option<&'a [u8]> {
    let began = place.at;
    loop {
        let rest = window.get((place.at - began) as usize..)?;
        if let Some(group) = GroupFrame::decode(rest, seed, place.at) {
            place.at += frame::GROUP_LEN as u64;
            let behind = group.first + u64::from(group.count);
            if behind <= position {
                place.at += u64::from(group.body_len);
                place.next = behind;
            }
            continue;
        }
        if place.next == position {
            // What the window's end cuts off may be the frame of a group.
            return (rest.len() >= frame::GROUP_LEN).then_some(rest);
        }
        place.at += frame::record_frame_len(rest)? as u64;
        place.next += 1;
    }
}
