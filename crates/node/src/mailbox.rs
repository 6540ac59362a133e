//! What waits for a tenant's owner thread: bounded by count and bytes, refused at the door beyond that.
//!
//! The less urgent a letter, the earlier it is refused, so that an overload takes the back office first and
//! the payment path last. What the committer says does not wait in line and is never refused.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use log::Synced;

/// How urgent a request is, as its sender's token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Authorisation in the payment path.
    L1,
    L2,
    /// Batch, back office.
    L3,
}

impl Level {
    pub const ALL: [Level; 3] = [Level::L1, Level::L2, Level::L3];

    pub fn name(self) -> &'static str {
        match self {
            Level::L1 => "L1",
            Level::L2 => "L2",
            Level::L3 => "L3",
        }
    }

    pub fn parse(text: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.name() == text)
    }

    /// Part of the box a letter may find full and still enter, in percent.
    pub fn share_percent(self) -> usize {
        match self {
            Level::L1 => 100,
            Level::L2 => 75,
            Level::L3 => 50,
        }
    }
}

/// Limits of one box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoxLimits {
    pub letters_max: usize,
    pub bytes_max: usize,
}

/// Why a letter did not enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Its level's share of the box is full.
    Full,
    /// The owner takes no more: it drains, or has gone.
    Closed,
}

/// A letter and what it weighs.
#[derive(Debug)]
struct Weighed<T> {
    letter: T,
    bytes: usize,
}

#[derive(Debug)]
struct State<T> {
    letters: VecDeque<Weighed<T>>,
    bytes: usize,
    synced: Option<Synced>,
    closed: bool,
}

#[derive(Debug)]
pub struct Mailbox<T> {
    state: Mutex<State<T>>,
    ready: Condvar,
    limits: BoxLimits,
}

/// What the owner finds.
#[derive(Debug)]
pub enum Found<T> {
    Synced(Synced),
    Letter(T),
    /// Nothing until the given instant, or nothing at all when none was given.
    Nothing,
    /// Closed, and the last letter has been taken.
    Closed,
}

/// Which of its mail the owner wants now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    All,
    /// The group is full: only the committer can help.
    SyncedOnly,
}

impl<T> Mailbox<T> {
    pub fn new(limits: BoxLimits) -> Mailbox<T> {
        Mailbox {
            state: Mutex::new(State {
                letters: VecDeque::new(),
                bytes: 0,
                synced: None,
                closed: false,
            }),
            ready: Condvar::new(),
            limits,
        }
    }

    /// Nobody panics while holding the lock: what is behind it is whole.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves a letter, or gives it back with the reason.
    pub fn post(&self, letter: T, bytes: usize, level: Level) -> Result<(), (T, Refused)> {
        let mut state = self.lock();
        if state.closed {
            return Err((letter, Refused::Closed));
        }
        let share = level.share_percent();
        let room = |max: usize| (max * share / 100).max(1);
        if state.letters.len() >= room(self.limits.letters_max)
            || state.bytes + bytes > room(self.limits.bytes_max)
        {
            return Err((letter, Refused::Full));
        }
        state.bytes += bytes;
        state.letters.push_back(Weighed { letter, bytes });
        let was_empty = state.letters.len() == 1;
        drop(state);
        // The only taker looks at everything before it waits: more than one call wakes nobody.
        if was_empty {
            self.ready.notify_one();
        }
        Ok(())
    }

    /// The committer's word; there is one at most.
    pub fn post_synced(&self, synced: Synced) {
        self.lock().synced = Some(synced);
        self.ready.notify_one();
    }

    /// No further letters; those inside are still taken.
    pub fn close(&self) {
        self.lock().closed = true;
        self.ready.notify_one();
    }

    /// The next thing for the owner; waits until `until`, or not at all.
    pub fn take(&self, wanted: Wanted, until: Option<Instant>) -> Found<T> {
        let mut state = self.lock();
        loop {
            if let Some(synced) = state.synced.take() {
                return Found::Synced(synced);
            }
            if wanted == Wanted::All {
                if let Some(weighed) = state.letters.pop_front() {
                    state.bytes -= weighed.bytes;
                    return Found::Letter(weighed.letter);
                }
                if state.closed {
                    return Found::Closed;
                }
            }
            let Some(until) = until else {
                return Found::Nothing;
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Found::Nothing;
            }
            let waited = self.ready.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub fn limits(&self) -> BoxLimits {
        self.limits
    }

    /// Letters and bytes that wait.
    pub fn load(&self) -> (usize, usize) {
        let state = self.lock();
        (state.letters.len(), state.bytes)
    }
}
