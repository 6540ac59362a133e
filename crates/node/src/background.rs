//! Threads for what may take long and serves nobody: one for indexes of sealed segments and files that are let go,
//! one for snapshots, one at a time for all tenants, and one for the watch over drift. They come after the threads that serve.

pub mod snapshot;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread;

use log::IndexJob;

use crate::counters::Counters;
use crate::retention::Retirement;
use crate::watch::Watched;
use snapshot::Snapshot;

#[derive(Debug)]
pub enum Chore {
    Retire {
        retirement: Box<Retirement>,
        counters: Arc<Counters>,
    },
    Index {
        job: IndexJob,
        counters: Arc<Counters>,
    },
}

/// Hands work to the threads. One piece waits at most for each.
#[derive(Clone, Debug)]
pub struct Background {
    chores: SyncSender<Chore>,
    /// Holds each watch once at most.
    watches: Sender<Arc<Watched>>,
    snapshots: SyncSender<Snapshot>,
}

impl Background {
    pub fn start() -> io::Result<Background> {
        let (chores, todo) = sync_channel(1);
        spawn("ringfence-background", move || work(&todo))?;
        let (snapshots, wanted) = sync_channel::<Snapshot>(1);
        spawn("ringfence-snapshot", move || {
            while let Ok(snapshot) = wanted.recv() {
                snapshot.run();
            }
        })?;
        let (watches, woken) = channel::<Arc<Watched>>();
        spawn("ringfence-watch", move || {
            while let Ok(watch) = woken.recv() {
                watch.work();
            }
        })?;
        Ok(Background {
            chores,
            watches,
            snapshots,
        })
    }

    /// Gives the chore back when another waits already.
    pub fn hand_over(&self, chore: Chore) -> Result<(), Chore> {
        self.chores.try_send(chore).map_err(given_back)
    }

    /// Where a watch says that it has something to do.
    pub fn watches(&self) -> Sender<Arc<Watched>> {
        self.watches.clone()
    }

    pub fn want(&self, snapshot: Snapshot) -> Wanted {
        match self.snapshots.try_send(snapshot) {
            Ok(()) => Wanted::Queued,
            Err(TrySendError::Full(_)) => Wanted::Later,
            Err(TrySendError::Disconnected(_)) => Wanted::Never,
        }
    }
}

/// What became of the wish for a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Queued,
    /// Another one waits already: ask again.
    Later,
    /// The thread is gone.
    Never,
}

fn given_back<T>(error: TrySendError<T>) -> T {
    match error {
        TrySendError::Full(given) | TrySendError::Disconnected(given) => given,
    }
}

/// Added to the niceness of threads that nobody waits for.
const NICE: i32 = 10;

/// Starts a thread that those which serve go before.
pub fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let started = thread::Builder::new().name(name.to_owned()).spawn(|| {
        step_back();
        work();
    });
    started.map(drop)
}

/// Lets others go before this thread, and before those it starts.
pub fn step_back() {
    // Of the thread alone, on Linux; elsewhere it would be the process. Should the system refuse, it works as the
    // others do.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(NICE);
}

fn work(todo: &Receiver<Chore>) {
    while let Ok(chore) = todo.recv() {
        match chore {
            // What is left of it goes after the next start: the log forgets it again then.
            Chore::Retire {
                retirement,
                counters,
            } => match retirement.run() {
                Ok(retired) => {
                    counters.segments_retired.add(retired.segments as u64);
                    counters.bytes_retired.add(retired.bytes);
                }
                Err(_) => counters.retire_failures.add(1),
            },
            // Without its file the index is rebuilt when it is needed; the segment is whole.
            Chore::Index { job, counters } => {
                if job.run().is_err() {
                    counters.index_failures.add(1);
                }
            }
        }
    }
}
