//! The pure core of one tenant: records in, effects out.
//!
//! State is a function of the log alone (invariant I1). The engine hands out samples and takes scores back
//! as data; it knows no model, does no I/O, reads no clock, starts no thread and holds no tensor. Applying
//! a record cannot fail: what could be wrong with one is checked before it is written.

pub mod apply;
pub mod config;
pub mod decide;

pub mod exploration;
pub mod inputs;
pub mod lineup;
pub mod policy;

mod read_rules;
mod snapshot;

pub use apply::{Effect, Engine};
pub use config::ConfigError;
pub use lineup::Lineup;
pub use policy::{NoScore, Policy, PolicyError, Scored};
pub use read_rules::ReadRules;
pub use snapshot::RestoreError;

/// Changes when the same log would lead to another state.
pub const ENGINE_SEMANTICS: u32 = 6;
/// Earlier snapshots know of no document of the watch over drift.
pub(crate) const WITH_DRIFT: u32 = 6;
/// Of the oldest snapshots that are read: one of 4 was taken when no model served but the champion, and does not
/// say who served before it.
pub const ENGINE_SEMANTICS_OLDEST: u32 = 4;
