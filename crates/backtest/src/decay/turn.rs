//! One tenant's days: where reading them begins or goes on, and when what is known of them is written down.

use std::sync::Arc;
use std::time::{Duration, Instant};

use event::record::Record;
use event::{EventTime, Position, Schema, Span};
use node::node::TenantHandle;
use node::request::NotServing;
use node::state_file::{self, Magic};
use node::{Follower, History, NodeError};

use super::follow::Tell;
use super::{DAYS_MAX, Days, Judged, SavedError};

/// What is known of a tenant.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Newest day first.
    pub days: Arc<Vec<Judged>>,
    /// Records that were committed and have not been read.
    pub behind: u64,
}

/// One tenant, for as long as it is the same.
pub(super) struct Turn {
    tenant: Arc<TenantHandle>,
    open: Option<Open>,
    /// After a failure: not before.
    retry_at: Option<Instant>,
    /// What was told last.
    trouble: Option<String>,
}

struct Open {
    follower: Follower,
    days: Days,
    /// `days` as they are told.
    told: Arc<Vec<Judged>>,
    /// When it was written down, or opened.
    saved_at: Instant,
    /// Whether there is more to write down.
    has_more: bool,
}

const RETRY: Duration = Duration::from_secs(30);
/// Records that are read at once.
const BATCH: usize = 4_096;
/// Between two times that what is known is written down: as much is read again after a crash. A busy tenant's file has
/// some 40 MB.
const SAVE_EVERY: Duration = Duration::from_secs(30 * 60);
const MAGIC: Magic = *b"RFDECAY1";

impl Turn {
    pub fn new(tenant: Arc<TenantHandle>) -> Turn {
        Turn {
            tenant,
            open: None,
            retry_at: None,
            trouble: None,
        }
    }

    pub fn is_of(&self, tenant: &Arc<TenantHandle>) -> bool {
        Arc::ptr_eq(tenant, &self.tenant)
    }

    /// Whether there may be more to do at once.
    pub fn take(&mut self, tell: &Tell) -> bool {
        if self.retry_at.is_some_and(|at| Instant::now() < at) {
            return false;
        }
        match self.step(tell) {
            Ok(more) => {
                (self.retry_at, self.trouble) = (None, None);
                more
            }
            Err(error) => {
                self.open = None;
                self.retry_at = Some(Instant::now() + RETRY);
                // Retention was faster, and it begins again where the log does; or the tenant is about to go.
                let is_due = matches!(error, NodeError::HistoryRemoved { .. });
                if !is_due && self.tenant.status().is_none() {
                    self.failed(error.to_string(), tell);
                }
                false
            }
        }
    }

    /// `None`: its log was not read yet, or cannot be.
    pub fn told(&self) -> Option<Told> {
        let open = self.open.as_ref()?;
        let (committed, next) = (self.tenant.committed(), open.follower.next());
        Some(Told {
            days: open.told.clone(),
            behind: committed.0.saturating_sub(next.0),
        })
    }

    /// Writes down what is known, if there is more of it than was written down.
    pub fn save(&mut self, tell: &Tell) {
        // Another log may lie there by now.
        if self.tenant.status() == Some(NotServing::Starting) {
            return;
        }
        let place = self.tenant.place().clone();
        let Some(open) = self.open.as_mut().filter(|it| it.has_more) else {
            return;
        };
        (open.saved_at, open.has_more) = (Instant::now(), false);
        let bytes = open.days.save(open.follower.next());
        let written = match bytes {
            Ok(bytes) => {
                let written = state_file::write(&place.decay(), &MAGIC, &[&bytes]);
                written.map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = written
            && self.tenant.status().is_none()
        {
            self.failed(error, tell);
        }
    }

    fn failed(&mut self, trouble: String, tell: &Tell) {
        if self.trouble.as_ref() != Some(&trouble) {
            let name = &self.tenant.name;
            tell(&format!("decay of tenant {name}'s models: {trouble}"));
            self.trouble = Some(trouble);
        }
    }

    fn step(&mut self, tell: &Tell) -> Result<bool, NodeError> {
        // Not open yet, or replaying: there is nothing to follow.
        let tenant = self.tenant.clone();
        let Some(shape) = tenant.shape() else {
            return Ok(false);
        };
        if self.open.is_none() {
            self.open = Some(self.begin(&shape.schema, tell)?);
        }
        let Some(open) = &mut self.open else {
            return Ok(false);
        };
        let batch = open.follower.next_batch(BATCH)?;
        let is_full = batch.len() == BATCH;
        open.has_more |= !batch.is_empty();
        let mut is_judged = false;
        for (position, record) in batch {
            is_judged |= open.days.take(position, record);
        }
        if is_judged {
            open.told = told(&open.days);
        }
        if open.saved_at.elapsed() >= SAVE_EVERY {
            self.save(tell);
        }
        Ok(is_full)
    }

    /// Where it was written down; else as far back as days are remembered.
    fn begin(&mut self, schema: &Schema, tell: &Tell) -> Result<Open, NodeError> {
        let history = History::open(self.tenant.place())?;
        let (days, from) = match self.saved(schema, &history, tell) {
            Some(known) => known,
            None => {
                let from = start(&history, schema.labels.maturity)?;
                (Days::new(schema, from.0 > 0), from)
            }
        };
        Ok(Open {
            follower: self.tenant.follower(from),
            told: told(&days),
            days,
            saved_at: Instant::now(),
            has_more: false,
        })
    }

    /// What is damaged is told; what is of another schema, or of another part of the log than there is, is of no use.
    fn saved(
        &mut self,
        schema: &Schema,
        history: &History,
        tell: &Tell,
    ) -> Option<(Days, Position)> {
        let path = self.tenant.place().decay();
        let held = state_file::read(&path, &MAGIC);
        let read = held.and_then(|held| match held.map(|it| Days::restore(schema, &it)) {
            None | Some(Err(SavedError::OtherSchema)) => Ok(None),
            Some(Ok(known)) => Ok(Some(known)),
            Some(Err(error)) => Err(format!("{}: {error}", path.display())),
        });
        match read {
            Ok(known) => known.filter(|(_, next)| (history.first()..=history.end()).contains(next)),
            Err(why) => {
                self.failed(format!("days are judged anew: {why}"), tell);
                None
            }
        }
    }
}

fn told(days: &Days) -> Arc<Vec<Judged>> {
    Arc::new(days.judged().rev().cloned().collect())
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
