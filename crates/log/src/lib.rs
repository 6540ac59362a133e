//! Append-only checksummed record log of one tenant: group commit, key index, snapshots.
//!
//! [`Log`] is the single writer (lock file), [`Reader`] reads while another process writes,
//! [`verify()`] walks everything, [`Repair`] cuts what is damaged. Records are opaque bytes with an event time and an optional key.
//! The bytes on disk are specified in `docs/log-format.md`.
//!
//! **Invariant**: this crate never parses a payload, spawns a thread, reads a clock or logs.
//! A failed write or fsync is never retried (I4): the handle is poisoned and must be reopened.

mod behind;
mod disk;
mod error;
mod frame;
mod held;
mod index_file;
mod key_index;
mod reader;
mod recover;
mod repair;
mod retire;
mod salvage;
mod scan;
mod sealed;
mod segment;
mod snapshot;
mod verify;
mod writer;

use std::fmt;
use std::sync::Arc;

pub use behind::{SnapshotJob, Synced, Unsynced};
#[doc(hidden)]
pub use disk::Faults;
pub use error::{Damage, LogError};
pub use reader::{LogFile, Reader, Records};
pub use recover::Recovery;
pub use repair::{Lost, Repair};
pub use retire::{Coverage, Covered, RetireJob, Retired};
pub use sealed::IndexJob;
pub use snapshot::{Semantics, SkipReason, SkippedSnapshot, SnapshotReader, SnapshotSearch};
pub use verify::{VerifyReport, verify};
pub use writer::{Log, PAGE_SEGMENTS, Page};

/// Sequence number of a record, dense from 0. As an end it is exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(pub u64);

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Drawn when a log is created and stored in each of its files: files of two logs never mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogId(pub [u8; 16]);

impl LogId {
    pub(crate) fn from_slice(bytes: &[u8]) -> Self {
        let mut id = [0; 16];
        id.copy_from_slice(&bytes[..16]);
        Self(id)
    }
}

/// One record, borrowed from the reader's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    pub position: Position,
    pub time_ms: i64,
    pub key: Option<u64>,
    pub payload: &'a [u8],
}

/// One record read by position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedRecord {
    pub position: Position,
    pub time_ms: i64,
    pub key: Option<u64>,
    pub payload: Vec<u8>,
}

/// Longest group on disk, so that no reader allocates more for one.
pub(crate) const GROUP_BYTES_MAX: u32 = 64 << 20;
/// Offsets within a segment are 32 bits.
const SEGMENT_BYTES_MAX: u64 = 1 << 30;
const _: () = assert!(SEGMENT_BYTES_MAX + 2 * GROUP_BYTES_MAX as u64 <= u32::MAX as u64);

#[derive(Debug, Clone)]
pub struct LogOptions {
    /// A segment is sealed by the commit that brings it to this size or past it.
    pub segment_bytes: u64,
    /// Longest payload.
    pub max_record_bytes: usize,
    /// Limits of one group; past either, `append` returns [`LogError::BatchFull`].
    pub max_batch_records: u32,
    pub max_batch_bytes: usize,
    /// Newest snapshots that `write_snapshot` leaves in place.
    pub snapshots_kept: usize,
    /// Id for a log that is created by this open. An existing log with another id is refused.
    /// None: take what is there, draw one for a new log.
    pub log_id: Option<LogId>,
    #[doc(hidden)]
    pub faults: Option<Arc<Faults>>,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            max_record_bytes: 1 << 20,
            max_batch_records: 8192,
            max_batch_bytes: 8 << 20,
            snapshots_kept: 2,
            log_id: None,
            faults: None,
        }
    }
}

impl LogOptions {
    fn check(&self) -> Result<(), LogError> {
        let refuse = |field, expected, value| {
            Err(LogError::InvalidOption {
                field,
                expected,
                value,
            })
        };
        if self.segment_bytes < 128 || self.segment_bytes > SEGMENT_BYTES_MAX {
            return refuse("segment_bytes", "128 B to 1 GiB", self.segment_bytes);
        }
        if self.max_record_bytes == 0 || self.max_record_bytes > frame::PAYLOAD_MAX {
            let value = self.max_record_bytes as u64;
            return refuse("max_record_bytes", "1 B to just under 16 MiB", value);
        }
        if self.max_batch_records == 0 {
            return refuse("max_batch_records", "at least 1", 0);
        }
        let longest = frame::record_len(self.max_record_bytes, true);
        if self.max_batch_bytes < longest || self.max_batch_bytes > GROUP_BYTES_MAX as usize {
            let value = self.max_batch_bytes as u64;
            return refuse(
                "max_batch_bytes",
                "one longest record + 24 B to 64 MiB",
                value,
            );
        }
        if self.snapshots_kept == 0 {
            return refuse("snapshots_kept", "at least 1", 0);
        }
        Ok(())
    }
}
