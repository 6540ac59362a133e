//! This machine's clocks, read here and nowhere else.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use event::EventTime;

use crate::NodeError;

pub fn now() -> Result<EventTime, NodeError> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.map_err(|_| NodeError::Clock)?;
    Ok(EventTime::from_millis(since.as_millis() as i64))
}

/// The clock of a node; clones are the same clock.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    hands: Option<Arc<Hands>>,
}

/// A clock that a test moves.
#[doc(hidden)]
#[derive(Debug)]
pub struct Hands {
    start: Instant,
    state: Mutex<HandsState>,
}

#[derive(Debug, Default)]
struct HandsState {
    since_start: Duration,
    /// What one look after the other takes, over and over.
    looks: Vec<Duration>,
    looked: usize,
}

impl Clock {
    #[doc(hidden)]
    pub fn moved_by(hands: Arc<Hands>) -> Clock {
        Clock { hands: Some(hands) }
    }

    /// Never goes back; for how long something took, and for deadlines.
    pub fn instant(&self) -> Instant {
        match &self.hands {
            None => Instant::now(),
            Some(hands) => hands.look(),
        }
    }
}

impl Hands {
    pub fn at(start: Instant) -> Hands {
        Hands {
            start,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, HandsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn advance(&self, by: Duration) {
        self.state().since_start += by;
    }

    /// From now on the first look takes the first of these, and so on, over and over.
    pub fn looks_take(&self, looks: &[Duration]) {
        let mut state = self.state();
        state.looks = looks.to_vec();
        state.looked = 0;
    }

    fn look(&self) -> Instant {
        let mut state = self.state();
        if !state.looks.is_empty() {
            let at = state.looked % state.looks.len();
            state.looked += 1;
            let takes = state.looks[at];
            state.since_start += takes;
        }
        self.start + state.since_start
    }
}
