//! What happens behind decisions: one thread goes round all tenants of a node, follows their logs, keeps
//! their casework and their audit trail, and hands what analysts said of events back to the owners.
//!
//! It reads committed records only, and reaches an owner through its mailbox like any client. Whatever fails
//! here is counted, told and tried again; no decision waits for it.

pub mod desk;

pub mod seat;

pub mod counters;
pub mod metrics;

pub mod audit;

mod delivery;
mod error;
mod round;

pub use desk::Desk;
pub use error::DeskError;
pub use seat::Seat;
