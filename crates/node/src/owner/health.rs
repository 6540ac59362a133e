//! A disk that fails, and the way back: throw memory away, rebuild it from the log, try the disk.

use std::fs::{self, File};
use std::io::{self, Write};
use std::time::{Duration, Instant};

use event::Position;
use log::LogError;

use super::progress::Doing;
use super::{Owner, Shape, Waiting};
use crate::guard::Guard;
use crate::journal::behind::is_disk_failure;
use crate::mailbox::{Found, Wanted};
use crate::quota::Room;
use crate::request::{Failed, NotServing};
use crate::watch::Helper;
use crate::{NodeError, Place, Tenant};

const RETRY_MAX: Duration = Duration::from_secs(60);
/// What the disk must take before writes are accepted again.
const PROBE_BYTES: usize = 1 << 20;

impl Owner {
    /// A failed write or fsync leaves it open what is on disk: nothing in memory is believed any more, and
    /// every answer that still waits becomes a failure that says so.
    pub(super) fn give_up_memory(&mut self, error: &NodeError) {
        self.shared.owner.begin(Doing::Recovering);
        let why = error.to_string();
        self.shared.counters.disk_failures.add(1);
        let status = NotServing::ReadOnly(why.clone());
        self.shared.set_status(Some(status));
        // The log may be opened again only when nobody writes to it any more.
        while self.in_flight {
            let until = Instant::now() + RETRY_MAX;
            if let Found::Synced(synced) = self.shared.mailbox.take(Wanted::SyncedOnly, Some(until))
            {
                // Good or bad, it speaks of a log that is given up.
                drop(synced);
                self.in_flight = false;
            }
        }
        self.tenant = None;
        self.retirement = None;
        self.shared.set_covered(None);
        self.letters = 0;
        let waiting: Vec<Waiting> = self.waiting.give_up().collect();
        for mut held in waiting {
            held.answer = Err(Failed::Storage(why.clone()));
            self.send(held);
        }
        self.retry_at = Some((Instant::now(), self.settings.retry));
    }

    /// Opens the tenant when it is closed, and takes writes again when the disk does.
    pub(super) fn try_again(&mut self) {
        let Some((_, pause)) = self.retry_at else {
            return;
        };
        let again = Some((Instant::now() + pause, (pause * 2).min(RETRY_MAX)));
        if self.tenant.is_none()
            && let Err(error) = self.open()
        {
            let why = NotServing::Unavailable(error.to_string());
            self.shared.set_status(Some(why));
            self.retry_at = again;
            return;
        }
        match probe(&self.place) {
            Ok(()) => {
                self.retry_at = None;
                self.shared.set_status(None);
            }
            Err(error) => {
                let why = NotServing::ReadOnly(error.to_string());
                self.shared.set_status(Some(why));
                self.retry_at = again;
            }
        }
    }

    fn open(&mut self) -> Result<(), NodeError> {
        self.shared.owner.begin(Doing::Opening);
        let options = self.settings.log.clone();
        let (mut tenant, recovered) = Tenant::open(&self.place, options, |_, _| {})?;
        self.shared
            .counters
            .log_first
            .set(tenant.journal().first().0);
        self.shared.set_committed(tenant.committed());
        let (guard, clock) = (self.settings.guard, self.settings.clock.clone());
        tenant.guard_by(Guard::new(guard, clock));
        tenant.shadow_by(self.settings.shadow, self.shared.shadows.clone());
        let counters = self.shared.counters.clone();
        counters.entities_max.set(self.quota.entities_max);
        counters.disk_bytes_max.set(self.quota.bytes_max);
        counters.entities.set(tenant.entities());
        counters.serves(tenant.deciding());
        self.shared.measure(&self.place.log());
        let quota = self.quota;
        tenant.bound_by(Room { quota, counters });
        self.received = self.received.max(tenant.last_received()?);
        self.quiet_since = Instant::now();
        self.snapshot_at = recovered.snapshot.unwrap_or_default();
        self.shared.snapshots.found(self.snapshot_at);
        self.shared.shape.get_or_init(|| Shape {
            schema: tenant.schema().clone(),
            features: tenant.engine().features().clone(),
        });
        tenant.watch_with(Helper {
            thread: self.background.watches(),
            told: self.shared.counters.drift.clone(),
        });
        self.shared.set_watch(tenant.watch().cloned());
        self.tenant = Some(tenant);
        self.shared.warn(recovered.warnings);
        Ok(())
    }

    /// The last of it: everything applied goes to the disk, then the state.
    pub(super) fn finish(&mut self) {
        let newest = self.shared.snapshots.end();
        if let Err(error) = self.settle(newest) {
            self.give_up_memory(&error);
        }
    }

    /// Waits for the group that is on its way.
    pub(super) fn await_disk(&mut self) -> Result<(), NodeError> {
        while self.in_flight {
            let until = Instant::now() + RETRY_MAX;
            if let Found::Synced(synced) = self.shared.mailbox.take(Wanted::SyncedOnly, Some(until))
            {
                self.in_flight = false;
                if let Some(tenant) = &mut self.tenant {
                    let committed = tenant.synced(synced)?;
                    self.release(committed);
                }
            }
        }
        Ok(())
    }

    fn settle(&mut self, newest: Position) -> Result<(), NodeError> {
        self.await_disk()?;
        let Some(tenant) = &mut self.tenant else {
            return Ok(());
        };
        let committed = tenant.commit()?;
        let fresh = tenant.next() > newest;
        self.release(committed);
        if let (true, None, Some(tenant)) = (fresh, self.retry_at, &mut self.tenant) {
            match tenant.snapshot() {
                Ok(_) => self.shared.counters.snapshots.add(1),
                // The next start replays the tail instead.
                Err(error) if is_disk_failure(&error) => {
                    self.shared.counters.snapshot_failures.add(1);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Whether the disk takes a file and keeps it.
fn probe(place: &Place) -> Result<(), NodeError> {
    let path = place.root().join("probe.tmp");
    let write = || -> io::Result<()> {
        let mut file = File::create(&path)?;
        file.write_all(&vec![0; PROBE_BYTES])?;
        file.sync_all()
    };
    let written = write();
    let removed = match fs::remove_file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    written.and(removed).map_err(|source| {
        let (op, path) = ("write", path.clone());
        NodeError::Log(LogError::Io { op, path, source })
    })
}
