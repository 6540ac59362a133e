//! What keeps a model from costing more than it may: a time for each call, and breakers around its parts.
//!
//! Code that computes cannot be stopped. What came too late is not used, and what keeps failing or coming
//! too late is not called for a while. The less urgent a request, the sooner its breaker opens.

use std::time::{Duration, Instant};

use crate::breaker::{Breaker, BreakerSettings, State};
use crate::clock::Clock;
use crate::mailbox::Level;

/// What is called, and may fail alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The network of a hybrid, with the trees it is blended with.
    Network,
    /// A model without a network; the trees of a hybrid whose network does not speak.
    Trees,
    Reasons,
}

impl Part {
    pub const ALL: [Part; 3] = [Part::Network, Part::Trees, Part::Reasons];

    pub fn name(self) -> &'static str {
        match self {
            Part::Network => "network",
            Part::Trees => "trees",
            Part::Reasons => "reasons",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct GuardSettings {
    /// What one call may take.
    pub deadline: Duration,
    /// In the order of [`Level::ALL`].
    pub breakers: [BreakerSettings; 3],
}

/// How urgent a decision is, and until when somebody waits for it.
#[derive(Clone, Copy, Debug)]
pub struct Urgency {
    pub level: Level,
    /// `None`: nobody stops waiting.
    pub deadline: Option<Instant>,
}

impl Urgency {
    pub const NONE: Urgency = Urgency {
        level: Level::L1,
        deadline: None,
    };
}

/// Why a call has no result that may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed<T> {
    /// The breaker is open: it was not made.
    Open,
    Failed,
    /// It took longer than it may.
    Late(T),
}

/// Breakers of one model.
#[derive(Debug)]
pub struct Guard {
    clock: Clock,
    settings: GuardSettings,
    /// By part, then by level.
    breakers: [[Breaker; 3]; 3],
    /// What is guarded; another model begins with closed breakers.
    artifact: Option<[u8; 32]>,
    opened: [[u64; 3]; 3],
    /// Of the latest call.
    took: Duration,
}

impl Guard {
    pub fn new(settings: GuardSettings, clock: Clock) -> Guard {
        Guard {
            clock,
            settings,
            breakers: closed(&settings),
            artifact: None,
            opened: Default::default(),
            took: Duration::ZERO,
        }
    }

    /// For another model, with breakers of its own.
    pub fn another(&self) -> Guard {
        Guard::new(self.settings, self.clock.clone())
    }

    /// From here on it is about this model.
    pub fn turn_to(&mut self, artifact: [u8; 32]) {
        if self.artifact != Some(artifact) {
            self.artifact = Some(artifact);
            self.breakers = closed(&self.settings);
        }
    }

    /// Whether what it tells is about this model.
    pub fn is_of(&self, artifact: [u8; 32]) -> bool {
        self.artifact == Some(artifact)
    }

    pub fn is_past(&self, deadline: Option<Instant>) -> bool {
        deadline.is_some_and(|deadline| deadline <= self.clock.instant())
    }

    /// Makes the call unless the level's breaker is open, and tells all levels' breakers how it ended:
    /// it is the same model for all of them.
    pub fn call<T>(
        &mut self,
        part: Part,
        level: Level,
        work: impl FnOnce() -> Option<T>,
    ) -> Result<T, Missed<T>> {
        let (part, level) = (part as usize, level as usize);
        let started = self.clock.instant();
        if !self.breakers[part][level].lets(started) {
            return Err(Missed::Open);
        }
        let result = work();
        let now = self.clock.instant();
        self.took = now.saturating_duration_since(started);
        let in_time = self.took <= self.settings.deadline;
        let well = result.is_some() && in_time;
        for (at, breaker) in self.breakers[part].iter_mut().enumerate() {
            let was = breaker.state();
            if at == level {
                breaker.ended(well, now);
            } else {
                breaker.heard(well, now);
            }
            let is_open = matches!(breaker.state(), State::Open { .. });
            self.opened[part][at] += u64::from(is_open && breaker.state() != was);
        }
        match result {
            None => Err(Missed::Failed),
            Some(result) if in_time => Ok(result),
            Some(result) => Err(Missed::Late(result)),
        }
    }

    /// What the latest call took.
    pub fn took_nanos(&self) -> u32 {
        u32::try_from(self.took.as_nanos()).unwrap_or(u32::MAX)
    }

    /// Whether calls are kept away, all or all but probes; and how often that began. By part and level.
    pub fn tell(&self, mut each: impl FnMut(usize, usize, bool, u64)) {
        for (part, levels) in self.breakers.iter().enumerate() {
            for (level, breaker) in levels.iter().enumerate() {
                let is_open = breaker.state() != State::Closed;
                each(part, level, is_open, self.opened[part][level]);
            }
        }
    }
}

fn closed(settings: &GuardSettings) -> [[Breaker; 3]; 3] {
    let levels = settings.breakers.map(Breaker::new);
    [levels.clone(), levels.clone(), levels]
}
