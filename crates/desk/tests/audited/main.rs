//! The trail behind a node that serves: what its sources hold gets there once, whatever was in the way.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

mod served;

mod breaks;
mod sources;
