//! What is still to happen, by day; the current day's share in a heap. Memory grows with what is pending,
//! not with the span.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BinaryHeap};

use crate::random::mix;
use crate::row::{AccountNo, LabelRow, MerchantNo, Minor, OutcomeRow, PersonNo};
use crate::screen::Screen;
use crate::time::Time;

#[derive(Clone, Copy, Debug)]
pub enum Task {
    Outcome(OutcomeRow),
    Label {
        label: LabelRow,
        account: AccountNo,
        holder_is_offender: bool,
    },
    /// Money that comes back, and what that is called.
    Reverse {
        outcome: OutcomeRow,
        undo: Undo,
    },
    Refund {
        account: AccountNo,
        merchant: MerchantNo,
        amount: Minor,
    },
    /// The transfer a login was for.
    Transfer {
        person: PersonNo,
        screen: Screen,
    },
    Change {
        person: PersonNo,
        screen: Screen,
    },
    /// A newcomer opens the account.
    Open {
        person: PersonNo,
    },
    Step {
        slot: u32,
        index: u32,
    },
}

/// A posting to take back.
#[derive(Clone, Copy, Debug)]
pub struct Undo {
    pub from: crate::ledger::Purse,
    pub to: crate::ledger::Purse,
    pub amount: Minor,
}

#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub at: Time,
    /// Breaks ties by chance: the order among equal times must say nothing.
    tie: u64,
    pub task: Task,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        (self.at, self.tie) == (other.at, other.tie)
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> Ordering {
        (self.at, self.tie).cmp(&(other.at, other.tie))
    }
}

#[derive(Debug, Default)]
pub struct Agenda {
    today: BinaryHeap<Reverse<Entry>>,
    current_day: i64,
    later: BTreeMap<i64, Vec<Entry>>,
    pushed: u64,
}

impl Agenda {
    pub fn push(&mut self, at: Time, task: Task) {
        self.pushed += 1;
        let entry = Entry {
            at,
            tie: mix(self.pushed),
            task,
        };
        if at.day() <= self.current_day {
            self.today.push(Reverse(entry));
        } else {
            self.later.entry(at.day()).or_default().push(entry);
        }
    }

    pub fn begin(&mut self, day: i64) {
        self.current_day = day;
        self.today.extend(
            self.later
                .remove(&day)
                .unwrap_or_default()
                .into_iter()
                .map(Reverse),
        );
    }

    /// The next entry, if it is due before `limit`.
    pub fn next_before(&mut self, limit: Time) -> Option<Entry> {
        if self.today.peek()?.0.at >= limit {
            return None;
        }
        self.today.pop().map(|Reverse(entry)| entry)
    }

    pub fn next_day(&self) -> Option<i64> {
        self.later.keys().next().copied()
    }
}
