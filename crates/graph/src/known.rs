//! Label history of one node, as known: counts by the day the event happened, and the times of frauds.
//!
//! "Day" is 1/32 of the longest window. Rates look at windows that end `maturity` ago, where labels are
//! complete; what is known earlier shows in the recency fields. A corrected label subtracts exactly what
//! it had added, except from cells that have left the history (then only the totals change).

use event::{EventTime, Span};

pub const DAYS: usize = 64;
pub const DAYS_PER_LONGEST_WINDOW: i64 = 32;
/// Frauds whose time is kept; older ones stay in the totals.
pub const TIMES: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    pub newest_day: i64,
    pub fraud: [u16; DAYS],
    pub legitimate: [u16; DAYS],
    pub fraud_total: u32,
    pub legitimate_total: u32,
    /// Event times of the latest known frauds, ascending.
    pub times: [EventTime; TIMES],
    pub times_len: u8,
    /// The earliest known fraud that `times` no longer holds.
    pub earliest_dropped: Option<EventTime>,
}

impl Default for Known {
    fn default() -> Known {
        Known {
            newest_day: 0,
            fraud: [0; DAYS],
            legitimate: [0; DAYS],
            fraud_total: 0,
            legitimate_total: 0,
            times: [EventTime::MIN; TIMES],
            times_len: 0,
            earliest_dropped: None,
        }
    }
}

/// Length of a day of the history.
pub fn day_length(longest: Span) -> i64 {
    (longest.millis() / DAYS_PER_LONGEST_WINDOW).max(1)
}

pub fn day_of(time: EventTime, day_length: i64) -> i64 {
    time.millis().div_euclid(day_length)
}

impl Known {
    pub fn add(&mut self, time: EventTime, fraud: bool, day_length: i64) {
        let day = day_of(time, day_length);
        self.advance(day);
        if let Some(cell) = self.cell(day, fraud) {
            *cell = cell.saturating_add(1);
        }
        if fraud {
            self.fraud_total += 1;
            self.add_time(time);
        } else {
            self.legitimate_total += 1;
        }
    }

    pub fn subtract(&mut self, time: EventTime, fraud: bool, day_length: i64) {
        let day = day_of(time, day_length);
        if let Some(cell) = self.cell(day, fraud) {
            *cell = cell.saturating_sub(1);
        }
        if fraud {
            self.fraud_total = self.fraud_total.saturating_sub(1);
            self.remove_time(time);
        } else {
            self.legitimate_total = self.legitimate_total.saturating_sub(1);
        }
    }

    fn advance(&mut self, day: i64) {
        if day <= self.newest_day {
            return;
        }
        let fresh = (day - self.newest_day).min(DAYS as i64);
        for step in 1..=fresh {
            let cell = (self.newest_day + step).rem_euclid(DAYS as i64) as usize;
            self.fraud[cell] = 0;
            self.legitimate[cell] = 0;
        }
        if fresh == DAYS as i64 {
            self.fraud = [0; DAYS];
            self.legitimate = [0; DAYS];
        }
        self.newest_day = day;
    }

    fn cell(&mut self, day: i64, fraud: bool) -> Option<&mut u16> {
        if day > self.newest_day || day <= self.newest_day - DAYS as i64 {
            return None;
        }
        let cell = day.rem_euclid(DAYS as i64) as usize;
        Some(if fraud {
            &mut self.fraud[cell]
        } else {
            &mut self.legitimate[cell]
        })
    }

    fn add_time(&mut self, time: EventTime) {
        let mut len = usize::from(self.times_len);
        if len == TIMES {
            let dropped = self.times[0].min(time);
            let earlier = self
                .earliest_dropped
                .map_or(dropped, |held| held.min(dropped));
            self.earliest_dropped = Some(earlier);
            if time <= self.times[0] {
                return;
            }
            self.times.copy_within(1..len, 0);
            len -= 1;
        }
        let place = self.times[..len].partition_point(|held| *held <= time);
        self.times.copy_within(place..len, place + 1);
        self.times[place] = time;
        self.times_len = (len + 1) as u8;
    }

    fn remove_time(&mut self, time: EventTime) {
        let len = usize::from(self.times_len);
        if let Some(place) = self.times[..len].iter().position(|held| *held == time) {
            self.times.copy_within(place + 1..len, place);
            self.times_len -= 1;
            self.times[len - 1] = EventTime::MIN;
        }
    }

    /// Known frauds and legitimate events whose day lies in `(from, to]`.
    pub fn counts(&self, from_day: i64, to_day: i64) -> (u32, u32) {
        let oldest = self.newest_day - DAYS as i64;
        let (mut fraud, mut legitimate) = (0, 0);
        for day in (from_day.max(oldest) + 1)..=to_day.min(self.newest_day) {
            let cell = day.rem_euclid(DAYS as i64) as usize;
            fraud += u32::from(self.fraud[cell]);
            legitimate += u32::from(self.legitimate[cell]);
        }
        (fraud, legitimate)
    }

    pub fn last_fraud(&self) -> Option<EventTime> {
        self.times[..usize::from(self.times_len)].last().copied()
    }

    pub fn first_fraud(&self) -> Option<EventTime> {
        self.earliest_dropped
            .or_else(|| self.times[..usize::from(self.times_len)].first().copied())
    }

    /// First fraud of the run that ends with the latest: no two neighbours more than `gap` apart.
    pub fn run_start(&self, gap: Span) -> Option<EventTime> {
        let times = &self.times[..usize::from(self.times_len)];
        let mut start = *times.last()?;
        for time in times.iter().rev().skip(1) {
            if start.since(*time) > gap {
                break;
            }
            start = *time;
        }
        Some(start)
    }

    /// Known frauds that happened after `from`.
    pub fn frauds_since(&self, from: EventTime) -> u32 {
        let times = &self.times[..usize::from(self.times_len)];
        times.iter().filter(|time| **time > from).count() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn at(day: i64) -> EventTime {
        EventTime::from_millis(day * DAY + 1)
    }

    #[test]
    fn a_correction_leaves_what_was_there_before() {
        let mut known = Known::default();
        for day in [3, 9, 9, 20] {
            known.add(at(day), true, DAY);
        }
        let before = known;
        known.add(at(11), true, DAY);
        assert_ne!(known, before);
        known.subtract(at(11), true, DAY);
        assert_eq!(known, before);
    }

    #[test]
    fn runs_break_at_gaps_and_cells_leave_with_time() {
        let mut known = Known::default();
        for day in [1, 2, 30, 33, 36] {
            known.add(at(day), true, DAY);
        }
        assert_eq!(known.run_start(Span::days(3)), Some(at(30)));
        assert_eq!(known.run_start(Span::days(2)), Some(at(36)));
        assert_eq!(known.counts(0, 40), (5, 0));
        assert_eq!(known.counts(2, 33), (2, 0));
        known.add(at(36 + 63), false, DAY);
        assert_eq!(
            known.counts(0, 200),
            (1, 1),
            "days 1 to 33 left, day 36 is the oldest kept"
        );
        known.add(at(36 + 64), false, DAY);
        assert_eq!(known.counts(0, 200), (0, 2));
        assert_eq!(known.fraud_total, 5);
        assert_eq!(known.first_fraud(), Some(at(1)));
    }

    #[test]
    fn more_frauds_than_times_keep_the_first() {
        let mut known = Known::default();
        for day in 0..40 {
            known.add(at(day), true, DAY);
        }
        assert_eq!(known.first_fraud(), Some(at(0)));
        assert_eq!(known.last_fraud(), Some(at(39)));
        assert_eq!(known.frauds_since(at(35)), 4);
    }
}
