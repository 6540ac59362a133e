//! The real binary, as a user runs it: exit codes, what it prints, what survives a kill.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]
#![allow(
    clippy::print_stderr,
    reason = "seeds are printed so that a failure can be repeated"
)]
#![allow(clippy::print_stdout, reason = "what is skipped is said")]

#[path = "../../../model/tests/support/python.rs"]
mod python;

mod audit;
mod bad_input;
mod demo;
mod evaluate;
mod html;
mod hybrid;
mod idempotency;
mod kills;
mod lightgbm;
mod models;
mod refusals;
mod simulate;
mod way;
mod world;
