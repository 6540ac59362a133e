//! Exact decimals between a file's text or number and minor units or milliseconds. No float arithmetic:
//! a double is first written with the fewest digits that read back as the same double.

use std::fmt::Write as _;

use event::draft::Invalid;

use crate::cell::{Cell, shortened};

/// `mantissa / 10^places`, `|mantissa| < 10^29`, `places <= 28`. Non-zero digits past that are cut and
/// remembered in `inexact`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    pub mantissa: i128,
    pub places: u32,
    pub inexact: bool,
}

const MANTISSA_END: i128 = 10_i128.pow(28);
const PLACES_MAX: u32 = 28;

/// The whole number that `self * 10^shift` is, or is nearest to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whole {
    Exact(i128),
    /// Half to even.
    Rounded(i128),
}

impl Decimal {
    pub fn whole(value: i128) -> Option<Decimal> {
        (value.unsigned_abs() < MANTISSA_END.unsigned_abs() * 10).then_some(Decimal {
            mantissa: value,
            places: 0,
            inexact: false,
        })
    }

    /// `shift` is the exponent of a currency: at most 4.
    pub fn shifted(self, shift: u32) -> Whole {
        let scaled = self.mantissa * 10_i128.pow(shift);
        let divisor = 10_i128.pow(self.places);
        let (floor, rest) = (scaled.div_euclid(divisor), scaled.rem_euclid(divisor));
        if rest == 0 && !self.inexact {
            return Whole::Exact(floor);
        }
        // Cut digits lie beyond 28 places or 28 significant digits: they break a tie, nothing else. They
        // point away from zero, which for a negative value is down.
        let above_half =
            2 * rest > divisor || (2 * rest == divisor && self.inexact && self.mantissa >= 0);
        let tie = 2 * rest == divisor && !self.inexact;
        let up = above_half || (tie && floor.rem_euclid(2) == 1);
        Whole::Rounded(floor + i128::from(up))
    }
}

/// A plain decimal; `Ok(None)` when its whole part is past any amount or time.
pub(crate) fn parse(text: &str) -> Option<Option<Decimal>> {
    let trimmed = text.trim();
    let (negative, digits) = match trimmed.as_bytes().first()? {
        b'-' => (true, &trimmed[1..]),
        b'+' => (false, &trimmed[1..]),
        _ => (false, trimmed),
    };
    let (mut mantissa, mut places, mut inexact) = (0_i128, 0, false);
    let (mut after_point, mut seen, mut too_large) = (false, false, false);
    for byte in digits.bytes() {
        match byte {
            b'.' if !after_point => after_point = true,
            b'0'..=b'9' => {
                seen = true;
                let digit = i128::from(byte - b'0');
                if after_point && (places == PLACES_MAX || mantissa >= MANTISSA_END) {
                    inexact |= digit != 0;
                } else if mantissa >= MANTISSA_END {
                    too_large = true;
                } else {
                    mantissa = mantissa * 10 + digit;
                    places += u32::from(after_point);
                }
            }
            _ => return None,
        }
    }
    if !seen {
        return None;
    }
    let mantissa = if negative { -mantissa } else { mantissa };
    Some((!too_large).then_some(Decimal {
        mantissa,
        places,
        inexact,
    }))
}

/// The cell as a decimal; `Ok(None)` when it is past any amount or time.
pub(crate) fn of_cell(
    field: &str,
    cell: Cell<'_>,
    scratch: &mut String,
) -> Result<Option<Decimal>, Invalid> {
    let not_number = || Invalid::NotNumber {
        field: field.to_owned(),
        value: cell.describe(),
    };
    match cell {
        Cell::Int(value) => Ok(Decimal::whole(value.into())),
        Cell::Uint(value) => Ok(Decimal::whole(value.into())),
        Cell::Decimal(mantissa, places) => Ok(Decimal::whole(mantissa)
            .filter(|_| u32::from(places) <= PLACES_MAX)
            .map(|whole| Decimal {
                places: places.into(),
                ..whole
            })),
        Cell::Float(value) => of_float(field, value, scratch),
        Cell::Text(text) | Cell::Number(text) => {
            if let Some(found) = parse(text) {
                return Ok(found);
            }
            // 1.5e9, NaN, inf: what is no plain decimal may still be a float.
            let value: f64 = text.trim().parse().map_err(|_| not_number())?;
            of_float(field, value, scratch)
        }
        _ => Err(not_number()),
    }
}

fn of_float(field: &str, value: f64, scratch: &mut String) -> Result<Option<Decimal>, Invalid> {
    if !value.is_finite() {
        return Err(Invalid::NotFinite {
            field: field.to_owned(),
            value: value.to_string(),
        });
    }
    scratch.clear();
    // Display of a float is the shortest text that reads back, never with an exponent.
    let written = write!(scratch, "{value}").is_ok();
    let found = written.then(|| parse(scratch)).flatten();
    found.ok_or_else(|| Invalid::NotNumber {
        field: field.to_owned(),
        value: shortened(scratch),
    })
}
