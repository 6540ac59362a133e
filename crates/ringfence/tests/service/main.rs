//! The real process behind real sockets.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]
#![allow(
    clippy::print_stderr,
    reason = "seeds are printed so that a failure can be repeated"
)]

mod client;
mod server;

mod access;
mod documented;
mod kills;
mod limits;
mod quick_start;
mod stop;
