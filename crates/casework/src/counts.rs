//! What the log tells of labels and rules, counted as it comes: how long labels take by source, and how often a rule
//! was right.

use std::collections::BTreeMap;

use event::Position;
use event::record::{Decision, Label, RuleOutcome, Verdict};
use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;

use crate::error::CaseworkError;
use crate::follow::id_of;
use crate::store::Casework;

/// Events at which a rule held that are remembered for their label: some sixty bytes each.
pub const HITS_MAX: i64 = 1_000_000;
const HOUR_MS: i64 = 3_600_000;

/// How long labels of one source took.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Delays {
    pub source: String,
    pub labels: u64,
    pub frauds: u64,
    /// Half, nine in ten and 99 in a hundred came within so many hours.
    pub hours_p50: i64,
    pub hours_p90: i64,
    pub hours_p99: i64,
}

/// A rule of one version of the rules, by the log so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleCounts {
    pub rule: String,
    pub matched: i64,
    pub shadow: i64,
    pub errors: i64,
    /// Labelled events among those at which it held, in shadow or not.
    pub frauds: i64,
    pub legitimate: i64,
}

impl Casework {
    /// By source; corrections count like first labels.
    pub fn label_delays(&self) -> Result<Vec<Delays>, CaseworkError> {
        let sql = "SELECT source, verdict, hours, labels FROM label_delays ORDER BY source, hours";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| {
            let verdict: String = row.get(1)?;
            let fraud = verdict == Verdict::Fraud.name();
            Ok((row.get(0)?, fraud, row.get(2)?, row.get(3)?))
        })?;
        let mut sources: BTreeMap<String, Vec<(bool, i64, i64)>> = BTreeMap::new();
        for row in rows {
            let (source, fraud, hours, labels): (String, bool, i64, i64) = row?;
            sources
                .entry(source)
                .or_default()
                .push((fraud, hours, labels));
        }
        Ok(sources
            .into_iter()
            .map(|(source, rows)| Delays::of(source, &rows))
            .collect())
    }

    pub fn rule_counts(&self, version: u32) -> Result<Vec<RuleCounts>, CaseworkError> {
        let sql = "SELECT rule, matched, shadow, errors, frauds, legitimate FROM rule_counts
            WHERE version = ?1 ORDER BY rule";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map([version], |row| {
            Ok(RuleCounts {
                rule: row.get(0)?,
                matched: row.get(1)?,
                shadow: row.get(2)?,
                errors: row.get(3)?,
                frauds: row.get(4)?,
                legitimate: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Forgets the oldest hits beyond the bound: a label that comes for one later is not counted.
    pub fn forget_hits(&mut self) -> Result<(), CaseworkError> {
        let sql = "DELETE FROM rule_hits WHERE position <= (
            SELECT position FROM rule_hits ORDER BY position DESC LIMIT 1 OFFSET ?1)";
        self.db.prepare_cached(sql)?.execute([HITS_MAX])?;
        Ok(())
    }
}

impl Delays {
    fn of(source: String, rows: &[(bool, i64, i64)]) -> Delays {
        let labels: i64 = rows.iter().map(|(.., labels)| labels).sum();
        let frauds = rows.iter().filter(|(fraud, ..)| *fraud);
        let within = |share: f64| {
            let wanted = (labels as f64 * share).ceil() as i64;
            let mut so_far = 0;
            let found = rows.iter().find(|(.., labels)| {
                so_far += labels;
                so_far >= wanted
            });
            found.map_or(0, |(_, hours, _)| *hours)
        };
        Delays {
            labels: labels as u64,
            frauds: frauds.map(|(.., labels)| *labels as u64).sum(),
            hours_p50: within(0.5),
            hours_p90: within(0.9),
            hours_p99: within(0.99),
            source,
        }
    }
}

pub(crate) fn decided(db: &Connection, decision: &Decision) -> rusqlite::Result<()> {
    let rules = &decision.findings.rules;
    if rules.is_empty() {
        return Ok(());
    }
    let version = decision.rules_version;
    for hit in rules {
        let [matched, shadow, errors] = match hit.outcome {
            RuleOutcome::Matched => [1, 0, 0],
            RuleOutcome::Shadow => [0, 1, 0],
            RuleOutcome::Error => [0, 0, 1],
        };
        let sql =
            "INSERT INTO rule_counts VALUES (?1, ?2, ?3, ?4, ?5, 0, 0) ON CONFLICT DO UPDATE SET
            matched = matched + excluded.matched, shadow = shadow + excluded.shadow,
            errors = errors + excluded.errors";
        db.prepare_cached(sql)?
            .execute((version, hit.rule.as_str(), matched, shadow, errors))?;
    }
    let held = rules.iter().filter(|hit| hit.outcome != RuleOutcome::Error);
    let names: Vec<&str> = held.map(|hit| hit.rule.as_str()).collect();
    if names.is_empty() {
        return Ok(());
    }
    let sql = "INSERT OR REPLACE INTO rule_hits (position, version, rules) VALUES (?1, ?2, ?3)";
    // Ids of rules hold no space.
    let position = id_of(decision.event_position);
    db.prepare_cached(sql)?
        .execute((position, version, names.join(" ")))?;
    Ok(())
}

pub(crate) fn labelled(db: &Connection, label: &Label) -> rusqlite::Result<()> {
    let subject = &label.subject;
    let delay = label
        .label_timestamp
        .since(subject.event_timestamp)
        .millis();
    let hours = (delay / HOUR_MS).max(0);
    let sql = "INSERT INTO label_delays VALUES (?1, ?2, ?3, 1)
        ON CONFLICT DO UPDATE SET labels = labels + 1";
    db.prepare_cached(sql)?
        .execute((label.source.name(), label.verdict.name(), hours))?;
    rules_of(db, subject.position, label.verdict)
}

/// Counts a label for the rules that held at its event; a correction takes the one before it back.
fn rules_of(db: &Connection, position: Position, verdict: Verdict) -> rusqlite::Result<()> {
    let sql = "SELECT version, rules, label FROM rule_hits WHERE position = ?1";
    let held = db
        .prepare_cached(sql)?
        .query_row([id_of(position)], |row| {
            let (version, rules): (i64, String) = (row.get(0)?, row.get(1)?);
            let label: Option<String> = row.get(2)?;
            Ok((version, rules, label))
        })
        .optional()?;
    let Some((version, rules, before)) = held else {
        return Ok(());
    };
    let share = |of: Option<&str>, wanted: Verdict| i64::from(of == Some(wanted.name()));
    let now = Some(verdict.name());
    let change = |wanted| share(now, wanted) - share(before.as_deref(), wanted);
    let (frauds, legitimate) = (change(Verdict::Fraud), change(Verdict::Legitimate));
    for rule in rules.split(' ') {
        let sql = "UPDATE rule_counts SET frauds = frauds + ?3, legitimate = legitimate + ?4
            WHERE version = ?1 AND rule = ?2";
        db.prepare_cached(sql)?
            .execute((version, rule, frauds, legitimate))?;
    }
    let sql = "UPDATE rule_hits SET label = ?2 WHERE position = ?1";
    db.prepare_cached(sql)?
        .execute((id_of(position), verdict.name()))?;
    Ok(())
}
