//! How far the log has been read for the trail, beside the trail. The trail alone says what is in it; this only
//! saves a start from reading the log again from its beginning. What does not fit is not used.

use std::fs;
use std::path::{Path, PathBuf};

use event::Position;
use serde::{Deserialize, Serialize};

use super::entries::Bodies;

const FILE: &str = "followed";

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cursor {
    /// The record of the log that comes next.
    pub next: u64,
    /// What a position of this log is counted from in the trail.
    pub base: u64,
    /// Entries that the trail had by then: one that has fewer lacks some that came before `next`.
    pub entries: u64,
    pub bodies: Bodies,
}

/// `None`: the log is read from its beginning.
pub(crate) fn load(trail: &Path, base: u64, entries: u64, end: Position) -> Option<Cursor> {
    let text = fs::read(path(trail)).ok()?;
    let cursor: Cursor = serde_json::from_slice(&text).ok()?;
    let fits = cursor.base == base && cursor.entries <= entries && cursor.next <= end.0;
    fits.then_some(cursor)
}

/// Not synced: after a power loss an older one, or none, costs time and nothing else.
pub(crate) fn save(trail: &Path, cursor: &Cursor) -> std::io::Result<()> {
    let (path, draft) = (path(trail), trail.join("followed.tmp"));
    fs::write(&draft, serde_json::to_vec(cursor)?)?;
    fs::rename(draft, path)
}

fn path(trail: &Path) -> PathBuf {
    trail.join(FILE)
}
