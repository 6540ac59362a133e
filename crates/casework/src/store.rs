//! The SQLite file of a tenant: opened, brought up to date, copied.

use std::path::Path;
use std::time::Duration;

use event::{Currency, Position};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{
    Connection, ErrorCode, OpenFlags, OptionalExtension, ToSql, Transaction, TransactionBehavior,
};

use crate::error::CaseworkError;
use crate::settings::Settings;

/// One connection to a tenant's casework. Several may be open, in one process or more: SQLite lets one of
/// them write at a time, and what one has read stands still for it.
#[derive(Debug)]
pub struct Casework {
    pub(crate) db: Connection,
    pub(crate) base: Currency,
}

/// What a writer waits for another one at most.
const BUSY: Duration = Duration::from_secs(5);
/// Each takes a file from the version before its own to it; never changed once released.
const MIGRATIONS: [&str; 3] = [
    include_str!("store/schema_1.sql"),
    include_str!("store/schema_2.sql"),
    include_str!("store/schema_3.sql"),
];
const ALL_PAGES: i32 = -1;
/// After a writer of a moment was in the way.
const AGAIN: Duration = Duration::from_millis(20);
/// Every statement of this crate stays compiled.
const STATEMENTS: usize = 96;

const CURSOR: &str = "cursor";
const BASE: &str = "base_currency";
const SETTINGS: &str = "settings";

impl Casework {
    /// Opens or makes the file of a tenant whose base currency is `base`.
    pub fn open(path: &Path, base: Currency) -> Result<Casework, CaseworkError> {
        let mut db = Connection::open(path)?;
        db.busy_timeout(BUSY)?;
        db.set_prepared_statement_cache_capacity(STATEMENTS);
        into_wal(&db)?;
        // A disposition is acknowledged: it must survive a power loss as well as a kill.
        db.pragma_update(None, "synchronous", "full")?;
        db.pragma_update(None, "foreign_keys", true)?;
        migrate(&mut db, base)?;
        let held: String = get(&db, BASE)?.unwrap_or_default();
        if held != base.code() {
            let given = base.code().to_owned();
            return Err(CaseworkError::OtherTenant { held, given });
        }
        Ok(Casework { db, base })
    }

    /// Where the log is to be followed from: everything before it is in here.
    pub fn cursor(&self) -> Result<Position, CaseworkError> {
        let at: i64 = get(&self.db, CURSOR)?.unwrap_or(0);
        Ok(Position(at as u64))
    }

    pub fn settings(&self) -> Result<Settings, CaseworkError> {
        read_settings(&self.db, self.base)
    }

    /// Every page and index read and compared; says what is wrong.
    pub fn verify(&self) -> Result<(), CaseworkError> {
        let found: String = self
            .db
            .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        if found == "ok" {
            return Ok(());
        }
        let what = "pages";
        Err(CaseworkError::Unreadable {
            what,
            detail: found,
        })
    }
}

/// A consistent copy of a tenant's file, beside whoever has it open; complete and synced when this returns.
pub fn copy(from: &Path, to: &Path) -> Result<(), CaseworkError> {
    let db = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    db.busy_timeout(BUSY)?;
    let mut copy = Connection::open(to)?;
    copy.pragma_update(None, "synchronous", "full")?;
    let backup = Backup::new(&db, &mut copy)?;
    // All pages in one step are of one moment; writers go on meanwhile.
    while backup.step(ALL_PAGES)? != StepResult::Done {
        std::thread::sleep(AGAIN);
    }
    drop(backup);
    // One file, and not one with a log beside it.
    copy.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))?;
    Ok(())
}

/// The same for a tenant whose log begins anew without an event in the old one: nothing of the new one has been seen.
pub fn copy_for_new_log(from: &Path, to: &Path) -> Result<(), CaseworkError> {
    copy(from, to)?;
    let db = Connection::open(to)?;
    put_cursor(&db, Position(0))?;
    Ok(())
}

/// A transaction that may write: it waits its turn now and not in the middle.
pub(crate) fn begin(db: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    db.transaction_with_behavior(TransactionBehavior::Immediate)
}

pub(crate) fn get<T: rusqlite::types::FromSql>(
    db: &Connection,
    key: &str,
) -> rusqlite::Result<Option<T>> {
    db.prepare_cached("SELECT value FROM meta WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()
}

pub(crate) fn put(db: &Connection, key: &str, value: impl ToSql) -> rusqlite::Result<()> {
    let sql = "INSERT INTO meta (key, value) VALUES (?1, ?2)
        ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    db.prepare_cached(sql)?.execute((key, value)).map(|_| ())
}

pub(crate) fn put_cursor(db: &Connection, next: Position) -> rusqlite::Result<()> {
    put(db, CURSOR, next.0 as i64)
}

pub(crate) fn read_settings(db: &Connection, base: Currency) -> Result<Settings, CaseworkError> {
    let Some(text) = get::<String>(db, SETTINGS)? else {
        return Ok(Settings::initial(base));
    };
    serde_json::from_str(&text).map_err(|error| unreadable("settings", &error))
}

pub(crate) fn write_settings(db: &Connection, settings: &Settings) -> Result<(), CaseworkError> {
    put(db, SETTINGS, to_json("settings", settings)?)?;
    Ok(())
}

pub(crate) fn to_json(
    what: &'static str,
    value: &impl serde::Serialize,
) -> Result<String, CaseworkError> {
    serde_json::to_string(value).map_err(|error| unreadable(what, &error))
}

pub(crate) fn unreadable(what: &'static str, error: &dyn std::fmt::Display) -> CaseworkError {
    let detail = error.to_string();
    CaseworkError::Unreadable { what, detail }
}

/// A new file that several open at once: SQLite refuses this change at once where it could wait for another's.
fn into_wal(db: &Connection) -> Result<(), CaseworkError> {
    let mut tries = BUSY.as_millis() / AGAIN.as_millis();
    loop {
        match db.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(())) {
            Err(error)
                if tries > 0 && error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) =>
            {
                tries -= 1;
                std::thread::sleep(AGAIN);
            }
            changed => return Ok(changed?),
        }
    }
}

fn migrate(db: &mut Connection, base: Currency) -> Result<(), CaseworkError> {
    let known = MIGRATIONS.len() as i64;
    let version = |db: &Connection| db.pragma_query_value(None, "user_version", |row| row.get(0));
    if version(db)? == known {
        return Ok(());
    }
    // Two may open a new file at once: the second finds it made.
    let tx = begin(db)?;
    let held: i64 = version(&tx)?;
    if held > known {
        return Err(CaseworkError::Version { held, known });
    }
    for step in &MIGRATIONS[held as usize..] {
        tx.execute_batch(step)?;
    }
    if held == 0 {
        put(&tx, BASE, base.code())?;
    }
    tx.pragma_update(None, "user_version", known)?;
    Ok(tx.commit()?)
}
