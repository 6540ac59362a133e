//! Threads for what may take long and serves nobody: one for indexes of sealed segments and files that are let go,
//! one for snapshots, one at a time for all tenants, one for the watch over drift, and one that frees what has left. They
//! come after the threads that serve.

pub mod snapshot;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread;

use log::IndexJob;
use serde::{Deserialize, Serialize};
#[cfg(target_os = "linux")]
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

use crate::counters::Counters;
use crate::retention::Retirement;
use crate::tenant::Left;
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
    left: Sender<Vec<Left>>,
}

impl Background {
    pub fn start() -> io::Result<Background> {
        let (chores, todo) = sync_channel(1);
        spawn("ringfence-background", Priority::Low, move || work(&todo))?;
        let (snapshots, wanted) = sync_channel::<Snapshot>(1);
        spawn("ringfence-snapshot", Priority::Low, move || {
            while let Ok(snapshot) = wanted.recv() {
                snapshot.run();
            }
        })?;
        let (watches, woken) = channel::<Arc<Watched>>();
        spawn("ringfence-watch", Priority::Low, move || {
            while let Ok(watch) = woken.recv() {
                watch.work();
            }
        })?;
        let (left, unneeded) = channel::<Vec<Left>>();
        spawn("ringfence-left", Priority::Low, move || {
            unneeded.iter().for_each(drop)
        })?;
        Ok(Background {
            chores,
            watches,
            snapshots,
            left,
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

    /// What is long to free, and nobody else is there to.
    pub fn let_go(&self, left: Vec<Left>) {
        // Without the thread it is freed here.
        if !left.is_empty() {
            let _ = self.left.send(left);
        }
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

/// How far a thread that nobody waits for stands behind those that serve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// It comes after them, and gets its turn all the same.
    Low,
    /// It runs on a core that nobody else wants, and stands still while there is none. One that serves and wakes up
    /// takes its core at once; from a merely nice one it takes it at the end of its slice, milliseconds later.
    #[default]
    Idle,
}

/// Added to the niceness of threads of low priority.
const NICE: i32 = 10;

/// Starts a thread that those which serve go before.
pub fn spawn(
    name: &str,
    priority: Priority,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    let started = thread::Builder::new().name(name.to_owned()).spawn(move || {
        step_back(priority);
        work();
    });
    started.map(drop)
}

/// Lets others go before this thread, and before those it starts.
pub fn step_back(priority: Priority) {
    // Of the thread alone, on Linux; elsewhere it would be the process. Should the system refuse, it works as the
    // others do.
    #[cfg(target_os = "linux")]
    {
        let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        let own = thread_native_id();
        if priority == Priority::Low
            || set_thread_priority_and_policy(own, ThreadPriority::Min, idle).is_err()
        {
            let _ = rustix::process::nice(NICE);
        }
    }
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs;
    use std::sync::mpsc;

    use super::*;

    /// The scheduling policy of the thread that asks, as the kernel tells it (proc_pid_stat(5), fields 19 and 41).
    fn nice_and_policy() -> Option<(i32, u32)> {
        let stat = fs::read_to_string("/proc/thread-self/stat").ok()?;
        // The name, which may hold spaces, ends with the last parenthesis; the third field follows.
        let (_, fields) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = fields.split(' ').collect();
        Some((fields[19 - 3].parse().ok()?, fields[41 - 3].parse().ok()?))
    }

    const SCHED_OTHER: u32 = 0;
    const SCHED_IDLE: u32 = 5;

    #[test]
    fn a_thread_steps_back_as_far_as_it_is_told_and_alone() {
        let before = nice_and_policy().unwrap();
        let (sender, told) = mpsc::channel();
        for priority in [Priority::Low, Priority::Idle] {
            let sender = sender.clone();
            spawn("test", priority, move || {
                sender.send(nice_and_policy().unwrap()).unwrap();
            })
            .unwrap();
            let told = told.recv().unwrap();
            match priority {
                Priority::Low => assert_eq!(told, (before.0 + NICE, SCHED_OTHER)),
                Priority::Idle => assert_eq!(told.1, SCHED_IDLE),
            }
        }
        assert_eq!(nice_and_policy(), Some(before));
    }
}
