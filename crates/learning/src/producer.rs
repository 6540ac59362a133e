//! Training of suspicion producers: trees whose calibrated score of each event is written back and read
//! by later samples.
//!
//! **Invariant**: a producer reads no suspicion, so what it says does not depend on what it said before,
//! and it scores only events later than its training.

use std::ops::ControlFlow;

use event::EventTime;
use model::artifact::TrainingWindow;
use model::fast::{FastTrees, Scratch};
use model::producer::Producer;
use thiserror::Error;

use crate::boost::{self, BoostConfig, BoostError, Dataset, Layout, Matrix};
use crate::calibrate::{self, CalibrateError, Method, Scored};

/// Training rows in order of time; columns that the producer must not see are missing throughout.
#[derive(Clone, Copy, Debug)]
pub struct ProducerRows<'a> {
    pub values: &'a [f32],
    pub width: usize,
    pub fraud: &'a [bool],
    pub times: &'a [EventTime],
    /// What each row counts for; `None`: all alike.
    pub weights: Option<&'a [f32]>,
    /// Share of the legitimate events that became rows.
    pub negative_rate: f64,
}

#[derive(Debug, Error)]
pub enum ProducerError {
    #[error("producer: {0}")]
    Boost(#[from] BoostError),
    #[error("producer: {0}")]
    Calibrate(#[from] CalibrateError),
}

/// Share of the rows, the latest ones, on which scores become probabilities.
const CALIBRATE: f64 = 0.2;

/// The calibration comes from trees that stopped before the latest fifth, measured on that fifth; the trees
/// that score are then grown on all rows.
pub fn train(
    rows: &ProducerRows<'_>,
    training_window: TrainingWindow,
    config: &BoostConfig,
) -> Result<Producer, ProducerError> {
    let all = rows.fraud.len();
    let cut = calibration_from(rows.times, |time| *time);
    // These only shape the map: too few frauds to serve with are enough for it.
    let early = BoostConfig {
        min_positives: calibrate::POSITIVES_MIN,
        ..config.clone()
    };
    let early = FastTrees::new(&grow(rows, cut, &early)?);
    let mut scratch = Scratch::default();
    let late = rows.values[cut * rows.width..].chunks_exact(rows.width);
    let raw: Vec<f64> = late
        .map(|row| early.predict_raw(row, &mut scratch))
        .collect();
    let calibration = calibrate::fit(
        Method::Platt,
        &Scored {
            raw: &raw,
            labels: &rows.fraud[cut..],
            weights: rows.weights.map(|weights| &weights[cut..]),
            negative_rate: rows.negative_rate,
            positive_weight: config.scale_pos_weight,
        },
    )?;
    Ok(Producer {
        trees: grow(rows, all, config)?,
        calibration,
        training_window,
    })
}

/// The first of the rows, in order of time, that the calibration is made on.
pub fn calibration_from<T>(rows: &[T], time: impl Fn(&T) -> EventTime) -> usize {
    let mut cut = (rows.len() as f64 * (1.0 - CALIBRATE)) as usize;
    while cut > 0 && cut < rows.len() && time(&rows[cut]) == time(&rows[cut - 1]) {
        cut += 1;
    }
    cut
}

fn grow(
    rows: &ProducerRows<'_>,
    until: usize,
    config: &BoostConfig,
) -> Result<model::trees::Trees, BoostError> {
    let values = &rows.values[..until * rows.width];
    let set = Dataset {
        features: Matrix::new(values, until, rows.width, Layout::RowMajor)?,
        labels: &rows.fraud[..until],
        weights: rows.weights.map(|weights| &weights[..until]),
    };
    let trained = boost::train(config, &set, None, |_| ControlFlow::Continue(()))?;
    Ok(trained.trees)
}
