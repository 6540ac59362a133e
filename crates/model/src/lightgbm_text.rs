//! LightGBM's text model format, both ways: binary objective, numeric splits.
//!
//! LightGBM compares `double(x) <= threshold`. For an f32 `x` that equals `x <= t32` with `t32` the
//! threshold rounded down to f32, so imported models decide exactly alike. `decision_type` holds:
//! bit 0 categorical, bit 1 missing goes left, bits 2-3 what counts as missing (0 nothing, 1 zero
//! and NaN, 2 NaN). Where nothing counts as missing, LightGBM reads NaN as 0.

mod reader;
mod writer;

use thiserror::Error;

use crate::trees::{Trees, TreesError};

pub use reader::read;
pub use writer::write;

const CATEGORICAL: u8 = 1;
const DEFAULT_LEFT: u8 = 2;
const MISSING_SHIFT: u8 = 2;
const MISSING_ZERO: u8 = 1;
const MISSING_NAN: u8 = 2;

#[derive(Debug, Clone, PartialEq)]
pub struct LightgbmModel {
    pub trees: Trees,
    pub feature_names: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Error)]
pub enum LightgbmError {
    #[error("line 1 must be \"tree\", the first line of a LightGBM text model, got {got:?}")]
    NotAModel { got: String },
    #[error("line {line}: {key} must be {expected}, got {got:?}")]
    Value {
        line: usize,
        key: &'static str,
        expected: &'static str,
        got: String,
    },
    #[error("line {line}: {key} must have {expected} values, got {got}")]
    Length {
        line: usize,
        key: &'static str,
        expected: usize,
        got: usize,
    },
    #[error("the section beginning at line {line} has no {key}")]
    Missing { line: usize, key: &'static str },
    #[error("the file ends without \"end of trees\" after {trees} trees: it is cut short")]
    CutShort { trees: usize },
    #[error("feature name {name:?} must not be empty or hold spaces or any of \" , : [ ] {{ }}")]
    FeatureName { name: String },
    #[error("{expected} feature names needed, got {got}")]
    FeatureNames { expected: usize, got: usize },
    #[error(transparent)]
    Trees(#[from] TreesError),
}
