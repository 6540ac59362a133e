//! What is to be delivered: taken in from sources, handed to the deliverer, and what became of it.

use std::time::Duration;

use event::EventTime;
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::deliveries::State;
use super::endpoints::{fresh_id, listening};
use super::secrets;
use super::{Store, changes, time};
use crate::endpoint::By;
use crate::error::{WebhookError, What};
use crate::notice::{Kind, Notice};
use crate::secret::Secret;

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Deliveries that wait now.
    pub pending: u64,
    /// Deliveries that were dead at once, because their endpoint's queue is full.
    pub refused: u64,
}

/// An endpoint as the deliverer sees it.
#[derive(Clone, Debug)]
pub struct Lane {
    pub endpoint: String,
    pub url: String,
    pub secrets: Vec<Secret>,
    /// Whether something is due now, what is under way too; never while it is disabled.
    pub is_due: bool,
    /// When the next of what is not due yet will be.
    pub later: Option<EventTime>,
}

/// One delivery that is due.
#[derive(Clone, Debug)]
pub struct Due {
    pub delivery: i64,
    pub notice: String,
    pub body: String,
    pub traceparent: Option<String>,
    pub failures: u32,
    /// When it was taken in, or made pending again.
    pub since: EventTime,
}

/// What one attempt came to.
#[derive(Clone, Debug)]
pub struct Attempted {
    pub delivery: i64,
    pub at: EventTime,
    pub latency: Duration,
    pub status: Option<u16>,
    /// A code; `None` for a success.
    pub error: Option<&'static str>,
    /// The beginning of the answer's body, or why there is no answer.
    pub detail: String,
    pub next: Next,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Delivered,
    Again(EventTime),
    Dead,
}

/// Attempts of one delivery that are kept.
const ATTEMPTS_KEPT: i64 = 32;

impl Store {
    /// How far a source has been taken in; `None`: it has never been.
    pub fn cursor(&self, source: &str) -> Result<Option<u64>, WebhookError> {
        self.read(|it| {
            let mut query = it.prepare_cached("SELECT upto FROM cursors WHERE source = ?1")?;
            let found = query.query_row([source], |row| row.get::<_, i64>(0));
            Ok(found.optional()?.map(|it| it as u64))
        })
    }

    /// Has a source read from behind `upto` on, whatever has been taken in: its end was cut off, and what comes there
    /// now is something else.
    pub fn go_back(&self, source: &str, upto: u64) -> Result<(), WebhookError> {
        self.write_durably(|it| {
            it.execute(
                "UPDATE cursors SET upto = ?2 WHERE source = ?1 AND upto > ?2",
                params![source, upto as i64],
            )?;
            Ok(())
        })
    }

    /// Takes notices in, and that their source has been read up to and with `upto`, together. What was taken in
    /// before is not again: not by its place in the source, nor by its id.
    pub fn take_in(
        &self,
        source: &str,
        upto: u64,
        notices: &[Notice],
        now: EventTime,
    ) -> Result<Taken, WebhookError> {
        self.write(|it| {
            let moved = it
                .prepare_cached(
                    "INSERT INTO cursors (source, upto) VALUES (?1, ?2)
                     ON CONFLICT (source) DO UPDATE SET upto = excluded.upto
                     WHERE excluded.upto > cursors.upto",
                )?
                .execute(params![source, upto as i64])?;
            let mut taken = Taken::default();
            if moved == 0 || notices.is_empty() {
                return Ok(taken);
            }
            let listening = listening(it)?;
            let mut rooms = Vec::new();
            for (endpoint, _) in &listening {
                rooms.push(self.room(it, endpoint)?);
            }
            for notice in notices {
                let mut told = listening
                    .iter()
                    .zip(&mut rooms)
                    .filter(|((_, kinds), _)| kinds.has(notice.kind))
                    .peekable();
                if told.peek().is_none() {
                    continue;
                }
                let Some(seq) = self.insert(it, notice)? else {
                    continue;
                };
                for ((endpoint, _), room) in told {
                    let full = *room == 0;
                    *room = room.saturating_sub(1);
                    address(it, seq, endpoint, full, now)?;
                    taken.pending += u64::from(!full);
                    taken.refused += u64::from(full);
                }
            }
            Ok(taken)
        })
    }

    /// How many more deliveries of an endpoint may wait. Costs what waits.
    pub(super) fn room(
        &self,
        transaction: &Transaction<'_>,
        endpoint: &str,
    ) -> Result<u64, WebhookError> {
        let max = self.settings.rows_max;
        let waiting: i64 = transaction
            .prepare_cached(
                "SELECT count(*) FROM
                   (SELECT 1 FROM deliveries WHERE endpoint = ?1 AND state = 0 LIMIT ?2)",
            )?
            .query_row(params![endpoint, max as i64], |row| row.get(0))?;
        Ok(max - waiting as u64)
    }

    /// The notice's number; `None` when it is there already.
    fn insert(
        &self,
        transaction: &Transaction<'_>,
        notice: &Notice,
    ) -> Result<Option<i64>, WebhookError> {
        let body = notice.body(self.settings.data_bytes_max)?;
        let inserted = transaction
            .prepare_cached(
                "INSERT OR IGNORE INTO notices (id, kind, at, body, traceparent)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                notice.id,
                notice.kind.name(),
                notice.at.millis(),
                body,
                notice.traceparent
            ])?;
        Ok((inserted == 1).then(|| transaction.last_insert_rowid()))
    }

    /// A delivery of a notice without content, to try an endpoint out.
    pub fn ping(&self, endpoint: &str, by: &By) -> Result<i64, WebhookError> {
        by.check()?;
        let data = serde_json::json!({ "endpoint": endpoint });
        let notice = Notice::new(fresh_id("ping:")?, Kind::Ping, by.at, &data)?;
        self.write_durably(|it| {
            if !super::endpoints::endpoint(it, endpoint)?.draft.enabled {
                return Err(WebhookError::Disabled);
            }
            let full = self.room(it, endpoint)? == 0;
            let seq = self.insert(it, &notice)?;
            let seq = seq.ok_or(WebhookError::Unknown(What::Delivery))?;
            let delivery = address(it, seq, endpoint, full, by.at)?;
            let after = serde_json::json!({ "delivery": delivery });
            changes::note(it, by, ("endpoint.pinged", endpoint), None, Some(after))?;
            Ok(delivery)
        })
    }

    /// Every endpoint, those first whose next delivery is due first.
    pub fn lanes(&self, now: EventTime) -> Result<Vec<Lane>, WebhookError> {
        self.read(|it| {
            let mut query = it.prepare_cached(
                "SELECT id, url, enabled,
                   (SELECT min(due) FROM deliveries WHERE endpoint = endpoints.id AND state = 0) AS next,
                   (SELECT min(due) FROM deliveries
                    WHERE endpoint = endpoints.id AND state = 0 AND due > ?1) AS later
                 FROM endpoints ORDER BY next, id",
            )?;
            let mut rows = query.query([now.millis()])?;
            let mut lanes = Vec::new();
            while let Some(row) = rows.next()? {
                let endpoint: String = row.get("id")?;
                let enabled = row.get("enabled")?;
                let next: Option<i64> = row.get("next")?;
                let later: Option<i64> = row.get("later")?;
                lanes.push(Lane {
                    secrets: secrets::valid(it, &endpoint, now)?,
                    endpoint,
                    url: row.get("url")?,
                    is_due: enabled && next.is_some_and(|next| next <= now.millis()),
                    later: later.filter(|_| enabled).map(time),
                });
            }
            Ok(lanes)
        })
    }

    /// Deliveries of an endpoint that are due, the longest due first.
    pub fn due(
        &self,
        endpoint: &str,
        now: EventTime,
        limit: usize,
    ) -> Result<Vec<Due>, WebhookError> {
        self.read(|it| {
            let mut query = it.prepare_cached(
                "SELECT deliveries.id, notices.id, body, traceparent, failures, since
                 FROM deliveries JOIN notices ON notices.seq = deliveries.notice
                 WHERE endpoint = ?1 AND state = 0 AND due <= ?2 ORDER BY due, deliveries.id LIMIT ?3",
            )?;
            let rows = query.query_map(params![endpoint, now.millis(), limit as i64], due)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Writes down what attempts came to. A delivery that is gone meanwhile, with its endpoint, is passed over.
    pub fn record(&self, attempted: &[Attempted]) -> Result<(), WebhookError> {
        self.write(|it| {
            for attempt in attempted {
                record(it, attempt)?;
            }
            Ok(())
        })
    }
}

fn due(row: &Row<'_>) -> rusqlite::Result<Due> {
    Ok(Due {
        delivery: row.get(0)?,
        notice: row.get(1)?,
        body: row.get(2)?,
        traceparent: row.get(3)?,
        failures: row.get(4)?,
        since: time(row.get(5)?),
    })
}

/// A delivery of a notice to an endpoint; dead at once when there is no room.
fn address(
    transaction: &Transaction<'_>,
    notice: i64,
    endpoint: &str,
    full: bool,
    now: EventTime,
) -> Result<i64, WebhookError> {
    let (state, settled, error) = if full {
        (State::Dead, Some(now.millis()), Some("queue_full"))
    } else {
        (State::Pending, None, None)
    };
    transaction
        .prepare_cached(
            "INSERT INTO deliveries (notice, endpoint, state, since, due, settled_at, error)
             VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6)",
        )?
        .execute(params![
            notice,
            endpoint,
            state as i64,
            now.millis(),
            settled,
            error
        ])?;
    Ok(transaction.last_insert_rowid())
}

fn record(transaction: &Transaction<'_>, attempt: &Attempted) -> Result<(), WebhookError> {
    let at = attempt.at.millis();
    let (state, due, settled) = match attempt.next {
        Next::Delivered => (State::Delivered, at, Some(at)),
        Next::Again(due) => (State::Pending, due.millis(), None),
        Next::Dead => (State::Dead, at, Some(at)),
    };
    let number: Option<i64> = transaction
        .prepare_cached(
            "UPDATE deliveries SET attempts = attempts + 1, failures = failures + (?2 IS NOT NULL),
               state = ?3, due = ?4, settled_at = ?5, error = ?2
             WHERE id = ?1 RETURNING attempts",
        )?
        .query_row(
            params![attempt.delivery, attempt.error, state as i64, due, settled],
            |row| row.get(0),
        )
        .optional()?;
    let Some(number) = number else {
        return Ok(());
    };
    transaction
        .prepare_cached(
            "INSERT INTO attempts (delivery, number, at, latency_ms, status, error, detail)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            attempt.delivery,
            number,
            at,
            attempt.latency.as_millis() as i64,
            attempt.status,
            attempt.error,
            attempt.detail
        ])?;
    transaction
        .prepare_cached("DELETE FROM attempts WHERE delivery = ?1 AND number <= ?2")?
        .execute(params![attempt.delivery, number - ATTEMPTS_KEPT])?;
    Ok(())
}
