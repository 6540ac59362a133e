//! What the trail refuses, and what can be wrong with its files.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::entry::{Head, hex};
use crate::{BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, LINE_BYTES_MAX, NAME_BYTES_MAX, SOURCES_MAX};

#[derive(Debug, Error)]
pub enum TrailError {
    #[error("cannot {op} {}: {source}", path.display())]
    Io {
        op: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{} is locked: another process or handle writes this trail", path.display())]
    Locked { path: PathBuf },
    /// A write or fsync failed earlier. It is never retried: drop this handle and open again.
    #[error("the trail is poisoned by an earlier failed write or fsync: reopen it")]
    Poisoned,
    #[error("the trail is damaged: {0}")]
    Damaged(Fault),
    #[error("the trail is of tenant {held:?}, not of {wanted:?}")]
    OtherTenant { held: String, wanted: String },
    #[error("a tenant's name here must be 1 to {NAME_BYTES_MAX} bytes without control characters")]
    Tenant,
    #[error("{field} must be 1 to {NAME_BYTES_MAX} of a-z, 0-9, '.', '_', '-', got {got:?}")]
    Name { field: &'static str, got: String },
    #[error("{field} must be at most {max} bytes, got {got}")]
    TooLong {
        field: &'static str,
        max: usize,
        got: usize,
    },
    #[error("actor must not be empty")]
    NoActor,
    #[error("at is no time that can be written: {got} ms since 1970")]
    Time { got: i64 },
    #[error("source {source_name:?} is at {last}: an entry of its place {got} is there already")]
    SourceOrder {
        source_name: String,
        last: u64,
        got: u64,
    },
    #[error("a trail has at most {SOURCES_MAX} sources")]
    TooManySources,
    #[error(
        "a batch has at most {BATCH_ENTRIES_MAX} entries and {BATCH_BYTES_MAX} bytes, got {entries} and {bytes}"
    )]
    BatchTooLarge { entries: usize, bytes: usize },
    #[error("expected a head such as 1234: and 64 hex digits, got {got:?}")]
    NoHead { got: String },
}

/// The first place at which the files are not what was written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{file} line {line} (entry {seq} expected): {problem}")]
pub struct Fault {
    /// Name within the directory.
    pub file: String,
    /// Counts from 1.
    pub line: u64,
    /// The entry that should stand there.
    pub seq: u64,
    pub problem: Problem,
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    #[error("the file should be named {expected}")]
    FileName { expected: String },
    #[error("the line has no hash at its end, or is longer than {LINE_BYTES_MAX} bytes")]
    NoLine,
    #[error(
        "the line's hash is {} where its text and all before it have {}",
        Hex(got),
        Hex(expected)
    )]
    Hash { expected: [u8; 32], got: [u8; 32] },
    #[error("the line is not an entry of this version: {message}")]
    Text { message: String },
    #[error("it is entry {got}: entries are missing, or not in their order")]
    Sequence { got: u64 },
    #[error("source {name:?} goes back from {last} to {got}")]
    SourceOrder { name: String, last: u64, got: u64 },
    #[error("the segment's first line does not continue the segment before it: {what}")]
    Header { what: &'static str },
    #[error("the line is whole, but the end of line behind it is damaged")]
    LineEnd,
    #[error("there are no entries at all")]
    Empty,
    #[error("the trail ends at entry {end}, before the head {head} that was published")]
    Truncated { end: u64, head: Head },
    #[error("entry {} has hash {} where the published head has {}", head.seq, Hex(got), Hex(&head.hash))]
    OtherHead { head: Head, got: [u8; 32] },
}

struct Hex<'a>(&'a [u8; 32]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(self.0))
    }
}

impl TrailError {
    pub(crate) fn io(op: &'static str, path: &Path) -> impl FnOnce(io::Error) -> TrailError {
        move |source| TrailError::Io {
            op,
            path: path.to_path_buf(),
            source,
        }
    }
}
