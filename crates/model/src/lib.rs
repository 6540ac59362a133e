//! Models as they are served: boosted trees, calibration, score map, artifact file.
//!
//! Features are a `&[f32]` (NaN = missing); this crate knows no event and no graph. It reads no
//! clock and draws no random number, and takes exp/ln from `libm` only, so that a score is the same
//! bits on every machine. It never trains: fitting lives in `learning`.

pub mod artifact;
pub mod calibration;
pub mod fast;
pub mod hybrid;
pub mod lightgbm_text;
pub mod producer;
pub mod score;
pub mod scorer;
pub mod shap;
pub mod trees;
