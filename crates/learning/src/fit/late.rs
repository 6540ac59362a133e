//! The latest part of the rows: calibration, thresholds, figures.

use std::collections::BTreeMap;

use event::Schema;
use graph::FeatureList;
use model::artifact::{Artifact, Header, Thresholds, TrainingWindow};
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
    pub labels: &'a [bool],
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
        let scored = Scored {
            raw,
            labels: self.labels,
            negative_rate: rows.negative_rate,
            positive_weight: self.positive_weight,
        };
        let calibration = calibrate::fit(plan.calibration, &scored)?;
        let thresholds = thresholds(
            raw,
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
            metrics: metrics(raw, self.labels, rows.negative_rate),
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
                producer: None,
            },
            parts: [(0, 0); 3],
        })
    }
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
