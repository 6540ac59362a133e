//! What waits for a tenant's owner thread: bounded by count and bytes, refused at the door beyond that.
//!
//! The less urgent a letter, the earlier it is refused, so that an overload takes the back office first and
//! the payment path last. What the committer says does not wait in line and is never refused.

use std::collections::VecDeque;
use std::sync::PoisonError;
#[cfg(not(test))]
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Instant;

// Under test a scheduler of its own tries the orders in which threads may run: see `tests` below.
#[cfg(test)]
use shuttle::sync::{Condvar, Mutex, MutexGuard};

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
struct State<T, S> {
    letters: VecDeque<Weighed<T>>,
    bytes: usize,
    synced: Option<S>,
    closed: bool,
}

#[derive(Debug)]
pub struct Mailbox<T, S = Synced> {
    state: Mutex<State<T, S>>,
    ready: Condvar,
    limits: BoxLimits,
}

/// What the owner finds.
#[derive(Debug)]
pub enum Found<T, S = Synced> {
    Synced(S),
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

impl<T, S> Mailbox<T, S> {
    pub fn new(limits: BoxLimits) -> Mailbox<T, S> {
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
    fn lock(&self) -> MutexGuard<'_, State<T, S>> {
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
    pub fn post_synced(&self, synced: S) {
        self.lock().synced = Some(synced);
        self.ready.notify_one();
    }

    /// No further letters; those inside are still taken.
    pub fn close(&self) {
        self.lock().closed = true;
        self.ready.notify_one();
    }

    /// The next thing for the owner; waits until `until`, or not at all.
    pub fn take(&self, wanted: Wanted, until: Option<Instant>) -> Found<T, S> {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use event::Position;
    use shuttle::sync::atomic::{AtomicU64, Ordering};
    use shuttle::sync::mpsc::{Receiver, SyncSender, sync_channel};
    use shuttle::{future, thread};
    use tokio::sync::oneshot;

    use super::*;
    use crate::owner::held::Held;

    /// A request and where its answer goes: who asked, and up to where the log must be on disk.
    struct Asked {
        who: u64,
        reply: oneshot::Sender<(u64, Position)>,
    }

    type Told = (u64, Position, oneshot::Sender<(u64, Position)>);
    type Desk = Mailbox<Asked, Position>;

    const LIMITS: BoxLimits = BoxLimits {
        letters_max: 8,
        bytes_max: 100,
    };

    /// Under this scheduler nothing times out: a wake-up that is lost is a deadlock, which fails the test.
    fn soon() -> Option<Instant> {
        Some(Instant::now() + Duration::from_secs(3600))
    }

    /// As the owner thread: applies what comes, writes when there is nothing more, answers what is on disk.
    fn own(mailbox: &Desk, disk: &SyncSender<Position>, group: u64) {
        let mut held = Held::new();
        let (mut next, mut written, mut in_flight) = (0, 0, false);
        loop {
            // With a full group only the disk can help.
            let wanted = match in_flight && next - written >= group {
                true => Wanted::SyncedOnly,
                false => Wanted::All,
            };
            let mut found = mailbox.take(wanted, None);
            if matches!(found, Found::Nothing) {
                if !in_flight && next > written {
                    written = next;
                    in_flight = true;
                    disk.send(Position(written)).unwrap();
                }
                found = mailbox.take(wanted, soon());
            }
            match found {
                Found::Letter(asked) => {
                    next += 1;
                    let until = Position(next);
                    assert!(held.keep(until, (asked.who, until, asked.reply)).is_none());
                }
                Found::Synced(committed) => {
                    in_flight = false;
                    release(&mut held, committed);
                }
                Found::Nothing => panic!("woken for nothing"),
                Found::Closed => break,
            }
        }
        while in_flight || next > written {
            if !in_flight {
                written = next;
                disk.send(Position(written)).unwrap();
            }
            let Found::Synced(committed) = mailbox.take(Wanted::SyncedOnly, soon()) else {
                panic!("only the disk was waited for");
            };
            in_flight = false;
            release(&mut held, committed);
        }
        assert!(held.give_up().next().is_none(), "an answer is left");
    }

    fn release(held: &mut Held<Told>, committed: Position) {
        while let Some((who, until, reply)) = held.next(committed) {
            reply.send((who, until)).unwrap();
        }
    }

    fn commit(groups: &Receiver<Position>, mailbox: &Desk, on_disk: &AtomicU64) {
        while let Ok(group) = groups.recv() {
            on_disk.store(group.0, Ordering::SeqCst);
            mailbox.post_synced(group);
        }
    }

    /// Every request gets its own answer, once, and not before it is on disk; at the end all threads end.
    fn hand_over(senders: u64, each: u64, group: u64) {
        let mailbox = Arc::new(Desk::new(LIMITS));
        let on_disk = Arc::new(AtomicU64::new(0));
        let (disk, groups) = sync_channel(1);
        let owner = {
            let mailbox = mailbox.clone();
            thread::spawn(move || own(&mailbox, &disk, group))
        };
        let committer = {
            let (mailbox, on_disk) = (mailbox.clone(), on_disk.clone());
            thread::spawn(move || commit(&groups, &mailbox, &on_disk))
        };
        let senders: Vec<_> = (0..senders)
            .map(|sender| {
                let (mailbox, on_disk) = (mailbox.clone(), on_disk.clone());
                thread::spawn(move || {
                    let asked = (0..each).map(|number| {
                        let who = sender * each + number;
                        let (reply, answer) = oneshot::channel();
                        let posted = mailbox.post(Asked { who, reply }, 1, Level::L1);
                        assert!(posted.is_ok());
                        (who, answer)
                    });
                    let asked: Vec<_> = asked.collect();
                    for (who, answer) in asked {
                        let (of, until) = future::block_on(answer).unwrap();
                        assert_eq!(of, who);
                        assert!(until.0 <= on_disk.load(Ordering::SeqCst), "told too early");
                    }
                })
            })
            .collect();
        for sender in senders {
            sender.join().unwrap();
        }
        mailbox.close();
        owner.join().unwrap();
        committer.join().unwrap();
    }

    #[test]
    fn no_order_of_threads_loses_a_wake_up_or_an_answer() {
        shuttle::check_random(|| hand_over(2, 2, 8), 3_000);
        shuttle::check_pct(|| hand_over(3, 1, 8), 3_000, 4);
    }

    #[test]
    fn nor_does_a_group_that_is_full() {
        shuttle::check_random(|| hand_over(2, 2, 1), 3_000);
    }

    /// Closed while letters and a group are on their way: what was accepted is answered all the same.
    #[test]
    fn nor_does_a_box_that_is_closed_meanwhile() {
        let closed_meanwhile = || {
            let mailbox = Arc::new(Desk::new(LIMITS));
            let on_disk = Arc::new(AtomicU64::new(0));
            let (disk, groups) = sync_channel(1);
            let owner = {
                let mailbox = mailbox.clone();
                thread::spawn(move || own(&mailbox, &disk, 8))
            };
            let committer = {
                let (mailbox, on_disk) = (mailbox.clone(), on_disk.clone());
                thread::spawn(move || commit(&groups, &mailbox, &on_disk))
            };
            let sender = {
                let mailbox = mailbox.clone();
                thread::spawn(move || {
                    let asked = (0..3).map(|who| {
                        let (reply, answer) = oneshot::channel();
                        let posted = mailbox.post(Asked { who, reply }, 1, Level::L1);
                        posted.is_ok().then_some((who, answer))
                    });
                    for (who, answer) in asked.collect::<Vec<_>>().into_iter().flatten() {
                        assert_eq!(future::block_on(answer).unwrap().0, who);
                    }
                })
            };
            mailbox.close();
            sender.join().unwrap();
            owner.join().unwrap();
            committer.join().unwrap();
        };
        shuttle::check_random(closed_meanwhile, 3_000);
    }
}
