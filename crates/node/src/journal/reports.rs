//! What is said of an event later: labels and outcomes, tied to the event they are about.

use compact_str::CompactString;
use event::ids::text_key;
use event::json::{LabelLine, OutcomeLine};
use event::record::{Label, Outcome, Record, Subject};
use event::{EventId, EventTime, Invalid, Position, Span};

use super::{Journal, LABELS, OUTCOMES, decode};
use crate::NodeError;

impl Journal {
    /// The latest event under the id that had happened by `known_at`, the time given in `field`.
    fn subject(
        &mut self,
        event_id: &EventId,
        field: &str,
        known_at: EventTime,
    ) -> Result<Subject, NodeError> {
        let horizon = self.schema.labels.horizon;
        let mut held = self.find_events(event_id, known_at.minus(horizon))?;
        if held.is_empty() {
            // Too late and unknown are told apart; the filters of old segments make that cheap.
            held = self.find_events(event_id, EventTime::MIN)?;
        }
        let happened = held
            .iter()
            .filter(|(_, event)| event.event_timestamp <= known_at)
            .max_by_key(|(_, event)| event.event_timestamp);
        let Some((position, event)) = happened else {
            return Err(match held.first() {
                Some((_, event)) => NodeError::Invalid(Invalid::BeforeEvent {
                    field: field.to_owned(),
                    value: known_at,
                    event_timestamp: event.event_timestamp,
                }),
                None => NodeError::UnknownEvent {
                    event_id: event_id.as_str().to_owned(),
                },
            });
        };
        if known_at.since(event.event_timestamp) > horizon {
            return Err(NodeError::Invalid(Invalid::TooLate {
                field: field.to_owned(),
                value: known_at,
                event_timestamp: event.event_timestamp,
                horizon: horizon.label(self.schema.time.unit),
            }));
        }
        Ok(event.subject(*position))
    }

    /// Ties a reported label to its event and to the label it replaces; `None` when it is already there.
    pub fn resolve_label(
        &mut self,
        line: &LabelLine,
        received_at: EventTime,
    ) -> Result<Option<Label>, NodeError> {
        event::draft::check_time("label_timestamp", line.label_timestamp, received_at)?;
        let subject = self.subject(&line.event_id, "label_timestamp", line.label_timestamp)?;
        let mut prior = None;
        let key = text_key(line.event_id.as_str(), LABELS);
        for at in self.log.find(key, earliest_report(&subject))? {
            let Record::Label(held) = decode(&mut self.log, Position(at.0))? else {
                continue;
            };
            if held.subject.position != subject.position {
                continue;
            }
            let same = held.verdict == line.verdict
                && held.source == line.source
                && held.label_timestamp == line.label_timestamp;
            if same {
                return Ok(None);
            }
            prior = prior.or(Some((held.verdict, Position(at.0))));
        }
        Ok(Some(Label {
            subject,
            verdict: line.verdict,
            source: line.source,
            reason: CompactString::from(line.reason.as_str()),
            confidence_percent: line.confidence_percent,
            label_timestamp: line.label_timestamp,
            received_at,
            prior,
        }))
    }

    /// Ties an outcome to its event; `None` when it is already there.
    pub fn resolve_outcome(
        &mut self,
        line: &OutcomeLine,
        received_at: EventTime,
    ) -> Result<Option<Outcome>, NodeError> {
        event::draft::check_time("outcome_timestamp", line.outcome_timestamp, received_at)?;
        let subject = self.subject(&line.event_id, "outcome_timestamp", line.outcome_timestamp)?;
        let key = text_key(line.event_id.as_str(), OUTCOMES);
        for at in self.log.find(key, earliest_report(&subject))? {
            if let Record::Outcome(held) = decode(&mut self.log, Position(at.0))?
                && held.subject.position == subject.position
                && held.kind == line.kind
                && held.outcome_timestamp == line.outcome_timestamp
            {
                return Ok(None);
            }
        }
        let (kind, outcome_timestamp) = (line.kind, line.outcome_timestamp);
        Ok(Some(Outcome {
            subject,
            kind,
            outcome_timestamp,
            received_at,
        }))
    }
}

/// A label or outcome may be dated ahead of the clock that stamps its record, by the bound of
/// `check_time`, and so may its event.
fn earliest_report(subject: &Subject) -> i64 {
    subject.event_timestamp.minus(Span::MAX_FUTURE).millis()
}
