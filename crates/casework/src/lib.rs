//! Alerts and the cases they are grouped into: what analysts work with, one SQLite file a tenant.
//!
//! Alerts come from the tenant's log alone ([`follow`]); what people do with them is workflow and lives
//! here ([`action`]). Nothing here can change a decision: an analyst's disposition leaves as labels through
//! [`labels`], and reaches the engine as records of the log like anybody's.

pub mod follow;

pub mod alert;
pub mod case;
pub mod queue;

pub mod action;
pub mod fraud_type;

pub mod changes;
pub mod counts;
pub mod labels;
pub mod waiting;

pub mod expiry;
pub mod settings;

mod error;
mod iso;
mod store;

pub use action::{Action, Actor};
pub use alert::Alert;
pub use case::Case;
pub use error::{CaseworkError, Refused};
pub use fraud_type::FraudType;
pub use settings::Settings;
pub use store::{Casework, copy, copy_for_new_log};
