//! Parameters of a world: `presets/default.toml` holds every key with its comment, a named preset or a
//! user's file overrides some. Nothing is generated before `validate` has passed.

use serde::{Deserialize, Serialize};

use crate::time::Date;
use crate::typology::Typology;

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    pub seed: u64,
    pub start: String,
    pub days: u32,
    pub accounts: u32,
    pub banks: u8,
    pub prevalence: f64,
    pub camouflage: f64,
    pub activity: Activity,
    pub fraud: Fraud,
    pub labels: Labels,
    pub outcomes: Outcomes,
    pub drift: Drift,
    pub typologies: Weights,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Activity {
    pub pace: f64,
    pub newcomers_per_day: f64,
    pub new_device_per_day: f64,
    pub move_per_day: f64,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fraud {
    pub hard_negatives_per_ring: u32,
    pub recurrent_mules: f64,
    pub recurrent_devices: f64,
    pub ring_share_max: f64,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Labels {
    pub delay_median_days: f64,
    pub delay_sigma: f64,
    pub delay_max_days: f64,
    pub never_found: f64,
    pub false_share: f64,
    pub corrected: f64,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Outcomes {
    pub declined: f64,
    pub failed: f64,
    pub challenged: f64,
    pub reversed: f64,
    pub refunded: f64,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Drift {
    pub seasonality: f64,
    pub price_level_per_year: f64,
    pub late_typology: String,
    pub late_from_day: u32,
    pub modus_days: u32,
    pub modus_adoption_days: u32,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    pub card_testing: f32,
    pub account_takeover: f32,
    pub device_farm: f32,
    pub bust_out: f32,
    pub mule_ring: f32,
    pub scatter_gather: f32,
    pub gather_scatter: f32,
    pub cycle: f32,
    pub layering: f32,
    pub merchant_collusion: f32,
    pub compromised_terminal: f32,
    pub app_scam: f32,
    pub synthetic_identity: f32,
}

impl Weights {
    pub fn of(&self, typology: Typology) -> f32 {
        match typology {
            Typology::CardTesting => self.card_testing,
            Typology::AccountTakeover => self.account_takeover,
            Typology::DeviceFarm => self.device_farm,
            Typology::BustOut => self.bust_out,
            Typology::MuleRing => self.mule_ring,
            Typology::ScatterGather => self.scatter_gather,
            Typology::GatherScatter => self.gather_scatter,
            Typology::Cycle => self.cycle,
            Typology::Layering => self.layering,
            Typology::MerchantCollusion => self.merchant_collusion,
            Typology::CompromisedTerminal => self.compromised_terminal,
            Typology::AppScam => self.app_scam,
            Typology::SyntheticIdentity => self.synthetic_identity,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ParamError {
    #[error("parameter file: {0}")]
    Toml(#[from] toml::de::Error),
    #[error("parameter file: {0}")]
    ToToml(#[from] toml::ser::Error),
    #[error("unknown preset {name:?}, expected one of {}", PRESETS.map(|(name, _)| name).join(", "))]
    UnknownPreset { name: String },
    #[error("{field} must be in {low}..={high}, got {value}")]
    OutOfRange {
        field: String,
        value: f64,
        low: f64,
        high: f64,
    },
    #[error("start must be a day YYYY-MM-DD from 1970-01-01 to 2200-01-01, got {value:?}")]
    Start { value: String },
    #[error(
        "accounts must be >= {needed}, the actors of the largest ring ten times over, got {value}"
    )]
    TooFewAccounts { value: u32, needed: u32 },
    #[error("drift.late_typology must be empty or a typology, got {value:?}")]
    LateTypology { value: String },
    #[error("typologies must have one positive weight at least when prevalence is not 0")]
    NoTypology,
}

/// A field and the least and the most it may be; one range holds for a whole table of weights.
const RANGES: [(&str, f64, f64); 30] = [
    // TOML's whole numbers end there
    ("seed", 0.0, i64::MAX as f64),
    ("days", 1.0, 3660.0),
    ("accounts", 200.0, 50_000_000.0),
    ("banks", 1.0, 16.0),
    ("prevalence", 0.0, 0.05),
    ("camouflage", 0.0, 1.0),
    ("activity.pace", 0.01, 20.0),
    ("activity.newcomers_per_day", 0.0, 0.05),
    ("activity.new_device_per_day", 0.0, 0.1),
    ("activity.move_per_day", 0.0, 0.1),
    ("fraud.hard_negatives_per_ring", 0.0, 50.0),
    ("fraud.recurrent_mules", 0.0, 1.0),
    ("fraud.recurrent_devices", 0.0, 1.0),
    ("fraud.ring_share_max", 0.001, 1.0),
    ("labels.delay_median_days", 0.01, 60.0),
    ("labels.delay_sigma", 0.0, 3.0),
    ("labels.delay_max_days", 1.0, 180.0),
    ("labels.never_found", 0.0, 0.9),
    ("labels.false_share", 0.0, 0.5),
    ("labels.corrected", 0.0, 1.0),
    ("outcomes.declined", 0.0, 0.5),
    ("outcomes.failed", 0.0, 0.5),
    ("outcomes.challenged", 0.0, 0.5),
    ("outcomes.reversed", 0.0, 0.2),
    ("outcomes.refunded", 0.0, 0.2),
    ("drift.seasonality", 0.0, 0.9),
    ("drift.price_level_per_year", -0.5, 5.0),
    ("drift.late_from_day", 0.0, 3660.0),
    ("drift.modus_days", 0.0, 3660.0),
    ("drift.modus_adoption_days", 0.0, 365.0),
];
const WEIGHTS: (f64, f64) = (0.0, 1000.0);

const DEFAULT: &str = include_str!("../presets/default.toml");

pub const PRESETS: [(&str, &str); 5] = [
    ("demo", include_str!("../presets/demo.toml")),
    ("bench-1m", include_str!("../presets/bench-1m.toml")),
    ("bench-100m", include_str!("../presets/bench-100m.toml")),
    ("three-banks", include_str!("../presets/three-banks.toml")),
    ("decay", include_str!("../presets/decay.toml")),
];

impl Params {
    pub fn preset(name: &str) -> Result<Params, ParamError> {
        Params::layered([Params::preset_text(name)?])
    }

    pub fn preset_text(name: &str) -> Result<&'static str, ParamError> {
        let found = PRESETS.iter().find(|(known, _)| *known == name);
        let (_, text) = found.ok_or_else(|| ParamError::UnknownPreset {
            name: name.to_owned(),
        })?;
        Ok(text)
    }

    /// The defaults, overridden by the keys of `text`; an unknown key is an error.
    pub fn from_toml(text: &str) -> Result<Params, ParamError> {
        Params::layered([text])
    }

    /// The defaults, overridden by the keys of each text in turn.
    pub fn layered<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Params, ParamError> {
        let mut table: toml::Table = toml::from_str(DEFAULT)?;
        for text in texts {
            overlay(&mut table, toml::from_str(text)?);
        }
        // before the types are looked at: -3 days are out of range, and no word about unsigned integers
        check_ranges(&table)?;
        Ok(table.try_into()?)
    }

    /// Every parameter, as a file that makes the same world.
    pub fn to_toml(&self) -> Result<String, ParamError> {
        self.validate()?;
        Ok(toml::to_string(self)?)
    }

    pub fn validate(&self) -> Result<(), ParamError> {
        self.start_day()?;
        if i64::try_from(self.seed).is_err() {
            return Err(out_of_range("seed", self.seed as f64, 0.0, i64::MAX as f64));
        }
        check_ranges(&toml::Table::try_from(self)?)?;
        self.validate_fraud()
    }

    fn validate_fraud(&self) -> Result<(), ParamError> {
        if !self.drift.late_typology.is_empty() && self.late_typology().is_none() {
            let value = self.drift.late_typology.clone();
            return Err(ParamError::LateTypology { value });
        }
        let weights = Typology::ALL.map(|typology| self.typologies.of(typology));
        if self.prevalence > 0.0 && weights.iter().all(|&weight| weight == 0.0) {
            return Err(ParamError::NoTypology);
        }
        // a farm of 40 accounts and its collector
        let largest = if self.typologies.device_farm > 0.0 {
            41
        } else {
            20
        };
        let needed = largest * 10;
        if self.prevalence > 0.0 && self.accounts < needed {
            return Err(ParamError::TooFewAccounts {
                value: self.accounts,
                needed,
            });
        }
        Ok(())
    }

    /// First day of the span, in days since 1970-01-01.
    pub fn start_day(&self) -> Result<i64, ParamError> {
        let day = Date::parse(&self.start)
            .map(Date::to_day)
            .filter(|d| (0..84_006).contains(d));
        day.ok_or_else(|| ParamError::Start {
            value: self.start.clone(),
        })
    }

    pub fn late_typology(&self) -> Option<Typology> {
        Typology::ALL
            .into_iter()
            .find(|typology| typology.name() == self.drift.late_typology)
    }
}

fn check_ranges(table: &toml::Table) -> Result<(), ParamError> {
    for (field, low, high) in RANGES {
        let value = match field.split_once('.') {
            Some((group, name)) => table.get(group).and_then(|group| group.get(name)),
            None => table.get(field),
        };
        check_range(field, value, low, high)?;
    }
    let weights = table.get("typologies").and_then(toml::Value::as_table);
    for (name, value) in weights.into_iter().flatten() {
        check_range(
            &format!("typologies.{name}"),
            Some(value),
            WEIGHTS.0,
            WEIGHTS.1,
        )?;
    }
    Ok(())
}

/// What is no number is refused by its type later.
fn check_range(
    field: &str,
    value: Option<&toml::Value>,
    low: f64,
    high: f64,
) -> Result<(), ParamError> {
    let number =
        value.and_then(|value| value.as_float().or(value.as_integer().map(|it| it as f64)));
    match number {
        Some(value) if !(low..=high).contains(&value) => Err(out_of_range(field, value, low, high)),
        _ => Ok(()),
    }
}

fn out_of_range(field: &str, value: f64, low: f64, high: f64) -> ParamError {
    ParamError::OutOfRange {
        field: field.to_owned(),
        value,
        low,
        high,
    }
}

fn overlay(base: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(toml::Value::Table(inner)), toml::Value::Table(table)) => overlay(inner, table),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        match Params::from_toml(text).and_then(|params| params.validate()) {
            Ok(()) => "accepted".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn every_preset_is_valid() {
        for (name, _) in PRESETS {
            Params::preset(name).unwrap().validate().unwrap();
        }
    }

    #[test]
    fn parameters_survive_their_file() {
        let params =
            Params::layered(["days = 20\nseed = 3", "days = 21\ncamouflage = 0.5"]).unwrap();
        assert_eq!((params.seed, params.days), (3, 21));
        assert_eq!(
            Params::from_toml(&params.to_toml().unwrap()).unwrap(),
            params
        );
    }

    #[test]
    fn every_range_is_of_a_parameter() {
        let table: toml::Table = toml::from_str(DEFAULT).unwrap();
        for (field, ..) in RANGES {
            let (group, name) = field.split_once('.').unwrap_or(("", field));
            let holder = table
                .get(group)
                .and_then(toml::Value::as_table)
                .unwrap_or(&table);
            assert!(holder.contains_key(name), "{field}");
        }
    }

    #[test]
    fn impossible_parameters_name_field_value_and_range() {
        for (text, expected) in [
            (
                "prevalence = 0.06",
                "prevalence must be in 0..=0.05, got 0.06",
            ),
            ("days = 0", "days must be in 1..=3660, got 0"),
            ("days = -3", "days must be in 1..=3660, got -3"),
            (
                "[typologies]\ncycle = -1",
                "typologies.cycle must be in 0..=1000, got -1",
            ),
            (
                "accounts = 300",
                "accounts must be >= 410, the actors of the largest ring ten times over, got 300",
            ),
            ("camouflage = nan", "camouflage must be in 0..=1, got NaN"),
            (
                "[drift]\nlate_typology = \"x\"",
                "drift.late_typology must be empty or a typology, got \"x\"",
            ),
            (
                "start = \"2026-02-30\"",
                "start must be a day YYYY-MM-DD from 1970-01-01 to 2200-01-01, got \"2026-02-30\"",
            ),
            (
                "[labels]\nfalse_share = 0.7",
                "labels.false_share must be in 0..=0.5, got 0.7",
            ),
        ] {
            assert_eq!(refusal(text), expected);
        }
        assert!(refusal("days = 1.5").contains("invalid type: floating point `1.5`"));
        assert!(refusal("speed = 3").contains("unknown field `speed`"));
    }
}
