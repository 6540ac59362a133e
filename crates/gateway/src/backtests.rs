//! Backtests that run beside the tenants: one after the other, on a thread of their own that decisions go before.
//!
//! What came out is kept in memory, the newest few of each process: a report is made again from the log.

use std::collections::VecDeque;
use std::io;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use backtest::models::Contest;
use backtest::{BacktestError, Plan, Progress};
use node::Place;
use node::background::{self, Priority};
use serde_json::{Value, json};

/// Jobs of one tenant that are remembered, of each kind: a comparison that somebody polls pushes no backtest out.
const KEPT: usize = 16;
/// Jobs of one tenant that are not over, and of all of them.
const OPEN: usize = 4;
const WAITING: usize = 64;

/// What is to be made.
pub enum Task {
    Backtest(Box<Plan>),
    Comparison {
        contest: Box<Contest>,
        /// The question, as it was asked.
        asked: String,
    },
    Advice {
        plan: Box<Plan>,
        alerts_per_day: f64,
    },
}

impl Task {
    /// What can be refused before anything is read.
    pub fn check(&self) -> Result<(), BacktestError> {
        match self {
            Task::Backtest(plan) => plan.check(),
            Task::Comparison { contest, .. } => contest.check(),
            Task::Advice {
                plan,
                alerts_per_day,
            } => {
                plan.check()?;
                backtest::advise::check_budget(*alerts_per_day)
            }
        }
    }
}

pub struct Backtests {
    priority: Priority,
    jobs: Mutex<VecDeque<Arc<Job>>>,
    next: AtomicU64,
    /// Started with the first job.
    worker: Mutex<Option<SyncSender<Work>>>,
}

struct Work {
    job: Arc<Job>,
    place: Place,
    task: Task,
}

pub struct Job {
    pub id: u64,
    tenant: String,
    kind: &'static str,
    /// Of a comparison.
    asked: Option<String>,
    begun: AtomicBool,
    done: AtomicU64,
    total: AtomicU64,
    cancelled: AtomicBool,
    /// `None` until it is over.
    outcome: Mutex<Option<Result<Value, Refused>>>,
}

struct Refused {
    code: &'static str,
    message: String,
}

pub enum NotStarted {
    /// As many as may wait do.
    Full,
    Thread(io::Error),
}

impl Backtests {
    pub fn new(priority: Priority) -> Backtests {
        Backtests {
            priority,
            jobs: Mutex::default(),
            next: AtomicU64::new(0),
            worker: Mutex::default(),
        }
    }

    pub fn start(&self, tenant: &str, place: Place, task: Task) -> Result<Arc<Job>, NotStarted> {
        let job = Arc::new(Job {
            id: self.next.fetch_add(1, Ordering::SeqCst) + 1,
            tenant: tenant.to_owned(),
            kind: match &task {
                Task::Backtest(_) => "backtest",
                Task::Comparison { .. } => "comparison",
                Task::Advice { .. } => "advice",
            },
            asked: match &task {
                Task::Comparison { asked, .. } => Some(asked.clone()),
                _ => None,
            },
            begun: AtomicBool::new(false),
            done: AtomicU64::new(0),
            total: AtomicU64::new(0),
            cancelled: AtomicBool::new(false),
            outcome: Mutex::new(None),
        });
        let work = Work {
            job: job.clone(),
            place,
            task,
        };
        // Held from the count to the push: else of several that ask at once each would find the last place free.
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let own = jobs.iter().filter(|job| job.tenant == tenant);
        if own.filter(|job| job.is_open()).count() >= OPEN {
            return Err(NotStarted::Full);
        }
        self.worker()?.try_send(work).map_err(|error| match error {
            TrySendError::Full(_) => NotStarted::Full,
            TrySendError::Disconnected(_) => {
                NotStarted::Thread(io::Error::other("the thread of backtests is gone"))
            }
        })?;
        // The newest answer of before stays for whoever waits for it.
        let mut newest = true;
        jobs.retain(|held| !job.replaces(held) || std::mem::take(&mut newest));
        jobs.push_front(job.clone());
        let own = jobs
            .iter()
            .enumerate()
            .filter(|(_, held)| held.tenant == tenant && held.kind == job.kind);
        let oldest = own.map(|(at, _)| at).nth(KEPT);
        if let Some(oldest) = oldest {
            jobs.remove(oldest);
        }
        Ok(job)
    }

    fn worker(&self) -> Result<SyncSender<Work>, NotStarted> {
        let mut worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(worker) = worker.as_ref() {
            return Ok(worker.clone());
        }
        let (sender, todo) = sync_channel(WAITING);
        background::spawn("ringfence-backtest", self.priority, move || work(&todo))
            .map_err(NotStarted::Thread)?;
        *worker = Some(sender.clone());
        Ok(sender)
    }

    /// Newest first.
    pub fn of(&self, tenant: &str) -> Vec<Arc<Job>> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let own = jobs.iter().filter(|job| job.tenant == tenant);
        own.cloned().collect()
    }

    pub fn one(&self, tenant: &str, id: u64) -> Option<Arc<Job>> {
        self.of(tenant).into_iter().find(|job| job.id == id)
    }

    /// One that is not over and was asked for in the same words.
    pub fn comparison(&self, tenant: &str, asked: &str) -> Option<Arc<Job>> {
        let of = |job: &Arc<Job>| job.is_open() && job.asked.as_deref() == Some(asked);
        self.of(tenant).into_iter().find(of)
    }

    /// Ends a tenant's jobs and forgets them: another of its name knows nothing of them.
    pub fn forget(&self, tenant: &str) {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.retain(|job| {
            if job.tenant == tenant {
                job.cancel();
            }
            job.tenant != tenant
        });
    }

    /// Ends what runs: the server stops.
    pub fn cancel_all(&self) {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.iter().for_each(|job| job.cancel());
    }
}

fn work(todo: &Receiver<Work>) {
    while let Ok(Work { job, place, task }) = todo.recv() {
        job.begun.store(true, Ordering::Relaxed);
        // A defect ends this job and not the thread that others wait for.
        let worked = catch_unwind(AssertUnwindSafe(|| job.work(&place, &task)));
        if worked.is_err() {
            job.end(Err(Refused {
                code: "internal",
                message: "the backtest ended by a defect of this program".to_owned(),
            }));
        }
    }
}

impl Job {
    fn work(&self, place: &Place, task: &Task) {
        let watch = |Progress { done, total }: Progress| {
            self.done.store(done, Ordering::Relaxed);
            self.total.store(total, Ordering::Relaxed);
            match self.cancelled.load(Ordering::Relaxed) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        let made = match task {
            Task::Backtest(plan) => backtest::run(place, plan, watch).map(|report| {
                let mut value = json!(report);
                value["saved"] = json!(report.saved());
                value
            }),
            Task::Comparison { contest, .. } => {
                backtest::models::run(place, contest, watch).map(|table| json!(table))
            }
            Task::Advice {
                plan,
                alerts_per_day,
            } => {
                let advice = backtest::advise(place, plan, *alerts_per_day, watch);
                advice.map(|advice| json!(advice))
            }
        };
        let outcome = made.map_err(|error| Refused {
            code: error.code(),
            message: told(&error),
        });
        self.done
            .fetch_max(self.total.load(Ordering::Relaxed), Ordering::Relaxed);
        self.end(outcome);
    }

    fn end(&self, outcome: Result<Value, Refused>) {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
    }

    /// Whether the other is the answer to the same question of before.
    fn replaces(&self, other: &Job) -> bool {
        let same = self.tenant == other.tenant && self.asked == other.asked;
        self.asked.is_some() && same && !other.is_open()
    }

    pub fn is_open(&self) -> bool {
        let outcome = self.outcome.lock();
        outcome.unwrap_or_else(PoisonError::into_inner).is_none()
    }

    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    pub fn value(&self) -> Value {
        let outcome = self.outcome.lock();
        let outcome = outcome.unwrap_or_else(PoisonError::into_inner);
        let (status, report, error) = match outcome.as_ref() {
            None if self.begun.load(Ordering::Relaxed) => ("running", None, None),
            None => ("waiting", None, None),
            Some(Ok(report)) => ("done", Some(report.clone()), None),
            Some(Err(error)) if error.code == "cancelled" => ("cancelled", None, None),
            Some(Err(Refused { code, message })) => {
                let error = json!({ "code": code, "message": message });
                ("failed", None, Some(error))
            }
        };
        json!({
            "id": self.id,
            "kind": self.kind,
            "status": status,
            "records": self.done.load(Ordering::Relaxed),
            "records_total": self.total.load(Ordering::Relaxed),
            "report": report,
            "error": error,
        })
    }
}

/// What is wrong with the request is told; what went wrong inside, only by its code.
fn told(error: &BacktestError) -> String {
    match error {
        BacktestError::Node(_) => "the log could not be read".to_owned(),
        _ => error.to_string(),
    }
}
