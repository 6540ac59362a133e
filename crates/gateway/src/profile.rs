//! Where the process spends its processor time: a signal by the clock of used time, and the stack that it interrupts.
//!
//! Stacks are walked by the tables that every build has for panics (framehop), not by frame pointers: those hold only
//! where every crate was built with them, and leave out the function that runs. Nobody's flags can make the profile
//! wrong, and decisions pay nothing while none is taken. Before the first one a stack that is known is taken: a binary
//! that cannot tell it, a stripped one, is refused rather than believed.

pub mod flame;
pub mod proto;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nix::sys::signal::{Signal, raise};
use pprof::{ProfilerGuard, Report};
use thiserror::Error;
use tokio::sync::{Mutex, OwnedMutexGuard};

#[derive(Debug, Error)]
pub enum ProfileError {
    /// The timer is the process's.
    #[error("another profile is being taken")]
    Running,
    #[error(
        "this binary cannot tell its own stack: its symbols were stripped, or its unwind tables"
    )]
    Unreadable,
    #[error("cannot take a profile: {0}")]
    Failed(String),
}

/// One for the process. Remembers whether the known stack was read.
#[derive(Clone, Debug, Default)]
pub struct Profiler(Arc<Mutex<bool>>);

/// A profile that is being taken; dropped, it ends without a word.
pub struct Running {
    guard: ProfilerGuard<'static>,
    hz: u32,
    _turn: OwnedMutexGuard<bool>,
}

pub struct Profile {
    pub stacks: BTreeMap<Stack, u64>,
    pub hz: u32,
    pub started: SystemTime,
    pub took: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stack {
    pub thread: String,
    /// The outermost first.
    pub frames: Vec<Frame>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Frame {
    pub function: String,
    pub file: String,
    pub line: u32,
}

impl Profiler {
    /// Interrupts whoever runs so many times for each second of processor time, until [`Running::end`]. Blocks for
    /// the first one: it reads the binary's tables.
    pub fn start(&self, hz: u32) -> Result<Running, ProfileError> {
        let turn = self.0.clone().try_lock_owned();
        let mut turn = turn.map_err(|_| ProfileError::Running)?;
        if !*turn {
            *turn = knows_itself()?;
        }
        if !*turn {
            return Err(ProfileError::Unreadable);
        }
        Ok(Running {
            guard: interrupt(hz)?,
            hz,
            _turn: turn,
        })
    }
}

impl Running {
    /// Blocks: names and lines are read from the binary.
    pub fn end(self) -> Result<Profile, ProfileError> {
        let report = self.guard.report().build().map_err(failed)?;
        let (started, took) = (report.timing.start_time, report.timing.duration);
        let mut stacks = BTreeMap::new();
        for (stack, count) in read(&report) {
            *stacks.entry(stack).or_default() += count;
        }
        Ok(Profile {
            stacks,
            hz: self.hz,
            started,
            took,
        })
    }
}

impl Profile {
    /// A line for each stack, the outermost first, and how often it was met: what flame graph programs read.
    pub fn collapsed(&self) -> String {
        let mut lines: BTreeMap<String, u64> = BTreeMap::new();
        for (stack, count) in &self.stacks {
            let names = stack.frames.iter().map(|frame| frame.function.as_str());
            let line: Vec<&str> = std::iter::once(stack.thread.as_str())
                .chain(names)
                .collect();
            // A semicolon of an array's type would end a name.
            let line: Vec<String> = line.iter().map(|name| name.replace(';', ":")).collect();
            *lines.entry(line.join(";")).or_default() += count;
        }
        let lines = lines.into_iter();
        lines
            .map(|(line, count)| format!("{line} {count}\n"))
            .collect()
    }
}

fn interrupt(hz: u32) -> Result<ProfilerGuard<'static>, ProfileError> {
    ProfilerGuard::new(hz as i32).map_err(|error| match error {
        pprof::Error::Running => ProfileError::Running,
        error => failed(error),
    })
}

fn failed(error: impl ToString) -> ProfileError {
    ProfileError::Failed(error.to_string())
}

/// The first signal reads the unwind tables, which allocates: it must hit this thread, here, and not one in the middle
/// of an allocation. The timer's own first one is a second of processor time away.
fn knows_itself() -> Result<bool, ProfileError> {
    let guard = interrupt(1)?;
    known_outer().map_err(failed)?;
    let report = guard.report().build().map_err(failed)?;
    let named = |stack: &Stack, name: &str| {
        let mut names = stack.frames.iter().map(|frame| frame.function.as_str());
        names.position(|held| held.ends_with(name))
    };
    let found = read(&report).any(|(stack, _)| {
        let (outer, inner) = (named(&stack, "known_outer"), named(&stack, "known_inner"));
        outer.is_some() && outer < inner
    });
    Ok(found)
}

#[inline(never)]
fn known_outer() -> nix::Result<()> {
    black_box(known_inner())
}

#[inline(never)]
fn known_inner() -> nix::Result<()> {
    // To this thread, whose handler runs before the call returns.
    black_box(raise(Signal::SIGPROF))
}

fn read(report: &Report) -> impl Iterator<Item = (Stack, u64)> {
    report.data.iter().map(|(held, count)| {
        // The innermost comes first, of a frame the function that was inlined last.
        let symbols = held.frames.iter().rev().flat_map(|it| it.iter().rev());
        let frames = symbols.map(|symbol| Frame {
            function: symbol.name(),
            file: symbol.filename().into_owned(),
            line: symbol.lineno(),
        });
        let stack = Stack {
            thread: held.thread_name_or_id(),
            frames: frames.collect(),
        };
        (stack, u64::try_from(*count).unwrap_or(0))
    })
}
