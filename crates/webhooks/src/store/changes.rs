//! Who changed what: a row for each change, in the transaction that makes it. Never a secret.

use event::EventTime;
use rusqlite::{Row, Transaction, params};
use serde_json::{Value, json};

use super::{Store, time};
use crate::endpoint::{By, Draft, SecretNote};
use crate::error::WebhookError;

#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub seq: u64,
    pub at: EventTime,
    pub actor: String,
    /// `endpoint.created`, `endpoint.changed`, `endpoint.removed`, `secret.added`, `secret.ended`,
    /// `delivery.redelivered`, `endpoint.redelivered`, `endpoint.pinged`.
    pub action: String,
    /// Id of the endpoint, the secret or the delivery.
    pub target: String,
    /// JSON; `None` where there was nothing before, or is nothing after.
    pub before: Option<String>,
    pub after: Option<String>,
    pub why: String,
}

impl Store {
    /// Changes after one, in order; at most `limit`.
    pub fn changes_after(&self, seq: u64, limit: usize) -> Result<Vec<Change>, WebhookError> {
        self.read(|it| {
            let mut query =
                it.prepare_cached("SELECT * FROM changes WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
            let rows = query.query_map(params![seq as i64, limit as i64], change)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Number of the newest change there ever was; 0: none.
    pub fn last_change(&self) -> Result<u64, WebhookError> {
        self.read(|it| {
            let sql = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'changes'";
            let last: i64 = it.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
            Ok(last as u64)
        })
    }
}

fn change(row: &Row<'_>) -> rusqlite::Result<Change> {
    Ok(Change {
        seq: row.get::<_, i64>("seq")? as u64,
        at: time(row.get("at")?),
        actor: row.get("actor")?,
        action: row.get("action")?,
        target: row.get("target")?,
        before: row.get("before")?,
        after: row.get("after")?,
        why: row.get("why")?,
    })
}

pub fn note(
    transaction: &Transaction<'_>,
    by: &By,
    (action, target): (&str, &str),
    before: Option<Value>,
    after: Option<Value>,
) -> Result<(), WebhookError> {
    transaction.execute(
        "INSERT INTO changes (at, actor, action, target, before, after, why)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            by.at.millis(),
            by.actor,
            action,
            target,
            before.map(|it| it.to_string()),
            after.map(|it| it.to_string()),
            by.why
        ],
    )?;
    Ok(())
}

pub fn drafted(draft: &Draft) -> Value {
    json!({
        "url": draft.url,
        "kinds": draft.kinds.names(),
        "description": draft.description,
        "enabled": draft.enabled,
    })
}

pub fn noted(endpoint: &str, secret: &SecretNote) -> Value {
    json!({
        "endpoint": endpoint,
        "secret": secret.id,
        "expires_at": secret.expires_at.map(|it| it.to_string()),
    })
}
