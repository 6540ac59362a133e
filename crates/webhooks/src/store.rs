//! A tenant's webhooks on disk: one SQLite file, in the tenant's directory.
//!
//! What a person changes is on disk when the call returns. What is taken in and what became of an attempt may be
//! lost by a power failure, the end of it first and never a part: then it is read from its source again, or sent
//! again. SIGKILL loses neither.

pub mod changes;
pub mod copy;
pub mod deliveries;
mod endpoints;
pub mod outbox;
pub mod retention;
mod secrets;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use event::EventTime;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::error::WebhookError;
use crate::settings::Settings;

pub const FILE: &str = "webhooks.db";
const VERSION: i64 = 1;
/// Another process that looks at the file holds a lock for no longer.
const BUSY: Duration = Duration::from_secs(5);

pub struct Store {
    /// SQLite writes for one at a time; this is where the others wait.
    /// `None` once it is closed.
    connection: Mutex<Option<Connection>>,
    settings: Settings,
}

const TABLES: &str = "
CREATE TABLE endpoints (
    id TEXT PRIMARY KEY, url TEXT NOT NULL, kinds TEXT NOT NULL, description TEXT NOT NULL,
    enabled INTEGER NOT NULL, created_at INTEGER NOT NULL, lost INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE secrets (
    id TEXT PRIMARY KEY, endpoint TEXT NOT NULL REFERENCES endpoints ON DELETE CASCADE,
    key BLOB NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER
) STRICT;
CREATE INDEX secrets_of ON secrets (endpoint, created_at);
-- how far each source has been taken in
CREATE TABLE cursors (source TEXT PRIMARY KEY, upto INTEGER NOT NULL) STRICT;
CREATE TABLE notices (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, at INTEGER NOT NULL,
    body TEXT NOT NULL, traceparent TEXT
) STRICT;
-- state: 0 pending, 1 delivered, 2 dead. attempts: ever; failures: since it was last made pending
CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT, notice INTEGER NOT NULL REFERENCES notices,
    endpoint TEXT NOT NULL REFERENCES endpoints ON DELETE CASCADE, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, failures INTEGER NOT NULL DEFAULT 0,
    since INTEGER NOT NULL, due INTEGER NOT NULL, settled_at INTEGER, error TEXT,
    UNIQUE (notice, endpoint)
) STRICT;
CREATE INDEX deliveries_due ON deliveries (endpoint, state, due);
CREATE TABLE attempts (
    delivery INTEGER NOT NULL REFERENCES deliveries ON DELETE CASCADE, number INTEGER NOT NULL,
    at INTEGER NOT NULL, latency_ms INTEGER NOT NULL, status INTEGER, error TEXT, detail TEXT NOT NULL,
    PRIMARY KEY (delivery, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE changes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, actor TEXT NOT NULL,
    action TEXT NOT NULL, target TEXT NOT NULL, before TEXT, after TEXT, why TEXT NOT NULL
) STRICT;
";

impl Store {
    /// Opens the file of a tenant's directory, or makes it; nobody but this process's user may read it.
    pub fn open(directory: &Path, settings: Settings) -> Result<Store, WebhookError> {
        let path = directory.join(FILE);
        // SQLite gives its side files the mode of this one.
        let mut file = OpenOptions::new();
        file.create(true).append(true).mode(0o600).open(&path)?;
        let mut connection = Connection::open(&path)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let found = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        match found {
            0 => {
                let making = connection.transaction()?;
                making.execute_batch(TABLES)?;
                making.pragma_update(None, "user_version", VERSION)?;
                making.commit()?;
            }
            VERSION => {}
            found => {
                let known = VERSION;
                return Err(WebhookError::Newer { found, known });
            }
        }
        Ok(Store {
            connection: Mutex::new(Some(connection)),
            settings,
        })
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// From now on every call is refused; before a tenant's files are destroyed.
    pub fn close(&self) {
        *self.connection() = None;
    }

    fn connection(&self) -> MutexGuard<'_, Option<Connection>> {
        // A panic in between has rolled its transaction back.
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, WebhookError>,
    ) -> Result<T, WebhookError> {
        work(self.connection().as_ref().ok_or(WebhookError::Closed)?)
    }

    /// All of it or nothing.
    fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, WebhookError>,
    ) -> Result<T, WebhookError> {
        let mut held = self.connection();
        written(held.as_mut().ok_or(WebhookError::Closed)?, work)
    }

    /// [`Store::write`], on disk when it returns.
    fn write_durably<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, WebhookError>,
    ) -> Result<T, WebhookError> {
        let mut held = self.connection();
        let connection = held.as_mut().ok_or(WebhookError::Closed)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        let done = written(connection, work);
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        done
    }
}

fn written<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, WebhookError>,
) -> Result<T, WebhookError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done = work(&transaction)?;
    transaction.commit()?;
    Ok(done)
}

fn time(millis: i64) -> EventTime {
    EventTime::from_millis(millis)
}
