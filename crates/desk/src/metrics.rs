//! What a tenant's casework and audit trail are told as. Names and help texts stand here and nowhere else.

use meters::row::{self, Group};
use meters::{Exposition, Family, Row};

use crate::counters::Counters;

#[rustfmt::skip]
static TABLE: &[Row<Counters>] = &[
    Row::counter("ringfence_alerts_total", "Alerts opened.", |it| it.alerts.get()),
    Row::counter("ringfence_alerts_without_event_total", "Decisions that came without their event.", |it| it.without_event.get()),
    Row::counter("ringfence_cases_opened_total", "Cases opened.", |it| it.cases_opened.get()),
    Row::counter("ringfence_cases_merged_total", "Cases that became part of another.", |it| it.cases_merged.get()),
    Row::gauge("ringfence_cases_open", "Cases that are open.", |it| it.open.get()),
    Row::gauge("ringfence_cases_breached", "Open cases past their due time.", |it| it.breached.get()),
    Row::counter("ringfence_case_labels_accepted_total", "Labels of dispositions that the tenant took.", |it| it.labels_accepted.get()),
    Row::counter("ringfence_case_labels_refused_total", "Labels of dispositions, and of those that waited for their event, that the tenant refused.", |it| it.labels_refused.get()),
    Row::counter("ringfence_casework_failures_total", "Rounds over a tenant's casework that failed.", |it| it.failures.get()),
    Row::sum(Family::gauge("ringfence_casework_behind_records", "Committed records that casework has not seen.").records(), |it| it.behind.get()),
    Row::sum(Family::counter("ringfence_casework_skipped_records_total", "Records gone from the log before casework saw them.").records(), |it| it.skipped.get()),
    Row::counter("ringfence_audit_entries_total", "Entries written to the audit trail.", |it| it.audit_entries.get()),
    Row::counter("ringfence_audit_failures_total", "Turns of the audit trail that failed, and of webhooks in it.", |it| it.audit_failures.get()),
    Row::sum(Family::gauge("ringfence_audit_behind_records", "Committed records that the audit trail has not seen.").records(), |it| it.audit_behind.get()),
    Row::sum(Family::counter("ringfence_audit_skipped_records_total", "Records gone from the log before the audit trail saw them.").records(), |it| it.audit_skipped.get()),
];

pub fn families() -> Vec<&'static Family> {
    row::families(TABLE).collect()
}

pub fn write(out: &mut Exposition, groups: &[Group<'_, Counters>]) {
    row::write(out, TABLE, groups);
}
