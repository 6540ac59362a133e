//! An endpoint that fails is left alone for a while: its deliveries wait, and cost neither attempts nor sockets.
//!
//! | state | lets through | becomes |
//! |---|---|---|
//! | closed | all | open, after `failures` failures in a row |
//! | open | none | half-open, when its pause is over |
//! | half-open | one probe | closed by a success; open by a failure, with twice the pause up to `pause_max` |

use std::time::{Duration, Instant};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    pub failures: u32,
    pub pause: Duration,
    pub pause_max: Duration,
}

#[derive(Debug)]
pub struct Breaker {
    settings: BreakerSettings,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        until: Instant,
        pause: Duration,
    },
    /// `probing`: the probe is on its way.
    HalfOpen {
        pause: Duration,
        probing: bool,
    },
}

/// What it lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    All,
    One,
    /// A probe is on its way; its end decides.
    Wait,
    Until(Instant),
}

impl Breaker {
    pub fn new(settings: BreakerSettings) -> Breaker {
        Breaker {
            settings,
            state: State::Closed { failures: 0 },
        }
    }

    pub fn leave(&mut self, now: Instant) -> Leave {
        if let State::Open { until, pause } = self.state
            && now >= until
        {
            self.state = State::HalfOpen {
                pause,
                probing: false,
            };
        }
        match self.state {
            State::Closed { .. } => Leave::All,
            State::Open { until, .. } => Leave::Until(until),
            State::HalfOpen { probing: true, .. } => Leave::Wait,
            State::HalfOpen { probing: false, .. } => Leave::One,
        }
    }

    /// An attempt begins.
    pub fn begun(&mut self) {
        if let State::HalfOpen { probing, .. } = &mut self.state {
            *probing = true;
        }
    }

    pub fn succeeded(&mut self) {
        // An attempt from before it opened may end well now: the endpoint answers, whatever the state says.
        self.state = State::Closed { failures: 0 };
    }

    /// Whether it opens by this.
    pub fn failed(&mut self, now: Instant) -> bool {
        let pause = match self.state {
            State::Closed { failures } if failures + 1 < self.settings.failures => {
                self.state = State::Closed {
                    failures: failures + 1,
                };
                return false;
            }
            State::Closed { .. } => self.settings.pause,
            // Of an attempt from before: it says nothing new.
            State::Open { .. } => return false,
            State::HalfOpen { pause, .. } => (pause * 2).min(self.settings.pause_max),
        };
        self.state = State::Open {
            until: now + pause,
            pause,
        };
        true
    }

    pub fn name(&self) -> &'static str {
        match self.state {
            State::Closed { .. } => "closed",
            State::Open { .. } => "open",
            State::HalfOpen { .. } => "half_open",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn breaker() -> Breaker {
        Breaker::new(BreakerSettings {
            failures: 3,
            pause: SECOND,
            pause_max: SECOND * 3,
        })
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_one_probe_decides() {
        let (mut it, start) = (breaker(), Instant::now());
        for _ in 0..2 {
            assert!(!it.failed(start));
        }
        it.succeeded();
        assert!(!it.failed(start) && !it.failed(start));
        assert_eq!(it.leave(start), Leave::All);
        assert!(it.failed(start));
        assert_eq!(it.leave(start), Leave::Until(start + SECOND));
        // Of attempts that were on their way when it opened.
        assert!(!it.failed(start + SECOND / 2));
        assert_eq!(it.leave(start + SECOND / 2), Leave::Until(start + SECOND));

        let mut now = start + SECOND;
        for pause in [2, 3, 3] {
            assert_eq!(it.leave(now), Leave::One);
            it.begun();
            assert_eq!(it.leave(now), Leave::Wait);
            assert!(it.failed(now));
            let until = now + SECOND * pause;
            assert_eq!(it.leave(now), Leave::Until(until));
            now = until;
        }
        assert_eq!(it.leave(now), Leave::One);
        it.begun();
        it.succeeded();
        assert_eq!(it.leave(now), Leave::All);
        assert!(!it.failed(now));
    }
}
