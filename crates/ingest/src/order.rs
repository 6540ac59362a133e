//! The order in which rows may come.

use event::{EventTime, Span};

use crate::reject::RowError;
use crate::row::Row;

/// Holds the latest time so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    latest: EventTime,
    late: Span,
    /// The whole file is sorted afterwards: rows may come in any order.
    free: bool,
}

impl Order {
    pub fn new(late: Span, free: bool) -> Order {
        Order {
            latest: EventTime::from_millis(i64::MIN),
            late,
            free,
        }
    }

    /// Lets a row through that is not older than the latest one, or a late event within the allowed
    /// lateness: that one was received when the latest row was, not in the past.
    pub fn admit(&mut self, row: &mut Row) -> Result<(), RowError> {
        let time = row.time();
        if self.free || time >= self.latest {
            self.latest = self.latest.max(time);
            return Ok(());
        }
        match row {
            Row::Event { event, .. } if self.latest.since(time) <= self.late => {
                event.received_at = self.latest;
                Ok(())
            }
            _ => Err(RowError::out_of_order(time, self.latest, self.late)),
        }
    }
}
