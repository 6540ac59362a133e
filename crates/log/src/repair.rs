//! Cuts a damaged log behind its last sound group. What is cut is kept aside, and can be searched for records
//! that are still readable before anything is changed.
//!
//! Where only a seal is damaged or bytes follow it, and the next segment proves where it must stand, nothing is
//! lost: it is written again.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::disk::Disk;
use crate::frame::{SealFrame, SegmentHeader, log_seed};
use crate::recover::lock;
use crate::scan::{SegmentScan, Step};
use crate::segment::{self, Listing};
use crate::verify::short_of_groups;
use crate::{Damage, LogError, Position, disk, salvage, snapshot};

/// A damaged log, locked against writers, and what is to be done about it. Dropping it changes nothing.
#[derive(Debug)]
pub struct Repair {
    dir: PathBuf,
    _lock: File,
    /// What was found, in the order of the log.
    pub damage: Vec<LogError>,
    /// Exclusive end of the log after the cut.
    pub end: Position,
    /// Files shortened to a length, with the seal that is then written at their end.
    trims: Vec<(PathBuf, u64, Option<SealFrame>)>,
    seed: u32,
    /// Files moved away whole, newest first.
    moved: Vec<PathBuf>,
    /// Where records may be found that are lost, in the order of the log.
    lost: Vec<(PathBuf, u64)>,
}

/// What is no longer in the log after a repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lost {
    /// Records that can be read in the removed bytes.
    pub readable: u64,
    /// Exclusive end of the positions that the removed bytes name; equal to the log's new end when none.
    pub end: Position,
    pub bytes: u64,
}

/// How one segment stands.
enum Walked {
    /// What the header of the next one must say.
    Sound(SegmentHeader),
    /// Whole up to `offset`, where `next` and `chain` stand.
    Broken {
        offset: u64,
        next: SegmentHeader,
        error: LogError,
    },
}

impl Repair {
    /// `None`: the log is sound. Errors: a writer is at work, the disk fails, or nothing of the log is sound.
    pub fn plan(dir: &Path) -> Result<Option<Repair>, LogError> {
        let listing = segment::list(dir)?;
        let Some(first) = listing.segments.first().copied() else {
            return Err(LogError::NotALog {
                path: dir.to_path_buf(),
            });
        };
        let lock = lock(dir)?;
        let (_, _, header) = segment::open(dir, first)?;
        let mut repair = Repair {
            dir: dir.to_path_buf(),
            _lock: lock,
            damage: Vec::new(),
            end: Position(first),
            trims: Vec::new(),
            seed: log_seed(header.id),
            moved: Vec::new(),
            lost: Vec::new(),
        };
        repair.survey_segments(&listing, header)?;
        repair.survey_snapshots(&listing, &header)?;
        Ok((!repair.damage.is_empty()).then_some(repair))
    }

    fn survey_segments(
        &mut self,
        listing: &Listing,
        mut link: SegmentHeader,
    ) -> Result<(), LogError> {
        let count = listing.segments.len();
        for (nth, first) in listing.segments.iter().enumerate() {
            let path = segment::segment_path(&self.dir, *first);
            match walk(&self.dir, *first, nth + 1 == count, &link)? {
                Walked::Sound(next) => link = next,
                Walked::Broken {
                    offset,
                    next,
                    error,
                } => {
                    self.damage.push(error);
                    if self.reseals(listing.segments.get(nth + 1), &path, offset, &next) {
                        link = next;
                        continue;
                    }
                    self.cut_at(listing, nth, path, offset);
                    link = next;
                    break;
                }
            }
        }
        self.end = Position(link.first);
        Ok(())
    }

    /// Whether the next segment goes on exactly where this one is damaged: then only its seal was hit.
    fn reseals(
        &mut self,
        following: Option<&u64>,
        path: &Path,
        offset: u64,
        next: &SegmentHeader,
    ) -> bool {
        let goes_on = following.is_some_and(|first| {
            segment::open(&self.dir, *first)
                .is_ok_and(|(_, path, header)| segment::check_link(&path, &header, next).is_ok())
        });
        if goes_on {
            let seal = SealFrame {
                next: next.first,
                chain: next.chain,
            };
            self.trims.push((path.to_path_buf(), offset, Some(seal)));
        }
        goes_on
    }

    fn cut_at(&mut self, listing: &Listing, nth: usize, path: PathBuf, offset: u64) {
        let later = &listing.segments[nth + 1..];
        let later = later
            .iter()
            .map(|first| segment::segment_path(&self.dir, *first));
        self.lost.push((path.clone(), offset));
        self.lost.extend(later.clone().map(|path| (path, 0)));
        // newest first: a crash in between leaves a log that ends in damage, and not one with a gap
        self.moved.extend(later.rev());
        if offset == 0 {
            self.moved.push(path);
        } else {
            self.trims.push((path, offset, None));
        }
    }

    fn survey_snapshots(
        &mut self,
        listing: &Listing,
        header: &SegmentHeader,
    ) -> Result<(), LogError> {
        let mut covered = false;
        for position in &listing.snapshots {
            let path = segment::snapshot_path(&self.dir, *position);
            match snapshot::check(&path, header.id, *position) {
                Ok(_) if *position <= self.end.0 => {
                    covered |= *position >= header.first;
                    continue;
                }
                Ok(_) => self.damage.push(LogError::SnapshotAhead {
                    path: path.clone(),
                    position: Position(*position),
                    end: self.end,
                }),
                Err(error @ LogError::Io { .. }) => return Err(error),
                Err(error) => self.damage.push(error),
            }
            self.moved.push(path);
        }
        // what came before the first segment is in snapshots alone
        if header.first > 0 && !covered {
            return Err(LogError::MissingSegment {
                expected: Position(0),
                found: Position(header.first),
            });
        }
        Ok(())
    }

    /// Hands out what can still be read of what will be lost: position, time, payload.
    pub fn lost(&self, mut each: impl FnMut(Position, i64, &[u8])) -> Result<Lost, LogError> {
        let mut lost = Lost {
            end: self.end,
            ..Lost::default()
        };
        for (path, from) in &self.lost {
            let file = disk::open_readable(path)?;
            lost.bytes += disk::len(&file, path)?.saturating_sub(*from);
            salvage::read(
                file,
                path,
                self.seed,
                *from,
                self.end.0,
                |found| match found {
                    salvage::Found::Record(position, time_ms, payload) => {
                        lost.readable += 1;
                        lost.end = lost.end.max(Position(position.0.saturating_add(1)));
                        each(position, time_ms, payload);
                    }
                    salvage::Found::End(end) => lost.end = lost.end.max(end),
                },
            )?;
        }
        Ok(lost)
    }

    /// Cuts. What is removed is in `aside` first, a directory that does not exist yet, on the same file system.
    pub fn cut(self, aside: &Path) -> Result<(), LogError> {
        let disk = Disk::new(None);
        fs::create_dir(aside).map_err(LogError::io("create", aside))?;
        for (path, from, _) in &self.trims {
            keep_tail(&disk, path, *from, aside)?;
        }
        for path in &self.moved {
            if let Some(name) = path.file_name() {
                disk.rename(path, &aside.join(name))?;
            }
        }
        disk.sync_dir(aside)?;
        if let Some(parent) = aside.parent().filter(|it| !it.as_os_str().is_empty()) {
            disk.sync_dir(parent)?;
        }
        disk.sync_dir(&self.dir)?;
        for (path, from, seal) in &self.trims {
            let file = disk::open_writable(path)?;
            disk.truncate(&file, path, *from)?;
            if let Some(seal) = seal {
                disk.write_at(&file, path, &seal.encode(self.seed, *from), *from)?;
            }
            disk.sync(&file, path)?;
        }
        Ok(())
    }
}

/// Copies what stands behind `from` into `aside`, durably.
fn keep_tail(disk: &Disk, path: &Path, from: u64, aside: &Path) -> Result<(), LogError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let to = aside.join(format!("{name}.from-{from}"));
    let (source, copy) = (disk::open_readable(path)?, disk::open_writable(&to)?);
    let mut buf = vec![0; 1 << 20];
    let mut at = from;
    loop {
        let filled = disk::read_up_to(&source, path, &mut buf, at)?;
        if filled == 0 {
            return disk.sync(&copy, &to);
        }
        disk.write_at(&copy, &to, &buf[..filled], at - from)?;
        at += filled as u64;
    }
}

fn walk(dir: &Path, first: u64, last: bool, link: &SegmentHeader) -> Result<Walked, LogError> {
    let broken = |offset, next: SegmentHeader, error| match error {
        error @ LogError::Io { .. } => Err(error),
        error => Ok(Walked::Broken {
            offset,
            next,
            error,
        }),
    };
    let opened = segment::open(dir, first).and_then(|(file, path, header)| {
        segment::check_link(&path, &header, link).map(|()| (file, path, header))
    });
    let (file, path, header) = match opened {
        Ok(opened) => opened,
        // the header of a last segment may itself be what was in flight
        Err(LogError::Corrupt { segment: path, .. })
            if last && link.first == first && short_of_groups(&path)? =>
        {
            return Ok(Walked::Sound(*link));
        }
        Err(error) => return broken(0, *link, error),
    };
    let mut scan = SegmentScan::new(file, path, &header);
    loop {
        let step = scan.step()?;
        let next = SegmentHeader {
            id: header.id,
            first: scan.next,
            chain: scan.chain,
        };
        let (offset, what) = match step {
            Step::Group { .. } => continue,
            Step::Seal(_) => return Ok(Walked::Sound(next)),
            Step::End if last => return Ok(Walked::Sound(next)),
            Step::End => (scan.offset, Damage::NoSeal),
            Step::Damaged { offset, what } => {
                let torn = last && what != Damage::AfterSeal && scan.later_frame()?.is_none();
                if torn {
                    return Ok(Walked::Sound(next));
                }
                (offset, what)
            }
        };
        let error = LogError::corrupt(scan.path(), offset, what);
        return broken(scan.offset, next, error);
    }
}
