//! What ends by itself: cases that nobody came to, and what is old enough to go.

use event::EventTime;

use crate::case::{self, CaseStatus};
use crate::changes::{Change, SYSTEM, record};
use crate::error::CaseworkError;
use crate::store::{Casework, begin, read_settings, to_json};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Open cases closed because nobody worked on them.
    pub closed: u64,
    /// Closed cases removed, with all that belonged to them.
    pub removed: u64,
    pub changes_removed: u64,
}

/// What one call does at most, so that nobody waits for it.
const SLICE: i64 = 100;

impl Casework {
    /// Call again at once while it does something.
    pub fn expire(&mut self, now: EventTime) -> Result<Expired, CaseworkError> {
        let base = self.base;
        let tx = begin(&mut self.db)?;
        let settings = read_settings(&tx, base)?;
        let mut expired = Expired::default();
        let select = "SELECT id FROM cases WHERE status = ?1 AND updated_at < ?2 AND (?3 OR NOT touched)
            AND NOT EXISTS (SELECT 1 FROM label_outbox WHERE case_id = cases.id AND status = 'pending')
            ORDER BY updated_at LIMIT ?4";
        let due = |status: CaseStatus, before: EventTime, touched: bool| {
            let parameters = (status.name(), before.millis(), touched, SLICE);
            tx.prepare_cached(select)?
                .query_map(parameters, |row| row.get(0))?
                .collect::<rusqlite::Result<Vec<i64>>>()
        };
        let unworked = now.minus(settings.expiry.unworked);
        for id in due(CaseStatus::Open, unworked, false)? {
            let mut case = case::must_find(&tx, id)?;
            let before = to_json("case", &case)?;
            let sql = "UPDATE alerts SET status = 'expired' WHERE case_id = ?1 AND status = 'open'";
            tx.prepare_cached(sql)?.execute([id])?;
            case.status = CaseStatus::Closed;
            case.closed_by = Some(SYSTEM.to_owned());
            case.closed_at = Some(now);
            case.closed_why = Some("nobody worked on it in time".to_owned());
            case::store(&tx, &mut case, &settings, now)?;
            let change = Change {
                at: now,
                actor: SYSTEM,
                action: "case.expired",
                target: &case::target(id),
                before: Some(before),
                after: Some(to_json("case", &case)?),
                why: None,
            };
            record(&tx, &change)?;
            expired.closed += 1;
        }
        let closed = now.minus(settings.expiry.closed);
        for id in due(CaseStatus::Closed, closed, true)? {
            tx.prepare_cached("DELETE FROM alerts WHERE case_id = ?1")?
                .execute([id])?;
            // Everything else of it, cases merged into it too, goes with its row.
            tx.prepare_cached("DELETE FROM cases WHERE id = ?1")?
                .execute([id])?;
            expired.removed += 1;
        }
        let sql = "DELETE FROM changes WHERE seq IN (SELECT seq FROM changes ORDER BY seq LIMIT ?2) AND at < ?1";
        let removed = tx.prepare_cached(sql)?.execute((closed.millis(), SLICE))?;
        expired.changes_removed = removed as u64;
        tx.commit()?;
        Ok(expired)
    }
}
