//! When the latest of what came in was received, as the log has it.

use event::record::Record;
use event::{EventTime, Position};

use super::Tenant;
use crate::NodeError;

/// Records at the log's end that are looked at. Ticks and configuration are not stamped; an hour of quiet is
/// sixty ticks.
const LOOKED_AT: u64 = 1024;

impl Tenant {
    /// The latest event time in the log.
    pub fn newest(&self) -> EventTime {
        self.journal.newest()
    }

    /// The latest stamp among the log's last records.
    pub fn last_received(&mut self) -> Result<EventTime, NodeError> {
        let end = self.journal.next().0;
        let first = self.journal.log().first().0;
        for at in (end.saturating_sub(LOOKED_AT).max(first)..end).rev() {
            let stamp = match self.journal.read(Position(at))? {
                Record::Event(event) => event.received_at,
                Record::Label(label) => label.received_at,
                Record::Outcome(outcome) => outcome.received_at,
                Record::Decision(decision) => decision.decided_at,
                Record::Tick(_) | Record::Config(_) | Record::Activation(_) => continue,
            };
            return Ok(stamp);
        }
        Ok(EventTime::MIN)
    }
}
