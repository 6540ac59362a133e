//! An alert: an event whose decision, or a rule, says that somebody should look.

use event::EventTime;
use rusqlite::{Connection, OptionalExtension, Row};
use serde::Serialize;
use serde_json::Value;

use crate::error::CaseworkError;
use crate::settings::Severity;
use crate::store::Casework;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alert {
    /// The position of its event in the log.
    pub id: i64,
    pub case_id: i64,
    pub status: AlertStatus,
    pub event_id: String,
    pub event_type: String,
    #[serde(serialize_with = "crate::iso::time")]
    pub event_timestamp: EventTime,
    #[serde(serialize_with = "crate::iso::time")]
    pub decided_at: EventTime,
    pub decision: String,
    pub source: String,
    pub score: u16,
    pub probability_ppm: u32,
    /// First bytes of the model file's SHA-256 in hex; empty when no model scored.
    pub model: String,
    pub amount_minor: Option<i64>,
    pub currency: Option<String>,
    /// By its loss, or more where a rule asked for it.
    pub severity: Severity,
    /// Probability times amount in minor units of the base currency.
    pub loss_minor: i64,
    /// What of the loss was assumed by the settings: `probability`, `amount`.
    pub assumed: Vec<String>,
    /// `{role, kind, id}` each.
    pub entities: Value,
    pub rules: Value,
    pub lists: Value,
    pub tags: Vec<String>,
    /// The newest that the log holds.
    pub label: Option<String>,
    pub label_source: Option<String>,
    pub label_position: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertStatus {
    Open,
    /// A label came before anybody disposed of it.
    Labelled,
    /// Its case was disposed of or closed.
    Disposed,
    /// Nobody came to it in time.
    Expired,
}

/// Which alerts are asked for; they come newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertFilter {
    pub status: Option<AlertStatus>,
    pub case: Option<i64>,
    pub event_id: Option<String>,
    /// Kind and id.
    pub entity: Option<(String, String)>,
    /// Only those with a smaller id: the cursor.
    pub before: Option<i64>,
}

const COLUMNS: &str =
    "id, case_id, status, event_id, event_type, event_timestamp, decided_at, verdict,
    source, score, probability_ppm, model, amount_minor, currency, severity, loss_minor, assumed,
    entities, rules, lists, tags, label, label_source, label_position";

impl AlertStatus {
    pub const ALL: [AlertStatus; 4] = [
        AlertStatus::Open,
        AlertStatus::Labelled,
        AlertStatus::Disposed,
        AlertStatus::Expired,
    ];

    pub fn name(self) -> &'static str {
        match self {
            AlertStatus::Open => "open",
            AlertStatus::Labelled => "labelled",
            AlertStatus::Disposed => "disposed",
            AlertStatus::Expired => "expired",
        }
    }

    pub fn parse(text: &str) -> Option<AlertStatus> {
        AlertStatus::ALL.into_iter().find(|it| it.name() == text)
    }
}

impl Casework {
    pub fn alert(&self, id: i64) -> Result<Option<Alert>, CaseworkError> {
        Ok(find(&self.db, id)?)
    }

    pub fn alerts(&self, filter: &AlertFilter, limit: usize) -> Result<Vec<Alert>, CaseworkError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM alerts WHERE (?1 IS NULL OR status = ?1)
            AND (?2 IS NULL OR case_id = ?2) AND (?3 IS NULL OR event_id = ?3)
            AND (?4 IS NULL OR id IN (SELECT alert_id FROM alert_entities WHERE kind = ?4 AND entity = ?5))
            AND id < ?6 ORDER BY id DESC LIMIT ?7"
        );
        let (kind, entity) = match &filter.entity {
            Some((kind, entity)) => (Some(kind), Some(entity)),
            None => (None, None),
        };
        let mut statement = self.db.prepare_cached(&sql)?;
        let parameters = (
            filter.status.map(AlertStatus::name),
            filter.case,
            &filter.event_id,
            kind,
            entity,
            filter.before.unwrap_or(i64::MAX),
            limit as i64,
        );
        let rows = statement.query_map(parameters, read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

pub(crate) fn find(db: &Connection, id: i64) -> rusqlite::Result<Option<Alert>> {
    let sql = format!("SELECT {COLUMNS} FROM alerts WHERE id = ?1");
    db.prepare_cached(&sql)?.query_row([id], read).optional()
}

pub(crate) fn of_case(db: &Connection, case: i64) -> rusqlite::Result<Vec<Alert>> {
    let sql = format!("SELECT {COLUMNS} FROM alerts WHERE case_id = ?1 ORDER BY id");
    db.prepare_cached(&sql)?.query_map([case], read)?.collect()
}

pub(crate) fn insert(db: &Connection, alert: &Alert) -> Result<(), CaseworkError> {
    let sql = format!(
        "INSERT INTO alerts ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,
        ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24)"
    );
    db.prepare_cached(&sql)?.execute(rusqlite::params![
        alert.id,
        alert.case_id,
        alert.status.name(),
        alert.event_id,
        alert.event_type,
        alert.event_timestamp.millis(),
        alert.decided_at.millis(),
        alert.decision,
        alert.source,
        alert.score,
        alert.probability_ppm,
        alert.model,
        alert.amount_minor,
        alert.currency,
        alert.severity.rank(),
        alert.loss_minor,
        crate::store::to_json("assumptions", &alert.assumed)?,
        alert.entities.to_string(),
        alert.rules.to_string(),
        alert.lists.to_string(),
        crate::store::to_json("tags", &alert.tags)?,
        alert.label,
        alert.label_source,
        alert.label_position,
    ])?;
    Ok(())
}

pub(crate) fn target(id: i64) -> String {
    format!("alert:{id}")
}

fn read(row: &Row) -> rusqlite::Result<Alert> {
    Ok(Alert {
        id: row.get(0)?,
        case_id: row.get(1)?,
        status: word(row, 2, AlertStatus::parse)?,
        event_id: row.get(3)?,
        event_type: row.get(4)?,
        event_timestamp: EventTime::from_millis(row.get(5)?),
        decided_at: EventTime::from_millis(row.get(6)?),
        decision: row.get(7)?,
        source: row.get(8)?,
        score: row.get(9)?,
        probability_ppm: row.get(10)?,
        model: row.get(11)?,
        amount_minor: row.get(12)?,
        currency: row.get(13)?,
        severity: severity_at(row, 14)?,
        loss_minor: row.get(15)?,
        assumed: json(row, 16)?,
        entities: json(row, 17)?,
        rules: json(row, 18)?,
        lists: json(row, 19)?,
        tags: json(row, 20)?,
        label: row.get(21)?,
        label_source: row.get(22)?,
        label_position: row.get(23)?,
    })
}

/// A column of JSON that this crate wrote.
pub(crate) fn json<T: serde::de::DeserializeOwned>(row: &Row, at: usize) -> rusqlite::Result<T> {
    let text: String = row.get(at)?;
    serde_json::from_str(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, Box::new(error))
    })
}

/// A column with a word of a closed vocabulary.
pub(crate) fn word<T>(
    row: &Row,
    at: usize,
    parse: impl Fn(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    let text: String = row.get(at)?;
    parse(&text).ok_or_else(|| unknown(at, &text))
}

pub(crate) fn severity_at(row: &Row, at: usize) -> rusqlite::Result<Severity> {
    let rank: i64 = row.get(at)?;
    Severity::of_rank(rank).ok_or_else(|| unknown(at, &rank))
}

fn unknown(at: usize, value: &dyn std::fmt::Debug) -> rusqlite::Error {
    let error = format!("unknown value {value:?}");
    rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, error.into())
}
