//! A hybrid: a network beside trees on the same rows, and how much of each is heard.
//!
//! The parts of the rows are those of [`super::fit`]: both learn from the first, both stop on the second,
//! which also gives the share of the network; the last sets calibration and thresholds. The trees stay in
//! the file either way: they answer when the network cannot.

use std::ops::ControlFlow;
use std::path::Path;

use event::Schema;
use graph::{FeatureGroup, FeatureList};
use model::artifact::{Blend, Network};
use sha2::{Digest, Sha256};

use super::late::Late;
use super::refusal::{FitError, check_calibration, check_frauds};
use super::{Fitted, Plan, count, cut, dataset, lesson_weights, raw_of, stopping};
use crate::boost::{self, BoostConfig, average_precision};
use crate::calibrate::{self, Scored};
use crate::dataset::Rows;
use crate::neural::batch::Source;
use crate::neural::config::NeuralConfig;
use crate::neural::early_stop::{self, Exam, Keep, NeuralError};
use crate::neural::sight::Sight;
use crate::neural::train::{Lesson, score};

/// What a hybrid is made with.
#[derive(Clone, Copy)]
pub struct HybridPlan<'a> {
    pub trees: &'a BoostConfig,
    pub network: &'a NeuralConfig,
    pub plan: Plan,
    /// Whether the trees are heard beside the network, by the share that does best; else only in its stead.
    pub with_trees: bool,
    /// Whether the rows carry the suspicion of a producer.
    pub suspicion: bool,
    /// Where the network's training is kept after each epoch.
    pub checkpoint: Option<&'a Path>,
}

/// For whoever waits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    Trees(boost::Progress),
    Network(early_stop::Progress),
}

/// Shares of the network that are tried, in tenths.
const SHARES: std::ops::RangeInclusive<u32> = 0..=10;

pub fn fit_hybrid(
    rows: &Rows,
    schema: &Schema,
    features: &FeatureList,
    made: HybridPlan<'_>,
    mut progress: impl FnMut(Step) -> ControlFlow<()>,
) -> Result<Fitted, FitError> {
    let Some(arrays) = &rows.arrays else {
        return Err(FitError::NoArrays);
    };
    made.network.check().map_err(NeuralError::from)?;
    let plan = made.plan;
    let cut_train = cut(rows, plan.split.train);
    let cut_stop = cut(rows, plan.split.train + plan.split.stop);
    let (_, train_labels) = rows.slice(0, cut_train);
    let (stop_values, stop_labels) = rows.slice(cut_train, cut_stop);
    let (late_values, late_labels) = rows.slice(cut_stop, rows.len());
    check_frauds("stop the training", stop_labels)?;
    check_frauds("set calibration and thresholds", late_labels)?;
    check_calibration(count(late_labels).1, plan.calibration)?;
    let weights = lesson_weights(rows, cut_train, plan);
    let grown = boost::train(
        made.trees,
        &dataset(rows, 0..cut_train, weights.as_deref())?,
        Some(&stopping(rows, cut_train..cut_stop)?),
        |it| progress(Step::Trees(it)),
    )?;
    let source = Source {
        tabular: &rows.values,
        width: rows.width,
        arrays,
    };
    let [train_rows, stop_rows, late_rows] = [
        (0..cut_train).collect::<Vec<usize>>(),
        (cut_train..cut_stop).collect(),
        (cut_stop..rows.len()).collect(),
    ];
    let stop_weights: Vec<f64> = (cut_train..cut_stop)
        .map(|row| rows.stands_for(row))
        .collect();
    let exam_weights: Vec<f32> = stop_weights.iter().map(|it| *it as f32).collect();
    let mut groups = FeatureGroup::ALL.to_vec();
    groups.retain(|group| made.suspicion || *group != FeatureGroup::Suspicion);
    let sight = Sight::new(features, &groups, true, true);
    let lesson = lesson_digest(rows, weights.as_deref(), schema, features, &sight);
    let trained = early_stop::train(
        made.network,
        &Lesson {
            source,
            rows: &train_rows,
            fraud: train_labels,
            weights: weights.as_deref(),
        },
        &Exam {
            rows: &stop_rows,
            fraud: stop_labels,
            weights: &exam_weights,
        },
        (&sight, schema.event_types.len()),
        Keep {
            path: made.checkpoint,
            lesson: &lesson,
        },
        |it| progress(Step::Network(it)),
    )?;
    let of_trees = |values: &[f32]| raw_of(&grown.trees, values, rows.width);
    let blend = match made.with_trees {
        false => Blend::NETWORK,
        true => {
            let network = score(&trained.network, source, &stop_rows);
            blend(&network, &of_trees(stop_values), stop_labels, &stop_weights)
        }
    };
    let trees_late = of_trees(late_values);
    let network_late = score(&trained.network, source, &late_rows);
    let pairs = network_late.iter().zip(&trees_late);
    let raw: Vec<f64> = pairs.map(|(a, b)| blend.raw(*a, *b)).collect();
    let late = Late {
        raw: &raw,
        from: cut_stop,
        positive_weight: 1.0,
    };
    let trees_calibration = calibrate::fit(
        plan.calibration,
        &Scored {
            raw: &trees_late,
            labels: late_labels,
            weights: rows.weights_of(cut_stop..rows.len()),
            negative_rate: rows.negative_rate,
            positive_weight: made.trees.scale_pos_weight,
        },
    )?;
    let mut fitted = late.finish(grown.trees, rows, schema, features, plan)?;
    fitted.artifact.network = Some(Network {
        hybrid: trained.network.export()?,
        blend,
        trees_calibration,
    });
    fitted.parts = [count(train_labels), count(stop_labels), count(late_labels)];
    let header = &mut fitted.artifact.header;
    header.seed = made.network.seed;
    let trees_late_ap = average_precision(&trees_late, late_labels, None);
    let network_late_ap = average_precision(&network_late, late_labels, None);
    header
        .metrics
        .insert("late_ap_trees".to_owned(), trees_late_ap);
    header
        .metrics
        .insert("late_ap_network".to_owned(), network_late_ap);
    header
        .metrics
        .insert("epochs".to_owned(), trained.epoch as f64);
    header
        .metrics
        .insert("network_share".to_owned(), blend.network);
    Ok(fitted)
}

/// The share of the network with the highest AP.
fn blend(network: &[f64], trees: &[f64], labels: &[bool], weights: &[f64]) -> Blend {
    let mut best = (f64::MIN, Blend::NETWORK);
    for tenths in SHARES {
        let share = f64::from(tenths) / 10.0;
        let blend = Blend {
            network: share,
            trees: 1.0 - share,
            constant: 0.0,
        };
        let pairs = network.iter().zip(trees);
        let raw: Vec<f64> = pairs.map(|(a, b)| blend.raw(*a, *b)).collect();
        let ap = average_precision(&raw, labels, Some(weights));
        if ap > best.0 {
            best = (ap, blend);
        }
    }
    best.1
}

/// Names what a network learns from: a checkpoint of anything else is not gone on with.
fn lesson_digest(
    rows: &Rows,
    weights: Option<&[f32]>,
    schema: &Schema,
    features: &FeatureList,
    sight: &Sight,
) -> String {
    let mut hash = Sha256::new();
    hash.update(schema.hash().hex());
    hash.update(features.hash());
    hash.update(format!("{sight:?}"));
    for (position, fraud) in rows.positions.iter().zip(&rows.fraud) {
        hash.update(position.0.to_le_bytes());
        hash.update([u8::from(*fraud)]);
    }
    for weight in weights.into_iter().flatten() {
        hash.update(weight.to_le_bytes());
    }
    for value in &rows.values {
        hash.update(value.to_le_bytes());
    }
    let digest: [u8; 32] = hash.finalize().into();
    event::hex(&digest)
}
