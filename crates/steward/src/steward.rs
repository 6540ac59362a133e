//! The thread that sees to the retrains of all tenants of a node, one child at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use node::Node;
use node::node::TenantHandle;
use serde_json::Value;

use crate::course::{Facts, Rules, Step};
use crate::job::{self, Answer, Ended, Job, Order, Trigger};
use crate::metrics::Tally;
use crate::round::Round;
use crate::{Refused, StewardError};

/// What a server lets retrains do.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub enabled: bool,
    /// Between the beginnings of two; `None`: only when they are asked for.
    pub every: Option<Duration>,
    /// After one has ended, before another begins that nobody asked for.
    pub cool_down: Duration,
    pub rules: Rules,
    /// What every order asks of its child.
    pub request: Value,
}

/// The program of a tenant's job, or why there is none.
pub type Start = Box<dyn Fn(&str, &Job, usize) -> Result<Command, String> + Send + Sync>;

/// What the steward knows of the process that it is part of.
pub struct Host {
    /// The child of a tenant's job, for the examination with this number.
    pub child: Start,
    /// Where the operator is told what becomes of retrains, and what fails.
    pub tell: Box<dyn Fn(&str) + Send + Sync>,
}

pub struct Steward {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

pub(crate) struct Shared {
    pub node: Arc<Node>,
    pub settings: Settings,
    pub host: Host,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Tenants that are being erased: nothing of theirs is touched.
    leaving: BTreeSet<String>,
    /// Tenants whose files the thread may be at, and the one whose child works.
    open: BTreeSet<String>,
    tallies: BTreeMap<String, Tally>,
    is_stopping: bool,
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
        let thread = named.spawn(move || own.run())?;
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
        let state = self.shared.state();
        if state.leaving.contains(&tenant.name) {
            return Err(Refused::Leaving);
        }
        if let Some(job) = job::newest(tenant.place(), true)?
            && job.outcome()?.is_none()
        {
            return Err(Refused::Running(job.id));
        }
        let order = Order {
            at: now,
            by: by.to_owned(),
            why: why.to_owned(),
            trigger: Trigger::Command,
            attended: true,
            request: settings.request.clone(),
        };
        let job = job::begin(tenant.place(), &order)?;
        drop(state);
        self.shared.changed.notify_all();
        Ok(job)
    }

    /// What somebody says to a candidate that waits for it.
    pub fn answer(
        &self,
        tenant: &TenantHandle,
        id: u64,
        (approved, by, why): (bool, &str, &str),
    ) -> Result<Job, Refused> {
        let now = self.shared.now()?;
        let state = self.shared.state();
        if state.leaving.contains(&tenant.name) {
            return Err(Refused::Leaving);
        }
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
        drop(state);
        self.shared.changed.notify_all();
        Ok(job)
    }

    /// A job with where it stands.
    pub fn value(&self, job: &Job) -> Result<Value, StewardError> {
        self.shared.value(job)
    }

    /// Of each tenant that had a turn or a retrain, by name.
    pub fn tallies(&self) -> BTreeMap<String, Tally> {
        self.shared.state().tallies.clone()
    }

    /// Ends a tenant's child and keeps away from its files, so that they can be destroyed.
    pub fn leave(&self, name: &str) -> Result<Left<'_>, Refused> {
        let until = Instant::now() + LEFT_WITHIN;
        let mut state = self.shared.state();
        if !state.leaving.insert(name.to_owned()) {
            return Err(Refused::Leaving);
        }
        let left = Left {
            steward: self,
            name: name.to_owned(),
        };
        self.shared.changed.notify_all();
        while state.open.contains(name) {
            let rest = until.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                drop(state);
                return Err(Refused::Leaving);
            }
            state = self.shared.wait(state, rest);
        }
        state.tallies.remove(name);
        drop(state);
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

impl Shared {
    pub fn new(node: Arc<Node>, settings: Settings, host: Host) -> Shared {
        Shared {
            node,
            settings,
            host,
            state: Mutex::new(State::default()),
            changed: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, most: Duration) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(state, most);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    pub fn now(&self) -> Result<i64, StewardError> {
        let now = self.node.clock().now();
        now.map(|now| now.millis())
            .map_err(|error| StewardError::Clock(error.to_string()))
    }

    /// A job with where it stands.
    pub fn value(&self, job: &Job) -> Result<Value, StewardError> {
        let mut value = job.value()?;
        let (facts, now) = (Facts::of(job)?, self.now()?);
        let step = match facts.next(self.settings.rules, now) {
            // The last attempt is counted when it begins.
            Step::End {
                ended: Ended::Failed,
                ..
            } if job.is_worked_on()? => Step::Work {
                exam: facts.verdicts.len(),
            },
            step => step,
        };
        value["status"] = Value::from(step.name());
        Ok(value)
    }

    pub fn count(&self, tenant: &str, ended: Ended, at: i64) {
        let mut state = self.state();
        let tally = state.tallies.entry(tenant.to_owned()).or_default();
        *tally.ended.entry(ended).or_default() += 1;
        if ended == Ended::Promoted {
            tally.promoted_at = Some(at);
        }
    }

    /// What its files say of a tenant that is new here.
    pub fn recall(&self, tenant: &TenantHandle) -> Result<(), StewardError> {
        if self.state().tallies.contains_key(&tenant.name) {
            return Ok(());
        }
        let promoted_at = job::last_promoted(tenant.place())?;
        let mut state = self.state();
        let tally = state.tallies.entry(tenant.name.clone()).or_default();
        tally.promoted_at = promoted_at;
        Ok(())
    }

    fn run(&self) {
        let mut round = Round::new(self);
        while let Some(tenants) = self.present(&mut round) {
            for tenant in tenants {
                round.turn(&tenant);
            }
            let state = self.state();
            if !state.is_stopping {
                drop(self.wait(state, LOOK_EVERY));
            }
        }
        round.keep(&[]);
        self.state().open.clear();
        self.changed.notify_all();
    }

    /// Who has a turn now; `None`: nobody any more. The child of one that leaves is ended.
    fn present(&self, round: &mut Round<'_>) -> Option<Vec<Arc<TenantHandle>>> {
        let mut tenants = self.node.tenants();
        let mut state = self.state();
        if state.is_stopping {
            return None;
        }
        tenants.retain(|tenant| !state.leaving.contains(&tenant.name));
        state.open = tenants.iter().map(|it| it.name.clone()).collect();
        round.keep(&tenants);
        drop(state);
        self.changed.notify_all();
        Some(tenants)
    }
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
