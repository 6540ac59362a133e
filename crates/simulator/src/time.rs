//! Milliseconds since the Unix epoch and the civil calendar. The span's start comes from the parameters;
//! nothing here reads a clock.

use std::ops::{Add, Sub};

pub const SECOND_MS: i64 = 1000;
pub const MINUTE_MS: i64 = 60 * SECOND_MS;
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

impl Time {
    /// Days since 1970-01-01.
    pub fn day(self) -> i64 {
        self.0.div_euclid(DAY_MS)
    }

    pub fn of_day(day: i64) -> Time {
        Time(day * DAY_MS)
    }

    pub fn ms_of_day(self) -> i64 {
        self.0.rem_euclid(DAY_MS)
    }

    /// ISO-8601 UTC with milliseconds, always 24 characters.
    pub fn write_iso(self, out: &mut Vec<u8>) {
        let date = Date::of_day(self.day());
        let ms = self.ms_of_day();
        let mut text = *b"0000-00-00T00:00:00.000Z";
        digits(&mut text[0..4], date.year);
        digits(&mut text[5..7], i64::from(date.month));
        digits(&mut text[8..10], i64::from(date.day));
        digits(&mut text[11..13], ms / HOUR_MS);
        digits(&mut text[14..16], ms / MINUTE_MS % 60);
        digits(&mut text[17..19], ms / SECOND_MS % 60);
        digits(&mut text[20..23], ms % SECOND_MS);
        out.extend_from_slice(&text);
    }
}

impl Add<i64> for Time {
    type Output = Time;
    fn add(self, ms: i64) -> Time {
        Time(self.0 + ms)
    }
}

impl Sub for Time {
    type Output = i64;
    fn sub(self, earlier: Time) -> i64 {
        self.0 - earlier.0
    }
}

fn digits(slot: &mut [u8], mut value: i64) {
    for place in slot.iter_mut().rev() {
        *place = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// A day of the proleptic Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    pub year: i64,
    pub month: u8,
    pub day: u8,
}

impl Date {
    /// Howard Hinnant, "chrono-compatible low-level date algorithms".
    pub fn of_day(day: i64) -> Date {
        let z = day + 719_468;
        let era = z.div_euclid(146_097);
        let doe = z.rem_euclid(146_097);
        let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        Date {
            year: yoe + era * 400 + i64::from(month <= 2),
            month: month as u8,
            day: (doy - (153 * mp + 2) / 5 + 1) as u8,
        }
    }

    pub fn to_day(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let yoe = year.rem_euclid(400);
        let mp = (i64::from(self.month) + 9) % 12;
        let doy = (153 * mp + 2) / 5 + i64::from(self.day) - 1;
        era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
    }

    /// `YYYY-MM-DD`, and a day that exists.
    pub fn parse(text: &str) -> Option<Date> {
        let bytes = text.as_bytes();
        if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
            return None;
        }
        let date = Date {
            year: text.get(0..4)?.parse().ok()?,
            month: text.get(5..7)?.parse().ok()?,
            day: text.get(8..10)?.parse().ok()?,
        };
        (date.month >= 1 && date.month <= 12 && Date::of_day(date.to_day()) == date).then_some(date)
    }
}

/// 0 = Monday; 1970-01-01 was a Thursday.
pub fn weekday(day: i64) -> u8 {
    (day + 3).rem_euclid(7) as u8
}

pub fn is_weekend(day: i64) -> bool {
    weekday(day) >= 5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_days_agree() {
        for (text, day, week) in [
            ("1970-01-01", 0, 3),
            ("2026-01-01", 20_454, 3),
            ("2000-02-29", 11_016, 1),
        ] {
            let date = Date::parse(text).unwrap();
            assert_eq!((date.to_day(), weekday(day)), (day, week), "{text}");
        }
        for bad in [
            "2026-02-30",
            "2026-13-01",
            "26-01-01",
            "2026-00-10",
            "2026/01/01",
        ] {
            assert_eq!(Date::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn iso_text_has_milliseconds() {
        let mut text = Vec::new();
        (Time::of_day(20_454) + 12_345).write_iso(&mut text);
        assert_eq!(text, b"2026-01-01T00:00:12.345Z");
    }
}
