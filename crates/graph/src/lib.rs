//! The live graph of one tenant: entities, their recent interactions, counters and known labels; and the
//! sampler that turns an event into plain arrays.
//!
//! A pure function of the records folded in (invariant I1): no clock, no I/O, no threads, no JSON. What is
//! read for an event comes from records before it (invariant I2). Expiry is a predicate on event time, so
//! that reclaiming memory earlier or later can never be seen.

pub mod sample;

pub mod features;

mod fold;
mod state;

mod category;
mod hub;
mod interaction;
mod interner;
mod known;
mod node;
mod pair;
mod ring;
mod slab;
mod snapshot;
mod table;
mod warm;

pub use features::{Feature, FeatureGroup, FeatureList};
pub use sample::Sample;
pub use snapshot::SnapshotError;
pub use state::{Counts, Graph, Input, NodeView};
