//! What the steward's thread shares with those who order, answer and count.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use node::node::TenantHandle;
use node::{Node, Place};
use serde_json::{Value, json};

use crate::course::{Facts, Step};
use crate::job::{self, Ended, Job, Order};
use crate::metrics::Tally;
use crate::stepped::Stepped;
use crate::steward::{Host, Settings};
use crate::{Refused, StewardError};

pub(crate) struct Shared {
    pub node: Arc<Node>,
    pub settings: Settings,
    pub host: Host,
    state: Mutex<State>,
    pub changed: Condvar,
    /// Held while a job is begun or answered, which waits for the disk; before `state` where both are.
    ordering: Mutex<()>,
    /// Of their own: whoever reads metrics waits for nobody.
    tallies: Mutex<BTreeMap<String, Tally>>,
}

/// Never held over a file or a child.
#[derive(Default)]
pub(crate) struct State {
    /// Tenants that are being erased: nothing of theirs is touched.
    pub leaving: BTreeSet<String>,
    /// Tenants whose files the thread may be at, and the one whose child works.
    pub open: BTreeSet<String>,
    /// Tenants of which something was ordered or answered since the last round.
    pub stirred: BTreeSet<String>,
    pub is_stopping: bool,
}

/// The right to begin or answer a job of a tenant: what was looked at stays so until this is dropped.
pub(crate) struct Ordering<'a> {
    shared: &'a Shared,
    place: &'a Place,
    name: &'a str,
    _alone: MutexGuard<'a, ()>,
}

impl Shared {
    pub fn new(node: Arc<Node>, settings: Settings, host: Host) -> Shared {
        Shared {
            node,
            settings,
            host,
            state: Mutex::default(),
            changed: Condvar::new(),
            ordering: Mutex::default(),
            tallies: Mutex::default(),
        }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn tallies(&self) -> MutexGuard<'_, BTreeMap<String, Tally>> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn alone(&self) -> MutexGuard<'_, ()> {
        self.ordering.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn wait<'a>(&self, state: MutexGuard<'a, State>, most: Duration) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(state, most);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    pub fn ordering<'a>(&'a self, tenant: &'a TenantHandle) -> Result<Ordering<'a>, Refused> {
        let alone = self.alone();
        if self.state().leaving.contains(&tenant.name) {
            return Err(Refused::Leaving);
        }
        Ok(Ordering {
            shared: self,
            place: tenant.place(),
            name: &tenant.name,
            _alone: alone,
        })
    }

    pub fn now(&self) -> Result<i64, StewardError> {
        let now = self.node.clock().now();
        now.map(|now| now.millis())
            .map_err(|error| StewardError::Clock(error.to_string()))
    }

    /// Tells whoever draws them which steps of a job are over.
    pub fn stepped(
        &self,
        tenant: &TenantHandle,
        job: &Job,
        steps: impl FnOnce(i64) -> Result<Vec<Stepped>, StewardError>,
    ) -> Result<(), StewardError> {
        let steps = steps(self.now()?)?;
        (self.host.stepped)(&tenant.name, job, &steps);
        Ok(())
    }

    /// A job with where it stands; one whose files cannot be read says so in its place.
    pub fn told(&self, job: &Job) -> Value {
        self.value(job).unwrap_or_else(
            |error| json!({ "id": job.id, "status": "damaged", "says": error.without_paths() }),
        )
    }

    fn value(&self, job: &Job) -> Result<Value, StewardError> {
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
        self.tally(tenant, |tally| {
            *tally.ended.entry(ended).or_default() += 1;
            if ended == Ended::Promoted {
                tally.promoted_at = Some(at);
            }
        });
    }

    pub fn tally(&self, tenant: &str, change: impl FnOnce(&mut Tally)) {
        let mut tallies = self.tallies();
        change(tallies.entry(tenant.to_owned()).or_default());
    }

    /// What its files say of a tenant that is new here.
    pub fn recall(&self, tenant: &TenantHandle) -> Result<(), StewardError> {
        if self
            .tallies()
            .get(&tenant.name)
            .is_some_and(|it| it.is_recalled)
        {
            return Ok(());
        }
        let promoted_at = job::last_promoted(tenant.place())?;
        self.tally(&tenant.name, |tally| {
            tally.promoted_at = promoted_at;
            tally.is_recalled = true;
        });
        Ok(())
    }
}

impl Ordering<'_> {
    /// The newest job that a server sees to, and whether it is open.
    pub fn newest(&self) -> Result<Option<(Job, bool)>, StewardError> {
        let Some(job) = job::newest(self.place, true)? else {
            return Ok(None);
        };
        let is_open = job.outcome()?.is_none();
        Ok(Some((job, is_open)))
    }

    pub fn begin(&self, order: &Order) -> Result<Job, StewardError> {
        let job = job::begin(self.place, order)?;
        self.shared.tally(self.name, |tally| {
            *tally.begun.entry(order.trigger.name()).or_default() += 1;
        });
        self.stir();
        Ok(job)
    }

    /// Has the thread look at the tenant at once.
    pub fn stir(&self) {
        self.shared.state().stirred.insert(self.name.to_owned());
        self.shared.changed.notify_all();
    }
}
