//! A row that was refused: where, which field, why, and the start of what was there.

use event::draft::Invalid;
use event::{EventTime, Span};
use serde::Serialize;
use thiserror::Error;

/// One line of `rejects.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reject {
    /// Data rows before this one in the file (blank lines and a header do not count).
    pub row: u64,
    /// Physical line, counted from 1; absent for Parquet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Stable.
    pub code: &'static str,
    pub reason: String,
    /// At most [`Reject::RAW_BYTES_MAX`] of the line, or of the row's mapped columns as JSON.
    pub raw: String,
}

impl Reject {
    pub const RAW_BYTES_MAX: usize = 1024;

    pub(crate) fn new(row: u64, line: Option<u64>, error: &RowError, raw: &[u8]) -> Reject {
        let kept = &raw[..raw.len().min(Reject::RAW_BYTES_MAX)];
        let mut text = String::from_utf8_lossy(kept).into_owned();
        // replacement characters are longer than what they replace
        while text.len() > Reject::RAW_BYTES_MAX {
            text.pop();
        }
        Reject {
            row,
            line,
            field: error.field().map(str::to_owned),
            code: error.code(),
            reason: error.to_string(),
            raw: text,
        }
    }
}

/// Why a row was refused.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum RowError {
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error("{field} must be a whole number of minor units, got {value}")]
    NotWhole { field: &'static str, value: String },
    #[error(
        "{value} is before the latest row so far at {latest}; allowed lateness is {allowed_ms} ms"
    )]
    OutOfOrder {
        value: EventTime,
        latest: EventTime,
        allowed_ms: i64,
    },
    #[error("expected {expected} fields as in the header, got {got}")]
    FieldCount { expected: usize, got: usize },
    #[error("line must be at most {max} bytes")]
    LineTooLong { max: usize },
    #[error("quoted field is not closed within {max} bytes")]
    UnclosedQuote { max: usize },
    #[error("expected UTF-8, got an invalid byte at {at}")]
    NotUtf8 { at: usize },
}

impl RowError {
    /// Stable machine-readable code.
    pub fn code(&self) -> &'static str {
        match self {
            RowError::Invalid(invalid) => invalid.code(),
            RowError::NotWhole { .. } => "amount_not_whole",
            RowError::OutOfOrder { .. } => "out_of_order",
            RowError::FieldCount { .. } => "field_count",
            RowError::LineTooLong { .. } => "line_too_long",
            RowError::UnclosedQuote { .. } => "unclosed_quote",
            RowError::NotUtf8 { .. } => "not_utf8",
        }
    }

    /// The field the error is about, where there is one.
    pub fn field(&self) -> Option<&str> {
        match self {
            RowError::Invalid(invalid) => invalid.field(),
            RowError::NotWhole { field, .. } => Some(field),
            RowError::OutOfOrder { .. } => Some("event_timestamp"),
            _ => None,
        }
    }

    pub(crate) fn out_of_order(value: EventTime, latest: EventTime, late: Span) -> RowError {
        RowError::OutOfOrder {
            value,
            latest,
            allowed_ms: late.millis(),
        }
    }
}
