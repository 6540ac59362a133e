//! The delivery log, and deliveries that are sent again.

use std::time::Duration;

use event::EventTime;
use rusqlite::{OptionalExtension, Row, params};
use serde_json::json;

use super::endpoints::endpoint;
use super::{Store, changes, time};
use crate::endpoint::By;
use crate::error::{WebhookError, What};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Pending = 0,
    Delivered = 1,
    /// Given up: after its last attempt, by its age, or because its endpoint's queue was full.
    Dead = 2,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub id: i64,
    /// Id of the notice: what the receiver sees as `webhook-id`.
    pub notice: String,
    pub kind: String,
    /// When it happened.
    pub at: EventTime,
    pub endpoint: String,
    pub state: State,
    pub attempts: u32,
    /// Of a pending one.
    pub due: EventTime,
    /// Of one that is delivered or dead.
    pub settled_at: Option<EventTime>,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub number: u32,
    pub at: EventTime,
    pub latency: Duration,
    pub status: Option<u16>,
    pub error: Option<String>,
    /// The beginning of the answer, or why there is none.
    pub detail: String,
}

/// Which deliveries; every field narrows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub endpoint: Option<String>,
    pub state: Option<State>,
    /// Deliveries older than this one.
    pub before: Option<i64>,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Delivered => "delivered",
            State::Dead => "dead",
        }
    }

    pub fn parse(name: &str) -> Option<State> {
        let all = [State::Pending, State::Delivered, State::Dead];
        all.into_iter().find(|state| state.name() == name)
    }
}

const COLUMNS: &str =
    "SELECT deliveries.id AS delivery, notices.id AS notice, kind, at, endpoint, state, attempts,
  due, settled_at, error FROM deliveries JOIN notices ON notices.seq = deliveries.notice";

impl Store {
    /// Newest first.
    pub fn deliveries(&self, filter: &Filter, limit: usize) -> Result<Vec<Delivery>, WebhookError> {
        let Filter {
            endpoint,
            state,
            before,
        } = filter;
        self.read(|it| {
            let mut query = it.prepare_cached(&format!(
                "{COLUMNS} WHERE (?1 IS NULL OR endpoint = ?1) AND (?2 IS NULL OR state = ?2)
                 AND (?3 IS NULL OR deliveries.id < ?3) ORDER BY deliveries.id DESC LIMIT ?4"
            ))?;
            let state = state.map(|it| it as i64);
            let rows = query.query_map(params![endpoint, state, before, limit as i64], read)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// One with its attempts, the last ones of many, and the body that is sent.
    pub fn delivery(&self, id: i64) -> Result<(Delivery, Vec<Attempt>, String), WebhookError> {
        self.read(|it| {
            let mut query = it.prepare_cached(&format!("{COLUMNS} WHERE deliveries.id = ?1"))?;
            let found = query.query_row([id], read).optional()?;
            let found = found.ok_or(WebhookError::Unknown(What::Delivery))?;
            let mut query = it.prepare_cached(
                "SELECT number, at, latency_ms, status, error, detail FROM attempts
                 WHERE delivery = ?1 ORDER BY number",
            )?;
            let attempts = query.query_map([id], attempt)?;
            let attempts = attempts.collect::<Result<_, _>>()?;
            let mut query = it.prepare_cached("SELECT body FROM notices WHERE id = ?1")?;
            let body = query.query_row([&found.notice], |row| row.get(0))?;
            Ok((found, attempts, body))
        })
    }

    /// Sends a delivery again, as if it were new: one that is dead, or that the receiver has lost after all. One that
    /// waits is due at once.
    pub fn redeliver(&self, id: i64, by: &By) -> Result<Delivery, WebhookError> {
        by.check()?;
        self.write_durably(|it| {
            let query = format!("{COLUMNS} WHERE deliveries.id = ?1");
            let found = it.query_row(&query, [id], read).optional()?;
            let found = found.ok_or(WebhookError::Unknown(What::Delivery))?;
            it.execute(
                "UPDATE deliveries SET state = 0, failures = 0, since = ?2, due = ?2, settled_at = NULL
                 WHERE id = ?1",
                params![id, by.at.millis()],
            )?;
            let target = ("delivery.redelivered", &*id.to_string());
            let before = json!({ "state": found.state.name(), "error": found.error });
            changes::note(it, by, target, Some(before), Some(json!({ "state": "pending" })))?;
            Ok(it.query_row(&query, [id], read)?)
        })
    }

    /// All dead deliveries of an endpoint, oldest first, as far as there is room for them; how many.
    pub fn redeliver_dead(&self, endpoint_id: &str, by: &By) -> Result<u64, WebhookError> {
        by.check()?;
        self.write_durably(|it| {
            endpoint(it, endpoint_id)?;
            let room = self.room(it, endpoint_id)?;
            let moved = it.execute(
                "UPDATE deliveries SET state = 0, failures = 0, since = ?2, due = ?2, settled_at = NULL
                 WHERE id IN (SELECT id FROM deliveries WHERE endpoint = ?1 AND state = 2
                              ORDER BY id LIMIT ?3)",
                params![endpoint_id, by.at.millis(), room as i64],
            )?;
            let target = ("endpoint.redelivered", endpoint_id);
            let after = Some(json!({ "deliveries": moved }));
            changes::note(it, by, target, None, after)?;
            Ok(moved as u64)
        })
    }
}

fn attempt(row: &Row<'_>) -> rusqlite::Result<Attempt> {
    Ok(Attempt {
        number: row.get(0)?,
        at: time(row.get(1)?),
        latency: Duration::from_millis(row.get::<_, i64>(2)? as u64),
        status: row.get(3)?,
        error: row.get(4)?,
        detail: row.get(5)?,
    })
}

fn read(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    let state = match row.get("state")? {
        0 => State::Pending,
        1 => State::Delivered,
        2 => State::Dead,
        other => return Err(rusqlite::Error::IntegralValueOutOfRange(5, other)),
    };
    Ok(Delivery {
        id: row.get("delivery")?,
        notice: row.get("notice")?,
        kind: row.get("kind")?,
        at: time(row.get("at")?),
        endpoint: row.get("endpoint")?,
        state,
        attempts: row.get("attempts")?,
        due: time(row.get("due")?),
        settled_at: row.get::<_, Option<i64>>("settled_at")?.map(time),
        error: row.get("error")?,
    })
}
