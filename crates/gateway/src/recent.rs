//! Which request decided an event, for the few seconds until webhooks tell of it: the log knows no traces.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use event::record::Decision;
use node::mailbox::Level;
use traces::Sampling;
use traces::sampling::Outcome;

use crate::spans::Verdict;
use crate::trace::Trace;

/// A newer event takes the place of an older one whose hash ends alike; then, and after a restart, a webhook has no
/// trace.
pub struct Recent {
    key: RandomState,
    slots: Box<[Mutex<Slot>]>,
    /// `None`: no spans are made.
    sampling: Option<Sampling>,
}

/// The request that brings an event.
#[derive(Clone, Copy, Debug)]
pub struct Bringing {
    pub trace: Trace,
    pub level: Level,
    /// With others, in one request.
    pub is_batch: bool,
}

/// Hash of tenant and event, and the request.
type Slot = Option<(u64, Bringing)>;

const SLOTS: usize = 4096;

impl Recent {
    pub fn new(sampling: Option<Sampling>) -> Recent {
        Recent {
            key: RandomState::new(),
            slots: (0..SLOTS).map(|_| Mutex::default()).collect(),
            sampling,
        }
    }

    /// Before the event is handed over, so that nobody looks for it earlier.
    pub fn keep(&self, tenant: &str, event_id: &str, bringing: Bringing) {
        let hash = self.key.hash_one((tenant, event_id));
        *self.slot(hash) = Some((hash, bringing));
    }

    /// The trace that a decision was made in. Whether its spans are kept follows from what was decided and not from
    /// the answer, which may come later than whoever asks here; of a batch that is kept for another of its events
    /// it is not known.
    pub fn of(&self, tenant: &str, event_id: &str, decision: &Decision) -> Option<Trace> {
        let hash = self.key.hash_one((tenant, event_id));
        let held = *self.slot(hash);
        let (_, bringing) = held.filter(|(of, _)| *of == hash)?;
        let mut trace = bringing.trace;
        let verdict = Verdict::of(decision, bringing.level);
        let outcome = Outcome {
            level: bringing.level as usize,
            asked_for: trace.sampled,
            remarkable: match bringing.is_batch {
                true => verdict.is_decline(),
                false => verdict.is_remarkable(),
            },
        };
        let sampling = self.sampling.as_ref();
        trace.sampled |= sampling.is_some_and(|it| it.keeps(trace.trace, outcome));
        Some(trace)
    }

    fn slot(&self, hash: u64) -> MutexGuard<'_, Slot> {
        let slot = &self.slots[hash as usize % SLOTS];
        slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
