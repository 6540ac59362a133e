//! The end of a case, and its beginning again.

use super::{Doing, REASON_BYTES_MAX};
use crate::case::{Case, CaseStatus};
use crate::error::{CaseworkError, Refused, check_text};
use crate::fraud_type::FraudType;
use crate::labels;

impl Doing<'_> {
    /// Closes the case and puts a label for each of its open alerts on its way, in one transaction.
    pub(super) fn dispose(
        &self,
        case: &mut Case,
        fraud_type: FraudType,
        note: &str,
    ) -> Result<(), CaseworkError> {
        self.must_hold(case)?;
        if !note.is_empty() {
            check_text("note", note, REASON_BYTES_MAX, false)?;
        }
        if let Some(verdict) = fraud_type.verdict() {
            labels::put_for_case(self.db, case.id, fraud_type, verdict, self.now)?;
        }
        case.disposition = Some(fraud_type.name().to_owned());
        self.end(case, note)
    }

    pub(super) fn close(&self, case: &mut Case, reason: &str) -> Result<(), CaseworkError> {
        self.must_hold(case)?;
        check_text("reason", reason, REASON_BYTES_MAX, false)?;
        self.end(case, reason)
    }

    fn end(&self, case: &mut Case, why: &str) -> Result<(), CaseworkError> {
        let sql = "UPDATE alerts SET status = 'disposed' WHERE case_id = ?1 AND status = 'open'";
        self.db.prepare_cached(sql)?.execute([case.id])?;
        case.status = CaseStatus::Closed;
        case.closed_by = Some(self.actor.name.clone());
        case.closed_at = Some(self.now);
        case.closed_why = (!why.is_empty()).then(|| why.to_owned());
        case.assignee = None;
        case.holder = None;
        case.held_until = None;
        case.snoozed_until = None;
        Ok(())
    }

    /// Its alerts are open again but for those that a label closed. Labels that were written stay; another
    /// disposition corrects them.
    pub(super) fn reopen(&self, case: &mut Case, reason: &str) -> Result<(), CaseworkError> {
        if case.status != CaseStatus::Closed {
            return Err(Refused::NotClosed { id: case.id }.into());
        }
        check_text("reason", reason, REASON_BYTES_MAX, false)?;
        let sql = "UPDATE alerts SET status = 'open'
            WHERE case_id = ?1 AND status IN ('disposed', 'expired')";
        self.db.prepare_cached(sql)?.execute([case.id])?;
        case.status = CaseStatus::Open;
        case.disposition = None;
        case.closed_by = None;
        case.closed_at = None;
        case.closed_why = None;
        let sql = "SELECT COALESCE(SUM(loss_minor), 0) FROM alerts WHERE case_id = ?1 AND status = 'open'";
        let loss: i64 = self
            .db
            .prepare_cached(sql)?
            .query_row([case.id], |row| row.get(0))?;
        case.severity = self.settings.severity(loss);
        case.due_at = self.now.plus(self.settings.sla(case.severity));
        Ok(())
    }
}
