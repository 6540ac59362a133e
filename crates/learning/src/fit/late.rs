//! The latest part of the rows: calibration, thresholds, figures.

use std::collections::BTreeMap;

use engine::ENGINE_SEMANTICS;
use event::Schema;
use graph::FeatureList;
use model::artifact::{Artifact, Header, Lineage, Thresholds, TrainingWindow};
use model::calibration::Calibration;
use model::trees::Trees;

use super::{AlertBudget, FitError, Fitted, Plan};
use crate::boost;
use crate::calibrate::{self, Scored};
use crate::dataset::Rows;

/// The latest rows, which no tree has seen.
pub(super) struct Late<'a> {
    /// What the model says of them, as log-odds.
    pub raw: &'a [f64],
    /// The first of them among all rows.
    pub from: usize,
    /// Weight of a fraud in the growing of the trees.
    pub positive_weight: f64,
}

impl Late<'_> {
    pub fn finish(
        &self,
        trees: Trees,
        rows: &Rows,
        schema: &Schema,
        features: &FeatureList,
        plan: Plan,
    ) -> Result<Fitted, FitError> {
        let raw = self.raw;
        let late = self.from..rows.len();
        let labels = &rows.fraud[late.clone()];
        let stand_for: Vec<f64> = late.clone().map(|row| rows.stands_for(row)).collect();
        let scored = Scored {
            raw,
            labels,
            weights: rows.weights_of(late),
            negative_rate: rows.negative_rate,
            positive_weight: self.positive_weight,
        };
        let calibration = calibrate::fit(plan.calibration, &scored)?;
        let thresholds = thresholds(raw, &stand_for, &calibration, plan.budget);
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
            metrics: metrics(raw, labels, &stand_for, rows),
            parent: None,
            seed: 0,
            created_by: concat!("ringfence ", env!("CARGO_PKG_VERSION")).to_owned(),
        };
        Ok(Fitted {
            importance: importance(&trees.gain_importance(), features),
            artifact: Artifact {
                header,
                lineage: Some(lineage(rows)),
                trees,
                network: None,
                producer: None,
                reference: None,
            },
            parts: [(0, 0); 3],
        })
    }
}

/// What the model comes from, as far as its rows tell.
fn lineage(rows: &Rows) -> Lineage {
    let version = env!("CARGO_PKG_VERSION");
    Lineage {
        data_digest: rows.digest(),
        samples: rows.len() as u64,
        frauds: rows.fraud.iter().filter(|fraud| **fraud).count() as u64,
        code_version: format!("{version}, engine semantics {ENGINE_SEMANTICS}"),
    }
}

/// Scores at which the budget's shares of events are reached, by how many events each row stands for.
fn thresholds(
    raw: &[f64],
    stand_for: &[f64],
    calibration: &Calibration,
    budget: AlertBudget,
) -> Thresholds {
    let scores = raw.iter().map(|raw| calibration.score(*raw));
    let mut scored: Vec<(u16, f64)> = scores.zip(stand_for.iter().copied()).collect();
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

fn metrics(raw: &[f64], labels: &[bool], stand_for: &[f64], rows: &Rows) -> BTreeMap<String, f64> {
    let ap = boost::average_precision(raw, labels, Some(stand_for));
    let auc = crate::metric::auc(raw, labels);
    let mut metrics = BTreeMap::from([("late_ap".to_owned(), ap), ("late_auc".to_owned(), auc)]);
    if rows.weights.is_some() {
        metrics.insert("effective_rows".to_owned(), rows.effective());
    }
    metrics
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
