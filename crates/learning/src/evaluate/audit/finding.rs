//! What the audit found, as data (JSON) and as a table.

use std::fmt::Write;

use serde::Serialize;

use super::Check;
use crate::evaluate::bootstrap::Interval;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Clean,
    Leak,
    /// Could not be measured on this history; the note says why.
    Skipped,
}

impl Verdict {
    pub fn leak_if(found: bool) -> Verdict {
        if found { Verdict::Leak } else { Verdict::Clean }
    }

    fn text(self) -> &'static str {
        match self {
            Verdict::Clean => "clean",
            Verdict::Leak => "LEAK",
            Verdict::Skipped => "skipped",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    pub check: &'static str,
    /// What was done to the copy of the log.
    pub altered: String,
    pub verdict: Verdict,
    /// Mean AP over folds on the altered history.
    pub ap: Option<f64>,
    /// AP that must not be passed.
    pub bound: Option<f64>,
    /// 99 % interval of the change of AP.
    pub change: Option<Interval>,
    /// Feature rows compared bit by bit, and those that differ.
    pub rows: usize,
    pub rows_changed: usize,
    pub scores: usize,
    pub scores_changed: usize,
    pub training_labels_changed: usize,
    /// In how many rows each differs, most first.
    pub features_changed: Vec<(String, usize)>,
    pub note: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditReport {
    pub protocol: String,
    pub schema_hash: String,
    /// Which folds were scored: validation or test.
    pub folds: &'static str,
    pub rung: String,
    pub features: usize,
    /// Rounds and seed of the audited model: the first candidate, nothing is chosen.
    pub rounds: usize,
    pub seed: u64,
    pub prevalence: f64,
    /// Mean AP over folds on the history as it is.
    pub ap: f64,
    pub clean: bool,
    pub findings: Vec<Finding>,
}

const FEATURES_NAMED: usize = 5;

impl Finding {
    pub fn new(check: Check, altered: String) -> Finding {
        Finding {
            check: check.name(),
            altered,
            verdict: Verdict::Clean,
            ap: None,
            bound: None,
            change: None,
            rows: 0,
            rows_changed: 0,
            scores: 0,
            scores_changed: 0,
            training_labels_changed: 0,
            features_changed: Vec::new(),
            note: String::new(),
        }
    }

    fn figures(&self) -> String {
        let mut parts = Vec::new();
        if let Some(ap) = self.ap {
            parts.push(format!("AP {ap:.4}"));
        }
        if let Some(bound) = self.bound {
            parts.push(format!("bound {bound:.4}"));
        }
        if let Some(change) = &self.change {
            parts.push(format!("change {:+.4}..{:+.4}", change.low, change.high));
        }
        if self.rows > 0 {
            parts.push(format!(
                "{} of {} rows differ",
                self.rows_changed, self.rows
            ));
            parts.push(format!(
                "{} of {} scores differ",
                self.scores_changed, self.scores
            ));
        }
        if self.training_labels_changed > 0 {
            let changed = self.training_labels_changed;
            parts.push(format!("{changed} training labels differ"));
        }
        parts.join(", ")
    }
}

impl AuditReport {
    /// For a terminal.
    pub fn table(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "leak audit of protocol {}, {} folds, {} ({} features, {} rounds, seed {}): AP {:.4}, fraud share {:.4}\n",
            self.protocol,
            self.folds,
            self.rung,
            self.features,
            self.rounds,
            self.seed,
            self.ap,
            self.prevalence,
        );
        for finding in &self.findings {
            let head = format!("{:<8}{:<8}", finding.verdict.text(), finding.check);
            let _ = writeln!(out, "{head}{}", finding.altered);
            for line in [finding.figures(), finding.note.clone()] {
                if !line.is_empty() {
                    let _ = writeln!(out, "{:<16}{line}", "");
                }
            }
            for (name, rows) in finding.features_changed.iter().take(FEATURES_NAMED) {
                let _ = writeln!(out, "{:<16}{name} differs in {rows} rows", "");
            }
        }
        let verdict = if self.clean {
            "clean: no check found a leak"
        } else {
            "NOT CLEAN: figures of this protocol cannot be believed until the leak is found"
        };
        let _ = writeln!(out, "\n{verdict}");
        out
    }
}
