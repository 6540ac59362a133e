//! Money in minor units of an ISO 4217 currency. Never a float.

use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::time::shortened;

/// An ISO 4217 alphabetic code that is known to this build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// An amount in minor units (cents for EUR, yen for JPY, fils for KWD).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money {
    pub minor: i64,
    pub currency: Currency,
}

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum MoneyError {
    #[error("expected an ISO 4217 currency code such as EUR, got {value:?}")]
    UnknownCurrency { value: String },
    #[error("expected a decimal amount such as 12.50, got {value:?}")]
    NotDecimal { value: String },
    #[error("{currency} has {exponent} decimal places, got {value:?}")]
    TooPrecise {
        value: String,
        currency: Currency,
        exponent: u8,
    },
    #[error("amount must be >= 0 and <= 10^13 minor units, got {value}")]
    OutOfRange { value: String },
}

/// ISO 4217 active codes whose minor unit has two places (ISO 4217:2015 list one).
const EXPONENT_2: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD \
    BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP \
    GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR \
    LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN \
    PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS \
    TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG";
const EXPONENT_0: &str = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF";
const EXPONENT_3: &str = "BHD IQD JOD KWD LYD OMR TND";
const EXPONENT_4: &str = "CLF UYW";

impl Currency {
    pub const EUR: Currency = Currency(*b"EUR");

    pub fn parse(text: &str) -> Result<Currency, MoneyError> {
        let unknown = || MoneyError::UnknownCurrency {
            value: shortened(text),
        };
        let code: [u8; 3] = text.as_bytes().try_into().map_err(|_| unknown())?;
        let currency = Currency(code);
        if exponent_of(code).is_none() {
            Err(unknown())
        } else {
            Ok(currency)
        }
    }

    /// Decimal places of the minor unit.
    pub fn exponent(self) -> u8 {
        exponent_of(self.0).unwrap_or(2)
    }

    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }

    pub fn bytes(self) -> [u8; 3] {
        self.0
    }

    /// Minor units in one major unit.
    pub fn minor_per_major(self) -> i64 {
        10_i64.pow(u32::from(self.exponent()))
    }
}

/// All codes with their exponents, sorted.
static CODES: LazyLock<Vec<([u8; 3], u8)>> = LazyLock::new(|| {
    let lists = [
        (EXPONENT_2, 2),
        (EXPONENT_0, 0),
        (EXPONENT_3, 3),
        (EXPONENT_4, 4),
    ];
    let codes = lists.iter().flat_map(|(list, exponent)| {
        let codes = list
            .split_ascii_whitespace()
            .filter_map(|code| code.as_bytes().try_into().ok());
        codes.map(|code: [u8; 3]| (code, *exponent))
    });
    let mut codes: Vec<([u8; 3], u8)> = codes.collect();
    codes.sort_unstable();
    codes
});

fn exponent_of(code: [u8; 3]) -> Option<u8> {
    let at = CODES.binary_search_by_key(&code, |(held, _)| *held).ok()?;
    Some(CODES[at].1)
}

impl Money {
    /// 10^13 minor units: past any single payment, and exact in an f64.
    pub const MAX_MINOR: i64 = 10_000_000_000_000;

    pub fn from_minor(minor: i64, currency: Currency) -> Result<Money, MoneyError> {
        if (0..=Money::MAX_MINOR).contains(&minor) {
            Ok(Money { minor, currency })
        } else {
            Err(MoneyError::OutOfRange {
                value: minor.to_string(),
            })
        }
    }

    /// Parses a plain decimal in major units ("12.5"); no exponent, no grouping, no rounding.
    pub fn parse_major(text: &str, currency: Currency) -> Result<Money, MoneyError> {
        let trimmed = text.trim();
        let not_decimal = || MoneyError::NotDecimal {
            value: shortened(text),
        };
        let out_of_range = || MoneyError::OutOfRange {
            value: shortened(text),
        };
        let (negative, digits) = match trimmed.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, trimmed),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction)
        {
            return Err(not_decimal());
        }
        let exponent = usize::from(currency.exponent());
        let kept = fraction.trim_end_matches('0');
        if kept.len() > exponent {
            let value = shortened(text);
            return Err(MoneyError::TooPrecise {
                value,
                currency,
                exponent: currency.exponent(),
            });
        }
        let mut minor: i64 = 0;
        let padding = std::iter::repeat_n(b'0', exponent - kept.len());
        for digit in whole.bytes().chain(kept.bytes()).chain(padding) {
            minor = minor.checked_mul(10).ok_or_else(out_of_range)?;
            minor = minor
                .checked_add(i64::from(digit - b'0'))
                .ok_or_else(out_of_range)?;
        }
        if minor > Money::MAX_MINOR || (negative && minor != 0) {
            return Err(out_of_range());
        }
        Ok(Money { minor, currency })
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exponent = usize::from(self.currency.exponent());
        let per_major = self.currency.minor_per_major();
        let (whole, part) = (self.minor / per_major, (self.minor % per_major).abs());
        if exponent == 0 {
            write!(f, "{whole}")
        } else {
            write!(f, "{whole}.{part:0exponent$}")
        }
    }
}

impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Currency, D::Error> {
        let text = String::deserialize(deserializer)?;
        Currency::parse(&text).map_err(serde::de::Error::custom)
    }
}
