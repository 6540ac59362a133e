//! The process that trains: what it may take, and that it ends with the one that started it.

use std::fs::{self, File};
use std::io;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use node::background::{self, Priority};
use rustix::process::{Pid, Resource, Rlimit, Signal};
use serde::{Deserialize, Serialize};

use crate::StewardError;
use crate::course::ATTEMPTS_MAX;
use crate::job::{ERRORS, Failure, Job};

/// What a child may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowance {
    /// Of private memory; an allocation beyond it ends the child.
    pub memory_bytes: u64,
    /// That train.
    pub threads: usize,
    #[serde(default)]
    pub priority: Priority,
}

/// The lowest there is, which the idle policy does not look at.
const NICE: i32 = 19;
/// What of a child's last words is kept.
const WORDS_BYTES_MAX: usize = 2_000;

/// A child at work, which ends when this is dropped.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    started: Instant,
}

/// No training takes as long; a child that hangs does.
const WITHIN: Duration = Duration::from_secs(24 * 3600);
/// Between two looks of whoever does nothing but wait for one.
const LOOK_EVERY: Duration = Duration::from_millis(10);

impl Worker {
    /// Starts a command on a job. What it prints goes to the job's files: nobody has to read along. The attempt is
    /// counted first, so that a machine that dies of it does not try for ever.
    pub fn start(job: &Job, command: &mut Command) -> Result<Worker, StewardError> {
        job.record_attempts(job.attempts()? + 1)?;
        job.forget_failure()?;
        let file = |path: std::path::PathBuf| {
            File::create(&path).map_err(StewardError::io("write", &path))
        };
        let child = command
            .stdin(Stdio::null())
            .stdout(file(job.progress())?)
            .stderr(file(job.errors())?)
            .spawn()
            .map_err(StewardError::io("start a child for", job.folder()))?;
        Ok(Worker {
            child,
            started: Instant::now(),
        })
    }

    /// `None`: it works.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.started.elapsed() > WITHIN {
            self.child.kill()?;
        }
        self.child.try_wait()
    }

    /// Ends it; how it had ended by itself, `None` if it had not.
    pub fn stop(mut self) -> io::Result<Option<ExitStatus>> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(Some(status));
        }
        self.child.kill()?;
        self.child.wait()?;
        Ok(None)
    }

    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // One that has ended cannot be killed, and is only waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Job {
    /// Told by whoever saw the child of an attempt end: with its work done, or why not: what the child wrote down itself,
    /// or how it ended. What it printed is for who reads its files.
    pub fn attempted(&self, done: bool, status: ExitStatus) -> Result<(), StewardError> {
        if done || self.failure()?.is_some() {
            return Ok(());
        }
        let says = match status.code() {
            None => format!("the child ended with {status}: out of its memory bound, or killed"),
            Some(_) => {
                format!("the child ended with {status}; {ERRORS} of the job has what it printed")
            }
        };
        let code = "child_ended".to_owned();
        self.record_failure(&Failure { code, says })
    }

    /// An attempt that its own parent cut off counts for nothing.
    pub fn give_back(&self) -> Result<(), StewardError> {
        self.record_attempts(self.attempts()?.saturating_sub(1))
    }

    /// What is wrong with the job and not with the attempt is not tried again.
    pub fn give_up(&self) -> Result<(), StewardError> {
        self.record_attempts(ATTEMPTS_MAX)
    }

    /// The last line of what the latest child complained of, for who is at the machine.
    pub fn last_words(&self) -> Option<String> {
        let text = fs::read_to_string(self.errors()).ok()?;
        let line = text.lines().rfind(|line| !line.trim().is_empty())?;
        let line = line.trim().trim_start_matches("error: ");
        Some(line[..line.floor_char_boundary(WORDS_BYTES_MAX)].to_owned())
    }
}

/// Called by the child, first of all: from here on it is bounded, goes behind all others, and dies with its parent.
pub fn submit(allowance: Allowance, parent: u32) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have ended before the line above.
    let own = rustix::process::getppid().map(Pid::as_raw_nonzero);
    if own.is_none_or(|own| own.get() as u32 != parent) {
        return Err(io::Error::other(
            "the process that started this one has ended",
        ));
    }
    let limit = Some(allowance.memory_bytes);
    let bound = Rlimit {
        current: limit,
        maximum: limit,
    };
    // Not the address space: the allocator reserves far more of that than it uses.
    rustix::process::setrlimit(Resource::Data, bound)?;
    rustix::process::nice(NICE)?;
    // And the threads that this one will start. A process that is merely nice stays on its core for milliseconds while one
    // that decides waits.
    if allowance.priority == Priority::Idle {
        background::step_back(Priority::Idle);
    }
    Ok(())
}
