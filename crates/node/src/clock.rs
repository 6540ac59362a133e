//! This machine's clock, read when something comes in and nowhere else.

use std::time::{SystemTime, UNIX_EPOCH};

use event::EventTime;

use crate::NodeError;

pub fn now() -> Result<EventTime, NodeError> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.map_err(|_| NodeError::Clock)?;
    Ok(EventTime::from_millis(since.as_millis() as i64))
}
