//! One thread for what may take long and serves nobody: snapshots and indexes of sealed segments.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use engine::Engine;
use log::{IndexJob, LogError, SnapshotJob};

use crate::counters::Counters;

#[derive(Debug)]
pub enum Chore {
    Snapshot {
        job: SnapshotJob,
        state: Box<Engine>,
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
            } => {
                let done: Result<(), LogError> = job.run(|to| state.write_snapshot(to));
                match done {
                    Ok(()) => counters.snapshots.add(1),
                    // The log is the truth: without the snapshot the next start replays more of it.
                    Err(_) => counters.snapshot_failures.add(1),
                }
            }
            // Without its file the index is rebuilt when it is needed; the segment is whole.
            Chore::Index { job, counters } => {
                if job.run().is_err() {
                    counters.index_failures.add(1);
                }
            }
        }
    }
}
