//! What cannot become a model, and why: most of it is known before any replay.

use model::hybrid::HybridError;
use thiserror::Error;

use crate::boost::BoostError;
use crate::calibrate::{CalibrateError, ISOTONIC_POSITIVES_MIN, Method};
use crate::evaluate::folds::FRAUDS_MIN;
use crate::neural::early_stop::NeuralError;
use crate::producer::ProducerError;

#[derive(Debug, Error)]
pub enum FitError {
    #[error(transparent)]
    Boost(#[from] BoostError),
    #[error(transparent)]
    Calibrate(#[from] CalibrateError),
    #[error(transparent)]
    Producer(#[from] ProducerError),
    #[error(transparent)]
    Neural(#[from] NeuralError),
    #[error("the trained network: {0}")]
    Hybrid(#[from] HybridError),
    #[error("a network needs sequences and neighbourhoods, and these samples hold none")]
    NoArrays,
    #[error(
        "the time range holds one class only ({frauds} known frauds, {legitimate} legitimate events): widen it, or import the labels"
    )]
    OneClass { frauds: usize, legitimate: usize },
    #[error(
        "isotonic calibration needs at least {min} frauds in the latest part of the time range, got {frauds}: use platt or beta, or widen the range"
    )]
    FewToCalibrate { frauds: usize, min: usize },
    #[error(
        "the {rows} events that {part} hold {frauds} known frauds, at least {min} are needed: widen the time range"
    )]
    FewFrauds {
        part: &'static str,
        rows: usize,
        frauds: usize,
        min: usize,
    },
}

/// Fewer frauds than this say nothing about when to stop or where a threshold lies.
const PART_FRAUDS_MIN: usize = 10;

/// Refuses labels that no model can learn from, or be calibrated on; known before any replay.
pub fn check_classes(frauds: usize, legitimate: usize, method: Method) -> Result<(), FitError> {
    if frauds == 0 || legitimate == 0 {
        return Err(FitError::OneClass { frauds, legitimate });
    }
    if frauds < FRAUDS_MIN {
        return Err(FitError::FewFrauds {
            part: "are learned from",
            rows: frauds + legitimate,
            frauds,
            min: FRAUDS_MIN,
        });
    }
    check_calibration(frauds, method)
}

/// Of all frauds of a range, or of the part that sets the calibration.
pub(super) fn check_calibration(frauds: usize, method: Method) -> Result<(), FitError> {
    let min = ISOTONIC_POSITIVES_MIN;
    if method == Method::Isotonic && frauds < min {
        return Err(FitError::FewToCalibrate { frauds, min });
    }
    Ok(())
}

pub(super) fn check_frauds(part: &'static str, labels: &[bool]) -> Result<(), FitError> {
    let frauds = labels.iter().filter(|fraud| **fraud).count();
    if frauds >= PART_FRAUDS_MIN {
        return Ok(());
    }
    let (rows, min) = (labels.len(), PART_FRAUDS_MIN);
    Err(FitError::FewFrauds {
        part,
        rows,
        frauds,
        min,
    })
}
