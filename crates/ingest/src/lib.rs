//! Reads CSV, JSONL and Parquet by a mapping and yields events and labels in time order.
//!
//! The reader side of `ringfence import`: a file and the `[import]` table of a schema in, [`Item`]s out.
//! The same file, mapping and options give the same items in the same order on every machine, so a
//! resumed import may start over and skip what it already has. This crate writes nothing, keeps no log
//! positions (a label is about an event id) and reads no clock.

mod source;

mod mapping;
mod pairs;

mod cell;
mod decimal;
mod order;
mod pending;
mod reject;
mod row;
mod sorted;
mod time;

mod csv;
mod decompress;
mod jsonl;
mod lines;
mod parquet;

mod error;

pub use error::IngestError;
pub use mapping::{Mapping, MappingError};
pub use pairs::pairs;
pub use reject::{Reject, RowError};
pub use source::{Format, Item, Options, Progress, Source};
