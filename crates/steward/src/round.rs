//! A turn of one tenant: its open job is moved on by one step, or a new one is due.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use node::node::TenantHandle;

use crate::child::Worker;
use crate::course::{Facts, Step};
use crate::job::{self, Alone, Ended, Job, Order, Trigger};
use crate::occasion::Occasion;
use crate::shared::Shared;
use crate::{Refused, StewardError};

mod service;
#[cfg(test)]
mod tests;

pub(crate) struct Round<'a> {
    shared: &'a Shared,
    running: Option<Running>,
    /// Until when (wall clock, ms) there is nothing to do for a tenant; but for what [`Round::wake`] is told.
    rests: BTreeMap<String, i64>,
    /// What each tenant's watch said at its last turn: something else is looked at, however long the rest.
    seen: BTreeMap<String, Occasion>,
    /// The trouble of each tenant that the operator knows of.
    told: BTreeMap<String, String>,
}

/// The child that works.
struct Running {
    tenant: Arc<TenantHandle>,
    job: Job,
    exam: usize,
    worker: Worker,
    _alone: Alone,
}

/// After what could not be done.
const RETRY_MS: i64 = 5_000;
/// Between two looks at whether a candidate still is in shadow.
const WATCH_MS: i64 = 60_000;
/// Until it is woken.
const NEVER: i64 = i64::MAX;
/// As a program of ours ends that could not do its work and said why.
const EXIT_FAILED: i32 = 1;
/// Who promotes where nobody is asked; the audit trail takes such a name for the system's.
pub const AUTHOR: &str = "retrain";

impl Round<'_> {
    pub fn new(shared: &Shared) -> Round<'_> {
        Round {
            shared,
            running: None,
            rests: BTreeMap::new(),
            seen: BTreeMap::new(),
            told: BTreeMap::new(),
        }
    }

    /// Ends the child of a tenant that is not among these, and forgets what was known of such.
    pub fn keep(&mut self, tenants: &[Arc<TenantHandle>]) {
        let names: BTreeSet<&str> = tenants.iter().map(|it| it.name.as_str()).collect();
        self.rests.retain(|name, _| names.contains(name.as_str()));
        self.seen.retain(|name, _| names.contains(name.as_str()));
        self.told.retain(|name, _| names.contains(name.as_str()));
        let stays = |it: &Running| tenants.iter().any(|own| Arc::ptr_eq(own, &it.tenant));
        if self.running.as_ref().is_none_or(stays) {
            return;
        }
        let Some(running) = self.running.take() else {
            return;
        };
        self.rests.clear();
        let name = running.tenant.name.clone();
        if let Err(error) = running.stop() {
            (self.shared.host.tell)(&format!("tenant {name}: {error}"));
        }
    }

    /// The tenant whose child works.
    pub fn at_work(&self) -> Option<&str> {
        self.running.as_ref().map(|it| it.tenant.name.as_str())
    }

    /// Something was ordered or answered.
    pub fn wake(&mut self, name: &str) {
        self.rests.remove(name);
    }

    pub fn turn(&mut self, tenant: &Arc<TenantHandle>) {
        self.turn_on(tenant, &Occasion::of(tenant));
    }

    fn turn_on(&mut self, tenant: &Arc<TenantHandle>, occasion: &Occasion) {
        if self.seen.get(&tenant.name) != Some(occasion) {
            self.seen.insert(tenant.name.clone(), occasion.clone());
            self.wake(&tenant.name);
            let is_blocked = !occasion.faults.is_empty();
            self.shared
                .tally(&tenant.name, |tally| tally.is_blocked = is_blocked);
        }
        match self.look(tenant, occasion) {
            Ok(()) => {}
            Err(error) => self.tell(tenant, &error),
        }
    }

    /// Files are read when there may be something to do, and not at every look.
    fn look(
        &mut self,
        tenant: &Arc<TenantHandle>,
        occasion: &Occasion,
    ) -> Result<(), StewardError> {
        if tenant.status().is_some() || self.look_at_child(tenant)? {
            return Ok(());
        }
        let now = self.shared.now()?;
        if self.rests.get(&tenant.name).is_some_and(|it| now < *it) {
            return Ok(());
        }
        self.rests.insert(tenant.name.clone(), now + RETRY_MS);
        let rest = self.go_on(tenant, occasion, now)?;
        self.rests.insert(tenant.name.clone(), rest);
        if self.told.remove(&tenant.name).is_some() {
            self.shared
                .tally(&tenant.name, |tally| tally.trouble = None);
        }
        Ok(())
    }

    fn tell(&mut self, tenant: &TenantHandle, error: &StewardError) {
        let trouble = error.to_string();
        let before = self.told.insert(tenant.name.clone(), trouble.clone());
        if before.as_ref() != Some(&trouble) {
            let may_leave = error.without_paths();
            self.shared
                .tally(&tenant.name, |tally| tally.trouble = Some(may_leave));
            (self.shared.host.tell)(&format!("tenant {}: retrains wait: {trouble}", tenant.name));
        }
    }

    /// One step; until when there is none to be taken.
    fn go_on(
        &mut self,
        tenant: &Arc<TenantHandle>,
        occasion: &Occasion,
        now: i64,
    ) -> Result<i64, StewardError> {
        self.shared.recall(tenant)?;
        let newest = job::newest(tenant.place(), true)?;
        let open = match &newest {
            Some(job) => job.outcome()?.is_none(),
            None => false,
        };
        let Some(job) = newest.filter(|_| open) else {
            return self.schedule(tenant, occasion, now);
        };
        let facts = Facts::of(&job)?;
        let is_judged = !facts.verdicts.is_empty();
        match facts.next(self.shared.settings.rules, now) {
            // When that one ends, everybody looks again.
            Step::Work { .. } if self.running.is_some() => return Ok(NEVER),
            Step::Work { .. } if is_judged && self.candidate(tenant, &job)?.is_none() => {}
            // It would learn from faulty data, or be judged on them; a person who says yes has seen it.
            Step::Work { .. } | Step::Promote
                if !occasion.faults.is_empty() && facts.answer.is_none() =>
            {
                return Err(StewardError::Faults(occasion.faults.clone()));
            }
            Step::Promote if occasion.is_blind && facts.answer.is_none() => {
                return Err(StewardError::Blind);
            }
            Step::Work { .. } | Step::Promote
                if is_judged
                    && facts.answer.is_none()
                    && !self.is_watched(tenant, &job, now)? => {}
            Step::Work { exam } => self.work(tenant, &job, exam)?,
            Step::EnterShadow => self.enter_shadow(tenant, &job)?,
            Step::Promote => self.promote(tenant, &job)?,
            // A child that found another champion has failed; the job is void, which is something else.
            Step::End { ended, .. }
                if ended == Ended::Failed
                    && is_judged
                    && self.candidate(tenant, &job)?.is_none() => {}
            Step::End { ended, says } => self.end(tenant, &job, ended, says)?,
            // Who takes it out of shadow has not to wait for the end to see that it was understood.
            Step::Wait { .. } if self.candidate(tenant, &job)?.is_none() => {}
            Step::Wait { until } => return Ok(until.min(now + WATCH_MS)),
            Step::WaitForApproval | Step::Over(_) => return Ok(NEVER),
        }
        Ok(now)
    }

    /// Begins a job that is due, by drift or by the schedule; until when none is.
    fn schedule(
        &self,
        tenant: &TenantHandle,
        occasion: &Occasion,
        now: i64,
    ) -> Result<i64, StewardError> {
        let settings = &self.shared.settings;
        let may_drift = settings.on_drift && !occasion.drift.is_empty();
        if settings.every.is_none() && !may_drift {
            return Ok(NEVER);
        }
        let ordering = match self.shared.ordering(tenant) {
            Ok(ordering) => ordering,
            Err(Refused::Failed(error)) => return Err(error),
            Err(_) => return Ok(now),
        };
        // Somebody may have ordered one since it was looked.
        let (began, ended, seen) = match ordering.newest()? {
            Some((_, true)) => return Ok(now),
            Some((job, false)) => {
                let (order, outcome) = (job.order()?, job.outcome()?);
                (Some(order.at), outcome.map_or(now, |it| it.at), order.seen)
            }
            None => (None, 0, 0),
        };
        let drifted = occasion.unanswered(seen).filter(|_| may_drift);
        let rested = later(ended, settings.cool_down);
        let due = match (drifted, settings.every) {
            (Some(_), _) => rested,
            (None, None) => return Ok(NEVER),
            (None, Some(every)) => {
                let from = match began {
                    Some(began) => began,
                    None => job::waiting_since(tenant.place(), now)?,
                };
                rested.max(later(from, every))
            }
        };
        if now < due {
            return Ok(due);
        }
        if !occasion.faults.is_empty() {
            return Err(StewardError::Faults(occasion.faults.clone()));
        }
        if occasion.is_blind {
            return Err(StewardError::Blind);
        }
        ordering.begin(&Order {
            at: now,
            by: AUTHOR.to_owned(),
            why: String::new(),
            trigger: match drifted {
                Some((sign, others)) => Trigger::Drift {
                    sign: sign.clone(),
                    others,
                },
                None => Trigger::Schedule,
            },
            seen: tenant.committed().0,
            attended: true,
            request: settings.request.clone(),
        })?;
        Ok(now)
    }

    fn work(
        &mut self,
        tenant: &Arc<TenantHandle>,
        job: &Job,
        exam: usize,
    ) -> Result<(), StewardError> {
        let alone = job.lock()?;
        let command = (self.shared.host.child)(&tenant.name, job, exam);
        let mut command = command.map_err(StewardError::NoChild)?;
        let worker = Worker::start(job, &mut command)?;
        self.running = Some(Running {
            tenant: tenant.clone(),
            job: job.clone(),
            exam,
            worker,
            _alone: alone,
        });
        Ok(())
    }

    /// Whether the tenant's child works. Notes what it came to, if it has ended.
    fn look_at_child(&mut self, tenant: &Arc<TenantHandle>) -> Result<bool, StewardError> {
        let own = |it: &&mut Running| Arc::ptr_eq(&it.tenant, tenant);
        let Some(running) = self.running.as_mut().filter(own) else {
            return Ok(false);
        };
        let ended = running.worker.ended();
        let waiting = StewardError::io("wait for the child of", running.job.folder());
        let Some(status) = ended.map_err(waiting)? else {
            return Ok(true);
        };
        let noted = note(&running.job, running.exam, status);
        let job = running.job.clone();
        self.running = None;
        self.rests.clear();
        noted?;
        self.shared.stepped(tenant, &job, |now| job.stepped(now))?;
        Ok(false)
    }
}

/// What a child came to.
fn note(job: &Job, exam: usize, status: ExitStatus) -> Result<(), StewardError> {
    let done = job.verdict(exam)?.is_some();
    job.attempted(done, status)?;
    // What it could say is wrong stays wrong.
    if !done && status.code() == Some(EXIT_FAILED) {
        job.give_up()?;
    }
    Ok(())
}

impl Running {
    /// The right to the job is held until its files say what became of it.
    fn stop(self) -> Result<(), StewardError> {
        let Running {
            job,
            exam,
            worker,
            _alone,
            ..
        } = self;
        let ending = StewardError::io("end the child of", job.folder());
        match worker.stop().map_err(ending)? {
            Some(status) => note(&job, exam, status),
            None => job.give_back(),
        }
    }
}

fn later(from: i64, span: Duration) -> i64 {
    let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    from.saturating_add(span)
}
