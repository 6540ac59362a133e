//! Gradient boosted trees for binary labels: histogram based, leaf-wise, log-loss (the design of
//! LightGBM, Ke et al. 2017).
//!
//! **Invariant: the same input gives the same bits on any number of threads.** Gradients are
//! rounded to fixed-point integers once per round, histograms add integers (associative), each
//! feature is searched by one thread, and ties go to the lower feature and bin. Random draws come
//! from a seeded generator; nothing reads a clock.

mod bins;
mod data;
mod early_stop;
mod grow;
mod histogram;
mod objective;
mod partition;
mod sampling;
mod split;

pub use compare::ranking::average_precision;
pub use data::{Dataset, Layout, Matrix};
pub use early_stop::{Metric, log_loss};
pub use objective::recency_weights;

use std::ops::ControlFlow;

use model::trees::{LEAVES_PER_TREE_MAX, Tree, Trees, TreesError};
use thiserror::Error;

use bins::BinnedMatrix;
use early_stop::EarlyStop;
use grow::Grower;
use objective::Objective;
use sampling::Sampler;

#[derive(Debug, Clone, PartialEq)]
pub struct BoostConfig {
    pub rounds: usize,
    pub learning_rate: f64,
    pub num_leaves: usize,
    /// Splits on a path; 0 = unlimited.
    pub max_depth: usize,
    pub min_data_in_leaf: u32,
    pub min_sum_hessian: f64,
    pub lambda_l1: f64,
    pub lambda_l2: f64,
    pub min_gain: f64,
    /// Bins per feature, missing values not counted. Half of them cut the body of the distribution
    /// into equal counts, a quarter goes to each tail with bins that shrink towards the extreme.
    pub max_bin: usize,
    /// Multiplies the weight of frauds.
    pub scale_pos_weight: f64,
    /// Share of rows drawn for a tree, redrawn every `bagging_every` rounds.
    pub bagging_fraction: f64,
    pub bagging_every: usize,
    /// Share of features drawn for a tree.
    pub feature_fraction: f64,
    pub seed: u64,
    /// Rounds without a better validation metric before training stops; 0 = never stop early.
    pub early_stopping_rounds: usize,
    pub metric: Metric,
    /// Fewer frauds than this are refused: the trees would learn the individual cases.
    pub min_positives: usize,
    /// Bound on the histograms of one tree.
    pub histogram_bytes_max: usize,
}

impl Default for BoostConfig {
    fn default() -> Self {
        BoostConfig {
            rounds: 200,
            learning_rate: 0.1,
            num_leaves: 31,
            max_depth: 0,
            min_data_in_leaf: 20,
            min_sum_hessian: 1e-3,
            lambda_l1: 0.0,
            lambda_l2: 0.0,
            min_gain: 0.0,
            max_bin: 1023,
            scale_pos_weight: 1.0,
            bagging_fraction: 1.0,
            bagging_every: 1,
            feature_fraction: 1.0,
            seed: 0,
            early_stopping_rounds: 0,
            metric: Metric::AveragePrecision,
            min_positives: 50,
            histogram_bytes_max: 2 << 30,
        }
    }
}

/// What the callback sees after each round.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Rounds done, from 1.
    pub round: usize,
    pub rounds: usize,
    /// The validation metric, when there is a validation set.
    pub validation: Option<f64>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// Cut to the best round when early stopping was on.
    pub trees: Trees,
    /// Rounds that `trees` holds.
    pub best_round: usize,
    /// The validation metric after each round; empty without a validation set.
    pub validation: Vec<f64>,
}

#[derive(Debug, Clone, PartialEq, Error)]
pub enum BoostError {
    #[error("{set} must have {expected} {what}, got {got}")]
    Length {
        set: &'static str,
        what: &'static str,
        expected: usize,
        got: usize,
    },
    #[error("{set} has no rows or no features")]
    Empty { set: &'static str },
    #[error("{set} has {rows} rows, at most {max} fit: sample the legitimate ones down")]
    TooManyRows {
        set: &'static str,
        rows: usize,
        max: usize,
    },
    #[error("{set} has infinite value at row {row}, feature {feature}: use NaN for missing")]
    Infinite {
        set: &'static str,
        row: usize,
        feature: usize,
    },
    #[error("{set} weight at row {row} must be finite and >= 0, got {value}")]
    Weight {
        set: &'static str,
        row: usize,
        value: f32,
    },
    #[error("{set} holds one class only ({positives} frauds of {rows} rows): widen the time range")]
    OneClass {
        set: &'static str,
        positives: usize,
        rows: usize,
    },
    #[error("training needs at least {min} frauds, got {positives}: widen the time range")]
    FewPositives { min: usize, positives: usize },
    #[error("all {features} features are constant or missing in training")]
    AllConstant { features: usize },
    #[error("{key} must be {expected}, got {got}")]
    Config {
        key: &'static str,
        expected: &'static str,
        got: String,
    },
    #[error("early stopping needs a validation set")]
    NoValidation,
    #[error(
        "histograms would take {bytes} bytes, at most {max} are allowed: lower num_leaves or max_bin"
    )]
    Memory { bytes: usize, max: usize },
    #[error("cancelled after round {round}")]
    Cancelled { round: usize },
    #[error("the grown trees do not form a model: {0}")]
    Trees(#[from] TreesError),
}

/// Trains on `train`; `validation` steers early stopping. `progress` is called after each round and
/// cancels by returning `Break`.
pub fn train(
    config: &BoostConfig,
    train: &Dataset<'_>,
    validation: Option<&Dataset<'_>>,
    mut progress: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<Trained, BoostError> {
    config.check()?;
    data::check_training(train, config.min_positives)?;
    let mut early_stop = match validation {
        Some(set) => {
            data::check_validation(set, train.features.features())?;
            Some(EarlyStop::new(
                config.metric,
                config.early_stopping_rounds,
                set,
            ))
        }
        None if config.early_stopping_rounds > 0 => return Err(BoostError::NoValidation),
        None => None,
    };
    let binned = BinnedMatrix::new(&train.features, config.max_bin)?;
    let mut objective = Objective::new(train, config.scale_pos_weight);
    let mut sampler = Sampler::new(config, train.features.rows(), binned.usable_features());
    let mut grower = Grower::new(config, &binned)?;
    let mut trees = Vec::with_capacity(config.rounds);
    for round in 0..config.rounds {
        let sample = sampler.draw(round);
        let mut tree = grower.grow(objective.gradients(), sample);
        objective.add(grower.row_values());
        if round == 0 {
            objective.bake_base_score(&mut tree);
        }
        let metric = early_stop.as_mut().map(|stop| stop.add(&tree));
        let finished = tree.splits.is_empty();
        trees.push(tree);
        let seen = Progress {
            round: round + 1,
            rounds: config.rounds,
            validation: metric,
        };
        if progress(seen).is_break() {
            return Err(BoostError::Cancelled { round: round + 1 });
        }
        // Without any split left to make, further rounds would only repeat a constant.
        if finished || early_stop.as_ref().is_some_and(EarlyStop::should_stop) {
            break;
        }
    }
    finish(train.features.features(), trees, early_stop)
}

fn finish(
    features: usize,
    mut trees: Vec<Tree>,
    early_stop: Option<EarlyStop<'_>>,
) -> Result<Trained, BoostError> {
    let validation = match early_stop {
        Some(stop) => {
            if let Some(best) = stop.cut_at() {
                trees.truncate(best);
            }
            stop.into_history()
        }
        None => Vec::new(),
    };
    let best_round = trees.len();
    Ok(Trained {
        trees: Trees::new(features, &trees)?,
        best_round,
        validation,
    })
}

impl BoostConfig {
    fn check(&self) -> Result<(), BoostError> {
        let refuse = |key, expected, got: String| Err(BoostError::Config { key, expected, got });
        let fraction = |x: f64| x > 0.0 && x <= 1.0;
        let at_least_zero = |x: f64| x >= 0.0 && x.is_finite();
        if self.rounds == 0 || self.rounds > model::trees::TREES_MAX {
            return refuse("rounds", "in 1..=10000", self.rounds.to_string());
        }
        if self.num_leaves < 2 || self.num_leaves > LEAVES_PER_TREE_MAX {
            return refuse("num_leaves", "in 2..=4096", self.num_leaves.to_string());
        }
        if self.max_bin < 2 || self.max_bin > bins::MAX_BIN {
            return refuse("max_bin", "in 2..=65000", self.max_bin.to_string());
        }
        if self.max_depth > model::trees::DEPTH_MAX {
            return refuse("max_depth", "at most 512", self.max_depth.to_string());
        }
        if !fraction(self.learning_rate) {
            return refuse("learning_rate", "in (0, 1]", self.learning_rate.to_string());
        }
        if !(self.scale_pos_weight > 0.0 && self.scale_pos_weight <= 1e6) {
            return refuse(
                "scale_pos_weight",
                "in (0, 1e6]",
                self.scale_pos_weight.to_string(),
            );
        }
        if !fraction(self.bagging_fraction) {
            return refuse(
                "bagging_fraction",
                "in (0, 1]",
                self.bagging_fraction.to_string(),
            );
        }
        if self.bagging_every == 0 {
            return refuse(
                "bagging_every",
                "at least 1",
                self.bagging_every.to_string(),
            );
        }
        if !fraction(self.feature_fraction) {
            return refuse(
                "feature_fraction",
                "in (0, 1]",
                self.feature_fraction.to_string(),
            );
        }
        for (key, value) in [
            ("min_sum_hessian", self.min_sum_hessian),
            ("lambda_l1", self.lambda_l1),
            ("lambda_l2", self.lambda_l2),
            ("min_gain", self.min_gain),
        ] {
            if !at_least_zero(value) {
                return refuse(key, "finite and >= 0", value.to_string());
            }
        }
        Ok(())
    }
}
