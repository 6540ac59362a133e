//! The thread and those it serves: seats are given and taken away here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use node::Node;
use node::node::TenantHandle;
use webhooks::Deliverer;

use crate::round::Round;
use crate::{DeskError, Seat};

/// Where the operator is told what fails.
pub type Tell = Box<dyn Fn(&str) + Send + Sync>;

/// Whom the thread works for.
pub(crate) struct Host {
    pub node: Arc<Node>,
    pub webhooks: Arc<Deliverer>,
    pub tell: Tell,
}

pub struct Desk {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    host: Host,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    seats: BTreeMap<String, Arc<Seat>>,
    /// Tenants that are being erased: none of them is seated.
    leaving: BTreeSet<String>,
    /// Tenants whose files the thread has open.
    open: BTreeSet<String>,
    is_stopping: bool,
}

/// A tenant whose casework is closed, until this is dropped.
pub struct Left<'a> {
    desk: &'a Desk,
    name: String,
}

/// Between two rounds that had nothing to do, and between two that had: the disk is the owners' first.
const IDLE: Duration = Duration::from_millis(100);
const BUSY: Duration = Duration::from_millis(10);
/// What a round of all tenants may take that stands in the way of an erasure.
const LEFT_WITHIN: Duration = Duration::from_secs(30);

impl Desk {
    pub fn start(node: Arc<Node>, webhooks: Arc<Deliverer>, tell: Tell) -> std::io::Result<Desk> {
        let shared = Arc::new(Shared {
            host: Host {
                node,
                webhooks,
                tell,
            },
            state: Mutex::new(State::default()),
            changed: Condvar::new(),
        });
        let own = shared.clone();
        let thread = thread::Builder::new()
            .name("ringfence-desk".to_owned())
            .spawn(move || own.run())?;
        Ok(Desk {
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    pub fn seat(&self, tenant: &Arc<TenantHandle>) -> Result<Arc<Seat>, DeskError> {
        let mut state = self.shared.state();
        if state.leaving.contains(&tenant.name) {
            return Err(DeskError::Leaving);
        }
        Ok(state.seat(tenant))
    }

    /// As many as have been asked for or followed, by name.
    pub fn seats(&self) -> Vec<Arc<Seat>> {
        self.shared.state().seats.values().cloned().collect()
    }

    /// Closes a tenant's casework, so that its files can be destroyed and its name given to another: a
    /// connection that is closed later would look for its files under that name.
    pub fn leave(&self, name: &str) -> Result<Left<'_>, DeskError> {
        let mut state = self.shared.state();
        if !state.leaving.insert(name.to_owned()) {
            return Err(DeskError::Leaving);
        }
        let left = Left {
            desk: self,
            name: name.to_owned(),
        };
        let seat = state.seats.remove(name);
        drop(state);
        if let Some(seat) = seat {
            seat.close();
        }
        let until = Instant::now() + LEFT_WITHIN;
        let mut state = self.shared.state();
        while state.open.contains(name) {
            let rest = until.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                drop(state);
                return Err(DeskError::Busy);
            }
            state = self.shared.wait(state, rest);
        }
        drop(state);
        Ok(left)
    }

    /// Ends the thread after the step it is at. What it had not done is done after the next start.
    pub fn stop(&self) {
        self.shared.state().is_stopping = true;
        self.shared.changed.notify_all();
        let thread = self.thread.lock();
        let thread = thread.unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(panic)) = thread.map(JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, most: Duration) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(state, most);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn run(&self) {
        let mut rounds: BTreeMap<String, Round> = BTreeMap::new();
        while let Some(seats) = self.seated(&mut rounds) {
            let mut busy = false;
            for seat in seats {
                let name = &seat.tenant.name;
                let round = rounds
                    .entry(name.clone())
                    .or_insert_with(|| Round::new(seat.clone()));
                busy |= round.turn(&self.host);
            }
            let state = self.state();
            if !state.is_stopping {
                drop(self.wait(state, if busy { BUSY } else { IDLE }));
            }
        }
        rounds.clear();
        self.state().open.clear();
        self.changed.notify_all();
    }

    /// Who has a turn now; `None`: nobody any more. What is not among them is closed.
    fn seated(&self, rounds: &mut BTreeMap<String, Round>) -> Option<Vec<Arc<Seat>>> {
        let tenants = self.host.node.tenants();
        let mut state = self.state();
        if state.is_stopping {
            return None;
        }
        let present: Vec<&Arc<TenantHandle>> = tenants
            .iter()
            .filter(|tenant| !state.leaving.contains(&tenant.name))
            .collect();
        let seats: Vec<Arc<Seat>> = present.iter().map(|tenant| state.seat(tenant)).collect();
        let names: BTreeSet<String> = present.iter().map(|tenant| tenant.name.clone()).collect();
        state.seats.retain(|name, _| names.contains(name));
        // A tenant that was made anew under an old name has another seat.
        rounds.retain(|_, round| seats.iter().any(|seat| Arc::ptr_eq(seat, round.seat())));
        state.open = names;
        drop(state);
        self.changed.notify_all();
        Some(seats)
    }
}

impl State {
    fn seat(&mut self, tenant: &Arc<TenantHandle>) -> Arc<Seat> {
        let held = self.seats.get(&tenant.name);
        if let Some(seat) = held.filter(|seat| Arc::ptr_eq(&seat.tenant, tenant)) {
            return seat.clone();
        }
        let seat = Arc::new(Seat::new(tenant.clone()));
        self.seats.insert(tenant.name.clone(), seat.clone());
        seat
    }
}

impl Drop for Left<'_> {
    fn drop(&mut self) {
        self.desk.shared.state().leaving.remove(&self.name);
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Desk")
    }
}
