//! What live events look like beside those a model was trained on.
//!
//! A [`Reference`] is made of the rows a model was trained on and lies in its file. A [`Monitor`] takes the row of
//! every decided event in the order of the log, closes windows by event time, and gives alerts.
//!
//! **Invariant**: statistics and alerts are a function of the reference, the settings, and the rows in the order of
//! the log. The crate reads no clock, does no I/O, starts no thread and knows no event: a row is numbers.

pub mod monitor;

pub mod alert;
pub mod settings;
pub mod status;

pub mod reference;

mod cells;
pub mod column;
mod discovery;
mod quantiles;
mod ruler;

pub use alert::{Alert, Kind};
pub use column::{Column, Field, Scale};
pub use monitor::Monitor;
pub use monitor::statistics::Statistics;

pub use reference::Reference;
pub use reference::build::Builder;
pub use settings::Settings;
pub use status::Status;
