//! The trail and where it stands in its sources.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use casework::Casework;
use event::{EventTime, Position, Record};
use node::Place;
use serde_json::json;
use steward::job::changes;
use trail::{Entry, Options, Trail, TrailError};
use webhooks::Store;

use super::Written;
use super::cursor::{self, Cursor};
use super::entries::{self, Bodies, CASEWORK, DRIFT, LOG, RETRAIN, WEBHOOKS, noticed};
use crate::error::Trouble;

/// The source whose places say from where those of the log are counted.
pub(super) const LOG_BASE: &str = "log.base";

/// A source that is a file of numbered changes; one that was made anew numbers them from 1 again.
struct Numbered {
    name: &'static str,
    /// The source whose places say from where its own are counted.
    base: &'static str,
    /// What is told when it was made anew.
    anew: &'static str,
}

const OF_CASEWORK: Numbered = Numbered {
    name: CASEWORK,
    base: "casework.base",
    anew: "casework.anew",
};
const OF_WEBHOOKS: Numbered = Numbered {
    name: WEBHOOKS,
    base: "webhooks.base",
    anew: "webhooks.anew",
};
const OF_RETRAINS: Numbered = Numbered {
    name: RETRAIN,
    base: "retrain.base",
    anew: "retrain.anew",
};
/// Changes that are read at once.
const CHANGES: usize = 512;

pub(super) struct Writer {
    dir: PathBuf,
    trail: Trail,
    base: u64,
    next: Position,
    bodies: Bodies,
    /// Files that are known to be those the trail has followed.
    met: BTreeSet<&'static str>,
}

impl Writer {
    /// Opens the trail of a tenant whose log ends at `end`.
    pub fn open(
        dir: &Path,
        tenant: &str,
        end: Position,
        now: EventTime,
    ) -> Result<Writer, Trouble> {
        let trail = match Trail::open(dir, tenant, Options::default()) {
            // Restored under another name: the chain keeps the name that it began with.
            Err(TrailError::OtherTenant { held, .. }) => {
                Trail::open(dir, &held, Options::default())?
            }
            opened => opened?,
        };
        let mut writer = Writer {
            dir: dir.to_path_buf(),
            base: trail.last(LOG_BASE).unwrap_or(0),
            trail,
            next: Position(0),
            bodies: Bodies::new(),
            met: BTreeSet::new(),
        };
        let seen = writer.trail.last(LOG).filter(|it| *it >= writer.base);
        if let Some(seen) = seen.filter(|seen| *seen >= writer.base + end.0) {
            // A repair has cut the log: what comes now has positions that others had before.
            let lost = json!({ "log_ends": end.0, "entries_up_to": seen - writer.base });
            let base = seen + 1 - end.0;
            let cut = noticed("log.cut", now, lost, (LOG_BASE, base));
            writer.append(&[cut])?;
            writer.base = base;
        }
        if let Some(held) = cursor::load(dir, writer.base, writer.entries(), end) {
            writer.next = Position(held.next);
            writer.bodies = held.bodies;
        }
        Ok(writer)
    }

    /// Bytes that opening has cut.
    pub fn repaired(&self) -> Option<u64> {
        self.trail.repaired().map(|it| it.bytes)
    }

    /// The record of the log that comes next.
    pub fn next(&self) -> Position {
        self.next
    }

    pub fn entries(&self) -> u64 {
        self.trail.head().map_or(0, |head| head.seq)
    }

    pub fn written(&self) -> Written {
        Written {
            view: self.trail.view(),
            head: self.trail.head(),
            next: self.next,
        }
    }

    /// Takes records in the order of the log; those that it has had are passed over.
    pub fn records(&mut self, records: &[(Position, Record)]) -> Result<(), Trouble> {
        let last = self.trail.last(LOG);
        let mut found = Vec::new();
        let mut next = self.next;
        for (position, record) in records.iter().filter(|it| it.0 >= self.next) {
            let place = position.0 + self.base;
            // Also of what the trail has: it is what the next change replaces.
            let entry = entries::of_record(record, &mut self.bodies, place);
            found.extend(entry.filter(|_| last.is_none_or(|last| place > last)));
            next = Position(position.0 + 1);
        }
        self.append(&found)?;
        self.next = next;
        Ok(())
    }

    /// Retention has let go of what comes before `first`.
    pub fn gap(&mut self, first: Position, now: EventTime) -> Result<(), Trouble> {
        let place = (first.0 + self.base).saturating_sub(1);
        let last = self.trail.last(LOG);
        if last.is_none_or(|last| place > last) {
            // What the trail has an entry of was read, whatever the cursor says.
            let has = last.map_or(0, |last| (last + 1).saturating_sub(self.base));
            let gone = json!({ "from": self.next.0.max(has), "to": first.0 });
            self.append(&[noticed("log.gap", now, gone, (LOG, place))])?;
        }
        self.next = first;
        Ok(())
    }

    /// Another log has taken the place of this one; who did it is in `entry`, whose source is set here.
    pub fn log_replaced(&mut self, mut entry: Entry) -> Result<(), Trouble> {
        let last = self.trail.last(LOG).map_or(0, |last| last + 1);
        let base = last.max(self.base + 1);
        LOG_BASE.clone_into(&mut entry.source.name);
        entry.source.seq = base;
        self.append(&[entry])?;
        (self.base, self.next) = (base, Position(0));
        Ok(())
    }

    /// The next casework may be another one.
    pub fn forget_casework(&mut self) {
        self.met.remove(OF_CASEWORK.name);
    }

    /// The next file of webhooks may be another one.
    pub fn forget_webhooks(&mut self) {
        self.met.remove(OF_WEBHOOKS.name);
    }

    /// What casework has that the trail has not; whether there may be more.
    pub fn casework(&mut self, casework: &Casework, now: EventTime) -> Result<bool, Trouble> {
        let newest = || Ok(casework.last_change()? as u64);
        let (base, after) = self.reached(&OF_CASEWORK, newest, now)?;
        let changes = casework.changes_after(after as i64, CHANGES)?;
        let found = changes.iter();
        let found = found.map(|change| entries::of_change(change, base + change.seq as u64));
        self.append(&found.collect::<Vec<_>>())?;
        Ok(changes.len() == CHANGES)
    }

    /// The same of webhooks; `None`: the tenant has had none.
    pub fn webhooks(&mut self, webhooks: Option<&Store>, now: EventTime) -> Result<bool, Trouble> {
        let newest = || Ok(webhooks.map_or(Ok(0), Store::last_change)?);
        let (base, after) = self.reached(&OF_WEBHOOKS, newest, now)?;
        let Some(webhooks) = webhooks else {
            self.forget_webhooks();
            return Ok(false);
        };
        let changes = webhooks.changes_after(after, CHANGES)?;
        let found = changes.iter();
        let found = found.map(|change| entries::of_webhook(change, base + change.seq));
        self.append(&found.collect::<Vec<_>>())?;
        Ok(changes.len() == CHANGES)
    }

    /// The same of retrains, whose files are their source.
    pub fn retrains(&mut self, place: &Place, now: EventTime) -> Result<(), Trouble> {
        let newest = || Ok(changes::last_change(place)?);
        let (base, after) = self.reached(&OF_RETRAINS, newest, now)?;
        let changes = changes::changes_after(place, after)?;
        let found = changes.iter();
        let found = found.map(|change| entries::of_retrain(change, base + change.seq));
        self.append(&found.collect::<Vec<_>>())
    }

    /// What positions of the log are counted from.
    pub fn base(&self) -> u64 {
        self.base
    }

    /// Alerts of drift; those that the trail has are passed over.
    pub fn alerts(&mut self, mut found: Vec<Entry>) -> Result<(), Trouble> {
        let last = self.trail.last(DRIFT);
        found.retain(|it| last.is_none_or(|last| it.source.seq > last));
        self.append(&found)
    }

    /// What the source's numbers are counted from, and the last one that the trail has.
    fn reached(
        &mut self,
        source: &Numbered,
        newest: impl FnOnce() -> Result<u64, Trouble>,
        now: EventTime,
    ) -> Result<(u64, u64), Trouble> {
        let base = self.trail.last(source.base).unwrap_or(0);
        let last = self.trail.last(source.name);
        let after = last.filter(|last| *last > base).map_or(0, |it| it - base);
        if !self.met.contains(source.name) && newest()? < after {
            return Ok((self.anew(source, now)?, 0));
        }
        self.met.insert(source.name);
        Ok((base, after))
    }

    pub fn casework_anew(&mut self, now: EventTime) -> Result<u64, Trouble> {
        self.anew(&OF_CASEWORK, now)
    }

    /// A source was made anew: from now on its numbers count from above all that were.
    fn anew(&mut self, source: &Numbered, now: EventTime) -> Result<u64, Trouble> {
        let held = self.trail.last(source.base).unwrap_or(0);
        let base = self.trail.last(source.name).unwrap_or(0).max(held) + 1;
        let anew = noticed(source.anew, now, json!({}), (source.base, base));
        self.append(&[anew])?;
        Ok(base)
    }

    /// How far the log was read, for the next start.
    pub fn save(&self) -> std::io::Result<()> {
        let cursor = Cursor {
            next: self.next.0,
            base: self.base,
            entries: self.entries(),
            bodies: self.bodies.clone(),
        };
        cursor::save(&self.dir, &cursor)
    }

    fn append(&mut self, found: &[Entry]) -> Result<(), Trouble> {
        for batch in entries::batches(found) {
            self.trail.append(batch)?;
        }
        Ok(())
    }
}
