//! The audit trail of one tenant: who changed what, when, from what to what, and why, as JSON lines in segment
//! files, each line bound by SHA-256 to all before it (docs/audit-trail.md).
//!
//! Entries are derived from sources that are durable first: an entry names its source and its place there, and a
//! writer that comes back goes on behind [`Trail::last`]. So nothing is lost and nothing is there twice. One writer
//! a directory; readers hold a [`View`], which ends at what was durable when it was taken. No clock: time comes
//! with the entry.

mod trail;

pub mod entry;
mod view;

mod verify;

mod chain;
mod line;
mod segment;

mod error;

pub use entry::{ActorKind, Content, Entry, Head, Recorded, Source};
pub use error::{Fault, Problem, TrailError};
pub use trail::{Options, Repaired, Trail};
pub use verify::{Report, verify, verify_export};
pub use view::{Page, Query, View};

/// Entries of one batch, and bytes of its lines: it is put together in memory.
pub const BATCH_ENTRIES_MAX: usize = 1_000;
pub const BATCH_BYTES_MAX: usize = 8 << 20;
/// A value before or after that is longer as JSON is kept as its SHA-256 and length.
pub const CONTENT_BYTES_MAX: usize = 64 << 10;
/// A line of a file: two values, and texts whose every byte is escaped.
pub const LINE_BYTES_MAX: usize = 192 << 10;
pub const ACTOR_BYTES_MAX: usize = 256;
pub const TARGET_BYTES_MAX: usize = 512;
pub const WHY_BYTES_MAX: usize = 4_000;
/// Actions and names of sources.
pub const NAME_BYTES_MAX: usize = 64;
/// Different sources of one trail.
pub const SOURCES_MAX: usize = 16;
/// Entries of one page, and entries that are looked at for it.
pub const PAGE_ENTRIES_MAX: usize = 1_000;
pub const PAGE_SEEN_MAX: u64 = 50_000;

const _: () = assert!(
    2 * CONTENT_BYTES_MAX
        + 6 * (ACTOR_BYTES_MAX + TARGET_BYTES_MAX + WHY_BYTES_MAX + 2 * NAME_BYTES_MAX)
        + 1_024
        <= LINE_BYTES_MAX
);
const _: () = assert!(LINE_BYTES_MAX < BATCH_BYTES_MAX);
