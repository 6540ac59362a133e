//! The queue: open cases by what they may cost, and who may take the next.

use event::EventTime;
use rusqlite::{Connection, OptionalExtension};

use crate::case::{COLUMNS, Case, read};
use crate::error::CaseworkError;
use crate::store::Casework;

/// Which part of the cases a list is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shelf {
    /// Open, and not snoozed.
    #[default]
    Queue,
    Snoozed,
    Closed,
    /// Open or snoozed.
    Open,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueFilter {
    pub shelf: Shelf,
    pub skill: Option<String>,
    pub tag: Option<String>,
    /// Assigned to, or held by.
    pub person: Option<String>,
    pub priority_min: Option<i64>,
    /// Past its due time, or not.
    pub breached: Option<bool>,
    /// Behind the case with this priority and id: the cursor.
    pub after: Option<(i64, i64)>,
}

/// What a person would take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claimable {
    pub skill: Option<String>,
    pub tag: Option<String>,
    pub priority_min: Option<i64>,
}

/// Counts of a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueStand {
    pub open: u64,
    pub breached: u64,
}

impl Shelf {
    pub const ALL: [Shelf; 4] = [Shelf::Queue, Shelf::Snoozed, Shelf::Closed, Shelf::Open];

    pub fn name(self) -> &'static str {
        match self {
            Shelf::Queue => "queue",
            Shelf::Snoozed => "snoozed",
            Shelf::Closed => "closed",
            Shelf::Open => "open",
        }
    }

    fn condition(self) -> &'static str {
        match self {
            Shelf::Queue => "status = 'open' AND (snoozed_until IS NULL OR snoozed_until <= ?1)",
            Shelf::Snoozed => "status = 'open' AND snoozed_until > ?1",
            Shelf::Closed => "status = 'closed' AND ?1 IS NOT NULL",
            Shelf::Open => "status = 'open' AND ?1 IS NOT NULL",
        }
    }
}

impl Casework {
    /// The most expensive first. A case whose priority changes while pages are turned may be seen twice or
    /// not at all.
    pub fn queue(
        &self,
        filter: &QueueFilter,
        now: EventTime,
        limit: usize,
    ) -> Result<Vec<Case>, CaseworkError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM cases WHERE {} AND (?2 IS NULL OR skill = ?2)
            AND (?3 IS NULL OR EXISTS (SELECT 1 FROM case_tags WHERE case_id = cases.id AND tag = ?3))
            AND (?4 IS NULL OR assignee = ?4 OR (holder = ?4 AND held_until > ?1))
            AND (?5 IS NULL OR priority >= ?5) AND (?6 IS NULL OR (due_at < ?1) = ?6)
            AND (priority, -id) < (?7, ?8) ORDER BY priority DESC, id LIMIT ?9",
            filter.shelf.condition()
        );
        let (priority, id) = filter.after.unwrap_or((i64::MAX, 0));
        let mut statement = self.db.prepare_cached(&sql)?;
        let parameters = (
            now.millis(),
            &filter.skill,
            &filter.tag,
            &filter.person,
            filter.priority_min,
            filter.breached,
            priority,
            -id,
            limit as i64,
        );
        let rows = statement.query_map(parameters, read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    pub fn queue_stand(&self, now: EventTime) -> Result<QueueStand, CaseworkError> {
        let sql =
            "SELECT COUNT(*), COUNT(*) FILTER (WHERE due_at < ?1) FROM cases WHERE status = 'open'";
        let read = |row: &rusqlite::Row| -> rusqlite::Result<QueueStand> {
            let (open, breached): (i64, i64) = (row.get(0)?, row.get(1)?);
            Ok(QueueStand {
                open: open as u64,
                breached: breached as u64,
            })
        };
        Ok(self
            .db
            .prepare_cached(sql)?
            .query_row([now.millis()], read)?)
    }
}

/// Nobody else holds it or has it assigned, and it is not snoozed.
pub(crate) fn next_claimable(
    db: &Connection,
    me: &str,
    which: &Claimable,
    now: EventTime,
) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT id FROM cases WHERE status = 'open' AND (snoozed_until IS NULL OR snoozed_until <= ?1)
        AND (holder IS NULL OR held_until <= ?1) AND (assignee IS NULL OR assignee = ?2)
        AND (?3 IS NULL OR skill = ?3)
        AND (?4 IS NULL OR EXISTS (SELECT 1 FROM case_tags WHERE case_id = cases.id AND tag = ?4))
        AND (?5 IS NULL OR priority >= ?5) ORDER BY priority DESC, id LIMIT 1";
    db.prepare_cached(sql)?
        .query_row(
            (
                now.millis(),
                me,
                &which.skill,
                &which.tag,
                which.priority_min,
            ),
            |row| row.get(0),
        )
        .optional()
}
