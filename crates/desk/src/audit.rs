//! The audit trail of one tenant, written behind its sources: the log, casework, webhooks and retrains, each durable
//! before, and the alerts that the watch over drift derives from the log.
//!
//! What the trail has of a source it says itself (`Trail::last`), so that a writer that comes back writes nothing
//! twice and leaves nothing out. A source that began anew, a log with another schema or a file made again,
//! counts from 0: its places here are its own plus a base, which is the place of the newest `log.base`,
//! `casework.base`, `webhooks.base` or `retrain.base` entry.

mod carry;
mod cursor;
mod entries;
pub mod lives;
mod pause;
mod watched;
mod writer;

use std::time::{Duration, Instant};

use casework::Casework;
use event::{Position, Record};
use node::node::TenantHandle;
use node::{Follower, NodeError};
use trail::{Head, View};
use webhooks::WebhookError;

use crate::Seat;
use crate::desk::{Host, Tell};
use crate::error::Trouble;

pub use carry::{Exchange, carry};
use pause::Pause;
use watched::Watches;
use writer::Writer;

/// What there is of a trail for whoever reads it.
#[derive(Clone, Debug)]
pub struct Written {
    pub view: View,
    pub head: Option<Head>,
    /// The record of the log that comes next: all before it were read.
    pub next: Position,
}

/// Records as casework has just taken them.
pub(crate) struct Seen {
    pub from: Position,
    pub to: Position,
    pub records: Vec<(Position, Record)>,
}

/// A tenant's trail between two turns. A trouble here is its own: casework and decisions go on.
#[derive(Default)]
pub(crate) struct Auditing {
    open: Option<Open>,
    pause: Pause,
    /// Of webhooks alone, while their file cannot be read: log and casework go on.
    webhooks: Pause,
    /// Of retrains alone, in the same way.
    retrains: Pause,
    at: Position,
}

struct Open {
    writer: Writer,
    /// Of its own, while casework is at another place of the log or at none.
    follower: Option<Follower>,
    /// When the cursor was saved last, and where.
    saved: (Instant, Position),
    /// When the files of retrains were read last.
    retrains: Option<Instant>,
    watches: Watches,
}

const BATCH: usize = 1024;
/// A start reads at most what came in between.
const SAVE_EVERY: Duration = Duration::from_secs(10);
/// Steps of retrains take seconds and more.
const READ_EVERY: Duration = Duration::from_secs(1);
const SAVE_RECORDS: u64 = 100_000;

impl Auditing {
    /// Casework is opened afresh, and may be another one than before.
    pub fn meet(&mut self) {
        if let Some(open) = &mut self.open {
            open.writer.forget_casework();
        }
    }

    /// Whether there may be more to do at once.
    pub fn turn(
        &mut self,
        host: &Host,
        seat: &Seat,
        seen: Option<&Seen>,
        casework: Option<&Casework>,
    ) -> bool {
        let tell = &host.tell;
        let tenant = &seat.tenant;
        // Not open yet, or replaying: where its log ends is not known.
        if tenant.shape().is_none() {
            return false;
        }
        let behind = |at: Position| tenant.committed().0.saturating_sub(at.0);
        let counters = &seat.counters;
        if self.pause.lasts() {
            counters.audit_behind.set(behind(self.at));
            return false;
        }
        let turned = self.step(host, seat, seen, casework);
        counters.audit_behind.set(behind(self.at));
        match turned {
            Ok(busy) => {
                if self.pause.end() {
                    tell(&format!(
                        "the audit trail of tenant {} goes on",
                        tenant.name
                    ));
                }
                busy
            }
            Err(trouble) => {
                counters.audit_failures.add(1);
                let trouble = trouble.to_string();
                if self.pause.begin(&trouble) {
                    tell(&format!("audit trail of tenant {}: {trouble}", tenant.name));
                }
                // A failed write leaves it unknown what is on disk: opening it again finds out.
                self.open = None;
                false
            }
        }
    }

    fn step(
        &mut self,
        host: &Host,
        seat: &Seat,
        seen: Option<&Seen>,
        casework: Option<&Casework>,
    ) -> Result<bool, Trouble> {
        let (tell, now) = (&host.tell, host.node.clock().now()?);
        let tenant = &seat.tenant;
        let open = match &mut self.open {
            Some(open) => open,
            empty => {
                let (path, end) = (tenant.place().trail(), tenant.committed());
                let writer = Writer::open(&path, &tenant.name, end, now)?;
                if let Some(cut) = writer.repaired() {
                    tell(&format!(
                        "audit trail of tenant {}: {cut} bytes of an unfinished batch were cut",
                        tenant.name
                    ));
                }
                let saved = (Instant::now(), writer.next());
                empty.insert(Open {
                    writer,
                    follower: None,
                    saved,
                    retrains: None,
                    watches: Watches::default(),
                })
            }
        };
        let before = open.writer.entries();
        let mut busy = open.follow(seat, seen, now, tell)?;
        if let Some(casework) = casework {
            busy |= open.writer.casework(casework, now)?;
        }
        busy |= open.webhooks(&mut self.webhooks, host, seat, now)?;
        open.retrains(&mut self.retrains, host, seat, now)?;
        if let Some(alerts) = open.watches.entries(tenant, open.writer.base()) {
            open.writer.alerts(alerts)?;
        }
        seat.counters
            .audit_entries
            .add(open.writer.entries() - before);
        self.at = open.writer.next();
        seat.show_audit(open.writer.written());
        open.save(tenant, tell);
        Ok(busy)
    }
}

impl Open {
    fn follow(
        &mut self,
        seat: &Seat,
        seen: Option<&Seen>,
        now: event::EventTime,
        tell: &Tell,
    ) -> Result<bool, Trouble> {
        let (next, end) = (self.writer.next(), seat.tenant.committed());
        if let Some(seen) = seen
            && (seen.from..=seen.to).contains(&next)
        {
            self.follower = None;
            self.writer.records(&seen.records)?;
            return Ok(false);
        }
        if next >= end {
            return Ok(false);
        }
        let follower = self
            .follower
            .get_or_insert_with(|| seat.tenant.follower(next));
        follower.skip_to(next);
        let batch = match follower.next_batch(BATCH) {
            Err(NodeError::HistoryRemoved { first }) => {
                follower.skip_to(first);
                seat.counters.audit_skipped.add(first.0 - next.0);
                tell(&format!(
                    "audit trail of tenant {}: positions {} to {} are gone from the log",
                    seat.tenant.name, next.0, first.0
                ));
                self.writer.gap(first, now)?;
                return Ok(true);
            }
            batch => batch?,
        };
        self.writer.records(&batch)?;
        Ok(self.writer.next() < end)
    }

    /// A file that cannot be read holds up nothing but what is in it.
    fn webhooks(
        &mut self,
        pause: &mut Pause,
        host: &Host,
        seat: &Seat,
        now: event::EventTime,
    ) -> Result<bool, Trouble> {
        if pause.lasts() {
            return Ok(false);
        }
        let (tenant, tell) = (&seat.tenant, &host.tell);
        let opened = host.webhooks.open_used(&tenant.name, tenant.place().root());
        let read = opened.map_err(Trouble::from).and_then(|webhooks| {
            let store = webhooks.as_ref().map(|it| it.store());
            self.writer.webhooks(store, now)
        });
        match read {
            // Its files are about to go, or to come back under another schema.
            Err(Trouble::Webhooks(WebhookError::Closed)) => Ok(false),
            Err(trouble @ Trouble::Webhooks(_)) => {
                self.writer.forget_webhooks();
                seat.counters.audit_failures.add(1);
                if pause.begin(&trouble.to_string()) {
                    tell(&format!("audit trail of tenant {}: {trouble}", tenant.name));
                }
                Ok(false)
            }
            Ok(busy) => {
                if pause.end() {
                    tell(&format!(
                        "the audit trail of tenant {} has its webhooks again",
                        tenant.name
                    ));
                }
                Ok(busy)
            }
            failed => failed,
        }
    }

    /// Not at every turn: their files have no cursor.
    fn retrains(
        &mut self,
        pause: &mut Pause,
        host: &Host,
        seat: &Seat,
        now: event::EventTime,
    ) -> Result<(), Trouble> {
        let is_read = self.retrains.is_some_and(|at| at.elapsed() < READ_EVERY);
        if is_read || pause.lasts() {
            return Ok(());
        }
        let (tenant, tell) = (&seat.tenant, &host.tell);
        match self.writer.retrains(tenant.place(), now) {
            Err(trouble @ Trouble::Retrains(_)) => {
                seat.counters.audit_failures.add(1);
                if pause.begin(&trouble.to_string()) {
                    tell(&format!("audit trail of tenant {}: {trouble}", tenant.name));
                }
                Ok(())
            }
            Ok(()) => {
                self.retrains = Some(Instant::now());
                if pause.end() {
                    tell(&format!(
                        "the audit trail of tenant {} has its retrains again",
                        tenant.name
                    ));
                }
                Ok(())
            }
            failed => failed,
        }
    }

    /// A cursor that cannot be saved costs the next start time, and is told.
    fn save(&mut self, tenant: &TenantHandle, tell: &Tell) {
        let (when, at) = self.saved;
        let next = self.writer.next();
        let far = next.0 - at.0 >= SAVE_RECORDS;
        if next == at || !far && when.elapsed() < SAVE_EVERY {
            return;
        }
        if let Err(error) = self.writer.save() {
            tell(&format!(
                "audit trail of tenant {}: cannot save how far the log was read: {error}",
                tenant.name
            ));
        }
        self.saved = (Instant::now(), next);
    }
}
