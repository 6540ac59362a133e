//! Shadows: models that score the samples of decisions and decide nothing.
//!
//! The owner hands a copy of each sample over a bounded queue ([`handover`]) and goes on: it never waits for a
//! shadow, and what does not fit is dropped and counted. A thread of low priority scores ([`scorer`]) and appends to
//! one file per shadow ([`store`]), which is no part of the state: no decision reads it, a lost one loses scores and
//! nothing else. Without a shadow there is no thread, no queue and no copy.

pub mod board;
pub mod handover;
pub mod store;

mod scorer;

use crate::Place;
use crate::owner::Shape;

pub use board::{Board, Lane};
pub use handover::HandOver;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShadowSettings {
    /// Samples that may wait, or be on their way back; of some 10 KiB each.
    pub queue: usize,
    /// Of the scores of one shadow.
    pub bytes_max: u64,
}

impl Default for ShadowSettings {
    fn default() -> ShadowSettings {
        ShadowSettings {
            queue: 1024,
            bytes_max: 256 << 20,
        }
    }
}

/// What a shadow's thread needs to know of its tenant.
#[derive(Clone, Debug)]
pub struct Ground {
    pub place: Place,
    pub shape: std::sync::Arc<Shape>,
    pub settings: ShadowSettings,
}
