//! What is counted of a tenant's casework; read by whoever shows metrics.

use meters::Count;

#[derive(Debug, Default)]
pub struct Counters {
    pub alerts: Count,
    pub cases_opened: Count,
    pub cases_merged: Count,
    /// Decisions that came without their event, and records that retention had let go.
    pub without_event: Count,
    pub skipped: Count,
    pub labels_accepted: Count,
    pub labels_refused: Count,
    /// Rounds that failed.
    pub failures: Count,
    /// As they stood at the last look.
    pub open: Count,
    pub breached: Count,
    /// Records that are committed and not followed yet.
    pub behind: Count,
    /// Of the audit trail: entries written, turns that failed, for webhooks alone too, records that retention had
    /// let go, records that are committed and not read for it yet.
    pub audit_entries: Count,
    pub audit_failures: Count,
    pub audit_skipped: Count,
    pub audit_behind: Count,
}
