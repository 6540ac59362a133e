//! Tells other systems what happened: notices, signed, to endpoints that a tenant names; at least once each.
//!
//! Each tenant has one SQLite file: its endpoints, what is still to be delivered, what became of the rest. A source
//! (the tenant's log, its cases) hands in notices together with how far it has been read ([`store::Store::take_in`]),
//! so that each becomes exactly one delivery per endpoint; a delivery is tried until the endpoint says 2xx.
//!
//! It must never be waited for by a decision, never send to an address that the operator does not allow, and never
//! show a secret after the answer that made it.

pub mod notice;
pub mod source;

pub mod endpoint;
pub mod store;

pub mod address;
pub mod attempt;
pub mod backoff;
pub mod breaker;
pub mod deliverer;
pub mod secret;

pub mod counters;
pub mod error;
pub mod metrics;
pub mod settings;

pub use deliverer::Deliverer;
pub use error::WebhookError;
pub use notice::{Kind, Notice};
pub use settings::Settings;
pub use store::Store;
