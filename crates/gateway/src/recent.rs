//! Which request decided an event, for the few seconds until webhooks tell of it: the log knows no traces.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::trace::Trace;

/// A newer event takes the place of an older one whose hash ends alike; then, and after a restart, a webhook has no
/// trace.
pub struct Recent {
    key: RandomState,
    slots: Box<[Mutex<Slot>]>,
}

/// Hash of tenant and event, and the trace of the request.
type Slot = Option<(u64, Trace)>;

const SLOTS: usize = 4096;

impl Recent {
    pub fn new() -> Recent {
        Recent {
            key: RandomState::new(),
            slots: (0..SLOTS).map(|_| Mutex::default()).collect(),
        }
    }

    /// Before the event is handed over, so that nobody looks for it earlier.
    pub fn keep(&self, tenant: &str, event_id: &str, trace: Trace) {
        let hash = self.key.hash_one((tenant, event_id));
        *self.slot(hash) = Some((hash, trace));
    }

    pub fn of(&self, tenant: &str, event_id: &str) -> Option<Trace> {
        let hash = self.key.hash_one((tenant, event_id));
        let held = *self.slot(hash);
        held.filter(|(of, _)| *of == hash).map(|(_, trace)| trace)
    }

    fn slot(&self, hash: u64) -> MutexGuard<'_, Slot> {
        let slot = &self.slots[hash as usize % SLOTS];
        slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Recent {
    fn default() -> Recent {
        Recent::new()
    }
}
