//! What is counted, and how it is told: counters and histograms that any thread may move without waiting, the families
//! they are told as, and the two text formats that Prometheus reads.
//!
//! A crate that counts has one file, `metrics.rs`, with a table of [`row::Row`]s: name, unit, help, and where the value
//! stands. What is told is what the tables say, so a document or a dashboard can be held against them. It reads no
//! clock: a time comes in as a duration, an exemplar with its moment.
//!
//! Own code and not the `prometheus-client` crate, because that writes OpenMetrics only and its histograms take a lock
//! at each value: the threads that decide would wait for whoever scrapes.

pub mod family;

pub mod count;
pub mod histogram;

pub mod row;

pub mod names;

pub mod exposition;
pub mod registry;

mod markdown;

pub use count::Count;
pub use exposition::{Exposition, Format};
pub use family::{Family, Kind};
pub use histogram::{Exemplar, Histogram};
pub use markdown::markdown;
pub use names::TenantNames;
pub use registry::{Registry, Source};
pub use row::Row;
