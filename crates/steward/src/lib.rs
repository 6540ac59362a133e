//! Retraining: a candidate is made and judged in a child process, watched for a while beside the model that serves,
//! and takes its place or does not.
//!
//! **Invariant**: a job is its files. Each is written whole or not at all, by one writer, and says all that a process
//! which finds it needs to go on. Nothing here trains, judges or knows a model: the child does.

pub mod steward;

pub mod job;

pub mod course;

pub mod child;

pub mod occasion;

pub mod stepped;

pub mod metrics;

mod error;
mod round;
mod shared;

pub use error::{Refused, StewardError};
pub use steward::{Host, Settings, Steward};
