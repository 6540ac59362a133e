//! The real process behind real sockets.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]
#![allow(
    clippy::print_stderr,
    reason = "seeds are printed so that a failure can be repeated"
)]
#![allow(clippy::print_stdout, reason = "what is skipped is said")]

mod client;
#[path = "../../../traces/tests/collector/mod.rs"]
mod collector;
mod server;

mod access;
mod admin;
mod apply;
mod audit;
mod backtests;
mod backup;
mod cases;
mod decay;
mod disk;
mod documented;
mod documents;
mod drift;
mod guarded;
mod kills;
mod labels;
mod limits;
mod lists;
mod metrics;
mod models;
mod neighbours;
mod notices;
mod opening;
mod play;
mod prometheus;
mod quick_start;
mod quota;
mod remote;
mod retention;
mod retrain;
mod rules;
mod schema;
mod schemathesis;
mod shadows;
mod stop;
mod tenants_apart;
mod tls;
mod traces;
mod trail;
mod troubled;
mod webhooks;
