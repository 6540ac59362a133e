//! Lists, rules, thresholds and the draw: who decides, and what is told of it.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

mod world;

mod lists;
mod rules;
