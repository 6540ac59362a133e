//! A window of a real log decided again: the same by the rules of its time, and otherwise by others.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

mod past;

mod advised;
mod changes;
mod decided;
mod money;
