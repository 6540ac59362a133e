//! Better than can be true: most often a feature knows the label. The champion is the measure, since what it does
//! not reach with the same samples came from somewhere.

use super::report::{Finding, Gate, Outcome};
use super::{Bounds, Judged, Paper, Shuffled};
use crate::boost::average_precision;

pub fn judge(judged: &Judged, bounds: &Bounds) -> Vec<Finding> {
    if judged.frauds() == 0 {
        return Vec::new();
    }
    let ap =
        |paper: &Paper| average_precision(&paper.log_odds, &judged.fraud, Some(&judged.weights));
    let champion = ap(&judged.champion);
    let mut findings = vec![gain(champion, ap(&judged.candidate), bounds)];
    findings.push(by_itself(judged, champion, bounds));
    findings.extend(shuffled(judged, bounds));
    findings
}

fn gain(champion: f64, candidate: f64, bounds: &Bounds) -> Finding {
    let gain = candidate - champion;
    let outcome = match gain > bounds.ap_gain_max {
        true => Outcome::Refuse,
        false => Outcome::Pass,
    };
    let says = format!(
        "AP {candidate:.3}, {gain:+.3} over the champion; more than {:+} is not believed unseen",
        bounds.ap_gain_max
    );
    Finding::new(Gate::TooGood, outcome, says).measured(gain, bounds.ap_gain_max)
}

/// A feature that ranks nearly as truth does, while the champion does not.
fn by_itself(judged: &Judged, champion: f64, bounds: &Bounds) -> Finding {
    let Some((feature, ap)) = judged.alone.first().copied() else {
        let says = "no feature values were kept".to_owned();
        return Finding::new(Gate::TooGood, Outcome::Hold, says);
    };
    let name = &judged.features[feature];
    let outcome = match ap > bounds.feature_ap_max && champion < bounds.feature_ap_max {
        true => Outcome::Refuse,
        false => Outcome::Pass,
    };
    let says = format!(
        "{name} alone ranks with AP {ap:.3}, the champion with {champion:.3}; above {} a feature is taken for a copy of the label",
        bounds.feature_ap_max
    );
    let finding = Finding::new(Gate::TooGood, outcome, says).of(name);
    finding.measured(ap, bounds.feature_ap_max)
}

/// Features by the AP of their values, rising or falling, whichever is higher; the best first. A missing value is
/// the lowest. Values are row-major, one for every fraud and `width`.
pub fn ranked_alone(
    values: &[f32],
    width: usize,
    fraud: &[bool],
    weights: &[f64],
) -> Vec<(usize, f64)> {
    if values.is_empty() {
        return Vec::new();
    }
    let ap = |values: &[f64]| average_precision(values, fraud, Some(weights));
    let value = |it: f32| match it.is_nan() {
        true => f64::NEG_INFINITY,
        false => f64::from(it),
    };
    let mut found: Vec<(usize, f64)> = (0..width)
        .map(|feature| {
            let column = values.iter().skip(feature).step_by(width);
            let rising: Vec<f64> = column.map(|it| value(*it)).collect();
            let falling: Vec<f64> = rising.iter().map(|it| -it).collect();
            (feature, ap(&rising).max(ap(&falling)))
        })
        .collect();
    found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    found
}

/// A candidate that falls with one feature which the champion hardly needs; one that both need hides no other.
fn shuffled(judged: &Judged, bounds: &Bounds) -> Option<Finding> {
    let hangs = |it: &&Shuffled| {
        it.candidate > bounds.feature_share_max && it.champion < it.candidate / 2.0
    };
    let most = |a: &&Shuffled, b: &&Shuffled| a.candidate.total_cmp(&b.candidate);
    let refused = judged.shuffled.iter().filter(hangs).max_by(most);
    let outcome = match refused {
        Some(_) => Outcome::Refuse,
        None => Outcome::Pass,
    };
    let worst = refused.or_else(|| judged.shuffled.iter().max_by(most))?;
    let name = &judged.features[worst.feature];
    let says = format!(
        "without {name} the candidate loses {:.0} % of its AP, the champion {:.0} %; more than {:.0} %, and twice the champion's, hangs on one feature",
        worst.candidate * 100.0,
        worst.champion * 100.0,
        bounds.feature_share_max * 100.0
    );
    let finding = Finding::new(Gate::TooGood, outcome, says).of(name);
    Some(finding.measured(worst.candidate, bounds.feature_share_max))
}
