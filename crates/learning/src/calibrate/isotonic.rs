//! The best rising step function, by pooling adjacent violators.

use model::calibration::{CalibrationMap, ISOTONIC_LOG_ODDS_MAX, ISOTONIC_POINTS_MAX};

/// A step gives two points, so this many fit the map.
const GROUPS_MAX: usize = ISOTONIC_POINTS_MAX / 2;

#[derive(Debug, Clone, Copy)]
struct Step {
    from: f64,
    until: f64,
    positives: f64,
    total: f64,
}

impl Step {
    fn share(&self) -> f64 {
        self.positives / self.total
    }

    fn join(self, next: Step) -> Step {
        Step {
            from: self.from,
            until: next.until,
            positives: self.positives + next.positives,
            total: self.total + next.total,
        }
    }
}

pub fn fit(raw: &[f64], labels: &[bool], weights: &[f64]) -> CalibrationMap {
    let mut steps: Vec<Step> = Vec::new();
    for group in groups(raw, labels, weights) {
        let mut step = group;
        while let Some(last) = steps.pop_if(|last| last.share() >= step.share()) {
            step = last.join(step);
        }
        steps.push(step);
    }
    let base =
        steps.iter().map(|s| s.positives).sum::<f64>() / steps.iter().map(|s| s.total).sum::<f64>();
    let (mut points, mut values) = (Vec::new(), Vec::new());
    let mut highest = f64::NEG_INFINITY;
    for step in steps {
        // One more row at the base rate: a step without any fraud is rare fraud, not none.
        let p = (step.positives + base) / (step.total + 1.0);
        let log_odds = libm::log(p / (1.0 - p));
        // Small steps are drawn further to the base rate, which must not turn the order round.
        highest = highest.max(log_odds.clamp(-ISOTONIC_LOG_ODDS_MAX, ISOTONIC_LOG_ODDS_MAX));
        points.push(step.from);
        values.push(highest);
        if step.until > step.from {
            points.push(step.until);
            values.push(highest);
        }
    }
    CalibrationMap::Isotonic {
        raw: points,
        log_odds: values,
    }
}

/// Rows in score order, at most [`GROUPS_MAX`] groups of about equal size, equal scores together.
fn groups(raw: &[f64], labels: &[bool], weights: &[f64]) -> Vec<Step> {
    let mut order: Vec<usize> = (0..raw.len()).collect();
    order.sort_by(|&a, &b| raw[a].total_cmp(&raw[b]));
    let size = raw.len().div_ceil(GROUPS_MAX);
    let mut groups: Vec<Step> = Vec::new();
    let mut rows = size;
    for row in order {
        let positives = if labels[row] { weights[row] } else { 0.0 };
        let one = Step {
            from: raw[row],
            until: raw[row],
            positives,
            total: weights[row],
        };
        match groups.last_mut() {
            Some(last) if rows < size || last.until == raw[row] => {
                *last = last.join(one);
                rows += 1;
            }
            _ => {
                groups.push(one);
                rows = 1;
            }
        }
    }
    groups
}
