//! The owner's part in letting the oldest segments go: it forgets, the background removes.

use super::Owner;
use crate::background::Chore;

impl Owner {
    /// Called when something was committed. Does I/O for the log's first record at most, and that once.
    pub(super) fn retire_if_due(&mut self) {
        let Some(keep) = self.settings.keep else {
            return;
        };
        let counters = &self.shared.counters;
        if self.retirement.is_none()
            && let Some(tenant) = &mut self.tenant
            && let Some(covered) = self.shared.take_covered()
            && let Ok(now) = self.settings.clock.now()
        {
            match tenant.retire(covered, keep, now) {
                Ok(retirement) => self.retirement = retirement.map(Box::new),
                // What could not be read stays.
                Err(_) => counters.retire_failures.add(1),
            }
            counters.log_first.set(tenant.journal().first().0);
        }
        if let Some(retirement) = self.retirement.take() {
            let counters = counters.clone();
            let chore = Chore::Retire {
                retirement,
                counters,
            };
            // Should the thread be busy, it is asked again after the next commit.
            if let Err(Chore::Retire { retirement, .. }) = self.background.hand_over(chore) {
                self.retirement = Some(retirement);
            }
        }
    }
}
