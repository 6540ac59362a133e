//! Labels of dispositions to the tenant's owner: through its mailbox, at the least urgent level, a few on
//! their way at a time. An answer that does not come is asked for again: an equal label is taken once.

use std::time::{Duration, Instant};

use casework::Casework;
use casework::labels::Outgoing;
use event::json::LabelLine;
use event::record::LabelSource;
use event::{EventId, EventTime, Invalid};
use node::NodeError;
use node::mailbox::Level;
use node::node::Pending;
use node::request::{Failed, Request};
use tokio::sync::oneshot::error::TryRecvError;

use crate::Seat;
use crate::error::Trouble;

#[derive(Default)]
pub(crate) struct Deliveries {
    on_their_way: Vec<(Which, Pending)>,
}

/// On their way at a time, and what one weighs in the mailbox.
const AT_ONCE: usize = 64;
const LABEL_BYTES: usize = 512;
/// How long an owner may take; then the label is due again.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// A label by where it is kept.
#[derive(Clone, Copy)]
enum Which {
    /// Of a disposition.
    Disposed(i64),
    /// It had waited for its event.
    Waited(i64),
}

/// What became of one.
enum Told {
    Accepted,
    Refused(&'static str, String),
    /// The tenant could not be asked, or was not able to say.
    NotNow,
}

impl Deliveries {
    /// Whether there may be more to do at once.
    pub fn turn(
        &mut self,
        casework: &mut Casework,
        seat: &Seat,
        now: EventTime,
    ) -> Result<bool, Trouble> {
        self.collect(casework, seat, now)?;
        if !self.on_their_way.is_empty() {
            return Ok(true);
        }
        if !seat.take_outgoing() {
            return Ok(false);
        }
        self.send_arrived(casework, seat, now)?;
        let due = casework.labels_due(now, AT_ONCE)?;
        if due.is_empty() && self.on_their_way.is_empty() {
            if casework.labels_pending()? > 0 || casework.has_arrived()? {
                // None is due yet: look again.
                seat.has_outgoing();
            }
            return Ok(false);
        }
        seat.has_outgoing();
        let mut not_now = Vec::new();
        for label in due {
            let id = label.id;
            match send(seat, of_disposition(label), now) {
                Ok(pending) => self.on_their_way.push((Which::Disposed(id), pending)),
                Err(Told::Refused(code, message)) => {
                    casework.label_refused(id, code, &message, now)?;
                    seat.counters.labels_refused.add(1);
                }
                Err(_) => not_now.push(id),
            }
        }
        casework.labels_deferred(&not_now, now)?;
        Ok(!self.on_their_way.is_empty())
    }

    /// Labels whose events have come.
    fn send_arrived(
        &mut self,
        casework: &mut Casework,
        seat: &Seat,
        now: EventTime,
    ) -> Result<(), Trouble> {
        for label in casework.arrived(now, AT_ONCE)? {
            match send(seat, label.line.map_err(|error| unreadable(&error)), now) {
                Ok(pending) => self.on_their_way.push((Which::Waited(label.id), pending)),
                Err(Told::Refused(code, _)) => {
                    casework.label_ended(label.id, Some(code))?;
                    seat.counters.labels_refused.add(1);
                }
                Err(_) => casework.label_later(label.id, now)?,
            }
        }
        Ok(())
    }

    fn collect(
        &mut self,
        casework: &mut Casework,
        seat: &Seat,
        now: EventTime,
    ) -> Result<(), Trouble> {
        let (mut accepted, mut not_now, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
        for (which, mut pending) in std::mem::take(&mut self.on_their_way) {
            let told = match pending.try_recv() {
                Err(TryRecvError::Empty) => {
                    waiting.push((which, pending));
                    continue;
                }
                Err(TryRecvError::Closed) => Told::NotNow,
                Ok(Ok(_)) => Told::Accepted,
                Ok(Err(failed)) => classified(failed),
            };
            match (which, told) {
                (Which::Disposed(id), Told::Accepted) => accepted.push(id),
                (Which::Disposed(id), Told::NotNow) => not_now.push(id),
                (Which::Disposed(id), Told::Refused(code, message)) => {
                    casework.label_refused(id, code, &message, now)?;
                    seat.counters.labels_refused.add(1);
                }
                (Which::Waited(id), Told::Accepted) => casework.label_ended(id, None)?,
                (Which::Waited(id), Told::NotNow) => casework.label_later(id, now)?,
                (Which::Waited(id), Told::Refused(code, _)) => {
                    casework.label_ended(id, Some(code))?;
                    seat.counters.labels_refused.add(1);
                }
            }
        }
        self.on_their_way = waiting;
        if !accepted.is_empty() {
            casework.labels_accepted(&accepted)?;
            seat.counters.labels_accepted.add(accepted.len() as u64);
        }
        if !not_now.is_empty() {
            casework.labels_deferred(&not_now, now)?;
        }
        Ok(())
    }
}

fn of_disposition(label: Outgoing) -> Result<LabelLine, Told> {
    let event_id = EventId::parse("event_id", &label.event_id);
    let event_id = event_id.map_err(|error| unreadable(&error))?;
    Ok(LabelLine {
        event_id,
        verdict: label.verdict,
        source: LabelSource::Analyst,
        reason: label.reason,
        confidence_percent: 100,
        label_timestamp: label.at,
    })
}

fn unreadable(error: &Invalid) -> Told {
    Told::Refused(error.code(), error.to_string())
}

fn send(seat: &Seat, line: Result<LabelLine, Told>, now: EventTime) -> Result<Pending, Told> {
    let line = line?;
    let deadline = Instant::now() + ANSWERED_WITHIN;
    let request = Request::Label(line, now);
    seat.tenant
        .ask(request, LABEL_BYTES, Level::L3, deadline)
        .map_err(classified)
}

/// What is wrong with the label stays wrong; all else may pass.
fn classified(failed: Failed) -> Told {
    match failed {
        Failed::Refused(NodeError::DeadlinePassed | NodeError::Quota { .. }) => Told::NotNow,
        Failed::Refused(error) if error.refused_field().is_some() => {
            Told::Refused(error.code(), error.to_string())
        }
        _ => Told::NotNow,
    }
}
