//! A case: the alerts of one ring, and how far the work on it is.

use event::EventTime;
use rusqlite::{Connection, OptionalExtension, Row};
use serde::Serialize;

use crate::alert::{Alert, AlertFilter, json, severity_at, word};
use crate::changes::Changed;
use crate::error::{CaseworkError, Refused};
use crate::labels::CaseLabel;
use crate::settings::{Settings, Severity};
use crate::store::Casework;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Case {
    /// That of the alert which opened it.
    pub id: i64,
    /// Goes up with every change, of the log's doing too.
    pub version: i64,
    pub status: CaseStatus,
    #[serde(serialize_with = "crate::iso::time")]
    pub opened_at: EventTime,
    #[serde(serialize_with = "crate::iso::time")]
    pub updated_at: EventTime,
    /// When it should be closed by.
    #[serde(serialize_with = "crate::iso::time")]
    pub due_at: EventTime,
    pub severity: Severity,
    pub skill: String,
    /// Expected loss over the open alerts, in minor units of the base currency.
    pub priority: i64,
    pub alerts_open: i64,
    pub alerts_total: i64,
    #[serde(skip)]
    pub(crate) touched: bool,
    pub assignee: Option<String>,
    /// Who may change it, until `held_until`.
    pub holder: Option<String>,
    #[serde(serialize_with = "crate::iso::maybe")]
    pub held_until: Option<EventTime>,
    #[serde(serialize_with = "crate::iso::maybe")]
    pub snoozed_until: Option<EventTime>,
    pub disposition: Option<String>,
    pub closed_by: Option<String>,
    #[serde(serialize_with = "crate::iso::maybe")]
    pub closed_at: Option<EventTime>,
    pub closed_why: Option<String>,
    pub merged_into: Option<i64>,
    pub tags: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseStatus {
    Open,
    Closed,
    /// Its alerts are in another case.
    Merged,
}

/// A case with all that belongs to it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CaseView {
    #[serde(flatten)]
    pub case: Case,
    /// The newest [`ALERTS_SHOWN`]; the rest by the list of alerts.
    pub alerts: Vec<Alert>,
    pub notes: Vec<Note>,
    pub checklist: Vec<ChecklistItem>,
    pub attachments: Vec<Attachment>,
    pub labels: Vec<CaseLabel>,
    /// Other cases with an entity of this one.
    pub related: Vec<i64>,
    /// The newest [`HISTORY_SHOWN`] changes, newest first.
    pub history: Vec<Changed>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    #[serde(serialize_with = "crate::iso::time")]
    pub at: EventTime,
    pub author: String,
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChecklistItem {
    pub item: i64,
    pub text: String,
    #[serde(serialize_with = "crate::iso::maybe")]
    pub done_at: Option<EventTime>,
    pub done_by: Option<String>,
}

/// What lies elsewhere: only where, and what its bytes must hash to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attachment {
    #[serde(serialize_with = "crate::iso::time")]
    pub at: EventTime,
    pub author: String,
    pub name: String,
    pub uri: String,
    pub sha256: String,
}

pub const ALERTS_SHOWN: usize = 100;
pub const HISTORY_SHOWN: usize = 50;

pub(crate) const COLUMNS: &str =
    "id, version, status, opened_at, updated_at, due_at, severity, skill, priority,
    alerts_open, alerts_total, touched, assignee, holder, held_until, snoozed_until, disposition,
    closed_by, closed_at, closed_why, merged_into,
    (SELECT json_group_array(tag) FROM case_tags WHERE case_id = cases.id)";

impl CaseStatus {
    pub fn name(self) -> &'static str {
        match self {
            CaseStatus::Open => "open",
            CaseStatus::Closed => "closed",
            CaseStatus::Merged => "merged",
        }
    }

    pub fn parse(text: &str) -> Option<CaseStatus> {
        let all = [CaseStatus::Open, CaseStatus::Closed, CaseStatus::Merged];
        all.into_iter().find(|it| it.name() == text)
    }
}

impl Case {
    /// Who may change it now.
    pub fn holder_at(&self, now: EventTime) -> Option<(&str, EventTime)> {
        match (&self.holder, self.held_until) {
            (Some(holder), Some(until)) if until > now => Some((holder, until)),
            _ => None,
        }
    }

    pub fn is_breached(&self, now: EventTime) -> bool {
        self.status == CaseStatus::Open && self.due_at < now
    }
}

impl Casework {
    pub fn case(&self, id: i64) -> Result<Option<Case>, CaseworkError> {
        Ok(find(&self.db, id)?)
    }

    /// All of it, as it stood at one moment.
    pub fn case_view(&self, id: i64) -> Result<Option<CaseView>, CaseworkError> {
        // Reads on one connection see other writers between them: a transaction holds them together.
        let tx = self.db.unchecked_transaction()?;
        let Some(case) = find(&tx, id)? else {
            return Ok(None);
        };
        let filter = AlertFilter {
            case: Some(id),
            ..AlertFilter::default()
        };
        let view = CaseView {
            alerts: self.alerts(&filter, ALERTS_SHOWN)?,
            notes: notes(&tx, id)?,
            checklist: checklist(&tx, id)?,
            attachments: attachments(&tx, id)?,
            labels: crate::labels::of_case(&tx, id)?,
            related: related(&tx, id)?,
            history: self.history(id, HISTORY_SHOWN)?,
            case,
        };
        tx.finish()?;
        Ok(Some(view))
    }
}

pub(crate) fn target(id: i64) -> String {
    format!("case:{id}")
}

pub(crate) fn find(db: &Connection, id: i64) -> rusqlite::Result<Option<Case>> {
    let sql = format!("SELECT {COLUMNS} FROM cases WHERE id = ?1");
    db.prepare_cached(&sql)?.query_row([id], read).optional()
}

pub(crate) fn must_find(db: &Connection, id: i64) -> Result<Case, CaseworkError> {
    find(db, id)?.ok_or(CaseworkError::Refused(Refused::UnknownCase { id }))
}

/// Writes a case that was made or changed, one version on. Its counts, loss and severity are taken from
/// its alerts; a severity that rose brings the due time forward.
pub(crate) fn store(
    db: &Connection,
    case: &mut Case,
    settings: &Settings,
    at: EventTime,
) -> Result<(), CaseworkError> {
    let sql = "SELECT COUNT(*), COUNT(*) FILTER (WHERE status = 'open'),
        COALESCE(SUM(loss_minor) FILTER (WHERE status = 'open'), 0),
        COALESCE(MAX(severity) FILTER (WHERE status = 'open'), 0) FROM alerts WHERE case_id = ?1";
    let (total, open, loss, severest) = db.prepare_cached(sql)?.query_row([case.id], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, severity_at(row, 3)?))
    })?;
    (case.alerts_total, case.alerts_open, case.priority) = (total, open, loss);
    let severity = severest.max(settings.severity(loss));
    if case.status == CaseStatus::Open && severity > case.severity {
        case.due_at = case.due_at.min(at.plus(settings.sla(severity)));
    }
    case.severity = severity;
    case.version += 1;
    case.updated_at = at;
    write(db, case)?;
    Ok(())
}

fn write(db: &Connection, case: &Case) -> rusqlite::Result<()> {
    let sql = "INSERT INTO cases (id, version, status, opened_at, updated_at, due_at, severity, skill, priority,
        alerts_open, alerts_total, touched, assignee, holder, held_until, snoozed_until, disposition,
        closed_by, closed_at, closed_why, merged_into)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)
        ON CONFLICT (id) DO UPDATE SET version = ?2, status = ?3, opened_at = ?4, updated_at = ?5, due_at = ?6,
        severity = ?7, skill = ?8, priority = ?9, alerts_open = ?10, alerts_total = ?11, touched = ?12,
        assignee = ?13, holder = ?14, held_until = ?15, snoozed_until = ?16, disposition = ?17,
        closed_by = ?18, closed_at = ?19, closed_why = ?20, merged_into = ?21";
    let millis = |time: Option<EventTime>| time.map(EventTime::millis);
    db.prepare_cached(sql)?.execute(rusqlite::params![
        case.id,
        case.version,
        case.status.name(),
        case.opened_at.millis(),
        case.updated_at.millis(),
        case.due_at.millis(),
        case.severity.rank(),
        case.skill,
        case.priority,
        case.alerts_open,
        case.alerts_total,
        case.touched,
        case.assignee,
        case.holder,
        millis(case.held_until),
        millis(case.snoozed_until),
        case.disposition,
        case.closed_by,
        millis(case.closed_at),
        case.closed_why,
        case.merged_into,
    ])?;
    Ok(())
}

pub(crate) fn read(row: &Row) -> rusqlite::Result<Case> {
    let maybe = |at: usize| -> rusqlite::Result<Option<EventTime>> {
        let millis: Option<i64> = row.get(at)?;
        Ok(millis.map(EventTime::from_millis))
    };
    let time =
        |at: usize| -> rusqlite::Result<EventTime> { Ok(EventTime::from_millis(row.get(at)?)) };
    Ok(Case {
        id: row.get(0)?,
        version: row.get(1)?,
        status: word(row, 2, CaseStatus::parse)?,
        opened_at: time(3)?,
        updated_at: time(4)?,
        due_at: time(5)?,
        severity: severity_at(row, 6)?,
        skill: row.get(7)?,
        priority: row.get(8)?,
        alerts_open: row.get(9)?,
        alerts_total: row.get(10)?,
        touched: row.get(11)?,
        assignee: row.get(12)?,
        holder: row.get(13)?,
        held_until: maybe(14)?,
        snoozed_until: maybe(15)?,
        disposition: row.get(16)?,
        closed_by: row.get(17)?,
        closed_at: maybe(18)?,
        closed_why: row.get(19)?,
        merged_into: row.get(20)?,
        tags: json(row, 21)?,
    })
}

fn notes(db: &Connection, case: i64) -> rusqlite::Result<Vec<Note>> {
    let sql = "SELECT at, author, text FROM notes WHERE case_id = ?1 ORDER BY id";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([case], |row| {
        Ok(Note {
            at: EventTime::from_millis(row.get(0)?),
            author: row.get(1)?,
            text: row.get(2)?,
        })
    })?;
    rows.collect()
}

pub(crate) fn checklist(db: &Connection, case: i64) -> rusqlite::Result<Vec<ChecklistItem>> {
    let sql = "SELECT item, text, done_at, done_by FROM checklist WHERE case_id = ?1 ORDER BY item";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([case], |row| {
        let done_at: Option<i64> = row.get(2)?;
        Ok(ChecklistItem {
            item: row.get(0)?,
            text: row.get(1)?,
            done_at: done_at.map(EventTime::from_millis),
            done_by: row.get(3)?,
        })
    })?;
    rows.collect()
}

fn attachments(db: &Connection, case: i64) -> rusqlite::Result<Vec<Attachment>> {
    let sql =
        "SELECT at, author, name, uri, sha256 FROM attachments WHERE case_id = ?1 ORDER BY id";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([case], |row| {
        Ok(Attachment {
            at: EventTime::from_millis(row.get(0)?),
            author: row.get(1)?,
            name: row.get(2)?,
            uri: row.get(3)?,
            sha256: row.get(4)?,
        })
    })?;
    rows.collect()
}

pub(crate) fn related(db: &Connection, case: i64) -> rusqlite::Result<Vec<i64>> {
    let sql = "SELECT other_id FROM case_relations WHERE case_id = ?1 ORDER BY other_id";
    db.prepare_cached(sql)?
        .query_map([case], |row| row.get(0))?
        .collect()
}
