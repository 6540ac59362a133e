//! A label in the log, about an event that has an alert: what was asked is known.

use event::record::{Label, LabelSource};
use event::{EventTime, Position};
use rusqlite::Connection;
use serde_json::json;

use super::Around;
use super::arrival::id_of;
use crate::alert::{self, Alert, AlertStatus};
use crate::case::{self, Case, CaseStatus};
use crate::changes::{Change, SYSTEM, record};
use crate::error::CaseworkError;
use crate::labels;
use crate::store::to_json;

/// Whether there was an alert for it. An open alert is closed by its label, and an open case that nobody has
/// worked on by that of its last open alert.
pub fn labelled(
    db: &Connection,
    around: &Around,
    position: Position,
    label: &Label,
) -> Result<bool, CaseworkError> {
    let Some(before) = alert::find(db, id_of(label.subject.position))? else {
        return Ok(false);
    };
    if label.source == LabelSource::Analyst {
        labels::seen(db, before.id, label)?;
    }
    let mut alert = before;
    let was = json!({ "status": alert.status.name(), "label": alert.label });
    alert.label = Some(label.verdict.name().to_owned());
    alert.label_source = Some(label.source.name().to_owned());
    alert.label_position = Some(id_of(position));
    let closes = alert.status == AlertStatus::Open;
    if closes {
        alert.status = AlertStatus::Labelled;
    }
    store(db, &alert)?;
    let target = alert::target(alert.id);
    record(
        db,
        &Change {
            at: label.received_at,
            actor: SYSTEM,
            action: "alert.labelled",
            target: &target,
            before: Some(was.to_string()),
            after: Some(to_json("alert", &alert)?),
            why: None,
        },
    )?;
    if closes {
        let case = case::must_find(db, alert.case_id)?;
        recount(db, around, case, label.received_at)?;
    }
    Ok(true)
}

fn store(db: &Connection, alert: &Alert) -> rusqlite::Result<()> {
    let sql = "UPDATE alerts SET status = ?2, label = ?3, label_source = ?4, label_position = ?5 WHERE id = ?1";
    db.prepare_cached(sql)?.execute((
        alert.id,
        alert.status.name(),
        &alert.label,
        &alert.label_source,
        alert.label_position,
    ))?;
    Ok(())
}

fn recount(
    db: &Connection,
    around: &Around,
    mut case: Case,
    at: EventTime,
) -> Result<(), CaseworkError> {
    let before = to_json("case", &case)?;
    let mut action = "case.updated";
    let was_last = case.alerts_open == 1;
    if was_last && case.status == CaseStatus::Open && !case.touched {
        case.status = CaseStatus::Closed;
        case.closed_by = Some(SYSTEM.to_owned());
        case.closed_at = Some(at);
        case.closed_why = Some("every alert has a label".to_owned());
        action = "case.closed";
    }
    case::store(db, &mut case, &around.settings, at)?;
    record(
        db,
        &Change {
            at,
            actor: SYSTEM,
            action,
            target: &case::target(case.id),
            before: Some(before),
            after: Some(to_json("case", &case)?),
            why: None,
        },
    )?;
    Ok(())
}
