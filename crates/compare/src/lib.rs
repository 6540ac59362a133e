//! Models held against each other on the same decided events: what each would have caught, what it would have held
//! up, how sure that is, and where they disagree.
//!
//! Pure statistics: rows come in, a table goes out ([`compare`]). The crate reads no clock, does no I/O and knows no
//! model; equal rows give equal tables. What ranks, resamples and bounds is also what training and evaluation use.

pub mod table;

pub mod row;

mod truth;

mod side;

mod beside;

pub mod worth;

pub mod overlap;

pub mod draws;
pub mod interval;
pub mod ranking;

pub use row::{Model, Row, Said, Window};
pub use side::FRAUD_ACCOUNTS_MIN;
pub use table::{Options, Table, compare};
