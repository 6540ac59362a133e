//! What becomes of a tenant's models by themselves: alerts of the watch over drift, and retrains.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use drift::{Alert, Reference};
use event::{EventTime, Position, Record, hex};
use node::node::TenantHandle;
use node::watch::Watched;
use serde_json::{Value, json};
use steward::job::{self, Job};
use steward::{Steward, StewardError};
use webhooks::deliverer::Tenant;
use webhooks::notice::{Kind, Notice};
use webhooks::source::{DRIFT, RETRAINS};

/// A retrain takes minutes, and a look reads its small files.
const RETRAINS_EVERY: Duration = Duration::from_secs(2);

/// How far the two have been looked at.
#[derive(Default)]
pub(super) struct Models {
    /// The watch that was looked at last: an alert may come to it until another one takes its place.
    watch: Option<Arc<Watched>>,
    /// Alerts that the process had counted then.
    counted: Option<u64>,
    retrains_at: Option<Instant>,
}

impl Models {
    /// Alerts are told in the order of the log, by the record that closed their window.
    pub fn drift(&mut self, handle: &TenantHandle, hooks: &Tenant, now: EventTime) -> Result<()> {
        // Before the watches are read: what is counted meanwhile is looked for again.
        let alerts = &handle.counters().drift.alerts;
        let counted = alerts.iter().map(|it| it.get()).sum();
        let watch = handle.watch();
        let held = |it: &Option<Arc<Watched>>| it.as_ref().map(Arc::as_ptr);
        let is_same = held(&watch) == held(&self.watch);
        if is_same && self.counted == Some(counted) {
            return Ok(());
        }
        let last = hooks.store().cursor(DRIFT)?.unwrap_or(0);
        let former = self.watch.iter().filter(|_| !is_same);
        let mut found = Vec::new();
        for watch in former.chain(&watch) {
            found.extend(alerts_of(handle, watch, last)?);
        }
        if let Some(upto) = found.iter().map(|it| it.0).max() {
            let notices: Vec<Notice> = found.into_iter().map(|it| it.1).collect();
            hooks.take_in(DRIFT, upto, &notices, now)?;
        }
        (self.watch, self.counted) = (watch, Some(counted));
        Ok(())
    }

    /// A candidate that waits for approval, and the end of a retrain that the server sees to: of these there is one
    /// at a time.
    pub fn retrains(
        &mut self,
        handle: &TenantHandle,
        hooks: &Tenant,
        steward: &Steward,
        now: EventTime,
    ) -> Result<()> {
        if self
            .retrains_at
            .is_some_and(|at| at.elapsed() < RETRAINS_EVERY)
        {
            return Ok(());
        }
        self.retrains_at = Some(Instant::now());
        let last = hooks.store().cursor(RETRAINS)?;
        let jobs = job::all(handle.place())?;
        let newest = jobs.last().map_or(0, |it| place(it, true));
        if last.is_some_and(|last| last > newest) {
            // Another directory has taken the place of the one that was followed.
            hooks.store().go_back(RETRAINS, newest)?;
        }
        let last = last.map(|last| last.min(newest));
        // What there was before the first endpoint is not told; before there is one, nothing: one that is made meanwhile
        // would hear of it.
        let endpoints = hooks.store().endpoints()?;
        let from = endpoints.iter().map(|it| it.created_at).min();
        let is_known = |at| from.is_some_and(|from| last.is_some() || at >= from);
        let told = last.unwrap_or(0);
        let (mut upto, mut notices) = (told, Vec::new());
        for job in jobs.iter().filter(|it| place(it, true) > told) {
            let Some((reached, at, notice)) = stage(job, steward, now)? else {
                continue;
            };
            let is_new = reached > told && is_known(at);
            notices.extend(Some(notice).filter(|_| is_new));
            upto = upto.max(reached);
        }
        if last != Some(upto) {
            hooks.take_in(RETRAINS, upto, &notices, now)?;
        }
        Ok(())
    }
}

/// Behind a position, with that at which their window closed.
fn alerts_of(handle: &TenantHandle, watch: &Watched, last: u64) -> Result<Vec<(u64, Notice)>> {
    let model = hex(&watch.artifact());
    let told: Vec<(u64, EventTime, Value)> = watch.read(|monitor| {
        let reference = monitor.reference();
        let new = monitor.alerts().filter(|it| it.position > last);
        new.map(|it| {
            (
                it.position,
                EventTime::from_millis(it.at),
                body(&model, it, reference),
            )
        })
        .collect()
    });
    let mut found = Vec::new();
    for (position, at, mut data) in told {
        let examples = data["examples"].as_array().cloned().unwrap_or_default();
        let examples = examples.iter().filter_map(Value::as_u64);
        let ids: Result<Vec<Value>> = examples.map(|it| event_id(handle, it)).collect();
        data["example_events"] = json!(ids?);
        let id = format!("drift:{position}:{}", data["number"]);
        found.push((position, Notice::new(id, Kind::DriftAlert, at, &data)?));
    }
    Ok(found)
}

fn body(model: &str, alert: &Alert, reference: &Reference) -> Value {
    let mut data = json!(alert.told(reference));
    data["model"] = json!(model);
    data["position"] = json!(alert.position);
    data
}

/// `null`: retention has let go of it.
fn event_id(handle: &TenantHandle, position: u64) -> Result<Value> {
    let mut follower = handle.follower(Position(position));
    Ok(match follower.next_batch(1) {
        Ok(batch) => match batch.first() {
            Some((_, Record::Event(event))) => json!(event.event_id.as_str()),
            _ => Value::Null,
        },
        Err(node::NodeError::HistoryRemoved { .. }) => Value::Null,
        Err(error) => return Err(error.into()),
    })
}

/// In the order in which retrains go: each waits before it ends, and ends before the next.
fn place(job: &Job, has_ended: bool) -> u64 {
    2 * job.id + u64::from(has_ended)
}

/// How far a job has come of what is told, and when; `None`: not so far, or nobody attends to it.
fn stage(job: &Job, steward: &Steward, now: EventTime) -> Result<Option<(u64, EventTime, Notice)>> {
    let order = match job.order() {
        Ok(order) => order,
        // Let go of between two looks.
        Err(StewardError::Unknown(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let data = steward.told(job);
    let outcome = job.outcome()?;
    let is_told = outcome.is_some() || data["status"] == "waiting_for_approval";
    if !order.attended || !is_told {
        return Ok(None);
    }
    let at = outcome
        .as_ref()
        .map_or(now, |it| EventTime::from_millis(it.at));
    let reached = place(job, outcome.is_some());
    // With its time: a directory that is made anew counts from 1 again.
    let id = format!("retrain:{reached}:{}", order.at);
    let notice = Notice::new(id, Kind::RetrainChanged, at, &data)?;
    Ok(Some((reached, at, notice)))
}
