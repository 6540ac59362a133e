//! Times and sizes as an operator writes them: a number and its unit.

use std::time::Duration;

use event::Span;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// "500us", "250ms", "10s", "5m", "1h".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub Duration);

/// "512B", "64KiB", "2MiB", "1GiB".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub usize);

/// "400d", or "forever".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep(pub Option<Span>);

impl<'de> Deserialize<'de> for Keep {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Keep, D::Error> {
        let text = String::deserialize(from)?;
        if text == "forever" {
            return Ok(Keep(None));
        }
        let days = number(&text, &[("d", 1)], "\"forever\" or days such as \"400d\"");
        let days = days.map_err(D::Error::custom)?;
        match i64::try_from(days) {
            Ok(days @ 1..=36_500) => Ok(Keep(Some(Span::days(days)))),
            _ => Err(D::Error::custom("keep must be 1d to 36500d, or forever")),
        }
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Time, D::Error> {
        let units = [
            ("us", 1),
            ("ms", 1_000),
            ("s", 1_000_000),
            ("m", 60_000_000),
            ("h", 3_600_000_000),
        ];
        let micros = number(
            &String::deserialize(from)?,
            &units,
            "a time such as \"250ms\"",
        )
        .map_err(D::Error::custom)?;
        Ok(Time(Duration::from_micros(micros)))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        let units = [
            ("B", 1),
            ("KiB", 1 << 10),
            ("MiB", 1 << 20),
            ("GiB", 1 << 30),
        ];
        let bytes = number(
            &String::deserialize(from)?,
            &units,
            "a size such as \"64KiB\"",
        )
        .map_err(D::Error::custom)?;
        Ok(Bytes(bytes as usize))
    }
}

fn number(text: &str, units: &[(&str, u64)], expected: &str) -> Result<u64, String> {
    let ends = text.find(|c: char| !c.is_ascii_digit());
    let (digits, unit) = text.split_at(ends.unwrap_or(text.len()));
    let factor = units.iter().find(|(name, _)| *name == unit);
    let product = digits.parse::<u64>().ok().zip(factor);
    product
        .and_then(|(number, (_, factor))| number.checked_mul(*factor))
        .ok_or_else(|| {
            let known: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
            format!(
                "expected {expected} (units {}), got {text:?}",
                known.join(", ")
            )
        })
}
