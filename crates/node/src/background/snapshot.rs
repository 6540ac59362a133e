//! A snapshot made beside a running tenant, from disk alone: the newest one there is restored, the committed log
//! after it replayed, and the state written. The tenant's thread only says that one is wanted.
//!
//! It costs a replay of what came since, and the memory of the state once more while it lasts.

use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use event::Position;
use log::{Coverage, LogError, SnapshotJob};
use thiserror::Error;

use crate::owner::Shared;
use crate::recovery::{self, Recovered};
use crate::watch::Watched;
use crate::{History, NodeError, Place};

/// What is wanted: the state before `position`, which is committed.
#[derive(Debug)]
pub struct Snapshot {
    pub place: Place,
    pub position: Position,
    pub job: SnapshotJob,
    pub shared: Arc<Shared>,
    /// What it knows must be on disk before a start no longer sees the records it knows it from.
    pub watch: Option<Arc<Watched>>,
    /// Looked at afterwards, when something is to be let go.
    pub coverage: Option<Coverage>,
}

/// How far the snapshots of one tenant are. They end with its owner, which writes the last one itself.
#[derive(Debug, Default)]
pub struct Snapshots {
    ended: AtomicBool,
    /// Of the newest one known to be whole.
    newest: AtomicU64,
    /// Held while one is made.
    busy: Mutex<()>,
}

impl Snapshots {
    pub fn found(&self, position: Position) {
        self.newest.fetch_max(position.0, Ordering::SeqCst);
    }

    pub fn have_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// None is begun from now on, and the one that is being made is given up; the newest one that is whole.
    pub fn end(&self) -> Position {
        self.ended.store(true, Ordering::SeqCst);
        drop(self.turn());
        Position(self.newest.load(Ordering::SeqCst))
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Error)]
enum Fault {
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error(transparent)]
    Log(#[from] LogError),
    /// Nothing was written.
    #[error("the log gave the state of position {}", got.0)]
    Position { got: Position },
}

impl Snapshot {
    pub fn run(self) {
        let Snapshot {
            place,
            position,
            job,
            shared,
            watch,
            coverage,
        } = self;
        let counters = &shared.counters;
        let turn = shared.snapshots.turn();
        let ended = &shared.snapshots.ended;
        if ended.load(Ordering::SeqCst) {
            return;
        }
        let started = Instant::now();
        let written = watch.map_or(Ok(position), |watch| watch.checkpoint());
        let made = written.map_err(Fault::from);
        match made.and_then(|_| make(&place, position, job, ended)) {
            Ok(()) => {
                shared.snapshots.found(position);
                let took = started.elapsed().as_micros() as u64;
                counters.snapshot_us_max.raise_to(took);
                counters.snapshots.add(1);
            }
            Err(_) if ended.load(Ordering::SeqCst) => return,
            // The log is the truth: without the snapshot the next start replays more of it.
            Err(_) => counters.snapshot_failures.add(1),
        }
        drop(turn);
        match coverage.map(|coverage| coverage.run()) {
            None => {}
            Some(Ok(covered)) => shared.set_covered(covered),
            Some(Err(_)) => counters.retire_failures.add(1),
        }
    }
}

fn make(
    place: &Place,
    position: Position,
    job: SnapshotJob,
    ended: &AtomicBool,
) -> Result<(), Fault> {
    let history = History::open(place)?;
    let mut recovered = Recovered::default();
    let through = |snapshot| Ending {
        of: snapshot,
        ended,
    };
    let mut engine = recovery::restore(&history, &mut recovered, through)?;
    let go_on = |_| match ended.load(Ordering::Relaxed) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    };
    recovery::replay(
        &mut engine,
        place,
        &history,
        position,
        &mut recovered,
        |_, _, _| {},
        go_on,
    )?;
    let got = engine.next();
    if got != position {
        return Err(Fault::Position { got });
    }
    job.run(|to| engine.write_snapshot(&mut Ending { of: to, ended }))?;
    Ok(())
}

/// Bytes that stop coming, or going, when the tenant ends.
struct Ending<'a, T> {
    of: T,
    ended: &'a AtomicBool,
}

impl<T> Ending<'_, T> {
    fn check(&self) -> io::Result<()> {
        match self.ended.load(Ordering::Relaxed) {
            true => Err(io::Error::other("the tenant ends")),
            false => Ok(()),
        }
    }
}

impl<T: Read> Read for Ending<'_, T> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.check()?;
        self.of.read(out)
    }
}

impl<T: Write> Write for Ending<'_, T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.check()?;
        self.of.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.of.flush()
    }
}
