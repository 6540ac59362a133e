//! A suspicion producer as it serves: trees whose calibrated score of an event later samples read.
//!
//! **Invariant**: a score is a function of the sample and the producer; it is never 0, which stands for
//! "not scored".

use sha2::{Digest, Sha256};

use crate::artifact::{TrainingWindow, feature_hash};
use crate::calibration::Calibration;
use crate::fast::{FastTrees, Scratch};
use crate::trees::Trees;

/// The part of a model file that writes suspicion; it is never fitted again alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Producer {
    pub trees: Trees,
    pub calibration: Calibration,
    /// Events before its end stay without suspicion: their scores would tell labels that were not known
    /// when they came.
    pub training_window: TrainingWindow,
}

impl Producer {
    /// SHA-256 over everything a score depends on, and over what the numbers of a sample mean. Models
    /// that share a producer share it bit by bit.
    pub fn identity(&self, schema_hash: &str, features: &[String]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"ringfence producer 1\0");
        hash.update(schema_hash.as_bytes());
        hash.update(feature_hash(features));
        hash.update(self.training_window.from.to_le_bytes());
        hash.update(self.training_window.until.to_le_bytes());
        let calibration = self.calibration.bytes();
        hash.update((calibration.len() as u64).to_le_bytes());
        hash.update(calibration);
        for array in crate::artifact::arrays(&self.trees) {
            hash.update((array.len() as u64).to_le_bytes());
            hash.update(array);
        }
        hash.finalize().into()
    }

    /// Whether a split reads one of these features.
    pub fn reads(&self, is_one: impl Fn(usize) -> bool) -> bool {
        self.trees
            .feature
            .iter()
            .any(|feature| is_one(*feature as usize))
    }
}

/// A producer at work.
#[derive(Debug, Clone)]
pub struct Speaker {
    trees: FastTrees,
    scratch: Scratch,
    calibration: Calibration,
    from: i64,
}

impl Speaker {
    pub fn new(producer: &Producer) -> Speaker {
        Speaker {
            trees: FastTrees::new(&producer.trees),
            scratch: Scratch::default(),
            calibration: producer.calibration.clone(),
            from: producer.training_window.until,
        }
    }

    /// Whether it scores an event of this time, in milliseconds.
    pub fn speaks_of(&self, time_millis: i64) -> bool {
        time_millis >= self.from
    }

    /// Calibrated probability over the whole of u16; never 0.
    pub fn score(&mut self, tabular: &[f32]) -> u16 {
        let raw = self.trees.predict_raw(tabular, &mut self.scratch);
        let share = self.calibration.probability(raw) * f64::from(u16::MAX);
        (share.round() as u16).max(1)
    }
}
