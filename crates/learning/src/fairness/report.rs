//! What the audit of one world found, and which of its demands are met.

use std::fmt::Write;

use serde::Serialize;

use super::Facts;
use super::artefacts::Artefacts;
use super::columns::Column;
use super::ladder::Ladder;
use super::spread::Spread;
use super::structures::{HARD_NEGATIVES_MIN, Likeness};

const COLUMN_AUC_MAX: f64 = 0.65;
const RUNG_GAIN_MIN: f64 = 0.05;
const SINGLE_SHARE_MAX: f64 = 0.4;
const BEST_AP_MAX: f64 = 0.95;
const RING_SHARE_MAX: f64 = 0.03;
/// Of the rings of a typology, those with five hard negatives near them in everything.
const MATCHED_MIN: f64 = 0.5;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    #[serde(skip)]
    pub facts: Facts,
    pub spread: Spread,
    pub artefacts: Artefacts,
    pub columns: Vec<Column>,
    pub structures: Vec<Likeness>,
    /// Left out where only the cheap part was asked for.
    pub ladder: Option<Ladder>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    pub demand: &'static str,
    pub holds: bool,
    pub found: String,
}

impl Report {
    pub fn checks(&self) -> Vec<Check> {
        let mut checks = self.form_checks();
        checks.extend(self.ladder_checks());
        checks.extend(self.structure_checks());
        checks.extend(self.spread_checks());
        checks
    }

    fn form_checks(&self) -> Vec<Check> {
        let artefacts = &self.artefacts;
        let worst = self.columns.first();
        vec![
            Check {
                demand: "artefacts: AUC within 99 % of shuffled labels",
                holds: artefacts.is_clean(),
                found: format!(
                    "{:.3} in {:.3}..{:.3}",
                    artefacts.auc, artefacts.low, artefacts.high
                ),
            },
            Check {
                demand: "every raw column alone: AUC <= 0.65",
                holds: worst.is_none_or(|it| it.auc.max(1.0 - it.auc) <= COLUMN_AUC_MAX),
                found: worst.map_or(String::new(), |it| format!("{} {:.3}", it.name, it.auc)),
            },
        ]
    }

    fn ladder_checks(&self) -> Vec<Check> {
        let Some(ladder) = &self.ladder else {
            return Vec::new();
        };
        let mut checks = Vec::new();
        let demands = [
            "transaction: >= 0.05 AP over the prevalence",
            "history: >= 0.05 AP over the transaction, lower bound > 0",
            "graph: >= 0.05 AP over history, lower bound > 0",
        ];
        for (rung, demand) in ladder.rungs.iter().zip(demands) {
            let (holds, gain) = match &rung.gain {
                None => (
                    rung.ap - self.spread.prevalence >= RUNG_GAIN_MIN,
                    String::new(),
                ),
                Some((gain, interval)) => (
                    *gain >= RUNG_GAIN_MIN && interval.low > 0.0,
                    format!(" ({gain:+.3}, {:+.3}..{:+.3})", interval.low, interval.high),
                ),
            };
            checks.push(Check {
                demand,
                holds,
                found: format!("AP {:.3}{gain}", rung.ap),
            });
        }
        let best = ladder.rungs.iter().map(|it| it.ap).fold(0.0, f64::max);
        if let Some((name, ap)) = ladder.best_single.first() {
            checks.push(Check {
                demand: "no single engineered feature above 40 % of the best AP",
                holds: *ap <= SINGLE_SHARE_MAX * best,
                found: format!("{name} {ap:.3}, {:.0} %", 100.0 * ap / best),
            });
        }
        if let Some((gain, interval)) = ladder.without_novelty.last().and_then(|it| it.gain) {
            checks.push(Check {
                demand: "the graph's gain survives without novelty features",
                holds: interval.low > 0.0,
                found: format!("{gain:+.3}, {:+.3}..{:+.3}", interval.low, interval.high),
            });
        }
        checks.push(Check {
            demand: "the best AP stays <= 0.95",
            holds: best <= BEST_AP_MAX,
            found: format!("{best:.3}"),
        });
        checks
    }

    fn structure_checks(&self) -> Vec<Check> {
        let few: Vec<&str> = self
            .structures
            .iter()
            .filter(|it| it.hard_negatives < HARD_NEGATIVES_MIN * it.rings)
            .map(|it| it.typology.as_str())
            .collect();
        let unlike: Vec<String> = self
            .structures
            .iter()
            .flat_map(|it| {
                let far = it.measures.iter().filter(|measure| !measure.is_near());
                far.map(|measure| {
                    format!(
                        "{} {} {:.2}/{:.2}",
                        it.typology, measure.name, measure.rings, measure.hard_negatives
                    )
                })
            })
            .collect();
        let unmatched: Vec<String> = self
            .structures
            .iter()
            .filter(|it| it.matched_rings < MATCHED_MIN)
            .map(|it| format!("{} {:.0} %", it.typology, 100.0 * it.matched_rings))
            .collect();
        let listed = |names: &[String]| {
            if names.is_empty() {
                "all".to_owned()
            } else {
                format!("not: {}", names.join(", "))
            }
        };
        vec![
            Check {
                demand: "five hard negatives for each ring of a typology",
                holds: few.is_empty(),
                found: listed(&few.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>()),
            },
            Check {
                demand: "their means within 20 % in size, span, flow, sharing",
                holds: unlike.is_empty(),
                found: listed(&unlike),
            },
            Check {
                demand: "half of the rings have five near them in all four at once",
                holds: unmatched.is_empty(),
                found: listed(&unmatched),
            },
        ]
    }

    fn spread_checks(&self) -> Vec<Check> {
        let spread = &self.spread;
        let [fraud, ordinary] = spread.new_payees;
        let least = spread.weeks.iter().min().copied().unwrap_or(0);
        let mut checks = vec![
            Check {
                demand: "first-time payees: ordinary at least half as often",
                holds: ordinary >= 0.5 * fraud,
                found: format!("{ordinary:.2} ordinary, {fraud:.2} fraud"),
            },
            Check {
                demand: "fraud in every week",
                holds: least > 0,
                found: format!("at least {least}"),
            },
            Check {
                demand: "prevalence within 10 % of the parameter",
                holds: (spread.prevalence / self.facts.prevalence - 1.0).abs() <= 0.1,
                found: format!("{:.5} of {:.5}", spread.prevalence, self.facts.prevalence),
            },
            Check {
                demand: "test rings reuse no account but a slice of mules",
                holds: spread.reused_accounts <= self.facts.recurrent_mules
                    && spread.reused_others == 0.0,
                found: format!(
                    "{:.1} % reused, {:.1} % of them no mules",
                    100.0 * spread.reused_accounts,
                    100.0 * spread.reused_others
                ),
            },
            Check {
                demand: "no ring holds more than 3 % of the test's frauds",
                holds: spread.largest_ring <= RING_SHARE_MAX,
                found: format!("{:.1} %", 100.0 * spread.largest_ring),
            },
        ];
        if let Some([before, after]) = spread.held_out {
            checks.push(Check {
                demand: "the held-out typology only after its day",
                holds: before == 0 && after > 0,
                found: format!("{before} before, {after} after"),
            });
        }
        checks
    }

    /// For a terminal.
    pub fn table(&self) -> String {
        let mut out = String::new();
        // writing to a string cannot fail
        let _ = writeln!(
            out,
            "seed {}: {} events, {} frauds",
            self.facts.seed, self.spread.events, self.spread.frauds
        );
        for check in self.checks() {
            let mark = if check.holds { "ok  " } else { "MISS" };
            let _ = writeln!(out, "{mark} {:<62} {}", check.demand, check.found);
        }
        out
    }
}
