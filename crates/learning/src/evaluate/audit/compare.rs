//! One fold of an altered history beside the same fold of the history as it is.

use std::collections::BTreeMap;

use super::finding::{Finding, Verdict};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compared {
    /// Rows of training and test whose features were compared.
    pub rows: usize,
    /// Of them, those with a feature that has other bits.
    pub rows_changed: usize,
    /// By name, in how many rows.
    pub features_changed: BTreeMap<String, usize>,
    /// Rows that are in one training part only, or with another label.
    pub labels_changed: usize,
    /// Of the test rows, in their order.
    pub scores: Vec<f64>,
    pub scores_changed: usize,
}

impl Compared {
    pub fn add(&mut self, other: Compared) {
        self.rows += other.rows;
        self.rows_changed += other.rows_changed;
        for (name, rows) in other.features_changed {
            *self.features_changed.entry(name).or_default() += rows;
        }
        self.labels_changed += other.labels_changed;
        self.scores.extend(other.scores);
        self.scores_changed += other.scores_changed;
    }

    /// Nothing may differ by a bit.
    pub fn strict(&self, finding: Finding) -> Finding {
        let changed = self.rows_changed + self.labels_changed + self.scores_changed;
        Finding {
            verdict: Verdict::leak_if(changed > 0),
            note: format!(
                "{} scores must keep every bit, and what they were made from",
                self.scores.len()
            ),
            ..self.described(finding)
        }
    }

    pub fn described(&self, finding: Finding) -> Finding {
        let mut features: Vec<(String, usize)> =
            self.features_changed.clone().into_iter().collect();
        features.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        Finding {
            rows: self.rows,
            rows_changed: self.rows_changed,
            scores: self.scores.len(),
            scores_changed: self.scores_changed,
            training_labels_changed: self.labels_changed,
            features_changed: features,
            ..finding
        }
    }
}
