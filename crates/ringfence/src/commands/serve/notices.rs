//! Follows every tenant's log behind its owner, and what becomes of its alerts, cases and models, and hands what they
//! tell to the tenant's webhooks; alerts of drift of any tenant to the collector of traces, too.
//!
//! Only tenants that have had an endpoint are followed. Where a log is read from stands in the tenant's webhooks,
//! moved together with the deliveries it made (`webhooks::Store::take_in`): after a crash it goes on from there.

mod models;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use casework::changes::Changed;
use desk::Desk;
use event::Position;
use gateway::notes::{NoteLevel, Notes};
use gateway::recent::Recent;
use gateway::render::Teller;
use node::node::TenantHandle;
use node::{Follower, Node, NodeError};
use steward::Steward;
use webhooks::deliverer::Tenant;
use webhooks::source::{CASES, CaseChange, DRIFT, Happened, LOG, LogSource, Written};
use webhooks::{Deliverer, WebhookError};

use super::spans::Beside;
use models::Models;

/// How far a notice is behind its decision at most, when nothing else is; a look costs an atomic read.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const CASES_EVERY: Duration = Duration::from_millis(250);
const BATCH: usize = 256;
/// Of one tenant before the next has its turn.
const BATCHES: usize = 16;
/// After a log or a file could not be read.
const PAUSE: Duration = Duration::from_secs(5);

/// The thread that follows; it ends when it is told to.
pub struct Following {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

struct Rounds {
    node: Arc<Node>,
    desk: Arc<Desk>,
    steward: Arc<Steward>,
    webhooks: Arc<Deliverer>,
    notes: Arc<Notes>,
    recent: Arc<Recent>,
    /// `None`: nothing is traced.
    beside: Option<Arc<Beside>>,
    starter: Option<[u8; 8]>,
    followed: BTreeMap<String, Followed>,
}

struct Followed {
    /// A tenant that was erased and made again is another one.
    handle: Arc<TenantHandle>,
    state: State,
}

enum State {
    Reading(Box<Reading>),
    Paused(Instant),
}

struct Reading {
    hooks: Arc<Tenant>,
    follower: Follower,
    source: LogSource,
    models: Models,
    /// When alerts and cases were last looked at.
    cases_at: Instant,
}

impl Following {
    pub fn start(
        (node, desk, steward): (Arc<Node>, Arc<Desk>, Arc<Steward>),
        webhooks: Arc<Deliverer>,
        (notes, recent, beside): (Arc<Notes>, Arc<Recent>, Option<Arc<Beside>>),
        starter: Option<[u8; 8]>,
    ) -> Result<Following> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut rounds = Rounds {
            node,
            desk,
            steward,
            webhooks,
            notes,
            recent,
            beside,
            starter,
            followed: BTreeMap::new(),
        };
        let told = stop.clone();
        let thread = thread::Builder::new()
            .name("ringfence-notices".to_owned())
            .spawn(move || {
                while !told.load(Ordering::SeqCst) {
                    rounds.round();
                    thread::sleep(LOOK_EVERY);
                }
            });
        let thread = thread.context("cannot start the thread that follows logs")?;
        Ok(Following { stop, thread })
    }

    pub fn stop(self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Err(panic) = self.thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Rounds {
    fn round(&mut self) {
        let tenants = self.node.tenants();
        self.followed.retain(|_, held| {
            let mut there = tenants.iter();
            there.any(|handle| Arc::ptr_eq(handle, &held.handle))
        });
        for handle in tenants {
            let name = handle.name.clone();
            if let Some(beside) = &self.beside {
                beside.drift(&handle);
            }
            if let Err(error) = self.tenant(&handle) {
                // Of a tenant that is being erased they are closed.
                if !matches!(error.downcast_ref(), Some(WebhookError::Closed)) {
                    self.notes.tell(NoteLevel::Warning, || {
                        format!("tenant {name}: webhooks wait: {error:#}")
                    });
                }
                let state = State::Paused(Instant::now() + PAUSE);
                self.followed.insert(name, Followed { handle, state });
            }
        }
    }

    fn tenant(&mut self, handle: &Arc<TenantHandle>) -> Result<()> {
        let Some(shape) = handle.shape() else {
            return Ok(());
        };
        let waits =
            |held: &Followed| matches!(held.state, State::Paused(until) if Instant::now() < until);
        if self.followed.get(&handle.name).is_some_and(waits) {
            return Ok(());
        }
        // Taken out while it is read; after an error a pause has its place.
        let mut reading = match self.followed.remove(&handle.name).map(|held| held.state) {
            Some(State::Reading(reading)) => reading,
            Some(State::Paused(_)) | None => match self.open(handle)? {
                Some(reading) => reading,
                None => return Ok(()),
            },
        };
        let teller = Teller {
            shape,
            starter: self.starter,
        };
        self.records(handle, &mut reading, &teller)?;
        self.models(handle, &mut reading)?;
        if reading.cases_at.elapsed() >= CASES_EVERY {
            reading.cases_at = Instant::now();
            self.cases(handle, &reading.hooks)?;
        }
        let (handle, state) = (handle.clone(), State::Reading(reading));
        let name = handle.name.clone();
        self.followed.insert(name, Followed { handle, state });
        Ok(())
    }

    /// What stands in the log since the last time, as far as one tenant may be read at a time.
    fn records(&self, handle: &TenantHandle, reading: &mut Reading, teller: &Teller) -> Result<()> {
        let Reading {
            hooks,
            follower,
            source,
            ..
        } = reading;
        for _ in 0..BATCHES {
            let batch = match follower.next_batch(BATCH) {
                Err(NodeError::HistoryRemoved { first }) => {
                    let (name, next) = (&handle.name, follower.next());
                    self.notes.tell(NoteLevel::Warning, || {
                        format!("tenant {name}: webhooks were not told of records {} to {}: retention has removed them",
                            next.0, first.0 - 1)
                    });
                    follower.skip_to(first);
                    continue;
                }
                batch => batch?,
            };
            if batch.is_empty() {
                break;
            }
            let wanted = hooks.store().wanted()?;
            let told = source.read(&batch, &wanted, |it| Written {
                data: teller.happened(it),
                traceparent: trace_of(&self.recent, &handle.name, it),
            })?;
            if let Some(upto) = told.upto {
                let now = self.node.clock().now()?;
                hooks.take_in(LOG, upto, &told.notices, now)?;
            }
        }
        Ok(())
    }

    /// What became of models: drift that was found, and retrains.
    fn models(&self, handle: &Arc<TenantHandle>, reading: &mut Reading) -> Result<()> {
        let Reading { hooks, models, .. } = reading;
        let now = self.node.clock().now()?;
        models.drift(handle, hooks, now)?;
        if let Err(error) = models.retrains(handle, hooks, &self.steward, now) {
            // Files of retrains that cannot be read hold up nothing else.
            if error.downcast_ref::<WebhookError>().is_some() {
                return Err(error);
            }
            let name = &handle.name;
            self.notes.tell(NoteLevel::Warning, || {
                format!("tenant {name}: webhooks are not told of retrains: {error:#}")
            });
        }
        Ok(())
    }

    /// What the desk and people did with alerts and cases.
    fn cases(&self, handle: &Arc<TenantHandle>, hooks: &Tenant) -> Result<()> {
        for _ in 0..BATCHES {
            if self.some_cases(handle, hooks)? < BATCH {
                break;
            }
        }
        Ok(())
    }

    /// How many changes there were.
    fn some_cases(&self, handle: &Arc<TenantHandle>, hooks: &Tenant) -> Result<usize> {
        let last = hooks.store().cursor(CASES)?.unwrap_or(0);
        let asked = self.desk.seat(handle).and_then(|seat| {
            let place = seat.enter()?;
            seat.ask(place, |it, _| {
                Ok((it.last_change()?, it.changes_after(last as i64, BATCH)?))
            })
        });
        let (newest, changes) = match asked {
            Ok(found) => found,
            // The desk tells its own trouble; they are still there when it is over.
            Err(_) => return Ok(0),
        };
        if (newest as u64) < last {
            self.notes.tell(NoteLevel::Warning, || {
                let name = &handle.name;
                format!("tenant {name}: casework was made anew, webhooks follow it from its start")
            });
            hooks.store().go_back(CASES, 0)?;
            return Ok(BATCH);
        }
        let Some(upto) = changes.last().map(|change| change.seq as u64) else {
            return Ok(0);
        };
        // What there was before the first endpoint is not told.
        let endpoints = hooks.store().endpoints()?;
        let from = endpoints.iter().map(|it| it.created_at).min();
        let mut notices = Vec::new();
        for change in &changes {
            if from.is_some_and(|from| change.at >= from) {
                notices.extend(of_case(change).notice()?);
            }
        }
        hooks.take_in(CASES, upto, &notices, self.node.clock().now()?)?;
        Ok(changes.len())
    }

    /// `None`: the tenant has no webhooks, or its log is not open yet.
    fn open(&self, handle: &TenantHandle) -> Result<Option<Box<Reading>>> {
        let directory = handle.place().root();
        let Some(hooks) = self.webhooks.open_used(&handle.name, directory)? else {
            return Ok(None);
        };
        let committed = handle.committed();
        if committed == Position(0) {
            return Ok(None);
        }
        let next = match hooks.store().cursor(LOG)? {
            Some(last) if last < committed.0 => Position(last + 1),
            Some(last) => {
                self.notes.tell(NoteLevel::Warning, || {
                    format!(
                        "tenant {}: webhooks were told up to record {last} of a log that now ends at {}: it was cut",
                        handle.name, committed.0
                    )
                });
                hooks.store().go_back(LOG, committed.0 - 1)?;
                committed
            }
            None => {
                let now = self.node.clock().now()?;
                hooks.take_in(LOG, committed.0 - 1, &[], now)?;
                committed
            }
        };
        // What was found before the first endpoint is not told, and a log that was cut gives positions again.
        let behind = committed.0 - 1;
        match hooks.store().cursor(DRIFT)? {
            Some(last) if last > behind => hooks.store().go_back(DRIFT, behind)?,
            Some(_) => {}
            None => drop(hooks.take_in(DRIFT, behind, &[], self.node.clock().now()?)?),
        }
        Ok(Some(Box::new(Reading {
            hooks,
            models: Models::default(),
            follower: handle.follower(next),
            source: LogSource::default(),
            cases_at: Instant::now(),
        })))
    }
}

/// Of a decision that a request was answered with since the start.
fn trace_of(recent: &Recent, tenant: &str, happened: &Happened<'_>) -> Option<String> {
    match happened {
        Happened::Decided {
            event, decision, ..
        } => {
            let trace = recent.of(tenant, event.event_id.as_str(), decision)?;
            Some(trace.header())
        }
        Happened::Labelled { .. } => None,
    }
}

fn of_case(change: &Changed) -> CaseChange<'_> {
    CaseChange {
        seq: change.seq as u64,
        at: change.at,
        actor: &change.actor,
        action: &change.action,
        target: &change.target,
        before: change.before.as_deref(),
        after: change.after.as_deref(),
        why: change.why.as_deref(),
    }
}
