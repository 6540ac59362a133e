//! The single-row predictor of the serving path: the same bits as [`Trees::predict_raw`], faster.
//!
//! Trees of at most 64 leaves are scored by bit vectors ([`quickscore`]), in the narrowest word that
//! holds the largest tree; a model with a larger tree is walked ([`walk`]). Measured by
//! `cargo bench -p ringfence-model --bench trees`.

mod quickscore;
mod walk;

use crate::trees::Trees;
use quickscore::QuickScore;
use walk::Walk;

#[derive(Debug, Clone)]
pub struct FastTrees {
    feature_count: usize,
    kernel: Kernel,
}

#[derive(Debug, Clone)]
enum Kernel {
    Bits16(QuickScore<u16>),
    Bits32(QuickScore<u32>),
    Bits64(QuickScore<u64>),
    Walk(Walk),
}

/// Working memory of one thread, a few words per tree; usable with any model.
#[derive(Debug, Clone, Default)]
pub struct Scratch {
    bits16: Vec<u16>,
    bits32: Vec<u32>,
    bits64: Vec<u64>,
}

impl FastTrees {
    pub fn new(trees: &Trees) -> Self {
        let kernel = match trees.leaves_per_tree_max() {
            0..=16 => Kernel::Bits16(QuickScore::new(trees)),
            17..=32 => Kernel::Bits32(QuickScore::new(trees)),
            33..=64 => Kernel::Bits64(QuickScore::new(trees)),
            _ => Kernel::Walk(Walk::new(trees)),
        };
        FastTrees {
            feature_count: trees.feature_count(),
            kernel,
        }
    }

    pub fn feature_count(&self) -> usize {
        self.feature_count
    }

    /// Log-odds of one row. Panics when the row has not [`FastTrees::feature_count`] values.
    pub fn predict_raw(&self, row: &[f32], scratch: &mut Scratch) -> f64 {
        assert_eq!(
            row.len(),
            self.feature_count,
            "row width differs from the model's"
        );
        match &self.kernel {
            Kernel::Bits16(kernel) => kernel.predict(row, &mut scratch.bits16),
            Kernel::Bits32(kernel) => kernel.predict(row, &mut scratch.bits32),
            Kernel::Bits64(kernel) => kernel.predict(row, &mut scratch.bits64),
            Kernel::Walk(kernel) => kernel.predict(row),
        }
    }
}
