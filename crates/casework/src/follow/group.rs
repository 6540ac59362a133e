//! Which case an alert belongs to: that of the alerts it shares an entity with, within the window.
//!
//! An entity at which more accounts have alerts than its kind may link (a shared address, a large shop)
//! links no further alert. Of several open cases that an alert touches one survives: one that somebody has
//! worked on before others, else the oldest. Open cases that nobody has worked on are merged into it; those
//! that somebody has, closed ones, and what would not fit stay apart and become related.

use std::collections::BTreeSet;

use event::schema::Part;
use event::{Event, EventTime, Schema};
use rusqlite::Connection;

use super::Around;
use crate::alert::{self, Alert};
use crate::case::{self, Case, CaseStatus};
use crate::changes::{Change, SYSTEM, record};
use crate::error::CaseworkError;
use crate::store::to_json;

/// What became of an alert.
pub struct Placed {
    pub opened: bool,
    /// Cases that became part of its case.
    pub merged: u64,
}

/// Alerts of one entity that are looked at, newest first.
const SEEN_MAX: i64 = 1000;
/// Related cases kept of one case.
const RELATED_MAX: i64 = 100;

pub fn place(
    db: &Connection,
    around: &Around,
    mut alert: Alert,
    event: &Event,
) -> Result<Placed, CaseworkError> {
    let mut open = Vec::new();
    let mut closed = Vec::new();
    for id in linked_cases(db, around, event)? {
        let case = case::must_find(db, id)?;
        match case.status {
            CaseStatus::Open => open.push(case),
            CaseStatus::Closed | CaseStatus::Merged => closed.push(case.id),
        }
    }
    open.sort_by_key(|case| (!case.touched, case.id));
    let room = i64::from(around.settings.grouping.alerts_max);
    let survivor = open.iter().position(|case| case.alerts_total < room);
    let at = alert.decided_at;
    let Some(survivor) = survivor else {
        let case = open_case(db, around, &alert)?;
        enter(db, &mut alert, &case, event, around.schema)?;
        let others = closed.into_iter().chain(open.iter().map(|case| case.id));
        relate(db, case.id, others)?;
        finish(db, around, case, None, at)?;
        return Ok(Placed {
            opened: true,
            merged: 0,
        });
    };
    let mut case = open.remove(survivor);
    let before = to_json("case", &case)?;
    // Whoever put it off did not know of this.
    case.snoozed_until = None;
    enter(db, &mut alert, &case, event, around.schema)?;
    let (mut merged, mut total) = (0, case.alerts_total + 1);
    for other in open {
        if other.touched || total + other.alerts_total > room {
            closed.push(other.id);
            continue;
        }
        total += other.alerts_total;
        merge(db, around, other, &mut case, at)?;
        merged += 1;
    }
    relate(db, case.id, closed.into_iter())?;
    finish(db, around, case, Some(before), at)?;
    Ok(Placed {
        opened: false,
        merged,
    })
}

/// Cases of the alerts that share an entity which links.
fn linked_cases(
    db: &Connection,
    around: &Around,
    event: &Event,
) -> Result<BTreeSet<i64>, CaseworkError> {
    let sql = "SELECT seen.subject, alerts.case_id FROM alert_entities AS seen
        JOIN alerts ON alerts.id = seen.alert_id
        WHERE seen.kind = ?1 AND seen.entity = ?2 AND seen.at BETWEEN ?3 AND ?4
        ORDER BY seen.at DESC, seen.alert_id DESC LIMIT ?5";
    let mut statement = db.prepare_cached(sql)?;
    let window = around.settings.grouping.window;
    let (from, to) = (
        event.event_timestamp.minus(window),
        event.event_timestamp.plus(window),
    );
    let mut cases = BTreeSet::new();
    for (kind, entity) in entities(around.schema, event) {
        let links = around.settings.links(kind) as usize;
        if links == 0 {
            continue;
        }
        let parameters = (kind, entity, from.millis(), to.millis(), SEEN_MAX);
        let mut rows = statement.query(parameters)?;
        let mut accounts = BTreeSet::from([subject(around.schema, event).to_owned()]);
        let mut found: BTreeSet<i64> = BTreeSet::new();
        while let Some(row) = rows.next()? {
            accounts.insert(row.get(0)?);
            found.insert(row.get(1)?);
            if accounts.len() > links {
                found.clear();
                break;
            }
        }
        cases.extend(found);
    }
    Ok(cases)
}

/// Kind and id of each entity, once: an account may both send and receive.
fn entities<'a>(schema: &'a Schema, event: &'a Event) -> BTreeSet<(&'a str, &'a str)> {
    let named = event.entities.iter().map(|(role, id)| {
        let kind = schema.roles[role.index()].kind;
        (schema.kinds[kind.index()].name.as_str(), id.as_str())
    });
    named.collect()
}

fn subject<'a>(schema: &Schema, event: &'a Event) -> &'a str {
    let role = schema.part(Part::Subject);
    role.and_then(|role| event.entity(role))
        .map_or("", |id| id.as_str())
}

fn open_case(db: &Connection, around: &Around, alert: &Alert) -> Result<Case, CaseworkError> {
    let severity = alert.severity;
    let mut case = Case {
        id: alert.id,
        version: 0,
        status: CaseStatus::Open,
        opened_at: alert.decided_at,
        updated_at: alert.decided_at,
        due_at: alert.decided_at.plus(around.settings.sla(severity)),
        severity,
        skill: around
            .settings
            .skill(&alert.event_type, &alert.tags)
            .to_owned(),
        priority: 0,
        alerts_open: 0,
        alerts_total: 0,
        touched: false,
        assignee: None,
        holder: None,
        held_until: None,
        snoozed_until: None,
        disposition: None,
        closed_by: None,
        closed_at: None,
        closed_why: None,
        merged_into: None,
        tags: Vec::new(),
    };
    case::store(db, &mut case, &around.settings, alert.decided_at)?;
    // This was not yet a version that anybody can have seen.
    case.version = 0;
    let sql = "INSERT INTO checklist (case_id, item, text) VALUES (?1, ?2, ?3)";
    for (item, text) in around.settings.checklist.iter().enumerate() {
        db.prepare_cached(sql)?
            .execute((case.id, item as i64 + 1, text))?;
    }
    Ok(case)
}

fn enter(
    db: &Connection,
    alert: &mut Alert,
    case: &Case,
    event: &Event,
    schema: &Schema,
) -> Result<(), CaseworkError> {
    alert.case_id = case.id;
    alert::insert(db, alert)?;
    let sql = "INSERT INTO alert_entities (kind, entity, at, alert_id, subject) VALUES (?1, ?2, ?3, ?4, ?5)";
    let account = subject(schema, event);
    for (kind, entity) in entities(schema, event) {
        let at = alert.event_timestamp.millis();
        db.prepare_cached(sql)?
            .execute((kind, entity, at, alert.id, account))?;
    }
    for tag in &alert.tags {
        db.prepare_cached("INSERT OR IGNORE INTO case_tags (case_id, tag) VALUES (?1, ?2)")?
            .execute((case.id, tag))?;
    }
    record(
        db,
        &Change {
            at: alert.decided_at,
            actor: SYSTEM,
            action: "alert.created",
            target: &alert::target(alert.id),
            before: None,
            after: Some(to_json("alert", alert)?),
            why: None,
        },
    )?;
    Ok(())
}

/// Moves what `other` has to `into`: nobody has worked on it, so that is alerts, tags and relations.
fn merge(
    db: &Connection,
    around: &Around,
    mut other: Case,
    into: &mut Case,
    at: EventTime,
) -> Result<(), CaseworkError> {
    let before = to_json("case", &other)?;
    let ids = (other.id, into.id);
    for sql in [
        "UPDATE alerts SET case_id = ?2 WHERE case_id = ?1",
        "UPDATE cases SET merged_into = ?2 WHERE merged_into = ?1",
        "INSERT OR IGNORE INTO case_tags (case_id, tag) SELECT ?2, tag FROM case_tags WHERE case_id = ?1",
        "INSERT OR IGNORE INTO case_relations (case_id, other_id)
            SELECT ?2, other_id FROM case_relations WHERE case_id = ?1 AND other_id <> ?2",
        "INSERT OR IGNORE INTO case_relations (case_id, other_id)
            SELECT case_id, ?2 FROM case_relations WHERE other_id = ?1 AND case_id <> ?2",
    ] {
        db.prepare_cached(sql)?.execute(ids)?;
    }
    db.prepare_cached("DELETE FROM case_relations WHERE case_id = ?1 OR other_id = ?1")?
        .execute([other.id])?;
    into.due_at = into.due_at.min(other.due_at);
    into.opened_at = into.opened_at.min(other.opened_at);
    other.status = CaseStatus::Merged;
    other.merged_into = Some(into.id);
    case::store(db, &mut other, &around.settings, at)?;
    record(
        db,
        &Change {
            at,
            actor: SYSTEM,
            action: "case.merged",
            target: &case::target(other.id),
            before: Some(before),
            after: Some(to_json("case", &other)?),
            why: None,
        },
    )?;
    Ok(())
}

/// Links a case with others, both ways, the newest first where there are too many.
fn relate(
    db: &Connection,
    case: i64,
    others: impl Iterator<Item = i64>,
) -> Result<(), CaseworkError> {
    let mut others: Vec<i64> = others.filter(|other| *other != case).collect();
    others.sort_unstable_by(|a, b| b.cmp(a));
    let sql = "INSERT OR IGNORE INTO case_relations (case_id, other_id) SELECT ?1, ?2
        WHERE (SELECT COUNT(*) FROM case_relations WHERE case_id = ?1) < ?3";
    let mut statement = db.prepare_cached(sql)?;
    for other in others {
        statement.execute((case, other, RELATED_MAX))?;
        statement.execute((other, case, RELATED_MAX))?;
    }
    Ok(())
}

fn finish(
    db: &Connection,
    around: &Around,
    mut case: Case,
    before: Option<String>,
    at: EventTime,
) -> Result<(), CaseworkError> {
    case::store(db, &mut case, &around.settings, at)?;
    let Some(case) = case::find(db, case.id)? else {
        return Err(crate::Refused::UnknownCase { id: case.id }.into());
    };
    let action = if before.is_some() {
        "case.updated"
    } else {
        "case.opened"
    };
    record(
        db,
        &Change {
            at,
            actor: SYSTEM,
            action,
            target: &case::target(case.id),
            before,
            after: Some(to_json("case", &case)?),
            why: None,
        },
    )?;
    Ok(())
}
