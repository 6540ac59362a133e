//! Backtests: a stored window decided again by other rules or another policy, beside those in force; and models
//! compared on what they said of one ([`models`]), or judged by the labels of the days that they decided ([`decay`]).
//!
//! The log is replayed through the same engine that serves ([`replay`]), so that a rule sees what it would have seen:
//! the graph as it stood, labels known by then, lists as they were in force. Two judges decide each event on one
//! sample, by the score that was logged with it. The crate only reads; a tenant goes on deciding beside it.
//!
//! What it cannot see: an event that would have been declined is in the graph as it happened, and what its customer
//! would have done instead is not known.

pub mod costs;
pub mod plan;

pub mod replay;
mod rows;

pub mod report;

pub mod advise;

pub mod models;

pub mod decay;
pub mod metrics;

mod error;

pub use advise::{Advice, advise};
pub use costs::Costs;
pub use error::BacktestError;
pub use plan::{Plan, Rulebook};
pub use replay::{Progress, run};
pub use report::Report;
