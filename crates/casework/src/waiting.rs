//! Labels of events that are not in the log yet: kept here until the event arrives, then handed to the tenant.
//!
//! A chargeback file may come before the payments it speaks of. The log takes a label with its event's place, so
//! that one without a place waits outside of it; it counts from the moment at which the tenant takes it.

use event::json::LabelLine;
use event::record::{LabelSource, Verdict};
use event::{EventId, EventTime, Invalid, Span};
use rusqlite::{Connection, OptionalExtension, Row};
use serde::Serialize;

use crate::alert::word;
use crate::error::{CaseworkError, Refused};
use crate::store::{Casework, begin, get, put};

/// Labels that wait at a time.
pub const WAITING_MAX: i64 = 100_000;
/// Ended ones that are still told of.
const ENDED_MAX: i64 = 10_000;
const FIRST_PAUSE: Span = Span::seconds(1);
const LONGEST_PAUSE: Span = Span::minutes(5);
/// Kept beside the table, so that an event costs no search while nothing waits.
const COUNT: &str = "labels_waiting";

/// A label whose event has come.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrived {
    pub id: i64,
    /// What was kept had been parsed, by a build that may have taken an id which this one does not: whoever hands it
    /// on ends it then, or it would be due for ever.
    pub line: Result<LabelLine, Invalid>,
    pub attempts: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WaitingLabel {
    pub id: i64,
    pub event_id: String,
    pub label: String,
    pub source: String,
    #[serde(serialize_with = "crate::iso::time")]
    pub label_timestamp: EventTime,
    #[serde(serialize_with = "crate::iso::time")]
    pub received_at: EventTime,
    /// `waiting`, `due`, `accepted`, `refused` or `expired`.
    pub status: String,
    pub refusal: Option<String>,
}

impl Casework {
    /// Keeps a label until its event comes. False: the newest that waits for the event is equal. Others are kept one
    /// behind the other, because a later label corrects the one before.
    pub fn keep_label(&mut self, line: &LabelLine, now: EventTime) -> Result<bool, CaseworkError> {
        let tx = begin(&mut self.db)?;
        let waiting = count(&tx)?;
        if newest_equals(&tx, line)? {
            return Ok(false);
        }
        if waiting >= WAITING_MAX {
            return Err(Refused::LabelsWaiting { max: WAITING_MAX }.into());
        }
        let sql = "INSERT INTO waiting_labels (event_id, verdict, source, reason, confidence, label_timestamp,
            received_at, status, next_at, attempts) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'waiting', ?7, 0)";
        tx.prepare_cached(sql)?.execute((
            line.event_id.as_str(),
            line.verdict.name(),
            line.source.name(),
            &line.reason,
            line.confidence_percent,
            line.label_timestamp.millis(),
            now.millis(),
        ))?;
        put(&tx, COUNT, waiting + 1)?;
        tx.commit()?;
        Ok(true)
    }

    /// The event is in the log after all: it came while its label was kept.
    pub fn event_is_here(&mut self, event_id: &EventId) -> Result<(), CaseworkError> {
        let tx = begin(&mut self.db)?;
        came(&tx, event_id.as_str())?;
        Ok(tx.commit()?)
    }

    /// Labels whose events are in the log, oldest first; of several for one event only the oldest, because they count in
    /// their order.
    pub fn arrived(&self, now: EventTime, limit: usize) -> Result<Vec<Arrived>, CaseworkError> {
        let sql =
            "SELECT id, event_id, verdict, source, reason, confidence, label_timestamp, attempts
            FROM waiting_labels AS due WHERE status = 'due' AND next_at <= ?1 AND NOT EXISTS (
                SELECT 1 FROM waiting_labels AS older WHERE older.status = 'due'
                AND older.event_id = due.event_id AND older.id < due.id)
            ORDER BY next_at, id LIMIT ?2";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map((now.millis(), limit as i64), arrived)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    pub fn has_arrived(&self) -> Result<bool, CaseworkError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM waiting_labels WHERE status = 'due')";
        Ok(self
            .db
            .prepare_cached(sql)?
            .query_row([], |row| row.get(0))?)
    }

    /// The tenant has it on disk, or will never take it.
    pub fn label_ended(&mut self, id: i64, refusal: Option<&str>) -> Result<(), CaseworkError> {
        let status = if refusal.is_some() {
            "refused"
        } else {
            "accepted"
        };
        let sql = "UPDATE waiting_labels SET status = ?2, refusal = ?3, attempts = attempts + 1
            WHERE id = ?1 AND status = 'due'";
        self.db
            .prepare_cached(sql)?
            .execute((id, status, refusal))?;
        Ok(())
    }

    /// The tenant could not be asked: it is due again after a pause that doubles.
    pub fn label_later(&mut self, id: i64, now: EventTime) -> Result<(), CaseworkError> {
        let sql = "UPDATE waiting_labels SET attempts = attempts + 1,
            next_at = ?2 + min(?3 * (1 << min(attempts, 16)), ?4) WHERE id = ?1 AND status = 'due'";
        let pauses = (FIRST_PAUSE.millis(), LONGEST_PAUSE.millis());
        self.db
            .prepare_cached(sql)?
            .execute((id, now.millis(), pauses.0, pauses.1))?;
        Ok(())
    }

    /// Newest first, before an id.
    pub fn waiting_labels(
        &self,
        status: Option<&str>,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<WaitingLabel>, CaseworkError> {
        let sql = "SELECT id, event_id, verdict, source, label_timestamp, received_at, status, refusal
            FROM waiting_labels WHERE (?1 IS NULL OR status = ?1) AND id < ?2 ORDER BY id DESC LIMIT ?3";
        let mut statement = self.db.prepare_cached(sql)?;
        let before = before.unwrap_or(i64::MAX);
        let rows = statement.query_map((status, before, limit as i64), |row| {
            Ok(WaitingLabel {
                id: row.get(0)?,
                event_id: row.get(1)?,
                label: row.get(2)?,
                source: row.get(3)?,
                label_timestamp: EventTime::from_millis(row.get(4)?),
                received_at: EventTime::from_millis(row.get(5)?),
                status: row.get(6)?,
                refusal: row.get(7)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Gives up those that are older than a label may be, and forgets ended ones beyond a bound.
    pub fn expire_waiting(&mut self, horizon: Span, now: EventTime) -> Result<u64, CaseworkError> {
        let tx = begin(&mut self.db)?;
        let sql = "UPDATE waiting_labels SET status = 'expired' WHERE status = 'waiting' AND received_at < ?1";
        let expired = tx
            .prepare_cached(sql)?
            .execute([now.minus(horizon).millis()])?;
        if expired > 0 {
            put(&tx, COUNT, count(&tx)? - expired as i64)?;
        }
        let sql = "DELETE FROM waiting_labels WHERE status NOT IN ('waiting', 'due') AND id <= (
            SELECT id FROM waiting_labels WHERE status NOT IN ('waiting', 'due') ORDER BY id DESC LIMIT 1 OFFSET ?1)";
        tx.prepare_cached(sql)?.execute([ENDED_MAX])?;
        tx.commit()?;
        Ok(expired as u64)
    }
}

pub(crate) fn count(db: &Connection) -> rusqlite::Result<i64> {
    Ok(get(db, COUNT)?.unwrap_or(0))
}

fn newest_equals(db: &Connection, line: &LabelLine) -> rusqlite::Result<bool> {
    let sql = "SELECT verdict = ?2 AND source = ?3 AND reason = ?4 AND confidence = ?5 AND label_timestamp = ?6
        FROM waiting_labels WHERE event_id = ?1 AND status = 'waiting' ORDER BY id DESC LIMIT 1";
    let equals = db.prepare_cached(sql)?.query_row(
        (
            line.event_id.as_str(),
            line.verdict.name(),
            line.source.name(),
            &line.reason,
            line.confidence_percent,
            line.label_timestamp.millis(),
        ),
        |row| row.get(0),
    );
    Ok(equals.optional()?.unwrap_or(false))
}

/// An event stands in the log: what waited for it is due. Returns how many did.
pub(crate) fn came(db: &Connection, event_id: &str) -> rusqlite::Result<i64> {
    let sql = "UPDATE waiting_labels SET status = 'due', next_at = 0
        WHERE event_id = ?1 AND status = 'waiting'";
    let due = db.prepare_cached(sql)?.execute([event_id])? as i64;
    if due > 0 {
        put(db, COUNT, count(db)? - due)?;
    }
    Ok(due)
}

fn arrived(row: &Row<'_>) -> rusqlite::Result<Arrived> {
    let text: String = row.get(1)?;
    let (verdict, source) = (
        word(row, 2, Verdict::parse)?,
        word(row, 3, LabelSource::parse)?,
    );
    let (reason, confidence_percent) = (row.get(4)?, row.get(5)?);
    let label_timestamp = EventTime::from_millis(row.get(6)?);
    Ok(Arrived {
        id: row.get(0)?,
        line: EventId::parse("event_id", &text).map(|event_id| LabelLine {
            event_id,
            verdict,
            source,
            reason,
            confidence_percent,
            label_timestamp,
        }),
        attempts: row.get(7)?,
    })
}
