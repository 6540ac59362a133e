//! This machine's clocks, read here and nowhere else; and what is believed of the one that can be set.
//!
//! A wall clock jumps: a machine resumes, a time server corrects it, somebody sets it. Windows that ended
//! because of a wrong one do not come back. So the time of a node never goes back, and a jump ahead is
//! believed only when an event from outside speaks of the same time, or after a while.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use event::{EventTime, Span};
use rustix::time::{ClockId, clock_gettime};

use crate::NodeError;

/// What the machine's clock says, right or wrong.
pub fn now() -> Result<EventTime, NodeError> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.map_err(|_| NodeError::Clock)?;
    Ok(EventTime::from_millis(since.as_millis() as i64))
}

/// What this thread has used of a processor: others run before it, and their time is not its own.
pub fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// The clock of a node; clones are the same clock.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    hands: Option<Arc<Hands>>,
    steady: Arc<Mutex<Steady>>,
}

/// How far the wall clock may be ahead of where it should be without being doubted, in milliseconds: no
/// window is so short that this matters.
pub const JUMP_MAX_MS: i64 = 60_000;
/// How long a jump ahead is doubted that nobody vouches for. Not longer than an event may be ahead of the
/// node, so that whoever has the right time is refused for this long at most.
pub const DOUBTED_FOR: Duration = Duration::from_secs(300);

/// Wall time in milliseconds without its jumps. Pure: both clocks are handed in.
#[derive(Debug, Default)]
pub struct Steady {
    /// A wall time that was believed, and when.
    believed: Option<(i64, Instant)>,
    /// The latest that was told.
    told: i64,
    doubted_since: Option<Instant>,
    pub jumps_ahead: u64,
    pub jumps_back: u64,
}

impl Steady {
    /// The time to go by, when the wall clock says `wall`.
    pub fn tell(&mut self, wall: i64, at: Instant) -> i64 {
        let expected = self.expected(wall, at);
        if wall - expected > JUMP_MAX_MS {
            if self.doubted_since.is_none() {
                self.jumps_ahead += 1;
            }
            let since = *self.doubted_since.get_or_insert(at);
            if at.saturating_duration_since(since) < DOUBTED_FOR {
                self.told = self.told.max(expected);
                return self.told;
            }
        }
        let is_back = self.told - wall > JUMP_MAX_MS;
        let was_back = matches!(self.believed, Some((wall, since)) if self.told - run(wall, since, at) > JUMP_MAX_MS);
        self.jumps_back += u64::from(is_back && !was_back);
        self.believe(wall, at)
    }

    /// An event is dated so that it lies ahead of the time told. When the wall clock agrees with it, two that
    /// know nothing of each other say the same, and it is believed.
    pub fn vouch(&mut self, event: i64, wall: i64, at: Instant) -> bool {
        let agrees = (event - wall).abs() <= Span::MAX_FUTURE.millis();
        let agrees = agrees && self.doubted_since.is_some();
        if agrees {
            self.believe(wall, at);
        }
        agrees
    }

    pub fn doubts(&self) -> bool {
        self.doubted_since.is_some()
    }

    fn expected(&self, wall: i64, at: Instant) -> i64 {
        match self.believed {
            None => wall,
            Some((was, since)) => run(was, since, at).max(self.told),
        }
    }

    fn believe(&mut self, wall: i64, at: Instant) -> i64 {
        self.believed = Some((wall, at));
        self.doubted_since = None;
        self.told = self.told.max(wall);
        self.told
    }
}

fn run(wall: i64, since: Instant, at: Instant) -> i64 {
    wall + at.saturating_duration_since(since).as_millis() as i64
}

impl Clock {
    #[doc(hidden)]
    pub fn moved_by(hands: Arc<Hands>) -> Clock {
        Clock {
            hands: Some(hands),
            steady: Arc::default(),
        }
    }

    /// Never goes back; for how long something took, and for deadlines.
    pub fn instant(&self) -> Instant {
        match &self.hands {
            None => Instant::now(),
            Some(hands) => hands.look(),
        }
    }

    /// What a record is stamped with: never earlier than what was told before.
    pub fn now(&self) -> Result<EventTime, NodeError> {
        let (wall, at) = (self.wall()?, self.instant());
        Ok(EventTime::from_millis(self.steady().tell(wall, at)))
    }

    /// The time to go by instead, when an event's own time makes a doubted jump believed.
    pub fn vouched_for(&self, event: EventTime) -> Option<EventTime> {
        let (wall, at) = (self.wall().ok()?, self.instant());
        let mut steady = self.steady();
        let agrees = steady.vouch(event.millis(), wall, at);
        agrees.then(|| EventTime::from_millis(steady.told))
    }

    /// Jumps ahead, jumps back, and whether one is doubted now.
    pub fn jumps(&self) -> (u64, u64, bool) {
        let steady = self.steady();
        (steady.jumps_ahead, steady.jumps_back, steady.doubts())
    }

    fn wall(&self) -> Result<i64, NodeError> {
        match &self.hands {
            None => Ok(now()?.millis()),
            Some(hands) => Ok(hands.state().wall.millis()),
        }
    }

    fn steady(&self) -> MutexGuard<'_, Steady> {
        self.steady.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A clock that a test moves.
#[doc(hidden)]
#[derive(Debug)]
pub struct Hands {
    start: Instant,
    state: Mutex<HandsState>,
}

#[derive(Debug, Default)]
struct HandsState {
    wall: EventTime,
    since_start: Duration,
    /// What one look after the other takes, over and over.
    looks: Vec<Duration>,
    looked: usize,
}

impl Hands {
    pub fn at(start: Instant) -> Hands {
        Hands {
            start,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, HandsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Time passes, on both clocks.
    pub fn advance(&self, by: Duration) {
        let mut state = self.state();
        state.since_start += by;
        let millis = state.wall.millis() + by.as_millis() as i64;
        state.wall = EventTime::from_millis(millis);
    }

    /// Somebody sets the wall clock.
    pub fn set_wall(&self, to: EventTime) {
        self.state().wall = to;
    }

    /// From now on the first look takes the first of these, and so on, over and over.
    pub fn looks_take(&self, looks: &[Duration]) {
        let mut state = self.state();
        state.looks = looks.to_vec();
        state.looked = 0;
    }

    fn look(&self) -> Instant {
        let mut state = self.state();
        if !state.looks.is_empty() {
            let at = state.looked % state.looks.len();
            state.looked += 1;
            let takes = state.looks[at];
            state.since_start += takes;
        }
        self.start + state.since_start
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: i64 = 86_400_000;

    proptest! {
        /// However the wall clock is set, and at whatever pace time passes: what is told never goes back, and
        /// without a witness it is never ahead of the time that has passed by more than a jump that is
        /// believed at once, for each that was, or one that lasted.
        #[test]
        fn time_never_goes_back_and_no_jump_ahead_is_believed_at_once(
            steps in prop::collection::vec((0_u64..20_000, prop::option::weighted(0.2, -DAY..DAY)), 1..200)
        ) {
            let mut steady = Steady::default();
            let (mut at, mut wall) = (Instant::now(), 1_000 * DAY);
            let mut told = steady.tell(wall, at);
            for (pause, set) in steps {
                at += Duration::from_millis(pause);
                wall += pause as i64 + set.unwrap_or(0);
                let doubted = steady.doubts();
                let now = steady.tell(wall, at);
                prop_assert!(now >= told, "{now} after {told}");
                // A step is at most 20 s, so that none of them alone outlasts the doubt.
                if !doubted {
                    prop_assert!(now - told <= pause as i64 + JUMP_MAX_MS, "{} ms in {pause}", now - told);
                }
                told = now;
            }
        }
    }

    #[test]
    fn a_jump_ahead_is_believed_when_it_lasts_or_an_event_vouches_for_it() {
        let start = Instant::now();
        let later = |seconds: u64| start + Duration::from_secs(seconds);
        let mut steady = Steady::default();
        assert_eq!(steady.tell(0, start), 0);
        assert_eq!(steady.tell(DAY, later(10)), 10_000);
        assert_eq!(steady.tell(DAY + 299_000, later(309)), 309_000);
        assert!(steady.doubts());
        assert_eq!(steady.tell(DAY + 300_000, later(310)), DAY + 300_000);
        assert!(!steady.doubts());
        // An event of a time that neither clock knows vouches for nothing.
        let wall = 2 * DAY;
        assert!(!steady.vouch(wall, wall, later(311)), "nothing is doubted");
        assert_eq!(steady.tell(wall, later(311)), DAY + 301_000);
        assert!(!steady.vouch(wall + 301_000, wall, later(311)));
        assert!(!steady.vouch(wall - 301_000, wall, later(311)));
        assert!(steady.vouch(wall - 1_000, wall, later(311)));
        assert_eq!(steady.tell(wall + 1_000, later(312)), wall + 1_000);
        assert_eq!((steady.jumps_ahead, steady.jumps_back), (2, 0));
    }

    #[test]
    fn a_clock_set_back_stands_until_it_is_there_again() {
        let start = Instant::now();
        let later = |seconds: u64| start + Duration::from_secs(seconds);
        let mut steady = Steady::default();
        assert_eq!(steady.tell(DAY, start), DAY);
        assert_eq!(steady.tell(DAY - 3_600_000, later(1)), DAY);
        assert_eq!(steady.tell(DAY - 3_599_000, later(2)), DAY);
        assert_eq!(steady.tell(DAY + 1_000, later(3602)), DAY + 1_000);
        assert_eq!((steady.jumps_ahead, steady.jumps_back), (0, 1));
        // Set back by mistake and put right: nothing is doubted.
        assert_eq!(steady.tell(DAY - 3_600_000, later(3603)), DAY + 1_000);
        assert_eq!(steady.tell(DAY + 3_000, later(3604)), DAY + 3_000);
        assert!(!steady.doubts());
    }
}
