//! A tenant's file copied beside whoever has it open: for a backup, and for a log that begins anew.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::BUSY;
use crate::error::WebhookError;
use crate::source::LOG;

const ALL_PAGES: i32 = -1;
/// After a writer of a moment was in the way.
const AGAIN: Duration = Duration::from_millis(20);

/// Of one moment, complete and synced when this returns; with its secrets, and like the file itself for this user alone.
pub fn copy(from: &Path, to: &Path) -> Result<(), WebhookError> {
    let held = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    held.busy_timeout(BUSY)?;
    let mut file = OpenOptions::new();
    file.create_new(true).append(true).mode(0o600).open(to)?;
    let mut copy = Connection::open(to)?;
    copy.pragma_update(None, "synchronous", "FULL")?;
    let backup = Backup::new(&held, &mut copy)?;
    // All pages in one step are of one moment; writers go on meanwhile.
    while backup.step(ALL_PAGES)? != StepResult::Done {
        std::thread::sleep(AGAIN);
    }
    drop(backup);
    // One file, and not one with a log beside it.
    copy.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))?;
    Ok(())
}

/// The same for a tenant whose log begins anew: what waits still goes out, and the new log is told of from its end on.
pub fn copy_for_new_log(from: &Path, to: &Path) -> Result<(), WebhookError> {
    copy(from, to)?;
    Connection::open(to)?.execute("DELETE FROM cursors WHERE source = ?1", [LOG])?;
    Ok(())
}
