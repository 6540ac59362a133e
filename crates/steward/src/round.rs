//! A turn of one tenant: its open job is moved on by one step, or a new one is due.

use std::collections::BTreeMap;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use node::node::TenantHandle;

use crate::StewardError;
use crate::child::Worker;
use crate::course::{Facts, Step};
use crate::job::{self, Alone, Ended, Job, Order, Trigger};
use crate::steward::Shared;

mod service;
#[cfg(test)]
mod tests;

pub(crate) struct Round<'a> {
    shared: &'a Shared,
    running: Option<Running>,
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

/// As a program of ours ends that could not do its work and said why.
const EXIT_FAILED: i32 = 1;
/// Who promotes where nobody is asked; the audit trail takes such a name for the system's.
pub const AUTHOR: &str = "retrain";

impl Round<'_> {
    pub fn new(shared: &Shared) -> Round<'_> {
        Round {
            shared,
            running: None,
            told: BTreeMap::new(),
        }
    }

    /// Ends the child of a tenant that is not among these.
    pub fn keep(&mut self, tenants: &[Arc<TenantHandle>]) {
        let Some(running) = self.running.take() else {
            return;
        };
        if tenants.iter().any(|it| Arc::ptr_eq(it, &running.tenant)) {
            self.running = Some(running);
            return;
        }
        let name = running.tenant.name.clone();
        if let Err(error) = running.stop() {
            (self.shared.host.tell)(&format!("tenant {name}: {error}"));
        }
    }

    pub fn turn(&mut self, tenant: &Arc<TenantHandle>) {
        let Err(error) = self.go_on(tenant) else {
            self.told.remove(&tenant.name);
            return;
        };
        let trouble = error.to_string();
        let before = self.told.insert(tenant.name.clone(), trouble.clone());
        if before.as_ref() != Some(&trouble) {
            (self.shared.host.tell)(&format!("tenant {}: retrains wait: {trouble}", tenant.name));
        }
    }

    fn go_on(&mut self, tenant: &Arc<TenantHandle>) -> Result<(), StewardError> {
        if tenant.status().is_some() {
            return Ok(());
        }
        self.shared.recall(tenant)?;
        if self.look_at_child(tenant)? {
            return Ok(());
        }
        let now = self.shared.now()?;
        let newest = job::newest(tenant.place(), true)?;
        let open = match &newest {
            Some(job) => job.outcome()?.is_none(),
            None => false,
        };
        let Some(job) = newest.as_ref().filter(|_| open) else {
            return self.schedule(tenant, newest.as_ref(), now);
        };
        let facts = Facts::of(job)?;
        let is_judged = !facts.verdicts.is_empty();
        match facts.next(self.shared.settings.rules, now) {
            Step::Work { .. } if is_judged && self.candidate(tenant, job)?.is_none() => Ok(()),
            Step::Work { exam } => self.work(tenant, job, exam),
            Step::EnterShadow => self.enter_shadow(tenant, job),
            Step::Promote => self.promote(tenant, job),
            // A child that found another champion has failed; the job is void, which is something else.
            Step::End { ended, .. }
                if ended == Ended::Failed
                    && is_judged
                    && self.candidate(tenant, job)?.is_none() =>
            {
                Ok(())
            }
            Step::End { ended, says } => self.end(tenant, job, ended, says),
            Step::Wait { .. } | Step::WaitForApproval | Step::Over(_) => Ok(()),
        }
    }

    fn schedule(
        &self,
        tenant: &TenantHandle,
        newest: Option<&Job>,
        now: i64,
    ) -> Result<(), StewardError> {
        let Some(every) = self.shared.settings.every else {
            return Ok(());
        };
        let (began, ended) = match newest {
            Some(job) => (job.order()?.at, job.outcome()?.map_or(now, |it| it.at)),
            None => (job::waiting_since(tenant.place(), now)?, 0),
        };
        let due = |from: i64, span: Duration| {
            let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
            from.saturating_add(span) <= now
        };
        if !due(began, every) || !due(ended, self.shared.settings.cool_down) {
            return Ok(());
        }
        let order = Order {
            at: now,
            by: AUTHOR.to_owned(),
            why: String::new(),
            trigger: Trigger::Schedule,
            attended: true,
            request: self.shared.settings.request.clone(),
        };
        job::begin(tenant.place(), &order).map(drop)
    }

    fn work(
        &mut self,
        tenant: &Arc<TenantHandle>,
        job: &Job,
        exam: usize,
    ) -> Result<(), StewardError> {
        if self.running.is_some() {
            return Ok(());
        }
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
        self.running = None;
        noted.map(|()| false)
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
