//! The thread that follows every tenant's log for [`super::Days`], behind the owners and after all that serves.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use event::record::Record;
use event::{EventTime, Position, Span};
use node::background::{self, Priority};
use node::node::TenantHandle;
use node::{Follower, History, Node, NodeError};

use super::{DAYS_MAX, Days, Judged};

/// Where the operator is told what fails.
type Tell = Box<dyn Fn(&str) + Send + Sync>;

/// What is known of a tenant, newest day first.
pub type Told = Arc<Vec<Judged>>;

pub struct Decay {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
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

/// One tenant, for as long as it is the same.
struct Turn {
    tenant: Arc<TenantHandle>,
    open: Option<(Follower, Days)>,
    /// After a failure: not before.
    retry_at: Option<Instant>,
    /// What was told last.
    trouble: Option<String>,
}

/// Between two rounds that had nothing to do, and between two that had: the disk is the owners' first.
const IDLE: Duration = Duration::from_secs(1);
const BUSY: Duration = Duration::from_millis(10);
const RETRY: Duration = Duration::from_secs(30);
/// Records that are read at once.
const BATCH: usize = 4_096;

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
                own.run();
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

    fn run(&self) {
        let mut turns: BTreeMap<String, Turn> = BTreeMap::new();
        loop {
            self.seat(&mut turns);
            let mut is_busy = false;
            for (name, turn) in &mut turns {
                let (more, told) = turn.take(&self.tell);
                is_busy |= more;
                if let Some(told) = told {
                    self.state().told.insert(name.clone(), told);
                }
            }
            let state = self.state();
            if state.is_stopping {
                return;
            }
            let pause = if is_busy { BUSY } else { IDLE };
            let waited = self.changed.wait_timeout(state, pause);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// A tenant that is gone, or another one under its name, is forgotten.
    fn seat(&self, turns: &mut BTreeMap<String, Turn>) {
        let tenants = self.node.tenants();
        let stays = |name: &str, held: &Turn| {
            let mut all = tenants.iter();
            all.any(|it| it.name == name && Arc::ptr_eq(it, &held.tenant))
        };
        turns.retain(|name, held| stays(name, held));
        self.state().told.retain(|name, _| turns.contains_key(name));
        for tenant in tenants {
            turns.entry(tenant.name.clone()).or_insert(Turn {
                tenant,
                open: None,
                retry_at: None,
                trouble: None,
            });
        }
    }
}

impl Turn {
    /// Whether there may be more to do at once, and what is known where that has changed.
    fn take(&mut self, tell: &Tell) -> (bool, Option<Told>) {
        if self.retry_at.is_some_and(|at| Instant::now() < at) {
            return (false, None);
        }
        match self.step() {
            Ok((more, is_judged)) => {
                (self.retry_at, self.trouble) = (None, None);
                let open = self.open.as_ref().filter(|_| is_judged);
                let told = open.map(|(_, days)| Arc::new(days.judged().rev().cloned().collect()));
                (more, told)
            }
            Err(error) => {
                self.open = None;
                self.retry_at = Some(Instant::now() + RETRY);
                // Retention was faster, and it begins again where the log does; or the tenant is about to go.
                let is_due = matches!(error, NodeError::HistoryRemoved { .. });
                if !is_due && self.tenant.status().is_none() {
                    self.failed(error.to_string(), tell);
                }
                (false, None)
            }
        }
    }

    fn failed(&mut self, trouble: String, tell: &Tell) {
        if self.trouble.as_ref() != Some(&trouble) {
            let name = &self.tenant.name;
            tell(&format!("decay of tenant {name}'s models: {trouble}"));
            self.trouble = Some(trouble);
        }
    }

    fn step(&mut self) -> Result<(bool, bool), NodeError> {
        // Not open yet, or replaying: there is nothing to follow.
        let Some(shape) = self.tenant.shape() else {
            return Ok((false, false));
        };
        let (follower, days) = match &mut self.open {
            Some(open) => open,
            empty => {
                let history = History::open(self.tenant.place())?;
                let maturity = shape.schema.labels.maturity;
                let start = start(&history, maturity)?;
                let is_cut = start.0 > 0;
                let follower = self.tenant.follower(start);
                empty.insert((follower, Days::new(&shape.schema, is_cut)))
            }
        };
        let batch = follower.next_batch(BATCH)?;
        let is_full = batch.len() == BATCH;
        let mut is_judged = false;
        for (position, record) in batch {
            is_judged |= days.take(position, record);
        }
        Ok((is_full, is_judged))
    }
}

/// Records that are looked through for an event: more labels than that in a row are passed over.
const LOOKED_THROUGH: u64 = 4_096;

/// Where the days begin that are worth reading: found by halves, since events come nearly in the order of their times.
fn start(history: &History, maturity: Span) -> Result<Position, NodeError> {
    let (first, end) = (history.first(), history.end());
    let Some(newest) = newest_decided(history)? else {
        return Ok(first);
    };
    let since = newest.minus(maturity).minus(Span::days(DAYS_MAX + 1));
    let (mut early, mut late) = (first.0, end.0);
    while late - early > LOOKED_THROUGH {
        let middle = early + (late - early) / 2;
        match event_from(history, Position(middle))? {
            Some(at) if at < since => early = middle,
            _ => late = middle,
        }
    }
    Ok(Position(early))
}

/// Event time of the first event from there on.
fn event_from(history: &History, position: Position) -> Result<Option<EventTime>, NodeError> {
    let mut records = history.iter_from(position)?;
    for _ in 0..LOOKED_THROUGH {
        match records.next_record()? {
            Some((_, Record::Event(event))) => return Ok(Some(event.event_timestamp)),
            Some(_) => {}
            None => break,
        }
    }
    Ok(None)
}

/// Latest event time of the last decided events.
fn newest_decided(history: &History) -> Result<Option<EventTime>, NodeError> {
    let (first, end) = (history.first().0, history.end().0);
    let from = end.saturating_sub(LOOKED_THROUGH).max(first);
    let mut records = history.iter_from(Position(from))?;
    let (mut newest, mut waiting) = (None, None);
    while let Some((position, record)) = records.next_record()? {
        let before = waiting.take();
        match record {
            Record::Event(event) => waiting = Some((position, event.event_timestamp)),
            Record::Decision(decision) => {
                let of = before.filter(|(at, _)| *at == decision.event_position);
                newest = newest.max(of.map(|(_, time)| time));
            }
            _ => {}
        }
    }
    Ok(newest)
}
