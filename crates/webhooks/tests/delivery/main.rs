//! Deliveries over real sockets, to receivers that are well, ill, slow, or lie.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]
#![allow(clippy::print_stdout, reason = "what is skipped is said")]

mod receiver;
mod sender;

mod breakers;
mod ends;
mod liars;
mod retries;
mod signatures;
mod targets;
