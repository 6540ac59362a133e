//! Every change in the order in which it was made: what the audit trail and webhooks read.

use event::EventTime;
use rusqlite::{Connection, Row};
use serde::Serialize;

use crate::error::CaseworkError;
use crate::store::Casework;

/// Who does what the log or the clock brings about.
pub const SYSTEM: &str = "system";

/// A change as it is read. `before` and `after` are JSON documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    pub seq: i64,
    #[serde(serialize_with = "crate::iso::time")]
    pub at: EventTime,
    pub actor: String,
    /// `alert.created`, `case.claimed`...
    pub action: String,
    /// `alert:POSITION`, `case:ID` or `settings`.
    pub target: String,
    #[serde(serialize_with = "json_text")]
    pub before: Option<String>,
    #[serde(serialize_with = "json_text")]
    pub after: Option<String>,
    pub why: Option<String>,
}

pub(crate) struct Change<'a> {
    pub at: EventTime,
    pub actor: &'a str,
    pub action: &'a str,
    pub target: &'a str,
    pub before: Option<String>,
    pub after: Option<String>,
    pub why: Option<&'a str>,
}

const COLUMNS: &str = "seq, at, actor, action, target, before, after, why";

/// In the transaction of what it tells of.
pub(crate) fn record(db: &Connection, change: &Change) -> rusqlite::Result<()> {
    let sql = "INSERT INTO changes (at, actor, action, target, before, after, why)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    db.prepare_cached(sql)?.execute((
        change.at.millis(),
        change.actor,
        change.action,
        change.target,
        &change.before,
        &change.after,
        change.why,
    ))?;
    Ok(())
}

impl Casework {
    /// At most `limit` changes behind a sequence number, oldest first. Numbers only go up.
    pub fn changes_after(&self, seq: i64, limit: usize) -> Result<Vec<Changed>, CaseworkError> {
        let sql = format!("SELECT {COLUMNS} FROM changes WHERE seq > ?1 ORDER BY seq LIMIT ?2");
        let mut statement = self.db.prepare_cached(&sql)?;
        let rows = statement.query_map((seq, limit as i64), changed)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Number of the newest change there ever was; 0: none.
    pub fn last_change(&self) -> Result<i64, CaseworkError> {
        let sql = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'changes'";
        Ok(self
            .db
            .prepare_cached(sql)?
            .query_row([], |row| row.get(0))?)
    }

    /// The newest changes of a case, newest first.
    pub fn history(&self, case: i64, limit: usize) -> Result<Vec<Changed>, CaseworkError> {
        let sql =
            format!("SELECT {COLUMNS} FROM changes WHERE target = ?1 ORDER BY seq DESC LIMIT ?2");
        let mut statement = self.db.prepare_cached(&sql)?;
        let target = crate::case::target(case);
        let rows = statement.query_map((target, limit as i64), changed)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

fn changed(row: &Row) -> rusqlite::Result<Changed> {
    Ok(Changed {
        seq: row.get(0)?,
        at: EventTime::from_millis(row.get(1)?),
        actor: row.get(2)?,
        action: row.get(3)?,
        target: row.get(4)?,
        before: row.get(5)?,
        after: row.get(6)?,
        why: row.get(7)?,
    })
}

fn json_text<S: serde::Serializer>(text: &Option<String>, to: S) -> Result<S::Ok, S::Error> {
    let value = text
        .as_deref()
        .map(serde_json::from_str::<serde_json::Value>);
    let value = value.transpose().map_err(serde::ser::Error::custom)?;
    value.serialize(to)
}
