//! The whole state as a byte stream, and back: the exact layout of tables and free lists, so that a
//! restored graph goes on bit for bit like the one that was written (invariant I1).

mod read;
mod write;

use std::io;

use thiserror::Error;

#[derive(Debug, Error)]
pub enum SnapshotError {
    #[error("snapshot of the graph cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("snapshot has layout version {got}, this build reads {expected}")]
    Version { got: u32, expected: u32 },
    #[error("snapshot was taken with schema {got}, the tenant has {expected}")]
    Schema { got: String, expected: String },
    #[error("snapshot is inconsistent: {what}")]
    Malformed { what: &'static str },
}

/// Layout version of the stream.
pub const LAYOUT_VERSION: u32 = 2;
