//! Values of items and of events, and where a value stands in the order of its list.

use std::fmt;

use crate::cidr::Cidr;
use crate::definition::Form;
use crate::error::{ItemError, shortened};
use crate::{AMOUNT_MINOR_MAX, CurrencyPlaces, VALUE_BYTES_MAX};

/// An item's value as a change states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text, a prefix, or a network.
    Text(String),
    /// Minor units, both ends in the band.
    Band {
        from: i64,
        to: i64,
        currency: String,
    },
}

/// A value of an event that is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe<'a> {
    /// For text, prefix and CIDR lists.
    Text(&'a str),
    /// Minor units, for amount lists.
    Amount(i64, [u8; 3]),
}

/// An item's value as a list holds it: folded text is in lower case, networks are canonical.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ValueRef<'a> {
    Text(&'a str),
    Cidr(Cidr),
    Band {
        from: i64,
        to: i64,
        currency: [u8; 3],
    },
}

/// Place of a value in its list's order, and the bytes that tell apart values of the same rank.
///
/// Rank of a text, prefix or network: a hash that is pinned here, because snapshots and sweeps follow it. Rank of
/// a band: currency and lower end, in that order, so that the band around an amount is the one before it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub rank: u64,
    pub bytes: Vec<u8>,
}

impl Form {
    pub(crate) fn key(self, value: &Value, places: CurrencyPlaces) -> Result<Key, ItemError> {
        match (self, value) {
            (Form::Text { fold } | Form::Prefix { fold }, Value::Text(text)) => {
                check_text(text)?;
                let mut bytes = text.clone().into_bytes();
                if fold {
                    bytes.make_ascii_lowercase();
                }
                let rank = text_rank(&bytes);
                Ok(Key { rank, bytes })
            }
            (Form::Cidr, Value::Text(text)) => {
                let cidr = Cidr::parse(text)?;
                let bytes = cidr.key()[..cidr.key_len()].to_vec();
                let rank = text_rank(&bytes);
                Ok(Key { rank, bytes })
            }
            (Form::Amount, Value::Band { from, to, currency }) => {
                check_band(*from, *to)?;
                let unknown = || ItemError::Currency {
                    value: shortened(currency),
                };
                places(currency).ok_or_else(unknown)?;
                let code = currency.as_bytes().try_into().map_err(|_| unknown())?;
                let rank = band_rank(*from, code).ok_or_else(unknown)?;
                let bytes = to.to_be_bytes().to_vec();
                Ok(Key { rank, bytes })
            }
            (form, value) => Err(ItemError::WrongForm {
                form: form.as_str(),
                got: match value {
                    Value::Text(_) => "a text",
                    Value::Band { .. } => "an amount band",
                },
            }),
        }
    }

    /// The value behind a key; `None` for bytes that no value of this form has.
    pub(crate) fn value(self, rank: u64, key: &[u8]) -> Option<ValueRef<'_>> {
        match self {
            Form::Text { .. } | Form::Prefix { .. } => {
                std::str::from_utf8(key).ok().map(ValueRef::Text)
            }
            Form::Cidr => Cidr::from_key(key).map(ValueRef::Cidr),
            Form::Amount => {
                let (from, currency) = band_of_rank(rank)?;
                let to = i64::from_be_bytes(key.try_into().ok()?);
                Some(ValueRef::Band { from, to, currency })
            }
        }
    }
}

fn check_text(text: &str) -> Result<(), ItemError> {
    if text.is_empty() {
        return Err(ItemError::EmptyValue);
    }
    if text.len() > VALUE_BYTES_MAX {
        return Err(ItemError::LongValue { len: text.len() });
    }
    match text.char_indices().find(|(_, c)| c.is_control()) {
        Some((at, _)) => Err(ItemError::ControlInValue { at }),
        None => Ok(()),
    }
}

fn check_band(from: i64, to: i64) -> Result<(), ItemError> {
    for (field, got) in [("from", from), ("to", to)] {
        if !(0..=AMOUNT_MINOR_MAX).contains(&got) {
            return Err(ItemError::BandRange { field, got });
        }
    }
    if to < from {
        return Err(ItemError::BandOrder { from, to });
    }
    Ok(())
}

const FROM_BITS: u32 = 44;
const _: () = assert!(AMOUNT_MINOR_MAX < 1 << FROM_BITS);

/// `None`: no amount, or letters that no currency has.
pub(crate) fn band_rank(from: i64, currency: [u8; 3]) -> Option<u64> {
    if !(0..=AMOUNT_MINOR_MAX).contains(&from) {
        return None;
    }
    let mut code = 0;
    for letter in currency {
        if !letter.is_ascii_uppercase() {
            return None;
        }
        code = code * 26 + u64::from(letter - b'A');
    }
    Some(code << FROM_BITS | from as u64)
}

fn band_of_rank(rank: u64) -> Option<(i64, [u8; 3])> {
    let (code, from) = (rank >> FROM_BITS, rank & ((1 << FROM_BITS) - 1));
    let letter = |power: u64| b'A' + (code / power % 26) as u8;
    let currency = [letter(26 * 26), letter(26), letter(1)];
    let same = band_rank(from as i64, currency) == Some(rank);
    same.then_some((from as i64, currency))
}

/// FNV-1a over bytes, so that the ranks of all beginnings of a text come from one pass, and the finaliser of
/// MurmurHash3 (Appleby), which spreads them over all 64 bits.
#[derive(Clone, Copy)]
pub(crate) struct Ranking(u64);

impl Ranking {
    pub(crate) const START: Ranking = Ranking(0xcbf2_9ce4_8422_2325);

    pub(crate) fn push(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }

    pub(crate) fn rank(self) -> u64 {
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed = (mixed ^ mixed >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        mixed ^ mixed >> 33
    }
}

pub(crate) fn text_rank(bytes: &[u8]) -> u64 {
    let mut ranking = Ranking::START;
    bytes.iter().for_each(|byte| ranking.push(*byte));
    ranking.rank()
}

impl fmt::Display for ValueRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValueRef::Text(text) => f.write_str(text),
            ValueRef::Cidr(cidr) => cidr.fmt(f),
            ValueRef::Band { from, to, currency } => {
                write!(f, "{from} to {to} {}", code(currency))
            }
        }
    }
}

/// A rank holds letters only, so a held currency is text.
pub(crate) fn code(currency: &[u8; 3]) -> &str {
    std::str::from_utf8(currency).unwrap_or("???")
}

impl ValueRef<'_> {
    /// As a change would state it.
    pub fn to_value(self) -> Value {
        match self {
            ValueRef::Text(text) => Value::Text(text.to_owned()),
            ValueRef::Cidr(cidr) => Value::Text(cidr.to_string()),
            ValueRef::Band { from, to, currency } => Value::Band {
                from,
                to,
                currency: code(&currency).to_owned(),
            },
        }
    }
}
