//! Two rungs held against each other at the point where the weaker one works.

use serde::Serialize;

use super::bootstrap::Run;
use super::measure::{self, ScoredRows};

/// What a rung saves beside another on the test: each seed's folds as one set, then mean and sd over seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Duel {
    pub rung: String,
    pub beside: String,
    /// Of the other rung, at its threshold from validation.
    pub f1_beside: (f64, f64),
    pub f1: (f64, f64),
    /// Change of 1 - F1 as a share of the other's: -0.2 is a fifth less.
    pub f1_error_change: (f64, f64),
    /// Recall of the other rung at its threshold.
    pub recall: (f64, f64),
    /// Change of the false alarms at that recall, as a share of the other's.
    pub false_alarms_change: (f64, f64),
}

/// A rung's test, and the threshold that its validation chose.
pub struct Side<'a> {
    pub name: &'a str,
    pub runs: &'a [Run],
    pub threshold: f64,
}

impl Duel {
    /// `None` where the other rung catches nothing or raises no false alarm at its threshold.
    pub fn new(rung: &Side<'_>, beside: &Side<'_>) -> Option<Duel> {
        let mut rounds = Vec::new();
        for (ours, theirs) in rung.runs.iter().zip(beside.runs) {
            rounds.push(Round::new(
                (&measure::pool(ours), rung.threshold),
                (&measure::pool(theirs), beside.threshold),
            )?);
        }
        let over = |value: fn(&Round) -> f64| {
            measure::spread(&rounds.iter().map(value).collect::<Vec<f64>>())
        };
        Some(Duel {
            rung: rung.name.to_owned(),
            beside: beside.name.to_owned(),
            f1_beside: over(|it| it.f1_beside),
            f1: over(|it| it.f1),
            f1_error_change: over(|it| (1.0 - it.f1) / (1.0 - it.f1_beside) - 1.0),
            recall: over(|it| it.recall),
            false_alarms_change: over(|it| it.false_alarms / it.false_alarms_beside - 1.0),
        })
    }
}

impl Duel {
    /// For a terminal: shares in percent, +- sd over seeds.
    pub fn line(&self) -> String {
        let change =
            |(mean, sd): (f64, f64)| format!("{:+.1} % +- {:.1}", mean * 100.0, sd * 100.0);
        format!(
            "{:<52} {:>15} {:>16} {:>8.3} {:>22}",
            format!("{}, {}", self.rung, self.beside),
            format!("{:.3}, {:.3}", self.f1.0, self.f1_beside.0),
            change(self.f1_error_change),
            self.recall.0,
            change(self.false_alarms_change),
        )
    }
}

/// One seed's figures.
struct Round {
    f1: f64,
    f1_beside: f64,
    recall: f64,
    false_alarms: f64,
    false_alarms_beside: f64,
}

impl Round {
    fn new(ours: (&ScoredRows, f64), theirs: (&ScoredRows, f64)) -> Option<Round> {
        let (beside, threshold) = theirs;
        let (mut caught, mut false_alarms) = (0_usize, 0_usize);
        for (score, fraud) in beside.scores.iter().zip(&beside.fraud) {
            let alarm = *score >= threshold;
            caught += usize::from(alarm && *fraud);
            false_alarms += usize::from(alarm && !*fraud);
        }
        if caught == 0 || false_alarms == 0 {
            return None;
        }
        let frauds = beside.fraud.iter().filter(|fraud| **fraud).count();
        Some(Round {
            f1: measure::f1_at(&ours.0.scores, &ours.0.fraud, ours.1),
            f1_beside: measure::f1_at(&beside.scores, &beside.fraud, threshold),
            recall: caught as f64 / frauds as f64,
            false_alarms: false_alarms_to_catch(ours.0, caught) as f64,
            false_alarms_beside: false_alarms as f64,
        })
    }
}

/// Legitimate rows that score at least as high as the `wanted`-th fraud from the top.
fn false_alarms_to_catch(rows: &ScoredRows, wanted: usize) -> usize {
    let of = |wanted: bool| {
        let pairs = rows.scores.iter().zip(&rows.fraud);
        pairs.filter(move |(_, fraud)| **fraud == wanted)
    };
    let mut frauds: Vec<f64> = of(true).map(|(score, _)| *score).collect();
    frauds.sort_by(|a, b| b.total_cmp(a));
    let least = frauds[wanted - 1];
    of(false).filter(|(score, _)| **score >= least).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(scored: &[(f64, bool)]) -> Run {
        vec![ScoredRows {
            scores: scored.iter().map(|it| it.0).collect(),
            fraud: scored.iter().map(|it| it.1).collect(),
            ..ScoredRows::default()
        }]
    }

    #[test]
    fn false_alarms_are_counted_where_the_other_rung_works() {
        // Theirs at 0.5: two of three frauds caught with two false alarms; F1 2*2/(4+3) = 4/7.
        let theirs = [
            (0.9, true),
            (0.8, false),
            (0.7, false),
            (0.6, true),
            (0.2, true),
            (0.1, false),
        ];
        // Ours: the second fraud lies below one legitimate row and level with none. F1 at 3.5: 2/4.
        let ours = [
            (4.0, true),
            (2.0, false),
            (1.0, false),
            (3.0, true),
            (0.0, true),
            (3.2, false),
        ];
        let (ours, theirs) = ([rows(&ours)], [rows(&theirs)]);
        let side = |name, runs, threshold| Side {
            name,
            runs,
            threshold,
        };
        let duel = Duel::new(&side("a", &ours, 3.5), &side("b", &theirs, 0.5)).unwrap();
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        close(duel.recall.0, 2.0 / 3.0);
        close(duel.false_alarms_change.0, -0.5);
        close(duel.f1.0, 0.5);
        close(duel.f1_beside.0, 4.0 / 7.0);
        close(duel.f1_error_change.0, 0.5 / (3.0 / 7.0) - 1.0);
        // A threshold that nobody reaches leaves nothing to compare.
        assert!(Duel::new(&side("a", &ours, 3.5), &side("b", &theirs, 1.0)).is_none());
    }
}
