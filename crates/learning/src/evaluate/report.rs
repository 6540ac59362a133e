//! What an evaluation found, as data (JSON) and as a table.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use super::bootstrap::Interval;
use super::curves::Curves;
use super::duel::Duel;
use super::measure::{AP, Figures};
use super::protocol::{Candidate, NetworkCandidate, Protocol};
use super::samples::Samples;

#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub protocol: String,
    pub schema_hash: String,
    pub feature_list_hash: String,
    /// The protocol in words.
    pub setting: Vec<(String, String)>,
    pub sizes: Sizes,
    pub seeds: Vec<u64>,
    /// Rungs that looked at the test.
    pub test_reads: usize,
    pub rungs: Vec<RungReport>,
    /// Rungs with networks beside trees, at the point where the trees work.
    pub duels: Vec<Duel>,
}

/// Rows and frauds of training and test, fold by fold.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sizes {
    pub validation: Vec<[(usize, usize); 2]>,
    pub test: Vec<[(usize, usize); 2]>,
}

#[derive(Clone, Debug, Serialize)]
pub struct RungReport {
    pub name: String,
    pub features: usize,
    pub chosen: Option<Chosen>,
    /// Every choice that was open, with its validation AP.
    pub tried: Vec<Tried>,
    /// Mean over validation folds: what the choice was made by.
    pub validation_ap: f64,
    pub validation: Figures,
    /// Of the test, or of the validation folds where the test was not read.
    pub curves: Curves,
    pub test: Option<TestReport>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Chosen {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trees: Option<ChosenTrees>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<ChosenNetwork>,
    /// Of the network's log-odds in the sum with those of the trees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_share: Option<f64>,
}

#[derive(Clone, Debug, Serialize)]
pub struct ChosenTrees {
    pub rounds: usize,
    pub candidate: Candidate,
}

#[derive(Clone, Debug, Serialize)]
pub struct ChosenNetwork {
    pub epochs: usize,
    pub candidate: NetworkCandidate,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Tried {
    /// Number of the candidate in the protocol.
    pub candidate: usize,
    pub how_far: HowFar,
    pub ap: f64,
}

/// Where a training was stopped, or how two models were mixed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HowFar {
    Rounds(usize),
    Epochs(usize),
    NetworkShare(f64),
}

/// Mean and standard deviation over seeds, by figure.
pub type Spread = BTreeMap<&'static str, (f64, f64)>;

#[derive(Clone, Debug, Serialize)]
pub struct TestReport {
    /// Seeds that were run.
    pub runs: usize,
    /// Of the first seed.
    pub per_fold_ap: Vec<f64>,
    /// Each figure's mean over folds.
    pub folds: Spread,
    /// All folds as one set.
    pub pooled: Spread,
    /// 95 % of the mean AP over folds, by subjects.
    pub ap_interval: Interval,
    /// 95 % of the AP gained over the rung before, by the same resamples.
    pub ap_gain: Option<Interval>,
    /// Shares of the gain in training.
    pub importance: Vec<(String, f64)>,
}

impl Report {
    pub fn new(
        protocol: &Protocol,
        samples: &Samples,
        sizes: Sizes,
        rungs: Vec<RungReport>,
        duels: Vec<Duel>,
    ) -> Report {
        let hex = |bytes: [u8; 32]| event::hex(&bytes);
        Report {
            protocol: protocol.name.clone(),
            schema_hash: samples.schema.hash().hex(),
            feature_list_hash: hex(samples.features.hash()),
            setting: protocol.setting(),
            sizes,
            seeds: protocol.seeds.clone(),
            test_reads: rungs.iter().filter(|rung| rung.test.is_some()).count(),
            rungs,
            duels,
        }
    }

    /// For a terminal: 100 columns.
    pub fn table(&self) -> String {
        let mut out = String::new();
        let write = |out: &mut String, text: std::fmt::Arguments<'_>| {
            // Writing to a string cannot fail.
            let _ = out.write_fmt(text);
        };
        write(&mut out, format_args!("protocol {}\n", self.protocol));
        for (name, folds) in [
            ("validation", &self.sizes.validation),
            ("test", &self.sizes.test),
        ] {
            for (fold, [train, test]) in folds.iter().enumerate() {
                write(
                    &mut out,
                    format_args!(
                        "{name} fold {fold}: training {} rows, {} fraud; scored {} rows, {} fraud\n",
                        train.0, train.1, test.0, test.1
                    ),
                );
            }
        }
        write(
            &mut out,
            format_args!(
                "\n{:<26} {:>5} {:>8} {:>16} {:>14} {:>14} {:>7} {:>7} {:>7}\n",
                "rung", "feat.", "val. AP", "AP", "95 %", "gain 95 %", "AUC", "CP@k", "rec@1%"
            ),
        );
        for rung in &self.rungs {
            write(&mut out, format_args!("{}\n", rung.line()));
        }
        if !self.duels.is_empty() {
            write(
                &mut out,
                format_args!(
                    "\n{:<52} {:>15} {:>16} {:>8} {:>22}\n",
                    "rung, beside", "F1, beside", "change of 1-F1", "recall", "false alarms there"
                ),
            );
        }
        for duel in &self.duels {
            write(&mut out, format_args!("{}\n", duel.line()));
        }
        for rung in &self.rungs {
            out.push_str(&rung.figures());
        }
        write(
            &mut out,
            format_args!(
                "\nmeans over folds, +- sd over seeds {:?}; the test was read {} times for this report\n",
                self.seeds, self.test_reads
            ),
        );
        out
    }
}

impl RungReport {
    /// Every figure of the test: its mean over folds, and that of all folds as one set.
    fn figures(&self) -> String {
        let Some(test) = &self.test else {
            return String::new();
        };
        let text = |it: Option<&(f64, f64)>| match it {
            Some((mean, sd)) => format!("{mean:.5} +- {sd:.5}"),
            None => "-".to_owned(),
        };
        let mut out = format!(
            "\n{:<32} {:>22} {:>22}\n",
            self.name, "mean over folds", "folds as one set"
        );
        for (name, pooled) in &test.pooled {
            out.push_str(&format!(
                "  {name:<30} {:>22} {:>22}\n",
                text(test.folds.get(name)),
                text(Some(pooled))
            ));
        }
        out
    }

    fn line(&self) -> String {
        let head = format!(
            "{:<26} {:>5} {:>8.4}",
            self.name, self.features, self.validation_ap
        );
        let Some(test) = &self.test else {
            let tried: String = self
                .tried
                .iter()
                .map(|it| {
                    let how_far = match it.how_far {
                        HowFar::Rounds(rounds) => format!("{rounds} rounds"),
                        HowFar::Epochs(epochs) => format!("{epochs} epochs"),
                        HowFar::NetworkShare(share) => format!("network share {share:.1}"),
                    };
                    format!(
                        "\n  candidate {} with {how_far}: {:.4}",
                        it.candidate, it.ap
                    )
                })
                .collect();
            return format!("{head} {:>16}{tried}", "not read");
        };
        let (ap, sd) = test.folds.get(AP).copied().unwrap_or((f64::NAN, f64::NAN));
        let at = |name: &str| {
            test.folds
                .get(name)
                .map_or("-".to_owned(), |it| format!("{:.4}", it.0))
        };
        let range = |it: &Interval, sign: bool| {
            if sign {
                format!("{:+.3}..{:+.3}", it.low, it.high)
            } else {
                format!("{:.3}..{:.3}", it.low, it.high)
            }
        };
        let gain = test
            .ap_gain
            .as_ref()
            .map_or("-".to_owned(), |it| range(it, true));
        format!(
            "{head} {:>16} {:>14} {gain:>14} {:>7} {:>7} {:>7}",
            format!("{ap:.4} +- {sd:.4}"),
            range(&test.ap_interval, false),
            at("auc"),
            at("card_precision"),
            at("recall_at_alerts_1%"),
        )
    }
}
