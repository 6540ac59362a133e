//! The curves behind the figures, thinned to what a plot can show: the report draws these points and
//! no others.

use compare::interval::{Interval, wilson};
use serde::Serialize;

use super::measure::{self, ScoredRows};
use crate::boost::average_precision;
use model::calibration::Calibration;

/// All folds of one kind as one set, first seed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Curves {
    /// Which folds these rows are of: test, or validation where the test was not read.
    pub of: &'static str,
    pub rows: usize,
    pub frauds: usize,
    pub ap: f64,
    pub auc: f64,
    /// Recall and precision, from the highest score down.
    pub precision_recall: Vec<[f64; 2]>,
    /// Share of legitimate rows alerted, and recall.
    pub roc: Vec<[f64; 2]>,
    pub reliability: Vec<ReliabilityBin>,
    pub distribution: Vec<ScoreBin>,
    pub budgets: Vec<Budget>,
}

/// Rows whose calibrated log-odds lie in one range.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ReliabilityBin {
    pub log_odds_from: f64,
    pub log_odds_until: f64,
    pub rows: usize,
    pub frauds: usize,
    /// Mean probability that was said.
    pub said: f64,
    /// Share of frauds that came, within Wilson's 95 % interval (Wilson 1927).
    pub came: f64,
    pub low: f64,
    pub high: f64,
}

/// Share of each class whose score 0-1000 lies in one range.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ScoreBin {
    pub from: u16,
    /// Exclusive, but for the last.
    pub until: u16,
    pub fraud: f64,
    pub legitimate: f64,
}

/// What is caught when this share of rows is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Budget {
    pub share: f64,
    pub recall: f64,
    /// Frauds counted by their amounts.
    pub value_recall: f64,
}

/// Points closer than this to the last one drawn are left out.
const STEP: f64 = 1.0 / 120.0;
const RELIABILITY_BINS: usize = 12;
const SCORE_BINS: u16 = 25;
const BUDGETS: [f64; 12] = [
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2,
];

impl Curves {
    pub fn of(of: &'static str, rows: &ScoredRows, calibration: &Calibration) -> Curves {
        let (precision_recall, roc) = rankings(&rows.scores, &rows.fraud);
        Curves {
            of,
            rows: rows.fraud.len(),
            frauds: rows.fraud.iter().filter(|fraud| **fraud).count(),
            ap: average_precision(&rows.scores, &rows.fraud, None),
            auc: crate::metric::auc(&rows.scores, &rows.fraud),
            precision_recall,
            roc,
            reliability: reliability(rows, calibration),
            distribution: distribution(rows, calibration),
            budgets: BUDGETS
                .iter()
                .map(|share| Budget {
                    share: *share,
                    recall: measure::recall_at_alerts(rows, *share),
                    value_recall: measure::value_recall(rows, *share),
                })
                .collect(),
        }
    }
}

type Points = Vec<[f64; 2]>;

/// Precision against recall, and recall against false alarms, at the end of each run of equal scores.
fn rankings(scores: &[f64], fraud: &[bool]) -> (Points, Points) {
    let order = measure::ranked(scores);
    let frauds = fraud.iter().filter(|fraud| **fraud).count() as f64;
    let others = fraud.len() as f64 - frauds;
    let (mut hits, mut wrong) = (0.0, 0.0);
    let (mut curve, mut roc) = (Points::new(), vec![[0.0, 0.0]]);
    for tied in order.chunk_by(|a, b| scores[*a] == scores[*b]) {
        let here = tied.iter().filter(|row| fraud[**row]).count() as f64;
        hits += here;
        wrong += tied.len() as f64 - here;
        let recall = hits / frauds.max(1.0);
        curve.push([recall, hits / (hits + wrong)]);
        roc.push([wrong / others.max(1.0), recall]);
    }
    (thinned(&curve), thinned(&roc))
}

/// The first, the last, and what lies a visible step from the one before.
fn thinned(points: &[[f64; 2]]) -> Points {
    let mut kept: Points = Vec::new();
    for (at, point) in points.iter().enumerate() {
        let far = kept.last().is_none_or(|last| {
            (point[0] - last[0]).abs() >= STEP || (point[1] - last[1]).abs() >= STEP
        });
        if far || at + 1 == points.len() {
            kept.push(*point);
        }
    }
    kept
}

fn reliability(rows: &ScoredRows, calibration: &Calibration) -> Vec<ReliabilityBin> {
    let odds: Vec<f64> = rows
        .scores
        .iter()
        .map(|raw| calibration.log_odds(*raw))
        .collect();
    let least = odds.iter().copied().fold(f64::INFINITY, f64::min);
    let most = odds.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let width = (most - least) / RELIABILITY_BINS as f64;
    let bin_of = |odds: f64| (((odds - least) / width) as usize).min(RELIABILITY_BINS - 1);
    let mut bins = vec![(0_usize, 0_usize, 0.0); RELIABILITY_BINS];
    for (odds, fraud) in odds.iter().zip(&rows.fraud) {
        let bin = &mut bins[if width > 0.0 { bin_of(*odds) } else { 0 }];
        bin.0 += 1;
        bin.1 += usize::from(*fraud);
        bin.2 += model::score::sigmoid(*odds);
    }
    let filled = bins.iter().enumerate().filter(|(_, bin)| bin.0 > 0);
    filled
        .map(|(at, (count, frauds, said))| {
            let came = *frauds as f64 / *count as f64;
            let Interval { low, high } = wilson(came, *count as f64);
            ReliabilityBin {
                log_odds_from: least + width * at as f64,
                log_odds_until: least + width * (at + 1) as f64,
                rows: *count,
                frauds: *frauds,
                said: said / *count as f64,
                came,
                low,
                high,
            }
        })
        .collect()
}

fn distribution(rows: &ScoredRows, calibration: &Calibration) -> Vec<ScoreBin> {
    let width = model::score::SCORE_MAX / SCORE_BINS;
    let mut counts = vec![[0.0_f64; 2]; usize::from(SCORE_BINS)];
    let mut totals = [0.0_f64; 2];
    for (raw, fraud) in rows.scores.iter().zip(&rows.fraud) {
        let bin = (calibration.score(*raw) / width).min(SCORE_BINS - 1);
        counts[usize::from(bin)][usize::from(*fraud)] += 1.0;
        totals[usize::from(*fraud)] += 1.0;
    }
    (0..SCORE_BINS)
        .zip(counts)
        .map(|(bin, counts)| ScoreBin {
            from: bin * width,
            until: (bin + 1) * width,
            fraud: counts[1] / totals[1].max(1.0),
            legitimate: counts[0] / totals[0].max(1.0),
        })
        .collect()
}
