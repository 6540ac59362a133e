//! Binary form of a record: canonical, versioned, little-endian, LEB128 varints.
//!
//! First byte: record kind; second byte: version of that kind's layout. One value has exactly one
//! encoding; the decoder refuses anything else (overlong varint, unordered roles, trailing bytes), so
//! equal bytes mean equal records. `received_at` stands last in an event: what precedes it is the body
//! that idempotency compares (invariant I5). The layout is in `docs/record-format.md`; golden files hold it.

mod decode;
mod encode;
mod wire;

use thiserror::Error;

pub use decode::decode;
pub use encode::{encode, event_body};

/// Layout version of every record kind.
pub const VERSION: u8 = 1;
/// Of an activation with a channel; one without is written as before there were channels.
pub const VERSION_CHANNEL: u8 = 2;
/// Of an activation that says who, why, which levels, or that a model is retired.
pub const VERSION_AUTHOR: u8 = 3;

/// Of a decision with findings; one without is written as before there were rules.
pub const VERSION_FINDINGS: u8 = 2;
/// Of a decision for which one of two models was chosen by chance.
pub const VERSION_PROPENSITY: u8 = 3;
/// Of a config with a reason.
pub const VERSION_REASON: u8 = 2;

/// Kind bytes; a new kind takes the next number, none is ever reused.
pub(crate) mod kind {
    pub const EVENT: u8 = 1;
    pub const LABEL: u8 = 2;
    pub const OUTCOME: u8 = 3;
    pub const DECISION: u8 = 4;
    pub const TICK: u8 = 5;
    pub const CONFIG: u8 = 6;
    pub const ACTIVATION: u8 = 7;
}

/// Largest encoded record: a config body of 1 MiB and its frame.
pub const RECORD_BYTES_MAX: usize = (1 << 20) + 1024;
/// Of a config record's body.
pub const BODY_BYTES_MAX: usize = 1 << 20;

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CodecError {
    #[error("record ends at byte {at}, {what} expected")]
    Short { at: usize, what: &'static str },
    #[error("record has {extra} bytes past its end at byte {at}")]
    Trailing { at: usize, extra: usize },
    #[error("unknown record kind {kind}")]
    Kind { kind: u8 },
    #[error("record kind {kind} has layout version {got}, this build reads {expected}")]
    Version { kind: u8, got: u8, expected: u8 },
    #[error("byte {at}: {what} is not canonical or out of range")]
    Malformed { at: usize, what: &'static str },
}
