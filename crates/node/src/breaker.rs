//! Whether a call that keeps failing is still tried. Time is handed in, so that all of it can be tested.
//!
//! | state | what happens | then |
//! |---|---|---|
//! | closed | fewer than `failures` of the last [`WINDOW`] calls failed | closed, every call is let through |
//! | closed | `failures` of them failed | open until `pause` has passed |
//! | open | asked before that time | open, nothing is let through |
//! | open | asked after it | half open, and the call is the first probe |
//! | half open | asked, fewer than `probes` let through | half open, the call is let through |
//! | half open | asked, all probes are out | half open, nothing is let through |
//! | half open | all `probes` ended well | closed, the past forgotten |
//! | half open | one failed | open until `pause` has passed |

use std::time::{Duration, Instant};

/// Calls that are remembered.
pub const WINDOW: u32 = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Failures among the last [`WINDOW`] calls at which it opens; at least 1, above `WINDOW` never.
    pub failures: u32,
    pub pause: Duration,
    /// Calls that must end well, one failing none, before it closes again; at least 1.
    pub probes: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Closed,
    Open { until: Instant },
    HalfOpen { let_through: u32, well: u32 },
}

#[derive(Clone, Debug)]
pub struct Breaker {
    settings: BreakerSettings,
    state: State,
    /// One bit a call, the latest lowest; set: it failed.
    past: u64,
}

impl Breaker {
    pub fn new(settings: BreakerSettings) -> Breaker {
        Breaker {
            settings,
            state: State::Closed,
            past: 0,
        }
    }

    pub fn state(&self) -> State {
        self.state
    }

    /// Whether a call may be made now; how it [`ended`](Breaker::ended) must be told then.
    pub fn lets(&mut self, now: Instant) -> bool {
        match &mut self.state {
            State::Closed => true,
            State::Open { until } if now < *until => false,
            State::Open { .. } => {
                self.state = State::HalfOpen {
                    let_through: 1,
                    well: 0,
                };
                true
            }
            State::HalfOpen { let_through, .. } => {
                let more = *let_through < self.settings.probes.max(1);
                *let_through += u32::from(more);
                more
            }
        }
    }

    /// How a call ended that was let through.
    pub fn ended(&mut self, well: bool, now: Instant) {
        match &mut self.state {
            State::Closed => self.remember(well, now),
            // A call from before it opened.
            State::Open { .. } => {}
            State::HalfOpen { .. } if !well => self.open(now),
            State::HalfOpen { well: so_far, .. } => {
                *so_far += 1;
                if *so_far >= self.settings.probes.max(1) {
                    self.state = State::Closed;
                    self.past = 0;
                }
            }
        }
    }

    /// How a call ended that another breaker of the same thing let through: it counts while this one is
    /// closed, and is no probe.
    pub fn heard(&mut self, well: bool, now: Instant) {
        if self.state == State::Closed {
            self.remember(well, now);
        }
    }

    fn remember(&mut self, well: bool, now: Instant) {
        self.past = self.past << 1 | u64::from(!well);
        if self.past.count_ones() >= self.settings.failures.max(1) {
            self.open(now);
        }
    }

    fn open(&mut self, now: Instant) {
        let until = now + self.settings.pause;
        self.state = State::Open { until };
        self.past = 0;
    }
}

const _: () = assert!(WINDOW == u64::BITS);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Wait(u64),
        Ask,
        Ended(bool),
        Heard(bool),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            2 => (0_u64..60).prop_map(Step::Wait),
            4 => Just(Step::Ask),
            4 => prop::bool::weighted(0.6).prop_map(Step::Ended),
            1 => prop::bool::weighted(0.6).prop_map(Step::Heard),
        ];
        prop::collection::vec(step, 1..400)
    }

    const PAUSE: Duration = Duration::from_millis(100);

    /// The table at the head of this file, with its past as a list.
    struct Table {
        failures: usize,
        probes: u32,
        past: Vec<bool>,
    }

    impl Table {
        fn after_an_end(&mut self, state: State, well: bool, probe: bool, now: Instant) -> State {
            let open = State::Open { until: now + PAUSE };
            match state {
                State::Closed => {
                    self.past.push(well);
                    let last = self.past.iter().rev().take(WINDOW as usize);
                    if last.filter(|well| !**well).count() < self.failures {
                        return state;
                    }
                    self.past.clear();
                    open
                }
                State::HalfOpen {
                    let_through,
                    well: so_far,
                } if probe => match well {
                    false => open,
                    true if so_far + 1 == self.probes => State::Closed,
                    true => State::HalfOpen {
                        let_through,
                        well: so_far + 1,
                    },
                },
                other => other,
            }
        }
    }

    proptest! {
        /// Whatever comes in whatever order: each step leads where the table says, an open breaker lets
        /// nothing through before its time, a half open one exactly its probes.
        #[test]
        fn a_breaker_does_what_its_table_says(
            failures in 1_u32..20, probes in 1_u32..5, steps in steps(),
        ) {
            let settings = BreakerSettings { failures, pause: PAUSE, probes };
            let mut breaker = Breaker::new(settings);
            let mut table = Table { failures: failures as usize, probes, past: Vec::new() };
            let mut now = Instant::now();
            let (mut opened_at, mut probing) = (None, 0);
            for step in steps {
                let before = breaker.state();
                let expected = match step {
                    Step::Wait(millis) => {
                        now += Duration::from_millis(millis);
                        before
                    }
                    Step::Ask => {
                        let lets = breaker.lets(now);
                        match before {
                            State::Closed => {
                                prop_assert!(lets);
                                before
                            }
                            State::Open { until } => {
                                prop_assert_eq!(opened_at.map(|at| at + PAUSE), Some(until));
                                prop_assert_eq!(lets, now >= until);
                                probing = u32::from(lets);
                                if lets { State::HalfOpen { let_through: 1, well: 0 } } else { before }
                            }
                            State::HalfOpen { let_through, well } => {
                                prop_assert_eq!(let_through, probing);
                                prop_assert_eq!(lets, probing < probes);
                                probing += u32::from(lets);
                                State::HalfOpen { let_through: probing, well }
                            }
                        }
                    }
                    Step::Ended(well) => {
                        breaker.ended(well, now);
                        table.after_an_end(before, well, true, now)
                    }
                    Step::Heard(well) => {
                        breaker.heard(well, now);
                        table.after_an_end(before, well, false, now)
                    }
                };
                prop_assert_eq!(breaker.state(), expected);
                if matches!(expected, State::Open { .. }) && expected != before {
                    opened_at = Some(now);
                }
                if expected == State::Closed && before != State::Closed {
                    table.past.clear();
                }
            }
        }
    }
}
