//! Delivers what waits, of all tenants, on threads of its own: one for its tasks, a few for the disk and for names.
//!
//! A tenant's task (`deliverer/rounds.rs`) looks at what is due, starts attempts within the bounds, and writes down
//! what they came to. What is on its way when the process ends is still pending, and is tried again: at least once.
//! Deliveries run beside each other and are tried again later, so their order at the receiver is not promised.

mod rounds;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use event::EventTime;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::attempt::Connector;
use crate::counters::Counters;
use crate::error::WebhookError;
use crate::notice::Notice;
use crate::settings::Settings;
use crate::store::outbox::Taken;
use crate::store::{FILE, Store};

/// What the process lends.
pub struct Host {
    pub clock: Box<dyn Fn() -> EventTime + Send + Sync>,
    /// For the operator's eyes; never content of a notice.
    pub tell: Box<dyn Fn(String) + Send + Sync>,
}

pub struct Deliverer {
    /// Taken when it stops.
    runtime: Mutex<Option<Runtime>>,
    shared: Arc<Shared>,
    tenants: Mutex<Tenants>,
    stop: watch::Sender<bool>,
}

/// What all tenants' tasks see.
struct Shared {
    settings: Settings,
    host: Host,
    connector: Connector,
    /// Attempts at once, of all tenants.
    places: Arc<Semaphore>,
    counters: Counters,
}

#[derive(Default)]
struct Tenants {
    open: BTreeMap<String, Seat>,
    /// Not opened again until they are admitted.
    barred: BTreeSet<String>,
}

struct Seat {
    tenant: Arc<Tenant>,
    task: JoinHandle<()>,
}

/// A tenant's webhooks, open.
pub struct Tenant {
    pub name: String,
    store: Store,
    wake: Notify,
    /// Of its endpoints' breakers, as of the last round: `closed`, `open` or `half_open`.
    breakers: Mutex<BTreeMap<String, &'static str>>,
}

/// More than [`crate::attempt::Connector`] uses for names, so that a name server never stands before the disk.
const BLOCKING_THREADS: usize = 16;
const _: () = assert!(crate::attempt::LOOKUPS_MAX * 2 <= BLOCKING_THREADS);

impl Deliverer {
    pub fn start(settings: Settings, host: Host) -> Result<Deliverer, WebhookError> {
        let connector = Connector::new(&settings)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(BLOCKING_THREADS)
            .thread_name("ringfence-hooks")
            .enable_io()
            .enable_time()
            .build()?;
        let shared = Shared {
            places: Arc::new(Semaphore::new(settings.at_once.all)),
            settings,
            host,
            connector,
            counters: Counters::default(),
        };
        Ok(Deliverer {
            runtime: Mutex::new(Some(runtime)),
            shared: Arc::new(shared),
            tenants: Mutex::default(),
            stop: watch::Sender::new(false),
        })
    }

    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// Endpoints that are left alone for a while, of all tenants.
    pub fn breakers_open(&self) -> u64 {
        let tenants = self.tenants();
        let open = tenants
            .open
            .values()
            .map(|seat| seat.tenant.breakers_open());
        open.sum()
    }

    /// A tenant's webhooks, opened (and made) in its directory at the first time; what waits in them is delivered
    /// from then on. Touches the disk.
    pub fn open(&self, name: &str, directory: &Path) -> Result<Arc<Tenant>, WebhookError> {
        let mut tenants = self.tenants();
        if let Some(seat) = tenants.open.get(name) {
            return Ok(seat.tenant.clone());
        }
        if tenants.barred.contains(name) {
            return Err(WebhookError::Closed);
        }
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        let runtime = runtime.as_ref().ok_or(WebhookError::Closed)?;
        let tenant = Arc::new(Tenant {
            name: name.to_owned(),
            store: Store::open(directory, self.shared.settings.clone())?,
            wake: Notify::new(),
            breakers: Mutex::default(),
        });
        let rounds = rounds::run(tenant.clone(), self.shared.clone(), self.stop.subscribe());
        let task = runtime.spawn(rounds);
        let seat = Seat {
            tenant: tenant.clone(),
            task,
        };
        tenants.open.insert(name.to_owned(), seat);
        Ok(tenant)
    }

    /// [`Deliverer::open`] of a tenant that has had an endpoint; `None`: it has not, and nothing is made.
    pub fn open_used(
        &self,
        name: &str,
        directory: &Path,
    ) -> Result<Option<Arc<Tenant>>, WebhookError> {
        match directory.join(FILE).try_exists()? {
            true => self.open(name, directory).map(Some),
            false => Ok(None),
        }
    }

    /// Closes a tenant's file and keeps it closed, before its files are destroyed. Attempts on their way are broken off.
    pub fn bar(&self, name: &str) {
        let mut tenants = self.tenants();
        tenants.barred.insert(name.to_owned());
        if let Some(seat) = tenants.open.remove(name) {
            seat.task.abort();
            seat.tenant.store.close();
        }
    }

    /// A tenant of this name may be opened again.
    pub fn admit(&self, name: &str) {
        self.tenants().barred.remove(name);
    }

    /// Begins no further attempt, and gives those on their way so long to end. The rest stays pending.
    pub fn stop(&self, within: Duration) {
        self.stop.send_replace(true);
        let runtime = self
            .runtime
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(runtime) = runtime else { return };
        let seats = std::mem::take(&mut self.tenants().open);
        let (tasks, tenants): (Vec<_>, Vec<_>) = seats
            .into_values()
            .map(|seat| (seat.task, seat.tenant))
            .unzip();
        runtime.block_on(async {
            let ended = timeout(within, async {
                for task in tasks {
                    // One that panicked has nothing more to write.
                    let _ = task.await;
                }
            });
            // Past its time an attempt is broken off, and its delivery still pending.
            let _ = ended.await;
        });
        for tenant in tenants {
            tenant.store.close();
        }
        runtime.shutdown_background();
    }

    fn tenants(&self) -> MutexGuard<'_, Tenants> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Deliverer {
    fn drop(&mut self) {
        let runtime = self.runtime.get_mut();
        let runtime = runtime.unwrap_or_else(PoisonError::into_inner).take();
        // Not waited for: it may be dropped by a task.
        if let Some(runtime) = runtime {
            runtime.shutdown_background();
        }
    }
}

impl Tenant {
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// After a change that makes something due.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// [`Store::take_in`], and what it made due is delivered.
    pub fn take_in(
        &self,
        source: &str,
        upto: u64,
        notices: &[Notice],
        now: EventTime,
    ) -> Result<Taken, WebhookError> {
        let taken = self.store.take_in(source, upto, notices, now)?;
        if taken.pending > 0 {
            self.wake();
        }
        Ok(taken)
    }

    fn breakers_open(&self) -> u64 {
        let breakers = self.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        breakers
            .values()
            .filter(|state| **state != "closed")
            .count() as u64
    }

    /// Of an endpoint that was never tried: closed.
    pub fn breaker(&self, endpoint: &str) -> &'static str {
        let breakers = self.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        breakers.get(endpoint).copied().unwrap_or("closed")
    }
}
