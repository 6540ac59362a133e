//! A source or the trail itself that failed: tried again after a pause that doubles, told when it is another trouble.

use std::time::{Duration, Instant};

#[derive(Default)]
pub(super) struct Pause {
    retry: Option<(Instant, Duration)>,
    trouble: Option<String>,
}

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(30);

impl Pause {
    pub fn lasts(&self) -> bool {
        self.retry.is_some_and(|(at, _)| Instant::now() < at)
    }

    /// Whether the trouble is to be told: it is not the one before.
    pub fn begin(&mut self, trouble: &str) -> bool {
        let pause = self.retry.map_or(FIRST, |(_, pause)| pause);
        let next = (pause * 2).min(LONGEST);
        self.retry = Some((Instant::now() + pause, next));
        if self.trouble.as_deref() == Some(trouble) {
            return false;
        }
        self.trouble = Some(trouble.to_owned());
        true
    }

    /// Whether there was a trouble.
    pub fn end(&mut self) -> bool {
        self.trouble = None;
        self.retry.take().is_some()
    }
}
