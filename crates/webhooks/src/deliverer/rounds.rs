//! One tenant's rounds: see what is due, begin attempts, write down what they came to, wait.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use event::{EventTime, Span};
use hyper::body::Bytes;
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep;

use super::{Shared, Tenant};
use crate::attempt::{self, Connection, Failure, Letter, Outcome};
use crate::breaker::{Breaker, Leave};
use crate::endpoint::Target;
use crate::error::WebhookError;
use crate::secret::sign;
use crate::store::outbox::{Attempted, Due, Lane, Next};
use crate::store::retention::Swept;

/// How often what is old is looked for; also the longest wait, so that a clock that is set costs no more.
const SWEEP_EVERY: Duration = Duration::from_secs(30);
/// After the tenant's file could not be read or written.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// An endpoint between two rounds.
struct Held {
    url: String,
    breaker: Breaker,
    /// Deliveries on their way.
    under_way: Vec<i64>,
    idle: Vec<Connection>,
}

/// An attempt that has ended.
struct Ended {
    endpoint: String,
    url: String,
    due: Due,
    at: EventTime,
    latency: Duration,
    outcome: Outcome,
    connection: Option<Connection>,
}

struct Rounds {
    tenant: Arc<Tenant>,
    shared: Arc<Shared>,
    lanes: BTreeMap<String, Held>,
    attempts: JoinSet<Ended>,
    /// What could not be written down yet: until it is, nothing is begun, or it would be sent again.
    unwritten: Vec<Attempted>,
    swept: Option<Instant>,
}

pub async fn run(tenant: Arc<Tenant>, shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let mut rounds = Rounds {
        tenant,
        shared,
        lanes: BTreeMap::new(),
        attempts: JoinSet::new(),
        unwritten: Vec::new(),
        swept: None,
    };
    while !*stop.borrow() {
        let wait = match rounds.round().await {
            Ok(wait) => wait,
            Err(WebhookError::Closed) => return,
            Err(error) => {
                rounds.shared.counters.store_failures.add(1);
                let name = &rounds.tenant.name;
                (rounds.shared.host.tell)(format!("tenant {name}: {error}"));
                STORE_PAUSE
            }
        };
        let tenant = rounds.tenant.clone();
        let writing = rounds.unwritten.is_empty();
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            Some(ended) = rounds.attempts.join_next() => rounds.end(ended.ok()),
            () = tenant.wake.notified(), if writing => {}
            () = sleep(wait) => {}
        }
    }
    while let Some(ended) = rounds.attempts.join_next().await {
        rounds.end(ended.ok());
    }
    if let Err(error) = rounds.write_down().await {
        // They are still pending, and will be sent once more.
        (rounds.shared.host.tell)(format!("tenant {}: {error}", rounds.tenant.name));
    }
}

impl Rounds {
    /// How long to wait when nothing happens.
    async fn round(&mut self) -> Result<Duration, WebhookError> {
        while let Some(ended) = self.attempts.try_join_next() {
            self.end(ended.ok());
        }
        self.write_down().await?;
        let now = (self.shared.host.clock)();
        if self.swept.is_none_or(|at| at.elapsed() >= SWEEP_EVERY) {
            self.sweep(now).await?;
        }
        let lanes = self.disk(move |tenant| tenant.store.lanes(now)).await?;
        self.lanes.retain(|endpoint, held| {
            let there = lanes.iter().any(|lane| lane.endpoint == *endpoint);
            there || !held.under_way.is_empty()
        });
        let mut wait = SWEEP_EVERY;
        for lane in lanes {
            let until = self.serve(lane, now).await?;
            wait = wait.min(until);
        }
        self.publish();
        Ok(wait)
    }

    /// Begins what an endpoint may take of what is due. How long until it may take more, unless an attempt ends first.
    async fn serve(&mut self, lane: Lane, now: EventTime) -> Result<Duration, WebhookError> {
        let later = lane.later.map_or(SWEEP_EVERY, |at| millis(at.since(now)));
        if !lane.is_due {
            return Ok(later);
        }
        let at_once = self.shared.settings.at_once;
        let held_back = self.hold(&lane).under_way.len();
        let room = at_once.endpoint.saturating_sub(held_back);
        let room = room.min(at_once.tenant.saturating_sub(self.attempts.len()));
        let held = self.hold(&lane);
        let room = match held.breaker.leave(Instant::now()) {
            Leave::All => room,
            // A probe runs alone: what was under way when it opened ends first.
            Leave::One if held_back == 0 => room.min(1),
            Leave::One | Leave::Wait => 0,
            Leave::Until(until) => return Ok(until.saturating_duration_since(Instant::now())),
        };
        if room == 0 {
            return Ok(SWEEP_EVERY);
        }
        let (endpoint, limit) = (lane.endpoint.clone(), room + held_back);
        let due = self
            .disk(move |tenant| tenant.store.due(&endpoint, now, limit))
            .await?;
        let mut begun = 0;
        for due in due {
            let held = self.hold(&lane);
            if begun < room && !held.under_way.contains(&due.delivery) {
                held.breaker.begun();
                held.under_way.push(due.delivery);
                let connection = held.idle.pop();
                self.begin(&lane, due, connection);
                begun += 1;
            }
        }
        Ok(later)
    }

    fn hold(&mut self, lane: &Lane) -> &mut Held {
        let breaker = || Breaker::new(self.shared.settings.breaker.clone());
        let held = self
            .lanes
            .entry(lane.endpoint.clone())
            .or_insert_with(|| Held {
                url: lane.url.clone(),
                breaker: breaker(),
                under_way: Vec::new(),
                idle: Vec::new(),
            });
        // Another URL is another receiver.
        if held.url != lane.url {
            held.url = lane.url.clone();
            held.breaker = breaker();
            held.idle.clear();
        }
        held.idle.retain(Connection::is_usable);
        held
    }

    fn begin(&mut self, lane: &Lane, due: Due, connection: Option<Connection>) {
        let (shared, lane) = (self.shared.clone(), lane.clone());
        self.attempts.spawn(async move {
            // Never closed; without a place it would be one attempt too many.
            let _place = shared.places.clone().acquire_owned().await;
            let (at, start) = ((shared.host.clock)(), Instant::now());
            let (outcome, connection) = sent(&shared, &lane, &due, at, connection).await;
            Ended {
                endpoint: lane.endpoint,
                url: lane.url,
                due,
                at,
                latency: start.elapsed(),
                outcome,
                connection,
            }
        });
    }

    /// `None`: its task panicked; the delivery is not told apart from one under way until the next start.
    fn end(&mut self, ended: Option<Ended>) {
        let Some(mut ended) = ended else { return };
        let counters = &self.shared.counters;
        let failed = ended.outcome.failure.is_some();
        if let Some(held) = self.lanes.get_mut(&ended.endpoint) {
            held.under_way.retain(|it| *it != ended.due.delivery);
            if held.url == ended.url {
                if failed {
                    let opened = held.breaker.failed(Instant::now());
                    counters.breaker_opened.add(u64::from(opened));
                } else {
                    held.breaker.succeeded();
                }
                held.idle.extend(ended.connection.take());
            }
        }
        let next = self.next(&ended);
        match next {
            Next::Delivered => counters.delivered.add(1),
            Next::Again(_) => counters.failed.add(1),
            Next::Dead => {
                counters.failed.add(1);
                counters.dead.add(1);
            }
        }
        self.unwritten.push(Attempted {
            delivery: ended.due.delivery,
            at: ended.at,
            latency: ended.latency,
            status: ended.outcome.status,
            error: ended.outcome.failure.map(Failure::code),
            detail: ended.outcome.detail,
            next,
        });
    }

    fn next(&self, ended: &Ended) -> Next {
        if ended.outcome.failure.is_none() {
            return Next::Delivered;
        }
        let retry = &self.shared.settings.retry;
        let failures = ended.due.failures + 1;
        let pause = retry.pause(ended.due.delivery, failures);
        let asked = ended.outcome.wait.unwrap_or_default().min(retry.max);
        let now = (self.shared.host.clock)();
        let due = now.plus(span(pause.max(asked)));
        let given_up = ended.due.since.plus(span(retry.give_up_after));
        if failures >= retry.attempts_max || due > given_up {
            return Next::Dead;
        }
        Next::Again(due)
    }

    async fn write_down(&mut self) -> Result<(), WebhookError> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        let unwritten = self.unwritten.clone();
        self.disk(move |tenant| tenant.store.record(&unwritten))
            .await?;
        self.unwritten.clear();
        Ok(())
    }

    async fn sweep(&mut self, now: EventTime) -> Result<(), WebhookError> {
        let Swept { expired, .. } = self.disk(move |tenant| tenant.store.sweep(now)).await?;
        self.shared.counters.dead.add(expired);
        self.swept = Some(Instant::now());
        Ok(())
    }

    /// SQLite waits for the disk: not on the thread that waits for sockets.
    async fn disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Tenant) -> Result<T, WebhookError> + Send + 'static,
    ) -> Result<T, WebhookError> {
        let tenant = self.tenant.clone();
        let done = spawn_blocking(move || work(&tenant)).await;
        // It panicked, or the runtime ends.
        done.unwrap_or_else(|error| Err(std::io::Error::other(error).into()))
    }

    fn publish(&self) {
        let states = self.lanes.iter();
        let states = states.map(|(endpoint, held)| (endpoint.clone(), held.breaker.name()));
        let breakers = self.tenant.breakers.lock();
        *breakers.unwrap_or_else(PoisonError::into_inner) = states.collect();
    }
}

async fn sent(
    shared: &Shared,
    lane: &Lane,
    due: &Due,
    at: EventTime,
    connection: Option<Connection>,
) -> (Outcome, Option<Connection>) {
    let target = match Target::parse(&lane.url, &shared.settings.reach) {
        Ok(target) => target,
        Err(error) => return (Outcome::failed(Failure::Url, error), None),
    };
    let timestamp = at.millis().div_euclid(1000);
    let letter = Letter {
        signatures: sign(&lane.secrets, &due.notice, timestamp, due.body.as_bytes()),
        notice: due.notice.clone(),
        timestamp,
        body: Bytes::from(due.body.clone()),
        traceparent: due.traceparent.clone(),
    };
    let within = shared.settings.attempt;
    attempt::attempt(&shared.connector, connection, &target, &letter, within).await
}

fn span(duration: Duration) -> Span {
    Span::from_millis(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

fn millis(span: Span) -> Duration {
    Duration::from_millis(span.millis().max(1) as u64)
}
