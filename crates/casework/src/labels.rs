//! Labels of dispositions on their way to the tenant's log. A row is written with the disposition and stays
//! until the tenant has taken or refused it; the tenant takes an equal label once, so that sending it again
//! after a crash changes nothing.

use event::record::{Label, Verdict};
use event::{EventTime, Span};
use rusqlite::Connection;
use serde::Serialize;

use crate::alert::word;
use crate::changes::{Change, SYSTEM, record};
use crate::error::CaseworkError;
use crate::fraud_type::FraudType;
use crate::store::{Casework, begin};
use crate::{alert, case};

/// A label to be given to the tenant: source analyst, time `at`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    pub id: i64,
    pub event_id: String,
    pub verdict: Verdict,
    /// The fraud type.
    pub reason: String,
    pub at: EventTime,
    pub attempts: u32,
}

/// What became of a label, as its case shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CaseLabel {
    pub alert_id: i64,
    pub event_id: String,
    pub label: String,
    pub reason: String,
    #[serde(serialize_with = "crate::iso::time")]
    pub at: EventTime,
    /// `pending`, `accepted` or `refused`.
    pub status: String,
    pub attempts: u32,
    /// Code and message of the refusal.
    pub refusal: Option<String>,
    pub refusal_message: Option<String>,
}

const FIRST_PAUSE: Span = Span::seconds(1);
const LONGEST_PAUSE: Span = Span::minutes(5);
const REFUSAL_BYTES_MAX: usize = 512;

impl Casework {
    /// Labels that are due, oldest first. Of several for one event only the oldest: they count in their
    /// order.
    pub fn labels_due(&self, now: EventTime, limit: usize) -> Result<Vec<Outgoing>, CaseworkError> {
        let sql = "SELECT id, event_id, verdict, reason, at, attempts FROM label_outbox AS due
            WHERE status = 'pending' AND next_at <= ?1 AND NOT EXISTS (
                SELECT 1 FROM label_outbox AS older WHERE older.status = 'pending'
                AND older.alert_id = due.alert_id AND older.id < due.id)
            ORDER BY next_at, id LIMIT ?2";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map((now.millis(), limit as i64), |row| {
            Ok(Outgoing {
                id: row.get(0)?,
                event_id: row.get(1)?,
                verdict: word(row, 2, Verdict::parse)?,
                reason: row.get(3)?,
                at: EventTime::from_millis(row.get(4)?),
                attempts: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The tenant has them on disk.
    pub fn labels_accepted(&mut self, ids: &[i64]) -> Result<(), CaseworkError> {
        let tx = begin(&mut self.db)?;
        for id in ids {
            let sql = "UPDATE label_outbox SET status = 'accepted', attempts = attempts + 1
                WHERE id = ?1 AND status = 'pending'";
            tx.prepare_cached(sql)?.execute([id])?;
        }
        Ok(tx.commit()?)
    }

    /// The tenant will never take it; its case says so from now on.
    pub fn label_refused(
        &mut self,
        id: i64,
        code: &str,
        message: &str,
        now: EventTime,
    ) -> Result<(), CaseworkError> {
        let tx = begin(&mut self.db)?;
        let message: String = message.chars().take(REFUSAL_BYTES_MAX / 4).collect();
        let sql =
            "UPDATE label_outbox SET status = 'refused', attempts = attempts + 1, refusal = ?2,
            refusal_message = ?3 WHERE id = ?1 AND status = 'pending' RETURNING case_id, event_id";
        let refused = tx
            .prepare_cached(sql)?
            .query_map((id, code, &message), |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<Vec<(i64, String)>>>()?;
        for (case, event_id) in refused {
            let after =
                serde_json::json!({ "event_id": event_id, "code": code, "message": message });
            record(
                &tx,
                &Change {
                    at: now,
                    actor: SYSTEM,
                    action: "label.refused",
                    target: &case::target(case),
                    before: None,
                    after: Some(after.to_string()),
                    why: Some(code),
                },
            )?;
        }
        Ok(tx.commit()?)
    }

    /// The tenant could not be asked: they are due again after a pause that doubles.
    pub fn labels_deferred(&mut self, ids: &[i64], now: EventTime) -> Result<(), CaseworkError> {
        let tx = begin(&mut self.db)?;
        for id in ids {
            let sql = "UPDATE label_outbox SET attempts = attempts + 1,
                next_at = ?2 + min(?3 * (1 << min(attempts, 16)), ?4) WHERE id = ?1 AND status = 'pending'";
            let pauses = (FIRST_PAUSE.millis(), LONGEST_PAUSE.millis());
            tx.prepare_cached(sql)?
                .execute((id, now.millis(), pauses.0, pauses.1))?;
        }
        Ok(tx.commit()?)
    }

    pub fn labels_pending(&self) -> Result<u64, CaseworkError> {
        let sql = "SELECT COUNT(*) FROM label_outbox WHERE status = 'pending'";
        let pending: i64 = self
            .db
            .prepare_cached(sql)?
            .query_row([], |row| row.get(0))?;
        Ok(pending as u64)
    }
}

/// Puts a label for each open alert of a case whose log label does not say the same already.
pub(crate) fn put_for_case(
    db: &Connection,
    case: i64,
    fraud_type: FraudType,
    verdict: Verdict,
    now: EventTime,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO label_outbox (case_id, alert_id, event_id, verdict, reason, at, status, attempts,
        next_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'pending', 0, ?6)";
    let mut statement = db.prepare_cached(sql)?;
    for alert in alert::of_case(db, case)? {
        let is_known = alert.label.as_deref() == Some(verdict.name());
        if alert.status == alert::AlertStatus::Open && !is_known {
            let (word, reason) = (verdict.name(), fraud_type.name());
            statement.execute((case, alert.id, alert.event_id, word, reason, now.millis()))?;
        }
    }
    Ok(())
}

/// An analyst's label stands in the log: if it is one of ours, it has arrived.
pub(crate) fn seen(db: &Connection, alert: i64, label: &Label) -> rusqlite::Result<()> {
    let sql = "UPDATE label_outbox SET status = 'accepted'
        WHERE alert_id = ?1 AND verdict = ?2 AND at = ?3 AND status = 'pending'";
    db.prepare_cached(sql)?.execute((
        alert,
        label.verdict.name(),
        label.label_timestamp.millis(),
    ))?;
    Ok(())
}

pub(crate) fn of_case(db: &Connection, case: i64) -> rusqlite::Result<Vec<CaseLabel>> {
    let sql =
        "SELECT alert_id, event_id, verdict, reason, at, status, attempts, refusal, refusal_message
        FROM label_outbox WHERE case_id = ?1 ORDER BY id DESC LIMIT 200";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([case], |row| {
        Ok(CaseLabel {
            alert_id: row.get(0)?,
            event_id: row.get(1)?,
            label: row.get(2)?,
            reason: row.get(3)?,
            at: EventTime::from_millis(row.get(4)?),
            status: row.get(5)?,
            attempts: row.get(6)?,
            refusal: row.get(7)?,
            refusal_message: row.get(8)?,
        })
    })?;
    rows.collect()
}
