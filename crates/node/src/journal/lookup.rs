//! What the log holds about one event: itself, its decision, its labels, its outcomes.

use event::ids::text_key;
use event::record::{Decision, Label, Outcome, Record};
use event::{Event, EventId, EventTime, Position};

use super::{Journal, LABELS, OUTCOMES, decode};
use crate::NodeError;

/// Everything that was recorded about an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub position: Position,
    pub event: Event,
    /// `None`: the event came in without being decided.
    pub decision: Option<Decision>,
    /// Newest first.
    pub labels: Vec<(Position, Label)>,
    /// Newest first.
    pub outcomes: Vec<(Position, Outcome)>,
    /// What the decision looked at, as it stood; empty for an approval.
    pub evidence: Vec<(Position, Event)>,
}

/// Labels and outcomes that are read for one event.
const REPORTS_MAX: usize = 32;

impl Journal {
    /// The latest event under an id.
    pub fn look_up(&mut self, event_id: &EventId) -> Result<Option<Found>, NodeError> {
        let mut held = self.find_events(event_id, EventTime::MIN)?;
        if held.is_empty() {
            return Ok(None);
        }
        let (position, event) = held.swap_remove(0);
        let decision = self.decision_of(position)?;
        let mut found = Found {
            position,
            evidence: Vec::new(),
            labels: Vec::new(),
            outcomes: Vec::new(),
            decision,
            event,
        };
        for record in self.reports(event_id, LABELS)? {
            if let (at, Record::Label(label)) = record
                && label.subject.position == position
            {
                found.labels.push((at, label));
            }
        }
        for record in self.reports(event_id, OUTCOMES)? {
            if let (at, Record::Outcome(outcome)) = record
                && outcome.subject.position == position
            {
                found.outcomes.push((at, outcome));
            }
        }
        if let Some(decision) = &found.decision {
            let looked_at = decision.evidence.clone();
            found.evidence = self.events_at(&looked_at)?;
        }
        Ok(Some(found))
    }

    fn reports(
        &mut self,
        event_id: &EventId,
        space: u64,
    ) -> Result<Vec<(Position, Record)>, NodeError> {
        let key = text_key(event_id.as_str(), space);
        let found = self.log.find(key, EventTime::MIN.millis())?;
        let newest = found.into_iter().take(REPORTS_MAX);
        newest
            .map(|at| Ok((Position(at.0), decode(&mut self.log, Position(at.0))?)))
            .collect()
    }

    /// The decision at a position with its event; `None` when something else stands there, or the event is gone.
    pub fn decided_at(
        &mut self,
        at: Position,
    ) -> Result<Option<(Position, Decision, Event)>, NodeError> {
        let Record::Decision(decision) = decode(&mut self.log, at)? else {
            return Ok(None);
        };
        let position = decision.event_position;
        let event = self.event_at(position)?;
        Ok(event.map(|event| (position, decision, event)))
    }

    /// The event at a position; `None` when retention has dropped it, or when something else stands there.
    pub fn event_at(&mut self, position: Position) -> Result<Option<Event>, NodeError> {
        if position.0 < self.log.first().0 || position >= self.next() {
            return Ok(None);
        }
        match decode(&mut self.log, position)? {
            Record::Event(event) => Ok(Some(event)),
            _ => Ok(None),
        }
    }

    pub fn events_at(
        &mut self,
        positions: &[Position],
    ) -> Result<Vec<(Position, Event)>, NodeError> {
        let mut events = Vec::with_capacity(positions.len());
        for position in positions {
            if let Some(event) = self.event_at(*position)? {
                events.push((*position, event));
            }
        }
        Ok(events)
    }

    /// Whether an event was known as fraud before a position: a label that came past the horizon counts for nobody.
    pub fn known_fraud_before(
        &mut self,
        event: &Event,
        event_at: Position,
        before: Position,
    ) -> Result<bool, NodeError> {
        let key = text_key(event.event_id.as_str(), LABELS);
        let horizon = self.schema.labels.horizon;
        for at in self.log.find(key, EventTime::MIN.millis())? {
            if at.0 >= before.0 {
                continue;
            }
            if let Record::Label(label) = decode(&mut self.log, Position(at.0))?
                && label.subject.position == event_at
                && label.received_at.since(label.subject.event_timestamp) <= horizon
            {
                // Newest first: a later correction counts.
                return Ok(label.verdict == event::record::Verdict::Fraud);
            }
        }
        Ok(false)
    }
}
