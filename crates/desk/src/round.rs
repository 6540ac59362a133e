//! One tenant's turn: what its log brought, labels that wait, what is due by time.
//!
//! Whoever else follows the log takes the same batch here, after casework, which has it on disk by then: so does
//! the audit trail, which goes on by itself while casework cannot.

use std::sync::Arc;
use std::time::{Duration, Instant};

use casework::Casework;
use event::{EventTime, Position, Schema};
use node::{Follower, NodeError};

use crate::Seat;
use crate::audit::{Auditing, Seen};
use crate::delivery::Deliveries;
use crate::desk::{Host, Tell};
use crate::error::Trouble;

/// What the thread keeps of a tenant between turns. Owned by it alone.
pub(crate) struct Round {
    seat: Arc<Seat>,
    open: Option<Open>,
    deliveries: Deliveries,
    auditing: Auditing,
    retry: Retry,
}

struct Open {
    casework: Casework,
    follower: Follower,
    /// When what is due by time was last looked for.
    looked_at: Option<Instant>,
}

/// After a failure: not before `at`.
struct Retry {
    at: Option<Instant>,
    pause: Duration,
}

/// Records of one transaction.
const BATCH: usize = 1024;
const LOOK_EVERY: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

impl Round {
    pub fn new(seat: Arc<Seat>) -> Round {
        Round {
            seat,
            open: None,
            deliveries: Deliveries::default(),
            auditing: Auditing::default(),
            retry: Retry {
                at: None,
                pause: FIRST_PAUSE,
            },
        }
    }

    pub fn seat(&self) -> &Arc<Seat> {
        &self.seat
    }

    /// Whether there may be more to do at once. A failure stays with this tenant.
    pub fn turn(&mut self, host: &Host) -> bool {
        if self.retry.at.is_some_and(|at| Instant::now() < at) {
            return self.auditing.turn(host, &self.seat, None, None);
        }
        match self.step(host) {
            Ok(busy) => {
                if self.retry.at.take().is_some() {
                    self.retry.pause = FIRST_PAUSE;
                    self.seat.clear_trouble();
                    (host.tell)(&format!(
                        "casework of tenant {} goes on",
                        self.seat.tenant.name
                    ));
                }
                busy
            }
            Err(trouble) => {
                self.failed(&trouble.to_string(), &host.tell);
                self.auditing.turn(host, &self.seat, None, None)
            }
        }
    }

    fn failed(&mut self, trouble: &str, tell: &Tell) {
        self.seat.counters.failures.add(1);
        if self.seat.trouble().as_deref() != Some(trouble) {
            tell(&format!(
                "casework of tenant {}: {trouble}",
                self.seat.tenant.name
            ));
            self.seat.set_trouble(trouble.to_owned());
        }
        // What is in memory may be ahead of the file: both are opened afresh.
        self.open = None;
        self.retry.at = Some(Instant::now() + self.retry.pause);
        self.retry.pause = (self.retry.pause * 2).min(LONGEST_PAUSE);
    }

    fn step(&mut self, host: &Host) -> Result<bool, Trouble> {
        let tenant = self.seat.tenant.clone();
        // Not open yet, or replaying: there is nothing to follow.
        let Some(shape) = tenant.shape() else {
            return Ok(false);
        };
        let open = match &mut self.open {
            Some(open) => open,
            empty => {
                let open = empty.insert(Open::new(&self.seat, &shape.schema)?);
                // Before anything is added: whether casework was made anew is seen by its newest number.
                let casework = Some(&open.casework);
                self.auditing.meet();
                self.auditing.turn(host, &self.seat, None, casework);
                open
            }
        };
        let (seen, mut busy) = open.follow(&self.seat, &shape.schema, &host.tell)?;
        let now = host.node.clock().now()?;
        let (casework, seat) = (&mut open.casework, &self.seat);
        busy |= self.deliveries.turn(casework, seat, now)?;
        busy |= open.look(seat, now)?;
        let casework = Some(&open.casework);
        busy |= self.auditing.turn(host, seat, Some(&seen), casework);
        Ok(busy)
    }
}

impl Open {
    fn new(seat: &Seat, schema: &Schema) -> Result<Open, Trouble> {
        let casework = seat.open(schema)?;
        let cursor = casework.cursor()?;
        let end = seat.tenant.committed();
        if cursor > end {
            return Err(Trouble::Ahead { cursor, end });
        }
        Ok(Open {
            casework,
            follower: seat.tenant.follower(cursor),
            looked_at: None,
        })
    }

    /// What was taken, and whether there is more.
    fn follow(
        &mut self,
        seat: &Seat,
        schema: &Schema,
        tell: &Tell,
    ) -> Result<(Seen, bool), Trouble> {
        let from = self.follower.next();
        let batch = match self.follower.next_batch(BATCH) {
            Err(NodeError::HistoryRemoved { first }) => {
                self.skip(seat, first, tell)?;
                let (to, records) = (from, Vec::new());
                return Ok((Seen { from, to, records }, true));
            }
            batch => batch?,
        };
        let counters = &seat.counters;
        let followed = self.casework.follow(schema, &batch)?;
        counters.alerts.add(followed.alerts);
        counters.cases_opened.add(followed.cases_opened);
        counters.cases_merged.add(followed.cases_merged);
        counters.without_event.add(followed.without_event);
        if followed.arrived > 0 {
            seat.has_outgoing();
        }
        let behind = seat
            .tenant
            .committed()
            .0
            .saturating_sub(self.follower.next().0);
        counters.behind.set(behind);
        let (to, records) = (self.follower.next(), batch);
        Ok((Seen { from, to, records }, behind > 0))
    }

    /// Retention was faster: alerts of what it removed are not made any more.
    fn skip(&mut self, seat: &Seat, first: Position, tell: &Tell) -> Result<(), Trouble> {
        let from = self.follower.next();
        self.casework.skip_to(first)?;
        self.follower.skip_to(first);
        seat.counters.skipped.add(first.0.saturating_sub(from.0));
        let name = &seat.tenant.name;
        let (from, first) = (from.0, first.0);
        tell(&format!(
            "casework of tenant {name}: positions {from} to {first} are gone from the log"
        ));
        Ok(())
    }

    /// What is due by time, and counts that need a look at all cases.
    fn look(&mut self, seat: &Seat, now: EventTime) -> Result<bool, Trouble> {
        if self.looked_at.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return Ok(false);
        }
        let horizon = seat.tenant.shape().map(|shape| shape.schema.labels.horizon);
        if let Some(horizon) = horizon {
            self.casework.expire_waiting(horizon, now)?;
        }
        self.casework.forget_hits()?;
        let expired = self.casework.expire(now)?;
        if expired != Default::default() {
            return Ok(true);
        }
        let stand = self.casework.queue_stand(now)?;
        seat.counters.open.set(stand.open);
        seat.counters.breached.set(stand.breached);
        self.looked_at = Some(Instant::now());
        Ok(false)
    }
}
