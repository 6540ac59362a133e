//! No event type pays for the others, and no channel of one.

use super::report::{Finding, Gate, Outcome};
use super::{Bounds, Judged, Paper};
use crate::boost::average_precision;

/// Event types, then those of their segments that a channel makes.
pub fn judge(judged: &Judged, bounds: &Bounds) -> Vec<Finding> {
    let types = &judged.event_type_names;
    let mut findings = Vec::new();
    for (at, name) in types.iter().enumerate() {
        let own = |row: &usize| usize::from(judged.event_types[*row]) == at;
        findings.extend(of_segment(judged, bounds, own, name));
    }
    let segments = judged.segment_names.iter().enumerate();
    for (at, name) in segments.filter(|(_, name)| !types.contains(name)) {
        let own = |row: &usize| usize::from(judged.segments[*row]) == at;
        findings.extend(of_segment(judged, bounds, own, name));
    }
    findings
}

/// `None`: it has no event.
fn of_segment(
    judged: &Judged,
    bounds: &Bounds,
    own: impl Fn(&usize) -> bool,
    name: &str,
) -> Option<Finding> {
    let rows: Vec<usize> = (0..judged.fraud.len()).filter(own).collect();
    if rows.is_empty() {
        return None;
    }
    let fraud: Vec<bool> = rows.iter().map(|row| judged.fraud[*row]).collect();
    let frauds = fraud.iter().filter(|fraud| **fraud).count();
    if frauds < bounds.segment_frauds_min {
        let says = format!(
            "{name}: {frauds} frauds of {} events, judged from {} on",
            rows.len(),
            bounds.segment_frauds_min
        );
        return Some(Finding::new(Gate::Segment, Outcome::Unjudged, says).of(name));
    }
    let weights: Vec<f64> = rows.iter().map(|row| judged.weights[*row]).collect();
    let figures = |paper: &Paper| {
        let scores: Vec<f64> = rows.iter().map(|row| paper.log_odds[*row]).collect();
        let ap = average_precision(&scores, &fraud, Some(&weights));
        (ap, recall_at(&scores, &fraud, &weights, bounds.alert_share))
    };
    let (champion, candidate) = (figures(&judged.champion), figures(&judged.candidate));
    let (ap, recall) = (candidate.0 - champion.0, candidate.1 - champion.1);
    let worst = ap.min(recall);
    let outcome = match worst < -bounds.segment_loss_max {
        true => Outcome::Refuse,
        false => Outcome::Pass,
    };
    let says = format!(
        "{name}: AP {:.3} ({ap:+.3}), recall at {:.1} % alerts {:.3} ({recall:+.3}) on {frauds} frauds; neither may lose more than {}",
        candidate.0,
        bounds.alert_share * 100.0,
        candidate.1,
        bounds.segment_loss_max
    );
    let finding = Finding::new(Gate::Segment, outcome, says).of(name);
    Some(finding.measured(worst, -bounds.segment_loss_max))
}

/// Share of the frauds among the share of events with the highest scores; a run of equal scores that the budget
/// cuts counts by the part that fits.
fn recall_at(scores: &[f64], fraud: &[bool], weights: &[f64], share: f64) -> f64 {
    let order = crate::evaluate::measure::ranked(scores);
    let weight = |row: &usize| weights[*row];
    let frauds: f64 = order.iter().filter(|row| fraud[**row]).map(weight).sum();
    let mut room = share * weights.iter().sum::<f64>();
    let mut caught = 0.0;
    for tied in order.chunk_by(|a, b| scores[*a] == scores[*b]) {
        let all: f64 = tied.iter().map(weight).sum();
        let here: f64 = tied.iter().filter(|row| fraud[**row]).map(weight).sum();
        caught += here * (room / all).min(1.0);
        room -= all;
        if room <= 0.0 {
            break;
        }
    }
    caught / frauds
}
