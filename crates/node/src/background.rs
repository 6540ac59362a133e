//! One thread for what may take long and serves nobody: snapshots, indexes of sealed segments, files
//! that are let go.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use engine::Engine;
use log::{Coverage, IndexJob, LogError, SnapshotJob};

use crate::counters::Counters;
use crate::owner::Shared;
use crate::retention::Retirement;

#[derive(Debug)]
pub enum Chore {
    Snapshot {
        job: SnapshotJob,
        state: Box<Engine>,
        counters: Arc<Counters>,
        /// Where it is told what snapshots stand for, when something is to be let go.
        covers: Option<Box<(Coverage, Arc<Shared>)>>,
    },
    Retire {
        retirement: Retirement,
        counters: Arc<Counters>,
    },
    Index {
        job: IndexJob,
        counters: Arc<Counters>,
    },
}

/// Hands chores to the thread. One waits at most: a state that waits is memory.
#[derive(Clone, Debug)]
pub struct Background {
    chores: SyncSender<Chore>,
}

impl Background {
    pub fn start() -> std::io::Result<(Background, JoinHandle<()>)> {
        let (chores, todo) = sync_channel(1);
        let thread = thread::Builder::new()
            .name("ringfence-background".to_owned())
            .spawn(move || work(&todo))?;
        Ok((Background { chores }, thread))
    }

    /// Gives the chore back when another waits already.
    pub fn hand_over(&self, chore: Chore) -> Result<(), Chore> {
        self.chores.try_send(chore).map_err(|error| match error {
            TrySendError::Full(chore) | TrySendError::Disconnected(chore) => chore,
        })
    }
}

fn work(todo: &Receiver<Chore>) {
    while let Ok(chore) = todo.recv() {
        match chore {
            Chore::Snapshot {
                job,
                state,
                counters,
                covers,
            } => {
                let done: Result<(), LogError> = job.run(|to| state.write_snapshot(to));
                match done {
                    Ok(()) => counters.snapshots.add(1),
                    // The log is the truth: without the snapshot the next start replays more of it.
                    Err(_) => counters.snapshot_failures.add(1),
                }
                drop(state);
                if let Some(covers) = covers {
                    let (coverage, shared) = *covers;
                    match coverage.run() {
                        Ok(covered) => shared.set_covered(covered),
                        Err(_) => counters.retire_failures.add(1),
                    }
                }
            }
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
