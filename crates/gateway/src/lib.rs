//! The HTTP edge of a node: routes, tokens, limits, JSON, TLS.
//!
//! **Invariant**: it keeps no state that outlives the process and decides nothing: what it cannot hand to a
//! tenant's owner thread it refuses at once, by a documented code. No answer is made up here; a decision that
//! was not taken is an error, never an approval.

pub mod app;

pub mod routes;

pub mod backtests;

pub mod examples;
pub mod gate;
pub mod given;
pub mod problem;
pub mod query;
pub mod render;

pub mod limiter;
pub mod token;
pub mod trace;

pub mod readers;
pub mod recent;
pub mod spans;

pub mod admin;
pub mod metrics;
pub mod notes;
pub mod openapi;
pub mod profile;
pub mod server;
pub mod settings;
pub mod tls;
