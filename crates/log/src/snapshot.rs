//! Snapshots of the caller's state at a position: checksummed chunks in one file that appears
//! whole (temporary file, fsync, rename, directory fsync) or not at all.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crc32c::{crc32c, crc32c_append};

use crate::disk::{self, Disk};
use crate::frame::{FORMAT_VERSION, put_u32, put_u64, u32_at, u64_at};
use crate::{Damage, LogError, LogId, Position, segment};

const MAGIC: [u8; 8] = *b"RINGFSNP";
const HEADER_LEN: usize = 64;
const CHUNK_HEAD: usize = 8;
const CHUNK_DATA: usize = 256 << 10;
/// A chunk of length zero whose data is the total length.
const END_LEN: usize = CHUNK_HEAD + 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SnapshotHeader {
    pub(crate) id: LogId,
    pub(crate) position: u64,
    pub(crate) semantics: u32,
}

impl SnapshotHeader {
    fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..8].copy_from_slice(&MAGIC);
        put_u32(&mut bytes, 8, FORMAT_VERSION);
        put_u32(&mut bytes, 12, self.semantics);
        bytes[16..32].copy_from_slice(&self.id.0);
        put_u64(&mut bytes, 32, self.position);
        let crc = crc32c(&bytes[..60]);
        put_u32(&mut bytes, 60, crc);
        bytes
    }
}

/// Versions of its state that a caller can start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Semantics {
    pub oldest: u32,
    pub newest: u32,
}

impl Semantics {
    fn read(self, found: u32) -> bool {
        (self.oldest..=self.newest).contains(&found)
    }
}

impl From<u32> for Semantics {
    fn from(only: u32) -> Semantics {
        Semantics {
            oldest: only,
            newest: only,
        }
    }
}

/// The answer to "which snapshot can I start from?".
#[derive(Debug)]
pub struct SnapshotSearch {
    pub snapshot: Option<SnapshotReader>,
    /// Newer files that were passed over, newest first.
    pub skipped: Vec<SkippedSnapshot>,
}

#[derive(Debug)]
pub struct SkippedSnapshot {
    pub path: PathBuf,
    pub position: Position,
    pub reason: SkipReason,
}

#[derive(Debug, thiserror::Error)]
pub enum SkipReason {
    #[error("was written with semantics {found}, wanted {wanted}")]
    Semantics { found: u32, wanted: u32 },
    #[error("is past the committed end {end}")]
    AheadOfLog { end: Position },
    #[error(transparent)]
    Unreadable(LogError),
}

/// Reads the caller's bytes back, checking each chunk again as it is read.
#[derive(Debug)]
pub struct SnapshotReader {
    file: File,
    path: PathBuf,
    header: SnapshotHeader,
    offset: u64,
    crc: u32,
    total: u64,
    chunk: Vec<u8>,
    consumed: usize,
    ended: bool,
}

pub(crate) fn write(
    disk: &Disk,
    dir: &Path,
    header: SnapshotHeader,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), LogError> {
    let path = segment::snapshot_path(dir, header.position);
    let temporary = segment::temporary_path(&path);
    let written = write_temporary(disk, &temporary, header, fill)
        .and_then(|()| disk.rename(&temporary, &path))
        .and_then(|()| disk.sync_dir(dir));
    if written.is_err() && temporary.exists() {
        disk.remove(&temporary)?;
    }
    written
}

fn write_temporary(
    disk: &Disk,
    path: &Path,
    header: SnapshotHeader,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), LogError> {
    let file = disk::open_writable(path)?;
    disk.truncate(&file, path, 0)?;
    let head = header.encode();
    disk.write_at(&file, path, &head, 0)?;
    let mut chunks = ChunkWriter {
        disk,
        file: &file,
        path,
        offset: HEADER_LEN as u64,
        crc: u32_at(&head, 60),
        total: 0,
        buf: vec![0; CHUNK_HEAD],
    };
    fill(&mut chunks).map_err(LogError::io("write", path))?;
    chunks.finish()?;
    disk.sync(&file, path)
}

struct ChunkWriter<'a> {
    disk: &'a Disk,
    file: &'a File,
    path: &'a Path,
    offset: u64,
    /// Checksum of the chunk before; chunks out of order or left out never check out.
    crc: u32,
    total: u64,
    buf: Vec<u8>,
}

impl ChunkWriter<'_> {
    fn put_chunk(&mut self) -> Result<(), LogError> {
        let len = (self.buf.len() - CHUNK_HEAD) as u32;
        if len > 0 {
            self.total += u64::from(len);
            self.put(len)?;
        }
        Ok(())
    }

    fn put(&mut self, len: u32) -> Result<(), LogError> {
        put_u32(&mut self.buf, 0, len);
        self.crc = chunk_crc(self.crc, &self.buf);
        put_u32(&mut self.buf, 4, self.crc);
        self.disk
            .write_at(self.file, self.path, &self.buf, self.offset)?;
        self.offset += self.buf.len() as u64;
        self.buf.truncate(CHUNK_HEAD);
        Ok(())
    }

    fn finish(mut self) -> Result<(), LogError> {
        self.put_chunk()?;
        self.buf.extend_from_slice(&self.total.to_le_bytes());
        self.put(0)
    }
}

/// Over the length and the data, started from the checksum of the chunk before.
fn chunk_crc(before: u32, chunk: &[u8]) -> u32 {
    crc32c_append(crc32c_append(before, &chunk[..4]), &chunk[CHUNK_HEAD..])
}

impl Write for ChunkWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(CHUNK_DATA + CHUNK_HEAD - self.buf.len());
        self.buf.extend_from_slice(&bytes[..taken]);
        if self.buf.len() == CHUNK_DATA + CHUNK_HEAD {
            self.put_chunk().map_err(io::Error::other)?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SnapshotReader {
    pub fn position(&self) -> Position {
        Position(self.header.position)
    }

    pub fn semantics(&self) -> u32 {
        self.header.semantics
    }

    fn open(path: &Path) -> Result<Self, LogError> {
        let file = disk::open_readable(path)?;
        let mut head = [0; HEADER_LEN];
        let filled = disk::read_up_to(&file, path, &mut head, 0)?;
        let intact =
            filled == HEADER_LEN && head[..8] == MAGIC && crc32c(&head[..60]) == u32_at(&head, 60);
        if !intact {
            return Err(LogError::corrupt(path, 0, Damage::SnapshotHeader));
        }
        let version = u32_at(&head, 8);
        if version != FORMAT_VERSION {
            let (path, supported) = (path.to_path_buf(), FORMAT_VERSION);
            return Err(LogError::UnsupportedVersion {
                path,
                found: version,
                supported,
            });
        }
        let header = SnapshotHeader {
            id: LogId::from_slice(&head[16..32]),
            position: u64_at(&head, 32),
            semantics: u32_at(&head, 12),
        };
        Ok(Self {
            file,
            path: path.to_path_buf(),
            header,
            offset: HEADER_LEN as u64,
            crc: u32_at(&head, 60),
            total: 0,
            chunk: Vec::new(),
            consumed: 0,
            ended: false,
        })
    }

    /// Loads and checks the next chunk; at the end, that nothing is missing or follows.
    fn next_chunk(&mut self) -> Result<(), LogError> {
        let (path, offset) = (&self.path, self.offset);
        let damaged = |what| Err(LogError::corrupt(path, offset, what));
        // one byte more than the end chunk, to see whether anything follows it
        self.chunk.resize(END_LEN + 1, 0);
        let filled = disk::read_up_to(&self.file, path, &mut self.chunk, offset)?;
        if filled < END_LEN {
            // the shortest data chunk and the end chunk after it are longer
            return damaged(Damage::SnapshotEnd);
        }
        let len = u32_at(&self.chunk, 0) as usize;
        if len > CHUNK_DATA {
            return damaged(Damage::SnapshotChunk);
        }
        let whole = if len == 0 { END_LEN } else { CHUNK_HEAD + len };
        self.chunk.resize(whole, 0);
        if disk::read_up_to(&self.file, path, &mut self.chunk, offset)? < whole {
            return damaged(Damage::SnapshotEnd);
        }
        let crc = chunk_crc(self.crc, &self.chunk);
        if crc != u32_at(&self.chunk, 4) {
            return damaged(Damage::SnapshotChunk);
        }
        if len == 0 {
            if filled > END_LEN || u64_at(&self.chunk, CHUNK_HEAD) != self.total {
                return damaged(Damage::SnapshotEnd);
            }
            self.ended = true;
            self.chunk.truncate(CHUNK_HEAD);
        }
        self.crc = crc;
        self.total += len as u64;
        self.offset += whole as u64;
        self.consumed = CHUNK_HEAD;
        Ok(())
    }

    /// Reads all of the file once, then starts over.
    fn open_checked(path: &Path) -> Result<Self, LogError> {
        let mut probe = Self::open(path)?;
        while !probe.ended {
            probe.next_chunk()?;
        }
        Self::open(path)
    }
}

impl Read for SnapshotReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.consumed == self.chunk.len() && !self.ended {
            self.next_chunk().map_err(io::Error::other)?;
        }
        let taken = out.len().min(self.chunk.len() - self.consumed);
        out[..taken].copy_from_slice(&self.chunk[self.consumed..self.consumed + taken]);
        self.consumed += taken;
        Ok(taken)
    }
}

pub(crate) fn read_header(path: &Path) -> Result<SnapshotHeader, LogError> {
    SnapshotReader::open(path).map(|reader| reader.header)
}

/// Checks every byte of one snapshot, and that it is what its name says.
pub(crate) fn check(path: &Path, id: LogId, position: u64) -> Result<SnapshotReader, LogError> {
    let reader = SnapshotReader::open_checked(path)?;
    if reader.header.id != id {
        return Err(LogError::ForeignLog {
            path: path.to_path_buf(),
        });
    }
    if reader.header.position != position {
        return Err(LogError::corrupt(path, 32, Damage::SnapshotHeader));
    }
    Ok(reader)
}

pub(crate) fn search(
    dir: &Path,
    id: LogId,
    end: u64,
    semantics: Semantics,
) -> Result<SnapshotSearch, LogError> {
    let mut skipped = Vec::new();
    for position in segment::list(dir)?.snapshots.into_iter().rev() {
        let path = segment::snapshot_path(dir, position);
        let reason = if position > end {
            SkipReason::AheadOfLog { end: Position(end) }
        } else {
            match check(&path, id, position) {
                Ok(reader) if semantics.read(reader.header.semantics) => {
                    return Ok(SnapshotSearch {
                        snapshot: Some(reader),
                        skipped,
                    });
                }
                Ok(reader) => SkipReason::Semantics {
                    found: reader.header.semantics,
                    wanted: semantics.newest,
                },
                Err(error) => SkipReason::Unreadable(error),
            }
        };
        skipped.push(SkippedSnapshot {
            path,
            position: Position(position),
            reason,
        });
    }
    Ok(SnapshotSearch {
        snapshot: None,
        skipped,
    })
}

/// The oldest snapshot within the log that this caller can start from.
pub(crate) fn oldest(
    dir: &Path,
    id: LogId,
    end: u64,
    semantics: Semantics,
) -> Result<Option<SnapshotReader>, LogError> {
    for position in segment::list(dir)?.snapshots {
        if position <= end
            && let Ok(reader) = check(&segment::snapshot_path(dir, position), id, position)
            && semantics.read(reader.header.semantics)
        {
            return Ok(Some(reader));
        }
    }
    Ok(None)
}

pub(crate) fn keep_newest(disk: &Disk, dir: &Path, kept: usize) -> Result<(), LogError> {
    let snapshots = segment::list(dir)?.snapshots;
    let surplus = snapshots.len().saturating_sub(kept);
    for position in &snapshots[..surplus] {
        disk.remove(&segment::snapshot_path(dir, *position))?;
    }
    Ok(())
}
