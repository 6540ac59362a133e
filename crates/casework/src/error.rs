//! What goes wrong: the store itself, or a request that is refused and then has changed nothing.

use event::EventTime;
use rusqlite::ErrorCode;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum CaseworkError {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("casework store: {0}")]
    Store(#[from] rusqlite::Error),
    #[error("casework store is version {held}, this build knows up to {known}")]
    Version { held: i64, known: i64 },
    #[error("casework store is of a tenant with base currency {held}, this one has {given}")]
    OtherTenant { held: String, given: String },
    /// What this build wrote itself and cannot read.
    #[error("casework store holds no readable {what}: {detail}")]
    Unreadable { what: &'static str, detail: String },
    /// The log goes on behind the cursor only; another record first means that some are missing.
    #[error("expected the log from position {expected} on, got position {got}")]
    Gap { expected: u64, got: u64 },
}

/// A request that was refused. `code()` is stable; nothing was changed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Refused {
    #[error("case {id} is unknown")]
    UnknownCase { id: i64 },
    #[error("case {id} is at version {held}, not {given}")]
    Stale { id: i64, held: i64, given: i64 },
    #[error("case {id} is closed")]
    Closed { id: i64 },
    #[error("case {id} is not closed")]
    NotClosed { id: i64 },
    #[error("case {id} is part of case {into} now")]
    Merged { id: i64, into: i64 },
    #[error("case {id} is held by {holder:?} until {until}")]
    Held {
        id: i64,
        holder: String,
        until: EventTime,
    },
    #[error("case {id} is assigned to {assignee:?}: reassign it with a reason first")]
    AssignedToOther { id: i64, assignee: String },
    /// Nobody holds the case, or its holder's time is over.
    #[error("case {id} must be claimed before it is changed")]
    NotClaimed { id: i64 },
    #[error("you hold {held} cases, which is the limit (claims_max)")]
    TooManyClaims { held: i64 },
    #[error("{field} is missing")]
    Missing { field: &'static str },
    #[error("{field} must be at most {max} bytes, got {got}")]
    TooLong {
        field: &'static str,
        max: usize,
        got: usize,
    },
    #[error("{field} must not hold control characters")]
    ControlCharacter { field: &'static str },
    #[error("{field} {value:?} is unknown; known: {known}")]
    Unknown {
        field: &'static str,
        value: String,
        known: String,
    },
    #[error("{field} must be {expected}, got {value}")]
    Value {
        field: String,
        expected: &'static str,
        value: String,
    },
    #[error("case {id} has {max} {what}, which is the limit")]
    Full {
        id: i64,
        what: &'static str,
        max: usize,
    },
    #[error("a bulk takes 1 to {max} cases, got {got}")]
    Bulk { max: usize, got: usize },
    #[error("{max} labels wait for their events, which is the limit")]
    LabelsWaiting { max: i64 },
    /// Of settings: somebody else has written them meanwhile.
    #[error("settings are at version {held}, not {given}")]
    StaleSettings { held: i64, given: i64 },
}

impl Refused {
    pub fn code(&self) -> &'static str {
        match self {
            Refused::UnknownCase { .. } => "unknown_case",
            Refused::Stale { .. } | Refused::StaleSettings { .. } => "version_moved",
            Refused::Closed { .. } => "case_closed",
            Refused::NotClosed { .. } => "case_not_closed",
            Refused::Merged { .. } => "case_merged",
            Refused::Held { .. } => "case_held",
            Refused::AssignedToOther { .. } => "case_assigned",
            Refused::NotClaimed { .. } => "case_not_claimed",
            Refused::TooManyClaims { .. } => "claims_max",
            Refused::Missing { .. } => "field_missing",
            Refused::TooLong { .. } => "field_too_long",
            Refused::ControlCharacter { .. } => "control_character",
            Refused::Unknown { .. } => "unknown_value",
            Refused::Value { .. } => "out_of_bounds",
            Refused::Full { .. } => "case_full",
            Refused::Bulk { .. } => "bulk_size",
            Refused::LabelsWaiting { .. } => "labels_waiting_max",
        }
    }

    /// The field of the request that it is about, where there is one.
    pub fn field(&self) -> Option<&str> {
        match self {
            Refused::Missing { field }
            | Refused::TooLong { field, .. }
            | Refused::ControlCharacter { field }
            | Refused::Unknown { field, .. } => Some(field),
            Refused::Value { field, .. } => Some(field),
            Refused::Bulk { .. } => Some("cases"),
            _ => None,
        }
    }
}

impl CaseworkError {
    /// The disk is full or failing, the file is damaged, or another connection kept it too long: what the
    /// operator looks at. A retry is safe in every case, and of use when it `may_pass`.
    pub fn may_pass(&self) -> bool {
        match self {
            CaseworkError::Store(error) => matches!(
                error.sqlite_error_code(),
                Some(
                    ErrorCode::DatabaseBusy
                        | ErrorCode::DatabaseLocked
                        | ErrorCode::DiskFull
                        | ErrorCode::SystemIoFailure
                        | ErrorCode::CannotOpen
                        | ErrorCode::OutOfMemory
                        | ErrorCode::ReadOnly
                )
            ),
            _ => false,
        }
    }
}

/// A text that must be there, within its bound and without control characters (line breaks and tabs of a
/// note aside).
pub(crate) fn check_text(
    field: &'static str,
    text: &str,
    max: usize,
    lines: bool,
) -> Result<(), Refused> {
    if text.trim().is_empty() {
        return Err(Refused::Missing { field });
    }
    if text.len() > max {
        let got = text.len();
        return Err(Refused::TooLong { field, max, got });
    }
    let allowed = |c: char| !c.is_control() || (lines && (c == '\n' || c == '\t'));
    if !text.chars().all(allowed) {
        return Err(Refused::ControlCharacter { field });
    }
    Ok(())
}
