//! Secrets of an endpoint: several are valid while one replaces another.

use event::EventTime;
use rusqlite::{Connection, Transaction, params};

use super::changes::{note, noted};
use super::endpoints::{endpoint, fresh_id};
use super::{Store, time};
use crate::endpoint::{By, SecretNote};
use crate::error::{Invalid, WebhookError, What};
use crate::secret::Secret;

/// Each is a signature in the header of every delivery.
pub const SECRETS_MAX: usize = 4;

impl Store {
    pub fn add_secret(
        &self,
        endpoint_id: &str,
        secret: &Secret,
        by: &By,
    ) -> Result<SecretNote, WebhookError> {
        by.check()?;
        self.write_durably(|it| {
            let held = endpoint(it, endpoint_id)?.secrets;
            if held.iter().filter(|held| is_valid(held, by.at)).count() >= SECRETS_MAX {
                return Err(WebhookError::TooManySecrets { max: SECRETS_MAX });
            }
            // What has ended signs nothing any more.
            it.execute(
                "DELETE FROM secrets WHERE endpoint = ?1 AND expires_at <= ?2",
                params![endpoint_id, by.at.millis()],
            )?;
            let made = insert(it, endpoint_id, secret, by.at)?;
            let after = Some(noted(endpoint_id, &made));
            note(it, by, ("secret.added", &made.id), None, after)?;
            Ok(made)
        })
    }

    /// Gives a secret an end. One without an end always remains, so that nothing is ever sent unsigned.
    pub fn end_secret(
        &self,
        endpoint_id: &str,
        secret: &str,
        at: EventTime,
        by: &By,
    ) -> Result<SecretNote, WebhookError> {
        by.check()?;
        if at < by.at {
            let got = at.to_string();
            return Err(Invalid::ExpiresInPast { got }.into());
        }
        self.write_durably(|it| {
            let held = endpoint(it, endpoint_id)?.secrets;
            let found = held.iter().find(|held| held.id == secret);
            let found = found.ok_or(WebhookError::Unknown(What::Secret))?;
            let lasts = |held: &&SecretNote| held.expires_at.is_none() && held.id != secret;
            if !held.iter().any(|held| lasts(&held)) {
                return Err(WebhookError::LastSecret);
            }
            it.execute(
                "UPDATE secrets SET expires_at = ?2 WHERE id = ?1",
                params![secret, at.millis()],
            )?;
            let ended = SecretNote {
                expires_at: Some(at),
                ..found.clone()
            };
            let (before, after) = (noted(endpoint_id, found), noted(endpoint_id, &ended));
            note(it, by, ("secret.ended", secret), Some(before), Some(after))?;
            Ok(ended)
        })
    }
}

fn is_valid(secret: &SecretNote, now: EventTime) -> bool {
    secret.expires_at.is_none_or(|end| end > now)
}

pub fn insert(
    transaction: &Transaction<'_>,
    endpoint: &str,
    secret: &Secret,
    at: EventTime,
) -> Result<SecretNote, WebhookError> {
    let id = fresh_id("sec_")?;
    transaction.execute(
        "INSERT INTO secrets (id, endpoint, key, created_at) VALUES (?1, ?2, ?3, ?4)",
        params![id, endpoint, secret.bytes(), at.millis()],
    )?;
    Ok(SecretNote {
        id,
        created_at: at,
        expires_at: None,
    })
}

pub fn notes(connection: &Connection, endpoint: &str) -> Result<Vec<SecretNote>, WebhookError> {
    let mut query = connection.prepare_cached(
        "SELECT id, created_at, expires_at FROM secrets WHERE endpoint = ?1 ORDER BY created_at, id",
    )?;
    let rows = query.query_map([endpoint], |row| {
        Ok(SecretNote {
            id: row.get(0)?,
            created_at: time(row.get(1)?),
            expires_at: row.get::<_, Option<i64>>(2)?.map(time),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The newest first.
pub fn valid(
    connection: &Connection,
    endpoint: &str,
    now: EventTime,
) -> Result<Vec<Secret>, WebhookError> {
    let mut query = connection.prepare_cached(
        "SELECT key FROM secrets WHERE endpoint = ?1 AND (expires_at IS NULL OR expires_at > ?2)
         ORDER BY created_at DESC, id",
    )?;
    let keys = query.query_map(params![endpoint, now.millis()], |row| {
        row.get::<_, Vec<u8>>(0)
    })?;
    keys.map(|key| Ok(Secret::from_bytes(key?)?)).collect()
}
