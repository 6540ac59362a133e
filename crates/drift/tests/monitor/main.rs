//! A monitor from outside: what it tells, and what it keeps.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod counted;
mod rows;
mod state;
mod told;
