//! What a ranking of scored rows is worth. Rows of equal score count as one step everywhere: which of
//! them a sort happens to put first changes no figure.

use std::collections::{BTreeMap, BTreeSet};

use event::{EventTime, Span};
use model::calibration::Calibration;

use crate::boost::average_precision;
use crate::calibrate;
use crate::metric::auc;

/// Scored rows of one fold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScoredRows {
    /// Log-odds, or whatever the model ranks by.
    pub scores: Vec<f64>,
    pub fraud: Vec<bool>,
    pub times: Vec<EventTime>,
    pub subjects: Vec<u32>,
    /// What a bootstrap draws together: a ring where one is known, else the subject.
    pub blocks: Vec<u32>,
    /// Whether the subject is in the fold's training; empty when nobody asks.
    pub trained_on: Vec<bool>,
    /// Major units.
    pub amounts: Vec<f64>,
    /// How many events each row stands for, where a bootstrap is to know; empty: all alike.
    pub weights: Vec<f64>,
}

/// Figures by name.
pub type Figures = BTreeMap<&'static str, f64>;

pub const AP: &str = "ap";

/// Bins of the calibration error.
const ECE_BINS: usize = 15;

/// What validation decided before the test was looked at.
#[derive(Clone, Copy, Debug)]
pub struct Choices<'a> {
    pub threshold: f64,
    pub calibration: &'a Calibration,
    /// Subjects and period of card precision.
    pub cards: Option<(usize, Span)>,
}

pub fn measure(rows: &ScoredRows, choices: &Choices<'_>) -> Figures {
    let (scores, fraud) = (rows.scores.as_slice(), rows.fraud.as_slice());
    let mut figures = Figures::new();
    figures.insert(AP, average_precision(scores, fraud, None));
    figures.insert("auc", auc(scores, fraud));
    figures.insert("f1", f1_at(scores, fraud, choices.threshold));
    figures.insert("macro_f1", macro_f1_at(scores, fraud, choices.threshold));
    figures.insert("recall_at_alerts_0.5%", recall_at_alerts(rows, 0.005));
    figures.insert("recall_at_alerts_1%", recall_at_alerts(rows, 0.01));
    figures.insert("recall_at_alerts_2%", recall_at_alerts(rows, 0.02));
    figures.insert("recall_at_alerts_5%", recall_at_alerts(rows, 0.05));
    figures.insert("value_recall_at_alerts_1%", value_recall(rows, 0.01));
    figures.insert("recall_at_fpr_0.1%", recall_at_fpr(scores, fraud, 0.001));
    figures.insert("recall_at_fpr_1%", recall_at_fpr(scores, fraud, 0.01));
    if let Some((cards, period)) = choices.cards {
        figures.insert("card_precision", card_precision(rows, cards, period));
    }
    by_acquaintance(rows, &mut figures);
    let odds: Vec<f64> = scores
        .iter()
        .map(|raw| choices.calibration.log_odds(*raw))
        .collect();
    let probabilities: Vec<f64> = odds
        .iter()
        .map(|odds| model::score::sigmoid(*odds))
        .collect();
    figures.insert("brier", brier(&probabilities, fraud));
    figures.insert("ece", calibration_error(&probabilities, fraud));
    if let Ok(reliability) = calibrate::reliability(&odds, fraud) {
        figures.insert("log_loss_skill", reliability.skill);
        figures.insert("calibration_slope", reliability.slope);
        figures.insert("calibration_intercept", reliability.intercept);
    }
    figures
}

/// Subjects that training has seen, and those it has not, apart: AP of each by itself, and how much of
/// its frauds the same 1 % of alerts catches.
fn by_acquaintance(rows: &ScoredRows, figures: &mut Figures) {
    if rows.trained_on.len() != rows.scores.len() {
        return;
    }
    let names = [
        (true, "frauds_seen", "ap_seen", "recall_at_alerts_1%_seen"),
        (
            false,
            "frauds_unseen",
            "ap_unseen",
            "recall_at_alerts_1%_unseen",
        ),
    ];
    for (seen, count, ap, recall) in names {
        let of: Vec<usize> = (0..rows.scores.len())
            .filter(|row| rows.trained_on[*row] == seen)
            .collect();
        let scores: Vec<f64> = of.iter().map(|row| rows.scores[*row]).collect();
        let fraud: Vec<bool> = of.iter().map(|row| rows.fraud[*row]).collect();
        let frauds = fraud.iter().filter(|fraud| **fraud).count();
        figures.insert(count, frauds as f64);
        if frauds > 0 {
            figures.insert(ap, average_precision(&scores, &fraud, None));
            let caught = caught_within(&rows.scores, 0.01, |row| {
                f64::from(u8::from(rows.fraud[row] && rows.trained_on[row] == seen))
            });
            figures.insert(recall, caught);
        }
    }
}

/// Row numbers from the highest score down, and where each run of equal scores ends.
pub fn ranked(scores: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    order
}

/// Harmonic mean of precision and recall when everything at or above the threshold is an alert.
pub fn f1_at(scores: &[f64], fraud: &[bool], threshold: f64) -> f64 {
    f1_of(scores.iter().map(|score| *score >= threshold), fraud, true)
}

/// Mean of the F1 of fraud and of legitimate rows.
pub fn macro_f1_at(scores: &[f64], fraud: &[bool], threshold: f64) -> f64 {
    let alerts = || scores.iter().map(|score| *score >= threshold);
    (f1_of(alerts(), fraud, true) + f1_of(alerts(), fraud, false)) / 2.0
}

fn f1_of(alerts: impl Iterator<Item = bool>, fraud: &[bool], class: bool) -> f64 {
    let (mut both, mut either) = (0.0, 0.0);
    for (alert, fraud) in alerts.zip(fraud) {
        both += f64::from(u8::from(alert == class && *fraud == class));
        either += f64::from(u8::from(alert == class)) + f64::from(u8::from(*fraud == class));
    }
    if either == 0.0 {
        0.0
    } else {
        2.0 * both / either
    }
}

/// The score at which F1 is highest; alerts are scores at or above it.
pub fn best_threshold(scores: &[f64], fraud: &[bool]) -> f64 {
    let order = ranked(scores);
    let frauds = fraud.iter().filter(|fraud| **fraud).count() as f64;
    let (mut alerts, mut caught) = (0.0, 0.0);
    let mut best = (0.0, f64::INFINITY);
    for tied in order.chunk_by(|a, b| scores[*a] == scores[*b]) {
        alerts += tied.len() as f64;
        caught += tied.iter().filter(|row| fraud[**row]).count() as f64;
        let f1 = 2.0 * caught / (alerts + frauds);
        if f1 > best.0 {
            best = (f1, scores[tied[0]]);
        }
    }
    best.1
}

/// Share of `gain` among the `share` of rows with the highest scores. A run of equal scores that the
/// budget cuts counts by the part that fits.
fn caught_within(scores: &[f64], share: f64, gain: impl Fn(usize) -> f64) -> f64 {
    let total: f64 = (0..scores.len()).map(&gain).sum();
    let mut room = (scores.len() as f64 * share).floor();
    let mut caught = 0.0;
    for tied in ranked(scores).chunk_by(|a, b| scores[*a] == scores[*b]) {
        let taken = room.min(tied.len() as f64);
        let here: f64 = tied.iter().map(|row| gain(*row)).sum();
        caught += here * taken / tied.len() as f64;
        room -= taken;
        if room <= 0.0 {
            break;
        }
    }
    if total == 0.0 { 0.0 } else { caught / total }
}

/// Share of frauds among the given share of rows with the highest scores.
pub fn recall_at_alerts(rows: &ScoredRows, share: f64) -> f64 {
    caught_within(&rows.scores, share, |row| {
        f64::from(u8::from(rows.fraud[row]))
    })
}

/// The same, each fraud counted by its amount.
pub fn value_recall(rows: &ScoredRows, share: f64) -> f64 {
    caught_within(&rows.scores, share, |row| {
        if rows.fraud[row] {
            rows.amounts[row]
        } else {
            0.0
        }
    })
}

/// Share of frauds caught while at most this share of legitimate rows is alerted; between two steps of
/// the curve by straight line, as an ROC curve is drawn.
pub fn recall_at_fpr(scores: &[f64], fraud: &[bool], rate: f64) -> f64 {
    let frauds = fraud.iter().filter(|fraud| **fraud).count() as f64;
    let others = fraud.len() as f64 - frauds;
    if frauds == 0.0 {
        return 0.0;
    }
    let mut room = others * rate;
    let mut caught = 0.0;
    for tied in ranked(scores).chunk_by(|a, b| scores[*a] == scores[*b]) {
        let hits = tied.iter().filter(|row| fraud[**row]).count() as f64;
        let wrong = tied.len() as f64 - hits;
        if wrong > room {
            caught += hits * room / wrong;
            break;
        }
        caught += hits;
        room -= wrong;
    }
    caught / frauds
}

/// Card precision: per period, the share of truly defrauded subjects among those with the highest
/// maximum score, subjects found in an earlier period left out; the mean over periods.
/// (Le Borgne et al., Reproducible Machine Learning for Credit Card Fraud Detection, chapter 4.)
pub fn card_precision(rows: &ScoredRows, cards: usize, period: Span) -> f64 {
    let origin = rows.times.iter().min().copied().unwrap_or(EventTime::MIN);
    let begin =
        EventTime::from_millis(origin.millis().div_euclid(period.millis()) * period.millis());
    let mut periods: BTreeMap<i64, BTreeMap<u32, (f64, bool)>> = BTreeMap::new();
    for row in 0..rows.scores.len() {
        let at = rows.times[row]
            .since(begin)
            .millis()
            .div_euclid(period.millis());
        let held = periods
            .entry(at)
            .or_default()
            .entry(rows.subjects[row])
            .or_insert((f64::NEG_INFINITY, false));
        held.0 = held.0.max(rows.scores[row]);
        held.1 |= rows.fraud[row];
    }
    let mut found: BTreeSet<u32> = BTreeSet::new();
    let mut sum = 0.0;
    for subjects in periods.values() {
        let mut left: Vec<(u32, f64, bool)> = subjects
            .iter()
            .filter(|(subject, _)| !found.contains(subject))
            .map(|(subject, (score, fraud))| (*subject, *score, *fraud))
            .collect();
        left.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        left.truncate(cards);
        let hits = left.iter().filter(|(_, _, fraud)| *fraud);
        let before = found.len();
        found.extend(hits.map(|(subject, _, _)| *subject));
        sum += (found.len() - before) as f64 / cards as f64;
    }
    sum / periods.len().max(1) as f64
}

/// Mean squared error of probabilities.
pub fn brier(probabilities: &[f64], fraud: &[bool]) -> f64 {
    let errors = probabilities.iter().zip(fraud).map(|(p, fraud)| {
        let truth = f64::from(u8::from(*fraud));
        (p - truth).powi(2)
    });
    errors.sum::<f64>() / probabilities.len().max(1) as f64
}

/// Expected calibration error over bins of equal counts: where frauds are rare, bins of equal width
/// would put nearly all rows into one.
pub fn calibration_error(probabilities: &[f64], fraud: &[bool]) -> f64 {
    let order = ranked(probabilities);
    let rows = order.len();
    let mut error = 0.0;
    for bin in 0..ECE_BINS {
        let held = &order[rows * bin / ECE_BINS..rows * (bin + 1) / ECE_BINS];
        let said: f64 = held.iter().map(|row| probabilities[*row]).sum();
        let came = held.iter().filter(|row| fraud[**row]).count() as f64;
        error += (said - came).abs();
    }
    error / rows.max(1) as f64
}

/// Mean and standard deviation (n - 1) over runs or folds, figure by figure.
pub fn mean_and_sd(runs: &[Figures]) -> BTreeMap<&'static str, (f64, f64)> {
    let mut gathered: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
    for (name, value) in runs.iter().flatten() {
        gathered.entry(name).or_default().push(*value);
    }
    gathered
        .into_iter()
        .map(|(name, values)| (name, spread(&values)))
        .collect()
}

/// Mean and standard deviation.
pub fn spread(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (count - 1.0).max(1.0)).sqrt())
}

/// Means over folds with enough frauds.
pub fn mean_over_folds(folds: &[Figures], frauds: &[usize], frauds_min: usize) -> Figures {
    let enough: Vec<Figures> = folds
        .iter()
        .zip(frauds)
        .filter(|(_, frauds)| **frauds >= frauds_min)
        .map(|(figures, _)| figures.clone())
        .collect();
    mean_and_sd(&enough)
        .into_iter()
        .map(|(name, (mean, _))| (name, mean))
        .collect()
}

/// All folds as one set.
pub fn pool(folds: &[ScoredRows]) -> ScoredRows {
    let mut all = ScoredRows::default();
    for fold in folds {
        all.scores.extend(&fold.scores);
        all.fraud.extend(&fold.fraud);
        all.times.extend(&fold.times);
        all.subjects.extend(&fold.subjects);
        all.blocks.extend(&fold.blocks);
        all.trained_on.extend(&fold.trained_on);
        all.amounts.extend(&fold.amounts);
        all.weights.extend(&fold.weights);
    }
    all
}
