//! A tenant's casework from outside: a log goes in, analysts work, the file is looked at.

// Helpers of tests lie outside the `#[test]` functions that clippy exempts.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod bench;

mod follow;
mod grouping;
mod kill;
mod labels;
mod queue;
mod race;
mod refusals;
mod store;
mod waiting;
mod work;
