//! Times and durations as CEL writes them, in whole milliseconds.

use jiff::Timestamp;
use jiff::tz::Offset;

const DAY_MS: i64 = 86_400_000;

/// A fixed distance from UTC in milliseconds. Names of zones are not taken: their rules change, and with them what a
/// replay would say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Zone(i64);

impl Zone {
    pub const UTC: Zone = Zone(0);

    /// `UTC`, or `+02:00`, `-05:30`, `02:00`.
    pub fn parse(text: &str) -> Option<Zone> {
        if text == "UTC" {
            return Some(Zone::UTC);
        }
        let (sign, clock) = match text.as_bytes().first()? {
            b'-' => (-1, &text[1..]),
            b'+' => (1, &text[1..]),
            _ => (1, text),
        };
        let (hours, minutes) = clock.split_once(':')?;
        let number = |digits: &str, below: i64| {
            let all = digits.len() == 2 && digits.bytes().all(|it| it.is_ascii_digit());
            let number = digits.parse().ok().filter(|it: &i64| *it < below);
            number.filter(|_| all)
        };
        let minutes = number(hours, 24)? * 60 + number(minutes, 60)?;
        Some(Zone(sign * minutes * 60_000))
    }
}

/// The part of a time that a method of CEL gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    FullYear,
    /// From 0.
    Month,
    /// Of the month, from 1.
    Date,
    /// From 0.
    DayOfMonth,
    /// From 0.
    DayOfYear,
    /// From Sunday, 0.
    DayOfWeek,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

impl Field {
    /// None where no calendar reaches: before the year -9999, after 9999.
    pub fn of(self, time_ms: i64, zone: Zone) -> Option<f64> {
        let local = time_ms.checked_add(zone.0)?;
        let (day, in_day) = (local.div_euclid(DAY_MS), local.rem_euclid(DAY_MS));
        let clock = |unit: i64, units: i64| Some((in_day / unit % units) as f64);
        match self {
            Field::Hours => return clock(3_600_000, 24),
            Field::Minutes => return clock(60_000, 60),
            Field::Seconds => return clock(1_000, 60),
            Field::Milliseconds => return clock(1, 1_000),
            // 1970 began on a Thursday.
            Field::DayOfWeek => return Some((day + 4).rem_euclid(7) as f64),
            _ => {}
        }
        let stamp = Timestamp::from_millisecond(local).ok()?;
        let date = Offset::UTC.to_datetime(stamp).date();
        Some(match self {
            Field::FullYear => f64::from(date.year()),
            Field::Month => f64::from(date.month() - 1),
            Field::Date => f64::from(date.day()),
            Field::DayOfMonth => f64::from(date.day() - 1),
            _ => f64::from(date.day_of_year() - 1),
        })
    }
}

/// RFC 3339, whole milliseconds.
pub(crate) fn timestamp_ms(text: &str) -> Option<i64> {
    // jiff reads more forms than RFC 3339 has: without seconds, with a zone's name, with a blank.
    let bytes = text.as_bytes();
    let shape = b"dddd-dd-ddTdd:dd:dd";
    let fits = |(it, shape): (&u8, &u8)| match shape {
        b'd' => it.is_ascii_digit(),
        _ => it.eq_ignore_ascii_case(shape),
    };
    if bytes.len() < shape.len() + 1 || !bytes.iter().zip(shape).all(fits) {
        return None;
    }
    let rest = &text[shape.len()..];
    let rest = rest.strip_prefix('.').map_or(rest, |fraction| {
        fraction.trim_start_matches(|it: char| it.is_ascii_digit())
    });
    let in_zone = matches!(rest, "Z" | "z") || (rest.len() == 6 && Zone::parse(rest).is_some());
    if !in_zone {
        return None;
    }
    let stamp: Timestamp = text.parse().ok()?;
    let whole = stamp.subsec_nanosecond() % 1_000_000 == 0;
    whole.then(|| stamp.as_millisecond())
}

/// `1h30m`, `-1.5s`, `0`: Go's form, which CEL takes; whole milliseconds.
pub(crate) fn duration_ms(text: &str) -> Option<i64> {
    const UNITS_NS: [(&str, i128); 7] = [
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("ms", 1_000_000),
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
    ];
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut sum: i128 = 0;
    while !rest.is_empty() || sum == 0 && text.len() == rest.len() {
        let number_end = rest.find(|it: char| !it.is_ascii_digit() && it != '.')?;
        let (number, behind) = rest.split_at(number_end);
        let (name, unit) = UNITS_NS.iter().find(|(name, _)| behind.starts_with(name))?;
        rest = &behind[name.len()..];
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = whole.len() + fraction.len();
        if !(1..=18).contains(&digits) || fraction.contains('.') {
            return None;
        }
        let scaled: i128 = format!("{whole}{fraction}").parse().ok()?;
        let part = scaled * unit;
        let scale = 10_i128.pow(fraction.len() as u32);
        if part % scale != 0 {
            return None;
        }
        sum += part / scale;
    }
    let whole = sum % 1_000_000 == 0;
    let millis = i64::try_from(sum / 1_000_000).ok()?;
    whole.then_some(sign * millis)
}
