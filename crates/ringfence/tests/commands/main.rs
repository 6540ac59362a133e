//! The real binary, as a user runs it: exit codes, what it prints, what survives a kill.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]
#![allow(
    clippy::print_stderr,
    reason = "seeds are printed so that a failure can be repeated"
)]
#![allow(clippy::print_stdout, reason = "what is skipped is said")]

// The name under which the shared helpers know it.
extern crate model as ringfence_model;

#[path = "../../../model/tests/support/python.rs"]
mod python;
#[path = "../../../model/tests/support/random_networks.rs"]
mod random_networks;

mod advice_page;
mod bad_input;
mod config;
mod demo;
mod drift_page;
mod drift_settings;
mod evaluate;
mod html;
mod hybrid;
mod idempotency;
mod kills;
mod leaks;
mod lightgbm;
mod lineup;
mod log;
mod models;
mod onnx;
mod refusals;
mod retrain;
mod simulate;
mod study;
mod way;
mod world;
