//! The `[import]` table as written.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

/// The whole schema file; only the importer's table is looked at.
#[derive(Deserialize)]
pub struct SchemaFile {
    pub import: Option<Spanned<ImportFile>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportFile {
    pub format: Option<Spanned<String>>,
    /// CSV only; a comma unless stated.
    pub delimiter: Option<Spanned<String>>,
    pub event_id: Option<EventIdFile>,
    pub event_type: Option<EventTypeFile>,
    pub timestamp: Option<TimeFile>,
    pub amount: Option<AmountFile>,
    pub currency: Option<CurrencyFile>,
    #[serde(default)]
    pub roles: BTreeMap<Spanned<String>, RoleFile>,
    #[serde(default)]
    pub attributes: BTreeMap<Spanned<String>, AttributeFile>,
    #[serde(default)]
    pub by_type: BTreeMap<Spanned<String>, TypeFile>,
    pub label: Option<LabelFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventIdFile {
    pub column: Option<Spanned<String>>,
    pub row: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventTypeFile {
    pub column: Option<Spanned<String>>,
    pub value: Option<Spanned<String>>,
    /// Cell -> event type; without it a cell is the event type's own name.
    pub values: Option<BTreeMap<String, Spanned<String>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeFile {
    pub column: Spanned<String>,
    pub format: Spanned<String>,
    pub origin: Option<Spanned<String>>,
    /// UTC offset of calendar times that carry none, such as `Z` or `+02:00`.
    pub offset: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AmountFile {
    pub column: Spanned<String>,
    pub unit: Spanned<String>,
    #[serde(default)]
    pub round: bool,
    #[serde(default)]
    pub absent: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurrencyFile {
    pub column: Option<Spanned<String>>,
    pub value: Option<Spanned<String>>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleFile {
    pub column: Spanned<String>,
    #[serde(default)]
    pub absent: Vec<String>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttributeFile {
    pub column: Spanned<String>,
    #[serde(default)]
    pub absent: Vec<String>,
    pub scale: Option<Spanned<f64>>,
}

/// What an event type reads differently: entries replace those of the same name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypeFile {
    #[serde(default)]
    pub roles: BTreeMap<Spanned<String>, RoleFile>,
    #[serde(default)]
    pub attributes: BTreeMap<Spanned<String>, AttributeFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelFile {
    pub column: Spanned<String>,
    pub fraud: Spanned<Vec<String>>,
    #[serde(default)]
    pub legitimate: Vec<String>,
    #[serde(default)]
    pub unknown: Vec<String>,
    pub delay: Option<Spanned<String>>,
    pub known_at: Option<TimeFile>,
}
