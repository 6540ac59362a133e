//! A tenant at work: its directory, its log, its engine, its model.
//!
//! The shell around the pure engine: reads and writes the log, recovers, keeps idempotency, scores,
//! commits. Whatever it acknowledges has been fsynced (invariant I4).

pub mod node;

pub mod owner;

pub mod background;
pub mod breaker;
pub mod counters;
pub mod follower;
pub mod guard;
pub mod mailbox;
pub mod metrics;
pub mod quota;
pub mod request;
pub mod timeline;

pub mod tenant;
pub mod watch;

pub mod backup;
pub mod champion;
pub mod channel;
pub mod clock;
pub mod history;
pub mod journal;
pub mod models;
pub mod place;
pub mod recovery;
pub mod retention;
pub mod shadow;
pub mod state_file;

mod error;

pub use champion::Champion;
pub use error::NodeError;
pub use follower::Follower;
pub use history::History;
pub use journal::{Accepted, Journal};
pub use node::Node;
pub use place::Place;
pub use recovery::Recovered;
pub use tenant::{Decided, Tenant};
