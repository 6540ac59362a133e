//! The thread that sees to the retrains of all tenants of a node, one child at a time.

use std::collections::BTreeMap;
use std::fmt;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use node::Node;
use node::node::TenantHandle;
use serde_json::Value;

use crate::Refused;
use crate::course::{Facts, Rules, Step};
use crate::job::{self, Answer, Job, Order, Trigger};
use crate::metrics::Tally;
use crate::occasion::Occasion;
use crate::round::Round;
use crate::shared::Shared;
use crate::stepped::Stepped;

/// What a server lets retrains do.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub enabled: bool,
    /// Between the beginnings of two; `None`: only when they are asked for.
    pub every: Option<Duration>,
    /// Whether an alert of drift begins one.
    pub on_drift: bool,
    /// After one has ended, before another begins that nobody asked for.
    pub cool_down: Duration,
    pub rules: Rules,
    /// What every order asks of its child.
    pub request: Value,
}

/// The program of a tenant's job, or why there is none.
pub type Start = Box<dyn Fn(&str, &Job, usize) -> Result<Command, String> + Send + Sync>;

pub type Steps = Box<dyn Fn(&str, &Job, &[Stepped]) + Send + Sync>;

/// What the steward knows of the process that it is part of.
pub struct Host {
    /// The child of a tenant's job, for the examination with this number.
    pub child: Start,
    /// Where the operator is told what becomes of retrains, and what fails.
    pub tell: Box<dyn Fn(&str) + Send + Sync>,
    /// Where steps of a tenant's job are told when they are over.
    pub stepped: Steps,
}

pub struct Steward {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// A tenant whose retrains rest, until this is dropped.
pub struct Left<'a> {
    steward: &'a Steward,
    name: String,
}

/// Between two looks at the jobs: they take minutes, and a look reads a few small files.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LEFT_WITHIN: Duration = Duration::from_secs(30);

impl Steward {
    pub fn new(node: Arc<Node>, settings: Settings, host: Host) -> Steward {
        Steward {
            shared: Arc::new(Shared::new(node, settings, host)),
            thread: Mutex::new(None),
        }
    }

    /// Starts the thread, where there is something for it to see to.
    pub fn start(&self) -> std::io::Result<()> {
        if !self.shared.settings.enabled {
            return Ok(());
        }
        let own = self.shared.clone();
        // A child dies with the thread that started it: this one lives as long as the server.
        let named = thread::Builder::new().name("ringfence-steward".to_owned());
        let thread = named.spawn(move || run(&own))?;
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(())
    }

    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// Begins a retrain by somebody's wish.
    pub fn order(&self, tenant: &TenantHandle, by: &str, why: &str) -> Result<Job, Refused> {
        let settings = &self.shared.settings;
        if !settings.enabled {
            return Err(Refused::Off);
        }
        let now = self.shared.now()?;
        let ordering = self.shared.ordering(tenant)?;
        if let Some((job, true)) = ordering.newest()? {
            return Err(Refused::Running(job.id));
        }
        let faults = Occasion::of(tenant).faults;
        if !faults.is_empty() {
            return Err(Refused::Faults(faults));
        }
        let order = Order {
            at: now,
            by: by.to_owned(),
            why: why.to_owned(),
            trigger: Trigger::Command,
            seen: tenant.committed().0,
            attended: true,
            request: settings.request.clone(),
        };
        Ok(ordering.begin(&order)?)
    }

    /// What somebody says to a candidate that waits for it.
    pub fn answer(
        &self,
        tenant: &TenantHandle,
        id: u64,
        (approved, by, why): (bool, &str, &str),
    ) -> Result<Job, Refused> {
        let now = self.shared.now()?;
        let ordering = self.shared.ordering(tenant)?;
        let job = job::one(tenant.place(), id)?;
        let step = Facts::of(&job)?.next(self.shared.settings.rules, now);
        if step != Step::WaitForApproval {
            return Err(Refused::NotWaiting(step.name()));
        }
        job.record_answer(&Answer {
            approved,
            by: by.to_owned(),
            why: why.to_owned(),
            at: now,
        })?;
        ordering.stir();
        Ok(job)
    }

    /// A job with where it stands; one whose files cannot be read says so in its place.
    pub fn told(&self, job: &Job) -> Value {
        self.shared.told(job)
    }

    /// What keeps a tenant's retrains waiting, if something does that the thread came upon.
    pub fn trouble(&self, tenant: &TenantHandle) -> Option<String> {
        self.shared.tallies().get(&tenant.name)?.trouble.clone()
    }

    /// Of each tenant that had a turn or a retrain, by name.
    pub fn tallies(&self) -> BTreeMap<String, Tally> {
        self.shared.tallies().clone()
    }

    /// Ends a tenant's child and keeps away from its files, so that they can be destroyed.
    pub fn leave(&self, name: &str) -> Result<Left<'_>, Refused> {
        let until = Instant::now() + LEFT_WITHIN;
        if !self.shared.state().leaving.insert(name.to_owned()) {
            return Err(Refused::Leaving);
        }
        let left = Left {
            steward: self,
            name: name.to_owned(),
        };
        // Whoever had begun to order has ended by then, and nobody begins any more.
        drop(self.shared.alone());
        self.shared.changed.notify_all();
        let mut state = self.shared.state();
        while state.open.contains(name) {
            let rest = until.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                drop(state);
                return Err(Refused::Leaving);
            }
            state = self.shared.wait(state, rest);
        }
        drop(state);
        self.shared.tallies().remove(name);
        Ok(left)
    }

    /// Ends the thread, and the child that works. Jobs go on after the next start.
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

fn run(shared: &Shared) {
    let mut round = Round::new(shared);
    while let Some(tenants) = present(shared, &mut round) {
        for tenant in tenants {
            round.turn(&tenant);
        }
        let state = shared.state();
        if !state.is_stopping && state.stirred.is_empty() {
            drop(shared.wait(state, LOOK_EVERY));
        }
    }
    round.keep(&[]);
    shared.state().open.clear();
    shared.changed.notify_all();
}

/// Who has a turn now; `None`: nobody any more. The child of one that leaves is ended, with nothing held meanwhile.
fn present(shared: &Shared, round: &mut Round<'_>) -> Option<Vec<Arc<TenantHandle>>> {
    let mut tenants = shared.node.tenants();
    let stirred = {
        let mut state = shared.state();
        if state.is_stopping {
            return None;
        }
        tenants.retain(|it| !state.leaving.contains(&it.name));
        std::mem::take(&mut state.stirred)
    };
    round.keep(&tenants);
    for name in &stirred {
        round.wake(name);
    }
    let mut state = shared.state();
    // One that has begun to leave by now waits for its child to be ended, at the next look.
    tenants.retain(|it| !state.leaving.contains(&it.name));
    state.open = tenants.iter().map(|it| it.name.clone()).collect();
    state.open.extend(round.at_work().map(str::to_owned));
    drop(state);
    shared.changed.notify_all();
    Some(tenants)
}

impl Drop for Left<'_> {
    fn drop(&mut self) {
        self.steward.shared.state().leaving.remove(&self.name);
    }
}

impl Drop for Steward {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Steward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Steward")
    }
}
