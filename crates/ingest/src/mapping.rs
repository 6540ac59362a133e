//! The mapping of a schema file's `[import]` table: which column feeds which field, and how to read it.
//!
//! Parsed once against the schema; readers then work with column numbers only. A column feeds one field
//! of an event: a second use is a mistake and refused.

mod file;
mod parse;

use event::{AttributeIx, Currency, EventTypeIx, RoleIx, Schema, Span};
use thiserror::Error;

use crate::time::TimeFormat;
use event::record::Verdict;

/// How a file becomes events and labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapping {
    pub(crate) layout: Layout,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Layout {
    /// JSON lines in the canonical form, with the schema's own names; or Parquet whose rows, as JSON
    /// objects of their filled columns, are such lines.
    Canonical,
    Columns(Box<Columns>),
}

/// Column numbers below index `names`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Columns {
    pub delimiter: u8,
    /// Every column that is read, once.
    pub names: Vec<String>,
    pub uses: Vec<ColumnUse>,
    pub event_id: IdFrom,
    pub event_type: TypeFrom,
    pub timestamp: TimeFrom,
    pub amount: Option<AmountFrom>,
    pub currency: CurrencyFrom,
    /// By event type.
    pub plans: Vec<Plan>,
    pub label: Option<LabelFrom>,
}

/// What a column must be able to hold; the Parquet reader checks it before the first row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ColumnUse {
    pub column: usize,
    pub field: String,
    pub holds: Holds,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    Id,
    /// One of a list of words or numbers.
    Choice,
    /// Calendar time; `offset` when local times have a stated UTC offset.
    Calendar {
        offset: bool,
    },
    /// A count of time units.
    Count,
    MinorUnits,
    MajorUnits,
    Number,
    Text,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum IdFrom {
    Column(usize),
    /// This prefix and the row number, counted from 0.
    Row(String),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TypeFrom {
    Fixed(EventTypeIx),
    Column {
        column: usize,
        values: Vec<(String, EventTypeIx)>,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TimeFrom {
    pub column: usize,
    pub format: TimeFormat,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AmountFrom {
    pub column: usize,
    pub major: bool,
    /// Round half to even to the currency's minor unit instead of refusing a finer amount.
    pub round: bool,
    pub absent: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum CurrencyFrom {
    Fixed(Currency),
    Column(usize),
}

/// Roles and attributes of one event type.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plan {
    pub roles: Vec<RoleFrom>,
    pub attributes: Vec<AttributeFrom>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RoleFrom {
    pub role: RoleIx,
    pub column: usize,
    pub absent: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AttributeFrom {
    pub attribute: AttributeIx,
    pub column: usize,
    pub absent: Vec<String>,
    pub scale: Scale,
    pub numeric: bool,
}

/// Multiplies a number. A scale such as 0.01 divides by 100, so that 1915 becomes 19.15 and not
/// 19.150000000000002.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scale {
    One,
    Times(f64),
    Over(f64),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LabelFrom {
    pub column: usize,
    /// `None`: no label.
    pub values: Vec<(String, Option<Verdict>)>,
    pub known: KnownFrom,
}

/// When the label became known.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum KnownFrom {
    After(Span),
    At(TimeFrom),
}

/// Why the `[import]` table was refused. `line` is the line of the schema file.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum MappingError {
    #[error("schema is not valid TOML: {detail}")]
    Toml { detail: String },
    #[error("{field} is missing")]
    Missing { field: String },
    #[error("{field}: unknown {what} {value:?}; known: {known} (line {line})")]
    Unknown {
        field: String,
        what: &'static str,
        value: String,
        known: String,
        line: usize,
    },
    #[error(
        "column {column:?} feeds both {first} and {second}; a column may feed one field (line {line})"
    )]
    ColumnTwice {
        column: String,
        first: String,
        second: String,
        line: usize,
    },
    #[error("{field} must be {expected}, got {value} (line {line})")]
    Value {
        field: String,
        expected: &'static str,
        value: String,
        line: usize,
    },
    #[error("{field}: the value {value:?} has two meanings (line {line})")]
    ValueTwice {
        field: String,
        value: String,
        line: usize,
    },
    #[error("event type {event_type:?} needs {field}, which no column feeds")]
    Unfed { event_type: String, field: String },
}

impl Mapping {
    /// Reads the `[import]` table of a schema file whose other tables are already parsed as `schema`.
    pub fn parse(schema_toml: &str, schema: &Schema) -> Result<Mapping, MappingError> {
        parse::parse(schema_toml, schema)
    }

    /// Whether files are JSON lines in the canonical form.
    pub fn is_canonical(&self) -> bool {
        self.layout == Layout::Canonical
    }
}

impl Scale {
    fn new(factor: f64) -> Scale {
        let inverse = (1.0 / factor).round();
        if factor == 1.0 {
            Scale::One
        } else if inverse.abs() > 1.0 && 1.0 / inverse == factor {
            Scale::Over(inverse)
        } else {
            Scale::Times(factor)
        }
    }

    pub fn apply(self, value: f64) -> f64 {
        match self {
            Scale::One => value,
            Scale::Times(factor) => value * factor,
            Scale::Over(divisor) => value / divisor,
        }
    }
}
