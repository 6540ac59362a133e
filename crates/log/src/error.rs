//! Every way in which the log can refuse or fail, with the place.

use std::io;
use std::path::{Path, PathBuf};

use crate::Position;

#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The operating system refused. After a failed write or fsync the log is poisoned as well.
    #[error("cannot {op} {}: {source}", path.display())]
    Io {
        op: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{} is locked: another process or handle is the log's writer", path.display())]
    Locked { path: PathBuf },
    /// A write or fsync failed earlier. It is never retried: drop this handle and open again.
    #[error("log is poisoned by an earlier failed write or fsync: reopen it")]
    Poisoned,
    /// The written group waits for its fsync: hand its result to `synced` first. Nothing was changed.
    #[error("a written group waits for its fsync: take its result first")]
    Unsynced,
    #[error("{field} must be {expected}, got {value}")]
    InvalidOption {
        field: &'static str,
        expected: &'static str,
        value: u64,
    },
    #[error("record of {len} bytes exceeds the maximum of {max}")]
    RecordTooLarge { len: usize, max: usize },
    /// The pending group is at its limit: commit, then append again. Nothing was changed.
    #[error("pending group is full ({records} records, {bytes} bytes): commit first")]
    BatchFull { records: u32, bytes: usize },
    #[error("position {position} is outside the log ({first} to {end}, exclusive)")]
    OutOfRange {
        position: Position,
        first: Position,
        end: Position,
    },
    /// Acknowledged bytes are damaged. `offset` is where checking failed in `segment`.
    #[error("{} is corrupt at byte {offset}: {what}", segment.display())]
    Corrupt {
        segment: PathBuf,
        offset: u64,
        what: Damage,
    },
    #[error(
        "segment starting at position {expected} is missing, the next one present starts at {found}"
    )]
    MissingSegment { expected: Position, found: Position },
    #[error("{} belongs to another log", path.display())]
    ForeignLog { path: PathBuf },
    #[error("{} has format version {found}, this build reads version {supported}", path.display())]
    UnsupportedVersion {
        path: PathBuf,
        found: u32,
        supported: u32,
    },
    /// A snapshot is only written at a committed position, so acknowledged records were lost.
    #[error("{} is a snapshot at {position}, but the log's intact part ends at {end}", path.display())]
    SnapshotAhead {
        path: PathBuf,
        position: Position,
        end: Position,
    },
    #[error("{} is not a log directory", path.display())]
    NotALog { path: PathBuf },
}

/// What is wrong at the reported byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    #[error("the segment header fails its checksum or has the wrong magic")]
    Header,
    #[error("the segment header does not continue the segment before it")]
    HeaderChain,
    #[error("no valid group or seal frame where one must begin")]
    Frame,
    #[error("the group's position or checksum chain does not continue the group before it")]
    Chain,
    #[error("the record fails its checksum")]
    Record,
    #[error("the group is cut short")]
    ShortGroup,
    #[error("the segment has no seal although a later segment exists")]
    NoSeal,
    #[error("bytes follow the seal")]
    AfterSeal,
    #[error("the index fails its checksum or belongs to other segment content")]
    Index,
    #[error("the snapshot header fails its checksum or has the wrong magic")]
    SnapshotHeader,
    #[error("the snapshot chunk fails its checksum")]
    SnapshotChunk,
    #[error("the snapshot ends early or has bytes after its end")]
    SnapshotEnd,
}

impl LogError {
    pub(crate) fn io(op: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LogError {
        move |source| LogError::Io {
            op,
            path: path.to_path_buf(),
            source,
        }
    }

    pub(crate) fn corrupt(segment: &Path, offset: u64, what: Damage) -> LogError {
        LogError::Corrupt {
            segment: segment.to_path_buf(),
            offset,
            what,
        }
    }
}
