//! What is removed: settled deliveries that are old or too many, and notices that nobody waits for.

use event::{EventTime, Span};
use rusqlite::{Transaction, params};

use super::Store;
use crate::error::WebhookError;

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Given up by their age.
    pub expired: u64,
    pub removed: u64,
}

impl Store {
    pub fn sweep(&self, now: EventTime) -> Result<Swept, WebhookError> {
        let before = |age: std::time::Duration| {
            let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
            now.minus(Span::from_millis(age)).millis()
        };
        let (too_old, kept_from) = (
            before(self.settings.retry.give_up_after),
            before(self.settings.keep),
        );
        self.write(|it| {
            // An endpoint that is disabled, or whose breaker is open, has no attempt that would end them.
            let expired = it
                .prepare_cached(
                    "UPDATE deliveries SET state = 2, settled_at = ?1, error = 'too_old'
                     WHERE state = 0 AND since <= ?2",
                )?
                .execute(params![now.millis(), too_old])?;
            let mut removed = 0;
            let ids: Vec<String> = it
                .prepare_cached("SELECT id FROM endpoints")?
                .query_map([], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            for endpoint in ids {
                removed += self.trim(it, &endpoint, kept_from)?;
            }
            it.prepare_cached(
                "DELETE FROM notices WHERE NOT EXISTS
                   (SELECT 1 FROM deliveries WHERE notice = notices.seq)",
            )?
            .execute([])?;
            Ok(Swept {
                expired: expired as u64,
                removed,
            })
        })
    }

    /// Removes what was settled before a time, and beyond `rows_max` the oldest; dead ones are counted as lost.
    fn trim(
        &self,
        transaction: &Transaction<'_>,
        endpoint: &str,
        kept_from: i64,
    ) -> Result<u64, WebhookError> {
        let max = self.settings.rows_max as i64;
        let cut: i64 = transaction
            .prepare_cached(
                "SELECT coalesce((SELECT id FROM deliveries WHERE endpoint = ?1 AND state > 0
                                  ORDER BY id DESC LIMIT 1 OFFSET ?2), 0)",
            )?
            .query_row(params![endpoint, max], |row| row.get(0))?;
        let lost = transaction
            .prepare_cached(
                "DELETE FROM deliveries WHERE endpoint = ?1 AND state = 2 AND (settled_at < ?2 OR id <= ?3)",
            )?
            .execute(params![endpoint, kept_from, cut])?;
        transaction
            .prepare_cached("UPDATE endpoints SET lost = lost + ?2 WHERE id = ?1")?
            .execute(params![endpoint, lost as i64])?;
        let delivered = transaction
            .prepare_cached(
                "DELETE FROM deliveries WHERE endpoint = ?1 AND state = 1 AND (settled_at < ?2 OR id <= ?3)",
            )?
            .execute(params![endpoint, kept_from, cut])?;
        Ok((lost + delivered) as u64)
    }
}
