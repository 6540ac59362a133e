//! The thread that follows every tenant's log for [`super::Days`], behind the owners and after all that serves.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use node::Node;
use node::background::{self, Priority};

use super::turn::{Told, Turn};

/// Where the operator is told what fails.
pub(super) type Tell = Box<dyn Fn(&str) + Send + Sync>;

/// By tenant.
type Turns = BTreeMap<String, Turn>;

pub struct Decay {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<Turns>>>,
}

struct Shared {
    node: Arc<Node>,
    tell: Tell,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    told: BTreeMap<String, Told>,
    is_stopping: bool,
}

/// Between two rounds that had nothing to do, and between two that had: the disk is the owners' first.
const IDLE: Duration = Duration::from_secs(1);
const BUSY: Duration = Duration::from_millis(10);

impl Decay {
    pub fn start(node: Arc<Node>, priority: Priority, tell: Tell) -> std::io::Result<Decay> {
        let shared = Arc::new(Shared {
            node,
            tell,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let own = shared.clone();
        let thread = thread::Builder::new()
            .name("ringfence-decay".to_owned())
            .spawn(move || {
                background::step_back(priority);
                own.run()
            })?;
        Ok(Decay {
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Of one tenant; nothing before its log was read.
    pub fn of(&self, tenant: &str) -> Told {
        let told = self.shared.state().told.get(tenant).cloned();
        told.unwrap_or_default()
    }

    /// Of each tenant, by name.
    pub fn all(&self) -> BTreeMap<String, Told> {
        self.shared.state().told.clone()
    }

    /// Ends the thread, and writes down what it knows.
    pub fn stop(&self) {
        self.shared.state().is_stopping = true;
        self.shared.changed.notify_all();
        let thread = self.thread.lock();
        let thread = thread.unwrap_or_else(PoisonError::into_inner).take();
        match thread.map(JoinHandle::join) {
            Some(Ok(mut turns)) => {
                self.shared.seat(&mut turns);
                // Here and not there: that thread may have to wait for whoever else uses the machine.
                for mut turn in turns.into_values() {
                    turn.save(&self.shared.tell);
                }
            }
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => {}
        }
    }
}

impl Drop for Decay {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Decay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decay")
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) -> Turns {
        let mut turns = Turns::new();
        loop {
            self.seat(&mut turns);
            let mut is_busy = false;
            for (name, turn) in &mut turns {
                is_busy |= turn.take(&self.tell);
                if let Some(told) = turn.told() {
                    self.state().told.insert(name.clone(), told);
                }
            }
            let state = self.state();
            if state.is_stopping {
                return turns;
            }
            let pause = if is_busy { BUSY } else { IDLE };
            let waited = self.changed.wait_timeout(state, pause);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// A tenant that is gone, or another one under its name, is forgotten.
    fn seat(&self, turns: &mut Turns) {
        let tenants = self.node.tenants();
        let stays = |name: &str, held: &Turn| {
            let mut all = tenants.iter();
            all.any(|it| it.name == name && held.is_of(it))
        };
        turns.retain(|name, held| stays(name, held));
        self.state().told.retain(|name, _| turns.contains_key(name));
        for tenant in tenants {
            let seat = turns.entry(tenant.name.clone());
            seat.or_insert_with(|| Turn::new(tenant));
        }
    }
}
