//! What events looked like when a model was trained: per segment and column the statistics, how they go with the hour
//! of the week, and how far they move without drift.

mod baseline;
pub mod build;
pub(crate) mod measure;
mod noise;
mod profile;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::column::Column;
use crate::ruler::Ruler;

pub use baseline::{Baseline, Expected, Hour, Noise, VALUES, Wander};
pub(crate) use noise::{SPREAD_MIN, chance_distance, share_variance, spread, spread_variance};

/// Of the encoding, in its first byte.
const VERSION: u8 = 2;
pub const HOURS: usize = 168;
pub const HOUR_MS: i64 = 3_600_000;
pub const DAY_MS: i64 = 24 * HOUR_MS;
/// Named segments; the rest of the events counts in the whole only.
pub const SEGMENTS_MAX: usize = 16;
const COLUMNS_MAX: usize = 4096;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// Half-open, ms of event time.
    pub from: i64,
    pub until: i64,
    pub rows: u64,
    /// The features in their order, then the score.
    pub columns: Vec<Column>,
    /// Names of the fields that columns are made from.
    pub sources: Vec<String>,
    /// Columns whose values make a segment.
    pub segment_by: SegmentBy,
    /// The whole first.
    pub segments: Vec<Segment>,
    pub(crate) ruler: Ruler,
    /// Segment by segment, a column after the other; `None` where there was too little to compare with.
    pub(crate) baselines: Vec<Option<Baseline>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentBy {
    pub event_type: u16,
    pub channel: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    pub name: String,
    pub key: SegmentKey,
    pub rows: u64,
}

/// Event type and channel as their columns number them; -1: none, or not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SegmentKey {
    pub event_type: i32,
    pub channel: i32,
}

#[derive(Debug, Error)]
pub enum ReferenceError {
    #[error("a reference needs at least 28 days of events, got {got_days:.1}")]
    TooShort { got_days: f64 },
    #[error("a reference needs at least {least} events, got {got}")]
    TooFew { least: usize, got: usize },
    #[error("reference of version {got}, this program reads {VERSION}")]
    Version { got: u8 },
    #[error("reference cannot be read: {0}")]
    Encoding(#[from] postcard::Error),
    #[error("reference is inconsistent: {0}")]
    Inconsistent(&'static str),
    #[error("reference is of {got} features, the model has {expected}")]
    Features { expected: usize, got: usize },
    #[error("feature {index} of the reference must be {expected:?}, got {got:?}")]
    Feature {
        index: usize,
        expected: String,
        got: String,
    },
}

impl SegmentBy {
    pub fn key(self, row: &[f32]) -> SegmentKey {
        let code = |column: u16| match row[usize::from(column)] {
            code if code.is_nan() => -1,
            code => code as i32,
        };
        SegmentKey {
            event_type: code(self.event_type),
            channel: self.channel.map_or(-1, code),
        }
    }
}

impl Reference {
    pub fn encode(&self) -> Result<Vec<u8>, ReferenceError> {
        Ok(postcard::to_extend(self, vec![VERSION])?)
    }

    /// Reads and checks: nothing of a file is trusted.
    pub fn decode(bytes: &[u8]) -> Result<Reference, ReferenceError> {
        let (version, body) = bytes.split_first().unwrap_or((&0, &[]));
        if *version != VERSION {
            return Err(ReferenceError::Version { got: *version });
        }
        let (read, rest) = postcard::take_from_bytes::<Reference>(body)?;
        if !rest.is_empty() {
            return Err(ReferenceError::Inconsistent("bytes follow its end"));
        }
        read.check()?;
        Ok(read)
    }

    fn check(&self) -> Result<(), ReferenceError> {
        let wrong = |what| Err(ReferenceError::Inconsistent(what));
        let (width, segments) = (self.columns.len(), self.segments.len());
        if width == 0 || width > COLUMNS_MAX || !self.ruler.fits(width) {
            return wrong("columns");
        }
        if segments == 0 || segments > SEGMENTS_MAX + 1 {
            return wrong("segments");
        }
        if self.baselines.len() != width * segments {
            return wrong("baselines");
        }
        let by = [Some(self.segment_by.event_type), self.segment_by.channel];
        // Of features, not of the score behind them.
        if by.iter().flatten().any(|at| usize::from(*at) >= width - 1) {
            return wrong("segment columns");
        }
        if self.from >= self.until || self.rows == 0 {
            return wrong("time range");
        }
        if !self.baselines.iter().flatten().all(Baseline::is_sound) {
            return wrong("statistics");
        }
        Ok(())
    }

    /// Refuses a reference of other features than the model's.
    pub fn fits(&self, features: &[String]) -> Result<(), ReferenceError> {
        let (expected, got) = (features.len(), self.columns.len() - 1);
        if expected != got {
            return Err(ReferenceError::Features { expected, got });
        }
        let pairs = features.iter().zip(&self.columns).enumerate();
        for (index, (expected, column)) in pairs {
            if *expected != column.name {
                return Err(ReferenceError::Feature {
                    index,
                    expected: expected.clone(),
                    got: column.name.clone(),
                });
            }
        }
        Ok(())
    }

    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// Column behind the features.
    pub fn score(&self) -> usize {
        self.width() - 1
    }

    pub fn baseline(&self, segment: usize, column: usize) -> Option<&Baseline> {
        self.baselines[segment * self.width() + column].as_ref()
    }

    /// Index of the segment that a row belongs to beside the whole; its score may be left out.
    pub fn segment_of(&self, row: &[f32]) -> Option<usize> {
        let key = self.segment_by.key(row);
        let named = self.segments.iter().skip(1);
        named.zip(1..).find(|(it, _)| it.key == key).map(|it| it.1)
    }

    /// Mean of the standardised values' column and how much one of them is, on its scale.
    pub fn measure_of(&self, column: usize) -> (f64, f64) {
        (
            f64::from(self.ruler.mean(column)),
            f64::from(self.ruler.sd(column)),
        )
    }
}

/// 0 is Monday's first hour, UTC. 1970-01-01 was a Thursday.
pub fn hour_of_week(ms: i64) -> usize {
    (ms.div_euclid(HOUR_MS) + 72).rem_euclid(HOURS as i64) as usize
}
