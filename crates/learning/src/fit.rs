//! From history to a model file: split by time, grow, calibrate, choose thresholds, measure.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use event::{EventTime, Schema};
use graph::FeatureList;
use model::artifact::{Artifact, Header, Thresholds, TrainingWindow};
use model::calibration::Calibration;
use model::fast::{FastTrees, Scratch};
use thiserror::Error;

use crate::boost::{self, BoostConfig, BoostError, Dataset, Layout, Matrix, Progress};
use crate::calibrate::{self, CalibrateError, Method, Scored};
use crate::dataset::Rows;

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
    split: Split,
    budget: AlertBudget,
    progress: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<Fitted, FitError> {
    let cut_train = cut(rows, split.train);
    let cut_stop = cut(rows, split.train + split.stop);
    let (train_values, train_labels) = rows.slice(0, cut_train);
    let (stop_values, stop_labels) = rows.slice(cut_train, cut_stop);
    let (late_values, late_labels) = rows.slice(cut_stop, rows.len());
    check_frauds("stop the training", stop_labels)?;
    check_frauds("set calibration and thresholds", late_labels)?;
    let trained = boost::train(
        config,
        &dataset(train_values, train_labels, rows.width)?,
        Some(&dataset(stop_values, stop_labels, rows.width)?),
        progress,
    )?;
    let fast = FastTrees::new(&trained.trees);
    let mut scratch = Scratch::default();
    let late_raw: Vec<f64> = late_values
        .chunks_exact(rows.width)
        .map(|row| fast.predict_raw(row, &mut scratch))
        .collect();
    let scored = Scored {
        raw: &late_raw,
        labels: late_labels,
        negative_rate: rows.negative_rate,
        positive_weight: config.scale_pos_weight,
    };
    let calibration = calibrate::fit(Method::Platt, &scored)?;
    let thresholds = thresholds(
        &late_raw,
        late_labels,
        &calibration,
        budget,
        rows.negative_rate,
    );
    let metrics = metrics(&late_raw, late_labels, rows.negative_rate);
    let count = |labels: &[bool]| (labels.len(), labels.iter().filter(|fraud| **fraud).count());
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
        metrics,
        parent: None,
        seed: config.seed,
        created_by: concat!("ringfence ", env!("CARGO_PKG_VERSION")).to_owned(),
    };
    let importance = importance(&trained.trees.gain_importance(), features);
    Ok(Fitted {
        artifact: Artifact {
            header,
            trees: trained.trees,
        },
        parts: [count(train_labels), count(stop_labels), count(late_labels)],
        importance,
    })
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
