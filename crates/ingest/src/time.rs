//! Times of a foreign file, to event time.

use event::EventTime;
use event::draft::Invalid;
use event::time::TimeError;
use jiff::tz::Offset;

use crate::cell::{Cell, shortened};
use crate::decimal::{self, Decimal};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum TimeFormat {
    /// ISO-8601, or a calendar type of the file; `offset` for times that carry none.
    Iso { offset: Option<Offset> },
    /// So many steps after an origin; digits below a millisecond are cut.
    Count { origin: EventTime, step_ms: i64 },
}

/// Reads `cell`; the range of plausible times is the event crate's to check.
pub(crate) fn event_time(
    field: &str,
    format: TimeFormat,
    cell: Cell<'_>,
    scratch: &mut String,
) -> Result<EventTime, Invalid> {
    match format {
        TimeFormat::Iso { offset } => calendar(field, offset, cell),
        TimeFormat::Count { origin, step_ms } => {
            if let Cell::Int(steps) = cell {
                let ms = steps.saturating_mul(step_ms);
                return Ok(EventTime::from_millis(origin.millis().saturating_add(ms)));
            }
            let count = decimal::of_cell(field, cell, scratch)?;
            let ms = count.map_or(i64::MAX, |count| steps_to_ms(count, step_ms));
            Ok(EventTime::from_millis(origin.millis().saturating_add(ms)))
        }
    }
}

fn steps_to_ms(count: Decimal, step_ms: i64) -> i64 {
    let ms = (count.mantissa * i128::from(step_ms)).div_euclid(10_i128.pow(count.places));
    i64::try_from(ms).unwrap_or(if ms < 0 { i64::MIN } else { i64::MAX })
}

fn calendar(field: &str, offset: Option<Offset>, cell: Cell<'_>) -> Result<EventTime, Invalid> {
    let not_iso = |value: String| Invalid::Time {
        field: field.to_owned(),
        source: TimeError::NotIso { value },
    };
    match (cell, offset) {
        (Cell::Millis(ms), _) => Ok(EventTime::from_millis(ms)),
        (Cell::LocalMillis(ms), Some(offset)) => {
            let offset_ms = i64::from(offset.seconds()) * 1000;
            Ok(EventTime::from_millis(ms.saturating_sub(offset_ms)))
        }
        (Cell::Text(text), Some(offset)) if !has_offset(text) => {
            let local: Result<jiff::civil::DateTime, _> = text.trim().parse();
            let stamp = local.and_then(|local| offset.to_timestamp(local));
            let stamp = stamp.map_err(|_| not_iso(shortened(text)))?;
            Ok(EventTime::from_millis(
                stamp.as_microsecond().div_euclid(1000),
            ))
        }
        (Cell::Text(text), _) => EventTime::parse_iso(text).map_err(|source| Invalid::Time {
            field: field.to_owned(),
            source,
        }),
        (other, _) => Err(not_iso(other.describe())),
    }
}

/// Whether an ISO text says where it is, looking past the date, whose separators are minus signs.
fn has_offset(text: &str) -> bool {
    let after_date = text.trim().as_bytes().get(10..).unwrap_or_default();
    after_date
        .iter()
        .any(|b| matches!(b, b'Z' | b'z' | b'+' | b'-'))
}

/// `Z` or `+hh:mm`.
pub(crate) fn parse_offset(text: &str) -> Option<Offset> {
    if text == "Z" {
        return Some(Offset::UTC);
    }
    let (sign, rest) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let two_digits = |part: &str| {
        let plain = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| part.parse::<i32>().ok()).flatten()
    };
    let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
    if hours > 14 || minutes > 59 {
        return None;
    }
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}
