//! A hybrid: a network beside trees on the same rows, and how much of each is heard.
//!
//! The parts of the rows are those of [`super::fit`]: both learn from the first, both stop on the second,
//! which also gives the share of the network; the last sets calibration and thresholds. The trees stay in
//! the file either way: they answer when the network cannot.

use std::ops::{ControlFlow, Range, RangeInclusive};
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
const SHARES: RangeInclusive<u32> = 0..=10;

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
    let parts = Parts::of(rows, plan)?;
    let weights = lesson_weights(rows, parts.train.end, plan);
    let grown = boost::train(
        made.trees,
        &dataset(rows, parts.train.clone(), weights.as_deref())?,
        Some(&stopping(rows, parts.stop.clone())?),
        |it| progress(Step::Trees(it)),
    )?;
    let source = Source {
        tabular: &rows.values,
        width: rows.width,
        arrays,
    };
    let mut groups = FeatureGroup::ALL.to_vec();
    groups.retain(|group| made.suspicion || *group != FeatureGroup::Suspicion);
    let sight = Sight::new(features, &groups, true, true);
    let lesson = lesson_digest(rows, weights.as_deref(), schema, features, &sight);
    let keep = Keep {
        path: made.checkpoint,
        lesson: &lesson,
    };
    let of_network = (&sight, schema.event_types.len());
    let taught = (source, weights.as_deref());
    let trained = parts.teach(made.network, taught, of_network, keep, |it| {
        progress(Step::Network(it))
    })?;
    let heard = |part: &Range<usize>| {
        let (values, _) = rows.slice(part.start, part.end);
        let own: Vec<usize> = part.clone().collect();
        Heard {
            trees: raw_of(&grown.trees, values, rows.width),
            network: score(&trained.network, source, &own),
        }
    };
    let blend = match made.with_trees {
        false => Blend::NETWORK,
        true => heard(&parts.stop).best_blend(parts.stop_labels, &parts.stop_weights),
    };
    let late = heard(&parts.late);
    let trees_calibration = calibrate::fit(
        plan.calibration,
        &Scored {
            raw: &late.trees,
            labels: parts.late_labels,
            weights: rows.weights_of(parts.late.clone()),
            negative_rate: rows.negative_rate,
            positive_weight: made.trees.scale_pos_weight,
        },
    )?;
    let raw = late.raw(blend);
    let whole = Late {
        raw: &raw,
        from: parts.late.start,
        positive_weight: 1.0,
    };
    let mut fitted = whole.finish(grown.trees, rows, schema, features, plan)?;
    fitted.artifact.network = Some(Network {
        hybrid: trained.network.export()?,
        blend,
        trees_calibration,
    });
    fitted.parts = [parts.train_labels, parts.stop_labels, parts.late_labels].map(count);
    let header = &mut fitted.artifact.header;
    header.seed = made.network.seed;
    let late_ap = |raw: &[f64]| average_precision(raw, parts.late_labels, None);
    for (name, value) in [
        ("late_ap_trees", late_ap(&late.trees)),
        ("late_ap_network", late_ap(&late.network)),
        ("epochs", trained.epoch as f64),
        ("network_share", blend.network),
    ] {
        header.metrics.insert(name.to_owned(), value);
    }
    Ok(fitted)
}

/// The rows by what is learnt from them.
struct Parts<'a> {
    train: Range<usize>,
    train_labels: &'a [bool],
    stop: Range<usize>,
    stop_labels: &'a [bool],
    /// How many rows each of the second part stands for.
    stop_weights: Vec<f64>,
    late: Range<usize>,
    late_labels: &'a [bool],
}

impl<'a> Parts<'a> {
    fn of(rows: &'a Rows, plan: Plan) -> Result<Parts<'a>, FitError> {
        let train = 0..cut(rows, plan.split.train);
        let stop = train.end..cut(rows, plan.split.train + plan.split.stop);
        let late = stop.end..rows.len();
        let labels = |part: &Range<usize>| rows.slice(part.start, part.end).1;
        let (stop_labels, late_labels) = (labels(&stop), labels(&late));
        check_frauds("stop the training", stop_labels)?;
        check_frauds("set calibration and thresholds", late_labels)?;
        check_calibration(count(late_labels).1, plan.calibration)?;
        Ok(Parts {
            train_labels: labels(&train),
            stop_weights: stop.clone().map(|row| rows.stands_for(row)).collect(),
            stop_labels,
            late_labels,
            train,
            stop,
            late,
        })
    }

    fn teach(
        &self,
        config: &NeuralConfig,
        (source, weights): (Source<'_>, Option<&[f32]>),
        of_network: (&Sight, usize),
        keep: Keep<'_>,
        progress: impl FnMut(early_stop::Progress) -> ControlFlow<()>,
    ) -> Result<early_stop::Trained, NeuralError> {
        let train: Vec<usize> = self.train.clone().collect();
        let stop: Vec<usize> = self.stop.clone().collect();
        let exam_weights: Vec<f32> = self.stop_weights.iter().map(|it| *it as f32).collect();
        let lesson = Lesson {
            source,
            rows: &train,
            fraud: self.train_labels,
            weights,
        };
        let exam = Exam {
            rows: &stop,
            fraud: self.stop_labels,
            weights: &exam_weights,
        };
        early_stop::train(config, &lesson, &exam, of_network, keep, progress)
    }
}

/// What both say of the same rows.
struct Heard {
    trees: Vec<f64>,
    network: Vec<f64>,
}

impl Heard {
    fn raw(&self, blend: Blend) -> Vec<f64> {
        let pairs = self.network.iter().zip(&self.trees);
        pairs.map(|(a, b)| blend.raw(*a, *b)).collect()
    }

    /// The share of the network with the highest AP.
    fn best_blend(&self, labels: &[bool], weights: &[f64]) -> Blend {
        let mut best = (f64::MIN, Blend::NETWORK);
        for tenths in SHARES {
            let share = f64::from(tenths) / 10.0;
            let blend = Blend {
                network: share,
                trees: 1.0 - share,
                constant: 0.0,
            };
            let ap = average_precision(&self.raw(blend), labels, Some(weights));
            if ap > best.0 {
                best = (ap, blend);
            }
        }
        best.1
    }
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
