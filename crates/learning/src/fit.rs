//! From history to a model file: split by time, grow, calibrate, choose thresholds, measure.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use event::{EventTime, Schema};
use graph::FeatureList;
use model::artifact::{Artifact, Header, Thresholds, TrainingWindow};
use model::calibration::Calibration;
use model::fast::{FastTrees, Scratch};
use model::trees::Trees;
use thiserror::Error;

use crate::boost::{self, BoostConfig, BoostError, Dataset, Layout, Matrix, Progress};
use crate::calibrate::{self, CalibrateError, ISOTONIC_POSITIVES_MIN, Method, Scored};
use crate::dataset::Rows;
use crate::evaluate::folds::FRAUDS_MIN;

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
}

#[derive(Clone, Debug)]
pub struct Fitted {
    pub artifact: Artifact,
    /// Rows and frauds of the three parts.
    pub parts: [(usize, usize); 3],
    pub importance: Vec<(String, f64)>,
}

#[derive(Debug, Error)]
pub enum FitError {
    #[error(transparent)]
    Boost(#[from] BoostError),
    #[error(transparent)]
    Calibrate(#[from] CalibrateError),
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
    let (train_values, train_labels) = rows.slice(0, cut_train);
    let (stop_values, stop_labels) = rows.slice(cut_train, cut_stop);
    let (late_values, late_labels) = rows.slice(cut_stop, rows.len());
    check_frauds("stop the training", stop_labels)?;
    check_frauds("set calibration and thresholds", late_labels)?;
    check_calibration(count(late_labels).1, plan.calibration)?;
    let trained = boost::train(
        config,
        &dataset(train_values, train_labels, rows.width)?,
        Some(&dataset(stop_values, stop_labels, rows.width)?),
        progress,
    )?;
    let late = Late {
        values: late_values,
        labels: late_labels,
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
        values,
        labels,
        positive_weight: 1.0,
    };
    let mut fitted = late.finish(trees, rows, schema, features, plan)?;
    fitted.parts = [(0, 0), (0, 0), count(labels)];
    let header = &mut fitted.artifact.header;
    // Nobody here knows what it was grown on; it must not claim rows of this history.
    let at = rows.times.get(from).map_or(0, |time| time.millis());
    header.training_window = TrainingWindow {
        from: at,
        until: at,
    };
    header.created_by = format!("LightGBM text model, taken in by {}", header.created_by);
    Ok(fitted)
}

fn count(labels: &[bool]) -> (usize, usize) {
    (labels.len(), labels.iter().filter(|fraud| **fraud).count())
}

/// The latest rows, which no tree has seen.
struct Late<'a> {
    values: &'a [f32],
    labels: &'a [bool],
    /// Weight of a fraud in the growing of the trees.
    positive_weight: f64,
}

impl Late<'_> {
    fn finish(
        &self,
        trees: Trees,
        rows: &Rows,
        schema: &Schema,
        features: &FeatureList,
        plan: Plan,
    ) -> Result<Fitted, FitError> {
        let fast = FastTrees::new(&trees);
        let mut scratch = Scratch::default();
        let raw: Vec<f64> = self
            .values
            .chunks_exact(rows.width)
            .map(|row| fast.predict_raw(row, &mut scratch))
            .collect();
        let scored = Scored {
            raw: &raw,
            labels: self.labels,
            negative_rate: rows.negative_rate,
            positive_weight: self.positive_weight,
        };
        let calibration = calibrate::fit(plan.calibration, &scored)?;
        let thresholds = thresholds(
            &raw,
            self.labels,
            &calibration,
            plan.budget,
            rows.negative_rate,
        );
        let header = Header {
            schema_hash: schema.hash().hex(),
            features: features.names(),
            calibration,
            thresholds: schema
                .event_types
                .iter()
                .map(|it| (it.name.clone(), thresholds))
                .collect(),
            training_window: TrainingWindow {
                from: rows.times.first().map_or(0, |time| time.millis()),
                until: rows.times.last().map_or(0, |time| time.millis() + 1),
            },
            metrics: metrics(&raw, self.labels, rows.negative_rate),
            parent: None,
            seed: 0,
            created_by: concat!("ringfence ", env!("CARGO_PKG_VERSION")).to_owned(),
        };
        Ok(Fitted {
            importance: importance(&trees.gain_importance(), features),
            artifact: Artifact {
                header,
                trees,
                network: None,
            },
            parts: [(0, 0); 3],
        })
    }
}

/// Refuses labels that no model can learn from, or be calibrated on; known before any replay.
pub fn check_classes(frauds: usize, legitimate: usize, method: Method) -> Result<(), FitError> {
    if frauds == 0 || legitimate == 0 {
        return Err(FitError::OneClass { frauds, legitimate });
    }
    if frauds < FRAUDS_MIN {
        return Err(FitError::FewFrauds {
            part: "learn from",
            rows: frauds + legitimate,
            frauds,
            min: FRAUDS_MIN,
        });
    }
    check_calibration(frauds, method)
}

/// Of all frauds of a range, or of the part that sets the calibration.
fn check_calibration(frauds: usize, method: Method) -> Result<(), FitError> {
    let min = ISOTONIC_POSITIVES_MIN;
    if method == Method::Isotonic && frauds < min {
        return Err(FitError::FewToCalibrate { frauds, min });
    }
    Ok(())
}

fn check_frauds(part: &'static str, labels: &[bool]) -> Result<(), FitError> {
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

/// The row at which the given share of rows ends, moved to the next change of time.
fn cut(rows: &Rows, share: f64) -> usize {
    let mut at = ((rows.len() as f64 * share) as usize).min(rows.len());
    while at > 0 && at < rows.len() && rows.times[at] == rows.times[at - 1] {
        at += 1;
    }
    at
}

fn dataset<'a>(
    values: &'a [f32],
    labels: &'a [bool],
    width: usize,
) -> Result<Dataset<'a>, BoostError> {
    let features = Matrix::new(values, labels.len(), width, Layout::RowMajor)?;
    Ok(Dataset {
        features,
        labels,
        weights: None,
    })
}

/// Scores at which the budget's shares of events are reached; a kept negative stands for several.
fn thresholds(
    raw: &[f64],
    labels: &[bool],
    calibration: &Calibration,
    budget: AlertBudget,
    negative_rate: f64,
) -> Thresholds {
    let mut scored: Vec<(u16, f64)> = raw
        .iter()
        .zip(labels)
        .map(|(raw, fraud)| {
            (
                calibration.score(*raw),
                if *fraud { 1.0 } else { 1.0 / negative_rate },
            )
        })
        .collect();
    scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    let total: f64 = scored.iter().map(|(_, weight)| weight).sum();
    let at_share = |share: f64| {
        let mut seen = 0.0;
        for (score, weight) in &scored {
            seen += weight;
            if seen > share * total {
                // One above: the threshold itself must stay within the budget.
                return (score + 1).min(1000);
            }
        }
        1000
    };
    Thresholds {
        challenge: at_share(budget.challenge),
        review: at_share(budget.review),
        decline: at_share(budget.decline),
    }
}

fn metrics(raw: &[f64], labels: &[bool], negative_rate: f64) -> BTreeMap<String, f64> {
    let weights: Vec<f64> = labels
        .iter()
        .map(|fraud| if *fraud { 1.0 } else { 1.0 / negative_rate })
        .collect();
    let ap = boost::average_precision(raw, labels, Some(&weights));
    let auc = crate::metric::auc(raw, labels);
    BTreeMap::from([("late_ap".to_owned(), ap), ("late_auc".to_owned(), auc)])
}

fn importance(gains: &[f64], features: &FeatureList) -> Vec<(String, f64)> {
    let total: f64 = gains.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let mut named: Vec<(String, f64)> = features
        .names()
        .into_iter()
        .zip(gains.iter().map(|gain| gain / total))
        .collect();
    named.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    named
}

/// The end of a half-open range that holds every time.
pub const FOREVER: EventTime = EventTime::END;
