//! The tenant's schema: which entities, attributes and event types exist, how time runs, how labels come.
//!
//! Written in TOML, checked once, then referred to by small indices. Its hash (SHA-256 of a canonical
//! JSON form) is carried by models and snapshots, so that neither is ever used with another schema. The
//! `[import]` table of the same file belongs to the importer and is not part of the hash.

mod build;
mod difference;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::ids::{AttributeIx, EventTypeIx, KindIx, RoleIx};
use crate::money::Currency;
use crate::time::{Span, TimeUnit};

/// Limits of a schema; memory per entity and features per event follow from them.
pub const KINDS_MAX: usize = 8;
pub const ROLES_MAX: usize = 8;
pub const EVENT_TYPES_MAX: usize = 16;
pub const ATTRIBUTES_MAX: usize = 32;
pub const WINDOWS: usize = 4;
pub const RING_MAX: u16 = 64;
pub const TEXT_BYTES_MAX: u32 = 4096;
pub const NAME_BYTES_MAX: usize = 48;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Schema {
    pub name: String,
    pub base_currency: Currency,
    pub time: TimeSettings,
    pub labels: LabelPolicy,
    pub kinds: Vec<Kind>,
    pub roles: Vec<Role>,
    pub event_types: Vec<EventType>,
    pub attributes: Vec<Attribute>,
    /// Reporting limits in minor units of the base currency: amounts just under one are a sign of
    /// structuring.
    pub report_thresholds: Vec<i64>,
    #[serde(skip)]
    hash: SchemaHash,
}

/// SHA-256 of the canonical form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SchemaHash(pub [u8; 32]);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeSettings {
    #[serde(default)]
    pub unit: TimeUnit,
    #[serde(default)]
    pub simultaneous: Simultaneous,
    /// Counting windows, shortest first.
    pub windows: [Span; WINDOWS],
    /// How far back the account's sequence reaches.
    pub sequence: Span,
    /// The part of the sequence that is marked as recent.
    pub recent: Span,
    /// An entity, pair or interaction untouched for this long is forgotten.
    pub idle_expiry: Span,
    /// An `event_id` may be used again after this long.
    pub dedup_window: Span,
}

/// What events with equal timestamps may see of each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Simultaneous {
    /// The order of arrival is real: a later record sees the earlier ones.
    #[default]
    Ordered,
    /// The order is an artefact of coarse time (days, steps): none sees the others.
    Hidden,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelPolicy {
    /// Labels that arrive later than this after their event are `too_late`: counted, not applied.
    pub horizon: Span,
    /// The usual delay between an event and its label; label rates look at the windows before it.
    pub maturity: Span,
    pub legitimate: Legitimate,
}

/// When an event counts as legitimate in label rates and in training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Legitimate {
    /// Only with a label that says so; unlabelled events are unknown.
    Explicit,
    /// When `maturity` has passed without a fraud label.
    Presumed,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Kind {
    pub name: String,
    /// Interactions kept per entity.
    pub ring: u16,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Role {
    pub name: String,
    pub kind: KindIx,
    pub part: Part,
}

/// What a role means to the features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The account whose behaviour is judged; every event has one.
    Subject,
    /// Who gets the money: merchant, terminal or receiving account.
    Counterparty,
    Device,
    Ip,
    Location,
    /// Card or other instrument.
    Instrument,
    Other,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventType {
    pub name: String,
    pub class: EventClass,
    pub amount: AmountRule,
    /// Roles that must be present; the subject always must.
    pub requires: Vec<RoleIx>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventClass {
    /// Money to a merchant or terminal.
    Payment,
    /// Money to another account.
    Transfer,
    /// Money into the subject's account from outside.
    Deposit,
    Login,
    /// A change of address, phone, password, device...
    ProfileChange,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AmountRule {
    Required,
    Optional,
    Absent,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Attribute {
    pub name: String,
    pub domain: Domain,
    pub meaning: Meaning,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Domain {
    Numeric { min: f64, max: f64 },
    Categorical { max_values: u16 },
    Text { max_bytes: u32 },
}

/// What an attribute means to the features beyond being an input itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    #[default]
    Plain,
    /// Degrees north, -90..=90.
    Latitude,
    /// Degrees east, -180..=180.
    Longitude,
    /// The subject's balance before the event, major units of the event's currency.
    BalanceBefore,
    /// The counterparty's balance before the event, major units of the event's currency.
    CounterpartyBalanceBefore,
    /// Categorical: amounts are compared within its values (merchant category, say).
    Cohort,
    /// Stored and returned, never an input.
    Stored,
}

#[derive(Clone, Debug, Error, PartialEq)]
pub enum SchemaError {
    #[error("schema is not valid TOML: {message}")]
    Toml {
        /// From 1.
        line: Option<usize>,
        message: String,
    },
    #[error("schema_version must be 1, got {0}")]
    Version(u32),
    #[error("{field} must have between {min} and {max} entries, got {got}")]
    Count {
        field: &'static str,
        min: usize,
        max: usize,
        got: usize,
    },
    #[error(
        "{field}: name must be 1 to 48 of a-z, 0-9 and _, starting with a letter, got {value:?}"
    )]
    Name { field: String, value: String },
    #[error("{field}: the name {value:?} is used twice")]
    Duplicate { field: String, value: String },
    #[error("{field}: the name {value:?} is reserved")]
    Reserved { field: String, value: String },
    #[error("{field}: unknown {what} {value:?}; known: {known}")]
    Unknown {
        field: String,
        what: &'static str,
        value: String,
        known: String,
    },
    #[error("{field} must be {expected}, got {value}")]
    Value {
        field: String,
        expected: String,
        value: String,
    },
    #[error("roles: exactly one must have part = \"subject\", got {got}")]
    Subject { got: usize },
    #[error("roles: only one may have part = {part:?}, got {got}")]
    PartTwice { part: Part, got: usize },
}

impl Schema {
    /// Parses and checks a schema file; the `[import]` table is left to the importer.
    pub fn parse(text: &str) -> Result<Schema, SchemaError> {
        build::parse(text)
    }

    pub fn hash(&self) -> SchemaHash {
        self.hash
    }

    fn with_hash(mut self) -> Schema {
        // serde_json keeps struct order, so this text is canonical for one build of the types.
        let canonical = serde_json::to_vec(&self).unwrap_or_default();
        self.hash = SchemaHash(Sha256::digest(&canonical).into());
        self
    }

    pub fn kind(&self, name: &str) -> Option<KindIx> {
        self.kinds
            .iter()
            .position(|kind| kind.name == name)
            .map(|ix| KindIx(ix as u8))
    }

    pub fn role(&self, name: &str) -> Option<RoleIx> {
        self.roles
            .iter()
            .position(|role| role.name == name)
            .map(|ix| RoleIx(ix as u8))
    }

    /// The role that plays a part; the first one for [`Part::Other`].
    pub fn part(&self, part: Part) -> Option<RoleIx> {
        self.roles
            .iter()
            .position(|role| role.part == part)
            .map(|ix| RoleIx(ix as u8))
    }

    pub fn event_type(&self, name: &str) -> Option<EventTypeIx> {
        self.event_types
            .iter()
            .position(|kind| kind.name == name)
            .map(|ix| EventTypeIx(ix as u8))
    }

    pub fn attribute(&self, name: &str) -> Option<AttributeIx> {
        self.attributes
            .iter()
            .position(|field| field.name == name)
            .map(|ix| AttributeIx(ix as u8))
    }

    pub fn meaning(&self, meaning: Meaning) -> Option<AttributeIx> {
        let ix = self
            .attributes
            .iter()
            .position(|field| field.meaning == meaning)?;
        Some(AttributeIx(ix as u8))
    }
}

impl SchemaError {
    /// The field at fault; of a text that is no schema file at all, the line says more.
    pub fn field(&self) -> Option<&str> {
        match self {
            SchemaError::Toml { .. } => None,
            SchemaError::Version(_) => Some("schema_version"),
            SchemaError::Count { field, .. } => Some(field),
            SchemaError::Name { field, .. }
            | SchemaError::Duplicate { field, .. }
            | SchemaError::Reserved { field, .. }
            | SchemaError::Unknown { field, .. }
            | SchemaError::Value { field, .. } => Some(field),
            SchemaError::Subject { .. } | SchemaError::PartTwice { .. } => Some("roles"),
        }
    }

    /// From 1.
    pub fn line(&self) -> Option<usize> {
        match self {
            SchemaError::Toml { line, .. } => *line,
            _ => None,
        }
    }
}

impl EventClass {
    /// Whether the event moves money from its subject to its counterparty (or, for a deposit, in).
    pub fn moves_money(self) -> bool {
        matches!(
            self,
            EventClass::Payment | EventClass::Transfer | EventClass::Deposit
        )
    }
}

impl SchemaHash {
    pub fn hex(&self) -> String {
        crate::hex(&self.0)
    }
}
