//! Exchange rates to the base currency, as the log holds them.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::money::{Currency, Money};

/// Base currency for one major unit of another; sorted by code.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RateTable {
    rates: Vec<(Currency, f64)>,
    body: String,
}

#[derive(Clone, Debug, Error, PartialEq)]
pub enum RatesError {
    #[error("rates are not valid TOML: {0}")]
    Toml(String),
    #[error("rates: {0:?} is no ISO 4217 currency")]
    Currency(String),
    #[error("rates.{currency} must be between 1e-6 and 1e6, got {value}")]
    Range { currency: String, value: f64 },
    #[error("rates.{currency} must be a number, got {found}")]
    Number {
        currency: String,
        found: &'static str,
    },
}

impl RatesError {
    /// Its path; `rates` where it is the whole document.
    pub fn field(&self) -> String {
        match self {
            RatesError::Toml(_) => "rates".to_owned(),
            RatesError::Currency(currency)
            | RatesError::Range { currency, .. }
            | RatesError::Number { currency, .. } => format!("rates.{currency}"),
        }
    }
}

impl RateTable {
    /// Parses lines such as `USD = 0.92`.
    pub fn parse(text: &str) -> Result<RateTable, RatesError> {
        let file: BTreeMap<String, toml::Value> =
            toml::from_str(text).map_err(|e| RatesError::Toml(e.to_string().trim().to_owned()))?;
        let mut rates = Vec::with_capacity(file.len());
        for (code, value) in file {
            let value = match &value {
                toml::Value::Float(value) => *value,
                toml::Value::Integer(value) => *value as f64,
                other => {
                    let found = other.type_str();
                    let currency = code;
                    return Err(RatesError::Number { currency, found });
                }
            };
            let currency =
                Currency::parse(&code).map_err(|_| RatesError::Currency(code.clone()))?;
            if !(1e-6..=1e6).contains(&value) {
                return Err(RatesError::Range {
                    currency: code,
                    value,
                });
            }
            rates.push((currency, value));
        }
        Ok(RateTable {
            rates,
            body: text.to_owned(),
        })
    }

    pub fn body(&self) -> &str {
        &self.body
    }

    /// Major units of the base currency; `None` when no rate is known.
    pub fn to_base(&self, money: Money, base: Currency) -> Option<f32> {
        let major = money.minor as f64 / money.currency.minor_per_major() as f64;
        if money.currency == base {
            return Some(major as f32);
        }
        Some((major * self.rate(money.currency)?) as f32)
    }

    /// Minor units of the base currency: exact for an amount in it, else rounded to the nearest.
    pub fn to_base_minor(&self, money: Money, base: Currency) -> Option<i64> {
        if money.currency == base {
            return Some(money.minor);
        }
        let major = money.minor as f64 / money.currency.minor_per_major() as f64;
        let base_minor = major * self.rate(money.currency)? * base.minor_per_major() as f64;
        Some(base_minor.round() as i64)
    }

    fn rate(&self, currency: Currency) -> Option<f64> {
        let found = self.rates.iter().find(|(held, _)| *held == currency);
        found.map(|(_, rate)| *rate)
    }
}
