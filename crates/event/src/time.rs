//! Event time: milliseconds since 1970-01-01T00:00:00Z, and spans of it.
//!
//! Replayed data may count rows or days instead of seconds; the schema says so ([`TimeUnit`]) and every
//! span in it is then written in that unit. One row is one second of event time.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};
use thiserror::Error;

/// A point in event time, milliseconds since the Unix epoch (UTC).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventTime(i64);

/// A length of event time in milliseconds; never negative when it comes from a schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(i64);

/// What one step of the source's clock is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeUnit {
    /// Real time.
    #[default]
    Second,
    /// The n-th row of a table happened at second n after the stated origin.
    Row,
    /// Simulated or aggregated days.
    Day,
}

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TimeError {
    #[error("expected an ISO-8601 time with offset such as 2026-01-31T12:00:00Z, got {value:?}")]
    NotIso { value: String },
    #[error("expected a span such as 250ms, 30s, 15min, 72h, 30d or 500rows, got {value:?}")]
    NotSpan { value: String },
    #[error("span {value:?} is not between 1 ms and 3650 d")]
    SpanRange { value: String },
}

impl EventTime {
    /// Earliest accepted time: 1970-01-01. Earlier times are almost always a wrong unit or a default.
    pub const MIN: EventTime = EventTime(0);
    /// First time that is refused: 2200-01-01.
    pub const END: EventTime = EventTime(7_258_118_400_000);

    pub const fn from_millis(ms: i64) -> EventTime {
        EventTime(ms)
    }

    pub const fn millis(self) -> i64 {
        self.0
    }

    pub fn is_plausible(self) -> bool {
        self >= EventTime::MIN && self < EventTime::END
    }

    /// Signed distance `self - earlier`.
    pub fn since(self, earlier: EventTime) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    pub fn plus(self, span: Span) -> EventTime {
        EventTime(self.0.saturating_add(span.0))
    }

    pub fn minus(self, span: Span) -> EventTime {
        EventTime(self.0.saturating_sub(span.0))
    }

    /// Parses RFC 3339 / ISO-8601 with an offset; digits below a millisecond are cut.
    pub fn parse_iso(text: &str) -> Result<EventTime, TimeError> {
        let not_iso = || TimeError::NotIso {
            value: shortened(text),
        };
        let stamp: jiff::Timestamp = text.trim().parse().map_err(|_| not_iso())?;
        Ok(EventTime(stamp.as_microsecond().div_euclid(1000)))
    }
}

impl Serialize for EventTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for EventTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(stamp) => write!(f, "{stamp:.3}"),
            Err(_) => write!(f, "{} ms since 1970", self.0),
        }
    }
}

impl Span {
    pub const ZERO: Span = Span(0);
    pub const MAX_FUTURE: Span = Span::minutes(5);

    pub const fn from_millis(ms: i64) -> Span {
        Span(ms)
    }

    pub const fn seconds(s: i64) -> Span {
        Span(s * 1000)
    }

    pub const fn minutes(m: i64) -> Span {
        Span(m * 60_000)
    }

    pub const fn hours(h: i64) -> Span {
        Span(h * 3_600_000)
    }

    pub const fn days(d: i64) -> Span {
        Span(d * 86_400_000)
    }

    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Parses `<number><unit>`; units ms, s, min, h, d (day, days), row (rows).
    pub fn parse(text: &str) -> Result<Span, TimeError> {
        let not_span = || TimeError::NotSpan {
            value: shortened(text),
        };
        let trimmed = text.trim();
        let digits = trimmed
            .find(|c: char| !c.is_ascii_digit())
            .ok_or_else(not_span)?;
        let number: i64 = trimmed[..digits].parse().map_err(|_| not_span())?;
        let unit_ms = match trimmed[digits..].trim() {
            "ms" => 1,
            "s" | "row" | "rows" => 1000,
            "min" => 60_000,
            "h" => 3_600_000,
            "d" | "day" | "days" => 86_400_000,
            _ => return Err(not_span()),
        };
        let range = || TimeError::SpanRange {
            value: shortened(text),
        };
        let ms = number.checked_mul(unit_ms).ok_or_else(range)?;
        if ms < 1 || ms > Span::days(3650).0 {
            Err(range())
        } else {
            Ok(Span(ms))
        }
    }

    /// The span in words of the given unit, as feature names carry it: `72h`, `30d`, `500rows`.
    pub fn label(self, unit: TimeUnit) -> String {
        let ms = self.0;
        match unit {
            TimeUnit::Row if ms % 1000 == 0 => format!("{}rows", ms / 1000),
            _ if ms % 86_400_000 == 0 && ms > 3 * 86_400_000 => format!("{}d", ms / 86_400_000),
            _ if ms % 86_400_000 == 0 && unit == TimeUnit::Day => format!("{}d", ms / 86_400_000),
            _ if ms % 3_600_000 == 0 => format!("{}h", ms / 3_600_000),
            _ if ms % 60_000 == 0 => format!("{}min", ms / 60_000),
            _ if ms % 1000 == 0 => format!("{}s", ms / 1000),
            _ => format!("{ms}ms"),
        }
    }
}

impl Serialize for Span {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.label(TimeUnit::Second))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
        let text = String::deserialize(deserializer)?;
        Span::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A value for an error message: at most 64 characters of it.
pub(crate) fn shortened(text: &str) -> String {
    const KEPT: usize = 64;
    match text.char_indices().nth(KEPT) {
        Some((cut, _)) => format!("{}... ({} bytes)", &text[..cut], text.len()),
        None => text.to_owned(),
    }
}
