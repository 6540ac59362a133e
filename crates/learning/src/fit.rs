//! From history to a model file: split by time, grow, calibrate, choose thresholds, measure.

mod hybrid;
mod late;
mod refusal;
mod stages;

use std::ops::{ControlFlow, Range};

use event::{EventTime, Schema, Span};
use graph::FeatureList;
use model::artifact::Artifact;
use model::fast::{FastTrees, Scratch};
use model::trees::Trees;

use crate::boost::{
    self, BoostConfig, BoostError, Dataset, Layout, Matrix, Progress, recency_weights,
};
use crate::calibrate::Method;
use crate::dataset::Rows;
use late::Late;
use refusal::{check_calibration, check_frauds};

pub use hybrid::{HybridPlan, Step, fit_hybrid};
pub use refusal::{FitError, check_classes};
pub use stages::{boundary, producer};

/// How rows are divided, in time order: grow on the first part, stop on the second, calibrate and choose
/// thresholds on the last. None of them sees a later one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Split {
    pub train: f64,
    pub stop: f64,
}

impl Default for Split {
    fn default() -> Split {
        Split {
            train: 0.7,
            stop: 0.15,
        }
    }
}

/// Shares of events that a new model may challenge, review and decline, before anybody sets a policy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlertBudget {
    pub challenge: f64,
    pub review: f64,
    pub decline: f64,
}

impl Default for AlertBudget {
    fn default() -> AlertBudget {
        AlertBudget {
            challenge: 0.01,
            review: 0.005,
            decline: 0.001,
        }
    }
}

/// What becomes of a model once its trees are there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Plan {
    pub calibration: Method,
    pub split: Split,
    pub budget: AlertBudget,
    /// Training weights halve with this age, counted from the latest training row; `None`: all alike.
    pub half_life: Option<Span>,
}

#[derive(Clone, Debug)]
pub struct Fitted {
    pub artifact: Artifact,
    /// Rows and frauds of the three parts.
    pub parts: [(usize, usize); 3],
    pub importance: Vec<(String, f64)>,
}

pub fn fit(
    rows: &Rows,
    schema: &Schema,
    features: &FeatureList,
    config: &BoostConfig,
    plan: Plan,
    progress: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<Fitted, FitError> {
    let cut_train = cut(rows, plan.split.train);
    let cut_stop = cut(rows, plan.split.train + plan.split.stop);
    let (_, train_labels) = rows.slice(0, cut_train);
    let (_, stop_labels) = rows.slice(cut_train, cut_stop);
    let (late_values, late_labels) = rows.slice(cut_stop, rows.len());
    check_frauds("stop the training", stop_labels)?;
    check_frauds("set calibration and thresholds", late_labels)?;
    check_calibration(count(late_labels).1, plan.calibration)?;
    let trained = boost::train(
        config,
        &dataset(
            rows,
            0..cut_train,
            lesson_weights(rows, cut_train, plan).as_deref(),
        )?,
        Some(&stopping(rows, cut_train..cut_stop)?),
        progress,
    )?;
    let late = Late {
        raw: &raw_of(&trained.trees, late_values, rows.width),
        from: cut_stop,
        positive_weight: config.scale_pos_weight,
    };
    let mut fitted = late.finish(trained.trees, rows, schema, features, plan)?;
    fitted.parts = [count(train_labels), count(stop_labels), count(late_labels)];
    fitted.artifact.header.seed = config.seed;
    Ok(fitted)
}

/// A model that was grown elsewhere, calibrated and given thresholds on the latest part of the rows.
pub fn adopt(
    trees: Trees,
    rows: &Rows,
    schema: &Schema,
    features: &FeatureList,
    plan: Plan,
) -> Result<Fitted, FitError> {
    let from = cut(rows, plan.split.train + plan.split.stop);
    let (values, labels) = rows.slice(from, rows.len());
    check_frauds("set calibration and thresholds", labels)?;
    check_calibration(count(labels).1, plan.calibration)?;
    let late = Late {
        raw: &raw_of(&trees, values, rows.width),
        from,
        positive_weight: 1.0,
    };
    let mut fitted = late.finish(trees, rows, schema, features, plan)?;
    fitted.parts = [(0, 0), (0, 0), count(labels)];
    let header = &mut fitted.artifact.header;
    // Nobody here knows what it was grown on: of this history it has seen what it was calibrated on.
    header.training_window.from = rows.times.get(from).map_or(0, |time| time.millis());
    header.created_by = format!("LightGBM text model, taken in by {}", header.created_by);
    Ok(fitted)
}

fn raw_of(trees: &Trees, values: &[f32], width: usize) -> Vec<f64> {
    let fast = FastTrees::new(trees);
    let mut scratch = Scratch::default();
    let rows = values.chunks_exact(width);
    rows.map(|row| fast.predict_raw(row, &mut scratch))
        .collect()
}

fn count(labels: &[bool]) -> (usize, usize) {
    (labels.len(), labels.iter().filter(|fraud| **fraud).count())
}

/// The row at which the given share of rows ends, moved to the next change of time.
fn cut(rows: &Rows, share: f64) -> usize {
    let mut at = ((rows.len() as f64 * share) as usize).min(rows.len());
    while at > 0 && at < rows.len() && rows.times[at] == rows.times[at - 1] {
        at += 1;
    }
    at
}

/// What each of the first `until` rows weighs in training.
fn lesson_weights(rows: &Rows, until: usize, plan: Plan) -> Option<Vec<f32>> {
    let held = rows.weights_of(0..until);
    let Some(half_life) = plan.half_life else {
        return held.map(<[f32]>::to_vec);
    };
    let times: Vec<i64> = rows.times[..until].iter().map(|it| it.millis()).collect();
    let now = times.iter().max().copied().unwrap_or(0);
    let mut weights = recency_weights(&times, now, half_life.millis() as f64);
    for (weight, held) in weights.iter_mut().zip(held.into_iter().flatten()) {
        *weight *= held;
    }
    Some(weights)
}

fn stopping(rows: &Rows, range: Range<usize>) -> Result<Dataset<'_>, BoostError> {
    dataset(rows, range.clone(), rows.weights_of(range))
}

fn dataset<'a>(
    rows: &'a Rows,
    range: Range<usize>,
    weights: Option<&'a [f32]>,
) -> Result<Dataset<'a>, BoostError> {
    let (values, labels) = rows.slice(range.start, range.end);
    Ok(Dataset {
        features: Matrix::new(values, labels.len(), rows.width, Layout::RowMajor)?,
        labels,
        weights,
    })
}

/// The end of a half-open range that holds every time.
pub const FOREVER: EventTime = EventTime::END;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn training_weights_halve_with_age_and_keep_what_rows_stand_for() {
        let day = |day: i64| EventTime::from_millis(day * Span::days(1).millis());
        let rows = Rows {
            times: [0, 10, 20, 50].map(day).to_vec(),
            weights: Some(vec![1.0, 8.0, 1.0, 1.0]),
            ..Rows::default()
        };
        let of = |half_life: Option<Span>| {
            let plan = Plan {
                half_life,
                ..Plan::default()
            };
            // The fourth row is not trained on: age counts from the third.
            lesson_weights(&rows, 3, plan).unwrap()
        };
        assert_eq!(of(None), [1.0, 8.0, 1.0]);
        assert_eq!(of(Some(Span::days(10))), [0.25, 4.0, 1.0]);
        let alike = Rows {
            weights: None,
            ..rows.clone()
        };
        assert_eq!(lesson_weights(&alike, 3, Plan::default()), None);
    }
}
