//! A turn of one tenant: its open job is moved on by one step, or a new one is due.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use event::EventTime;
use node::mailbox::Level;
use node::node::TenantHandle;
use node::node::activation::{self, State};
use node::request::{Answer, Failed, Request};
use node::tenant::documents::Author;

use crate::StewardError;
use crate::child::Worker;
use crate::course::{Facts, Step};
use crate::job::{self, Alone, Ended, Job, Order, Outcome, Shadow, Trigger};
use crate::steward::Shared;

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

/// For one answer of a tenant's owner.
const PATIENCE: Duration = Duration::from_secs(10);
const LETTER_BYTES: usize = 256;
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
        let stays = |it: &Running| tenants.iter().any(|own| Arc::ptr_eq(own, &it.tenant));
        if !self.running.as_ref().is_some_and(stays) {
            self.running = None;
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
        let now = self.shared.now()?;
        self.look_at_child(tenant)?;
        let newest = job::newest(tenant.place(), true)?;
        let open = match &newest {
            Some(job) => job.outcome()?.is_none(),
            None => false,
        };
        let Some(job) = newest.as_ref().filter(|_| open) else {
            return self.schedule(tenant, newest.as_ref(), now);
        };
        match Facts::of(job)?.next(self.shared.settings.rules, now) {
            Step::Work { exam } => self.work(tenant, job, exam),
            Step::EnterShadow => job.record_shadow(&Shadow { since: now }),
            Step::Promote => self.promote(tenant, job),
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

    /// Notes what the tenant's child came to, if it has ended.
    fn look_at_child(&mut self, tenant: &Arc<TenantHandle>) -> Result<(), StewardError> {
        let own = |it: &&mut Running| Arc::ptr_eq(&it.tenant, tenant);
        let Some(running) = self.running.as_mut().filter(own) else {
            return Ok(());
        };
        let ended = running.worker.ended();
        let waiting = StewardError::io("wait for the child of", running.job.folder());
        let Some(status) = ended.map_err(waiting)? else {
            return Ok(());
        };
        let (job, exam) = (running.job.clone(), running.exam);
        self.running = None;
        let done = job.verdict(exam)?.is_some();
        job.attempted(done, status)?;
        // What it could say is wrong stays wrong.
        if !done && status.code() == Some(EXIT_FAILED) {
            job.give_up()?;
        }
        Ok(())
    }

    fn promote(&self, tenant: &Arc<TenantHandle>, job: &Job) -> Result<(), StewardError> {
        let (Some(plan), Some(trained)) = (job.plan()?, job.trained()?) else {
            let says = "the files of its plan or of its model are gone".to_owned();
            return self.end(tenant, job, Ended::Failed, says);
        };
        let until = Instant::now() + PATIENCE;
        let serves = serves(tenant, until).map_err(StewardError::Tenant)?;
        let serves = serves.map(|it| hex(&it));
        if serves.as_ref() == Some(&trained.model) {
            let says = format!("model {} serves", &trained.model[..12]);
            return self.end(tenant, job, Ended::Promoted, says);
        }
        if serves.as_ref() != Some(&plan.champion) {
            let says = "another model entered service while it was watched".to_owned();
            return self.end(tenant, job, Ended::Abandoned, says);
        }
        let Some(artifact) = digest(&trained.model) else {
            let says = format!("{:?} names no model", trained.model);
            return self.end(tenant, job, Ended::Failed, says);
        };
        let held = tenant.activation().filter(|it| it.artifact == artifact);
        if let Some(State::Failed { reason, .. }) = held.map(|it| it.state) {
            return self.end(tenant, job, Ended::Failed, reason);
        }
        let (name, why) = match job.answer()? {
            Some(answer) => (answer.by, answer.why),
            None => (format!("{AUTHOR} {}", job.id), String::new()),
        };
        let at = EventTime::from_millis(self.shared.now()?);
        let author = Author { name, at, why };
        match tenant.activate(artifact, author, until) {
            // Whether it serves is seen at the next turn.
            Ok(_) | Err(activation::Refused::Running) => Ok(()),
            Err(activation::Refused::UnknownModel) => {
                let says = "its model file is gone".to_owned();
                self.end(tenant, job, Ended::Failed, says)
            }
            Err(activation::Refused::Failed(Failed::Refused(error))) => {
                self.end(tenant, job, Ended::Failed, error.to_string())
            }
            Err(activation::Refused::Failed(failed)) => Err(StewardError::Tenant(failed)),
        }
    }

    fn end(
        &self,
        tenant: &TenantHandle,
        job: &Job,
        ended: Ended,
        says: String,
    ) -> Result<(), StewardError> {
        let at = self.shared.now()?;
        let told = format!(
            "tenant {}: retrain {} is {}: {says}",
            tenant.name,
            job.id,
            ended.name()
        );
        job.record_outcome(&Outcome { ended, says, at })?;
        self.shared.count(&tenant.name, ended, at);
        (self.shared.host.tell)(&told);
        Ok(())
    }
}

/// SHA-256 of the model that serves.
fn serves(tenant: &TenantHandle, until: Instant) -> Result<Option<[u8; 32]>, Failed> {
    let pending = tenant.ask(Request::Serving, LETTER_BYTES, Level::L3, until)?;
    let ended = |_| Failed::Internal("the owner ended without an answer");
    match pending.blocking_recv().map_err(ended)?? {
        Answer::Serving(serving) => Ok(serving.artifact),
        _ => Err(Failed::Internal(
            "the owner gave the answer to another request",
        )),
    }
}

fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn digest(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != digest.len() || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(pairs) {
        let pair = std::str::from_utf8(pair).ok()?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(digest)
}
