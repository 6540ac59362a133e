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
pub mod policy;

mod snapshot;

pub use apply::{Effect, Engine};
pub use config::ConfigError;
pub use policy::{NoScore, Policy, PolicyError, Scored};
pub use snapshot::RestoreError;

/// Changes when the same log would lead to another state; snapshots of another number are refused.
pub const ENGINE_SEMANTICS: u32 = 4;
