//! Endpoints: made, changed, removed.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::changes::{drafted, note};
use super::secrets::{self, insert};
use super::{Store, time};
use crate::endpoint::{By, Draft, Endpoint, Kinds};
use crate::error::{WebhookError, What};
use crate::notice::Kind;
use crate::secret::Secret;

impl Store {
    pub fn create(
        &self,
        draft: &Draft,
        secret: &Secret,
        by: &By,
    ) -> Result<Endpoint, WebhookError> {
        draft.check(&self.settings.reach)?;
        by.check()?;
        let id = fresh_id("ep_")?;
        self.write_durably(|it| {
            let held: i64 = it.query_row("SELECT count(*) FROM endpoints", [], |row| row.get(0))?;
            let max = self.settings.endpoints_max;
            if held as usize >= max {
                return Err(WebhookError::TooManyEndpoints { max });
            }
            it.execute(
                "INSERT INTO endpoints (id, url, kinds, description, enabled, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    id,
                    draft.url,
                    draft.kinds.names().join(" "),
                    draft.description,
                    draft.enabled,
                    by.at.millis()
                ],
            )?;
            insert(it, &id, secret, by.at)?;
            note(
                it,
                by,
                ("endpoint.created", &id),
                None,
                Some(drafted(draft)),
            )?;
            endpoint(it, &id)
        })
    }

    pub fn change(&self, id: &str, draft: &Draft, by: &By) -> Result<Endpoint, WebhookError> {
        draft.check(&self.settings.reach)?;
        by.check()?;
        self.write_durably(|it| {
            let before = drafted(&endpoint(it, id)?.draft);
            it.execute(
                "UPDATE endpoints SET url = ?2, kinds = ?3, description = ?4, enabled = ?5 WHERE id = ?1",
                params![
                    id,
                    draft.url,
                    draft.kinds.names().join(" "),
                    draft.description,
                    draft.enabled
                ],
            )?;
            let after = Some(drafted(draft));
            note(it, by, ("endpoint.changed", id), Some(before), after)?;
            endpoint(it, id)
        })
    }

    /// With its secrets and all of its deliveries.
    pub fn remove(&self, id: &str, by: &By) -> Result<(), WebhookError> {
        by.check()?;
        self.write_durably(|it| {
            let before = drafted(&endpoint(it, id)?.draft);
            it.execute("DELETE FROM endpoints WHERE id = ?1", [id])?;
            note(it, by, ("endpoint.removed", id), Some(before), None)
        })
    }

    /// The kinds that somebody listens to now.
    pub fn wanted(&self) -> Result<BTreeSet<Kind>, WebhookError> {
        self.read(|it| {
            let all = listening(it)?;
            let wants = |kind: &Kind| all.iter().any(|(_, kinds)| kinds.has(*kind));
            Ok(Kind::ALL.into_iter().filter(wants).collect())
        })
    }

    pub fn endpoint(&self, id: &str) -> Result<Endpoint, WebhookError> {
        self.read(|it| endpoint(it, id))
    }

    /// In the order of their making.
    pub fn endpoints(&self) -> Result<Vec<Endpoint>, WebhookError> {
        self.read(|it| {
            let mut query =
                it.prepare_cached("SELECT id FROM endpoints ORDER BY created_at, id")?;
            let ids = query.query_map([], |row| row.get::<_, String>(0))?;
            ids.map(|id| endpoint(it, &id?)).collect()
        })
    }
}

pub fn endpoint(connection: &Connection, id: &str) -> Result<Endpoint, WebhookError> {
    let mut query = connection.prepare_cached(
        "SELECT *,
           (SELECT count(*) FROM deliveries WHERE endpoint = endpoints.id AND state = 0) AS pending,
           (SELECT count(*) FROM deliveries WHERE endpoint = endpoints.id AND state = 2) AS dead
         FROM endpoints WHERE id = ?1",
    )?;
    let found = query.query_row([id], read).optional()?;
    let mut found = found.ok_or(WebhookError::Unknown(What::Endpoint))?;
    found.secrets = secrets::notes(connection, id)?;
    Ok(found)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Endpoint> {
    Ok(Endpoint {
        id: row.get("id")?,
        draft: Draft {
            url: row.get("url")?,
            kinds: kinds(&row.get::<_, String>("kinds")?),
            description: row.get("description")?,
            enabled: row.get("enabled")?,
        },
        created_at: time(row.get("created_at")?),
        secrets: Vec::new(),
        pending: row.get::<_, i64>("pending")? as u64,
        dead: row.get::<_, i64>("dead")? as u64,
        lost: row.get::<_, i64>("lost")? as u64,
    })
}

/// As they were checked when they were written; a kind that this program does not know is left out.
pub fn kinds(text: &str) -> Kinds {
    match text {
        "*" => Kinds::Every,
        names => Kinds::These(names.split(' ').filter_map(Kind::parse).collect()),
    }
}

/// A prefix and 16 random digits.
pub fn fresh_id(prefix: &str) -> Result<String, WebhookError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(std::io::Error::from)?;
    Ok(format!("{prefix}{:016x}", u64::from_be_bytes(bytes)))
}

/// Who is told of something now, with what they want to hear.
pub fn listening(connection: &Connection) -> Result<Vec<(String, Kinds)>, WebhookError> {
    let mut query =
        connection.prepare_cached("SELECT id, kinds FROM endpoints WHERE enabled ORDER BY id")?;
    let rows = query.query_map([], |row| {
        Ok((row.get(0)?, kinds(&row.get::<_, String>(1)?)))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
