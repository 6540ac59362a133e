//! How the candidate would behave in service: whether its probabilities hold, how much it alerts, how long it takes,
//! and how often its network fails.

use model::score::score_of_log_odds;

use super::report::{Finding, Gate, Outcome};
use super::{Bounds, Judged, Paper};
use crate::calibrate::{Scored, reliability_of};

/// Of the events, by a model's own thresholds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    /// Challenged, reviewed or declined.
    pub alerts: f64,
    pub declines: f64,
    /// Frauds among the alerts, of all frauds.
    pub recall: f64,
}

pub fn judge(judged: &Judged, bounds: &Bounds) -> Vec<Finding> {
    let mut findings = calibration(judged, bounds);
    findings.push(alerts(judged, bounds));
    findings.extend(latency(judged, bounds));
    findings.extend(network(judged, bounds));
    findings
}

fn calibration(judged: &Judged, bounds: &Bounds) -> Vec<Finding> {
    let weights: Vec<f32> = judged.weights.iter().map(|it| *it as f32).collect();
    let measured = |paper: &Paper| {
        reliability_of(&Scored {
            raw: &paper.log_odds,
            labels: &judged.fraud,
            weights: Some(&weights),
            negative_rate: 1.0,
            positive_weight: 1.0,
        })
    };
    let found = match measured(&judged.candidate) {
        Ok(found) => found,
        Err(error) => {
            let says = format!("not judged: {error}");
            return vec![Finding::new(Gate::Calibration, Outcome::Hold, says)];
        }
    };
    let beside = measured(&judged.champion).ok();
    let told =
        |value: Option<f64>| value.map_or(String::new(), |it| format!(" (the champion's {it:.2})"));
    let within = |value: f64, low: f64, high: f64| match (low..=high).contains(&value) {
        true => Outcome::Pass,
        false => Outcome::Refuse,
    };
    let (low, high) = (bounds.slope_min, bounds.slope_max);
    let slope = Finding::new(
        Gate::Calibration,
        within(found.slope, low, high),
        format!(
            "slope {:.2}{}, must be {low} to {high}",
            found.slope,
            told(beside.map(|it| it.slope))
        ),
    );
    let most = bounds.intercept_max;
    let intercept = Finding::new(
        Gate::Calibration,
        within(found.intercept, -most, most),
        format!(
            "intercept {:+.2}{}, must be within {most} either way",
            found.intercept,
            told(beside.map(|it| it.intercept))
        ),
    );
    let nearest = |value: f64, low: f64, high: f64| if value < low { low } else { high };
    vec![
        slope
            .of("slope")
            .measured(found.slope, nearest(found.slope, low, high)),
        intercept
            .of("intercept")
            .measured(found.intercept, nearest(found.intercept, -most, most)),
    ]
}

/// `None`: an event type of the rows has no threshold.
pub fn shares(judged: &Judged, paper: &Paper) -> Option<Shares> {
    let of_type: Vec<_> = judged
        .event_type_names
        .iter()
        .map(|name| paper.thresholds.get(name))
        .collect();
    let (mut all, mut alerts, mut declines) = (0.0, 0.0, 0.0);
    let (mut frauds, mut caught) = (0.0, 0.0);
    for (row, log_odds) in paper.log_odds.iter().enumerate() {
        let thresholds = of_type[usize::from(judged.event_types[row])]?;
        let (score, weight) = (score_of_log_odds(*log_odds), judged.weights[row]);
        let alerted = score >= thresholds.challenge;
        all += weight;
        if alerted {
            alerts += weight;
        }
        if score >= thresholds.decline {
            declines += weight;
        }
        if judged.fraud[row] {
            frauds += weight;
            caught += if alerted { weight } else { 0.0 };
        }
    }
    (all > 0.0).then(|| Shares {
        alerts: alerts / all,
        declines: declines / all,
        recall: if frauds > 0.0 { caught / frauds } else { 0.0 },
    })
}

/// More than a factor above the champion's, or above what any model may alert, swamps who works on alerts; fewer is
/// a fault only where less is caught by it.
fn alerts(judged: &Judged, bounds: &Bounds) -> Finding {
    let both = (
        shares(judged, &judged.champion),
        shares(judged, &judged.candidate),
    );
    let (Some(champion), Some(candidate)) = both else {
        let says = "a model has no threshold for an event type: alerts are not compared";
        return Finding::new(Gate::Alerts, Outcome::Hold, says.to_owned());
    };
    let factor = bounds.alerts_factor_max;
    let most = factor * champion.alerts.max(bounds.alert_share);
    let least = champion.alerts / factor;
    let fewer = candidate.alerts < least && candidate.recall < champion.recall;
    let (outcome, bound) = match () {
        () if candidate.alerts > most => (Outcome::Refuse, most),
        () if fewer => (Outcome::Refuse, least),
        () => (Outcome::Pass, most),
    };
    let says = format!(
        "{:.2} % of events alerted, {:.2} % by the champion: at most {:.2} %, and with less recall ({:.3}, the champion's {:.3}) at least {:.2} %",
        candidate.alerts * 100.0,
        champion.alerts * 100.0,
        most * 100.0,
        candidate.recall,
        champion.recall,
        least * 100.0
    );
    Finding::new(Gate::Alerts, outcome, says).measured(candidate.alerts, bound)
}

/// Each of the median and the time that 99 of 100 stay below: a model that is slow now and then is slow for whoever it
/// hits.
fn latency(judged: &Judged, bounds: &Bounds) -> [Finding; 2] {
    let (own, beside) = (&judged.candidate, &judged.champion);
    let of_one_kind = own.kind == beside.kind;
    let finding = |name: &str, own: f64, beside: f64, most: f64| {
        let ratio = own / beside;
        let slow = own > bounds.score_us_free && ratio > bounds.score_time_ratio_max && of_one_kind;
        let (outcome, value, bound) = match () {
            () if own > most => (Outcome::Refuse, own, most),
            () if slow => (Outcome::Refuse, ratio, bounds.score_time_ratio_max),
            () => (Outcome::Pass, own, most),
        };
        let says = format!(
            "{name} {own:.1} us a score, {ratio:.2} of the champion's; at most {most} us, and beside one of its kind at most {} times from {} us on",
            bounds.score_time_ratio_max, bounds.score_us_free
        );
        let finding = Finding::new(Gate::Latency, outcome, says).of(name);
        finding.measured(value, bound)
    };
    [
        finding("median", own.score_us, beside.score_us, bounds.score_us_max),
        finding(
            "p99",
            own.score_us_p99,
            beside.score_us_p99,
            bounds.score_us_p99_max,
        ),
    ]
}

/// Where a network says nothing its trees decide, or the fallback. `None`: neither model has failed.
fn network(judged: &Judged, bounds: &Bounds) -> Option<Finding> {
    let share = |paper: &Paper| paper.network_failed as f64 / judged.fraud.len().max(1) as f64;
    let (own, beside) = (share(&judged.candidate), share(&judged.champion));
    let most = bounds.network_failed_max.max(beside);
    let outcome = match own > most {
        true => Outcome::Refuse,
        false => Outcome::Pass,
    };
    let says = format!(
        "the network said nothing of {:.2} % of the events, the champion's of {:.2} %; at most {:.2} %, or the champion's",
        own * 100.0,
        beside * 100.0,
        bounds.network_failed_max * 100.0
    );
    let finding = Finding::new(Gate::Network, outcome, says).measured(own, most);
    (own > 0.0 || beside > 0.0).then_some(finding)
}
