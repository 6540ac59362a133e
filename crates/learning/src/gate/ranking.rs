//! Whether the candidate ranks as well: the AP's difference, account by account resampled.

use super::report::{Finding, Gate, Outcome};
use super::{Bounds, Judged, Paper};
use crate::boost::average_precision;
use crate::evaluate::bootstrap::{Interval, paired, resampled_ap};
use crate::evaluate::measure::ScoredRows;

/// At 1,000 the ends of a 95 % interval lie on the 25th value from either side.
const RESAMPLES: usize = 1_000;
const SEED: u64 = 0x6a7e;

pub fn judge(judged: &Judged, bounds: &Bounds) -> Finding {
    let frauds = judged.frauds();
    if frauds == 0 {
        let says = format!(
            "no fraud among {} matured events; {} are needed",
            judged.fraud.len(),
            bounds.frauds_min
        );
        return Finding {
            frauds_needed: Some(bounds.frauds_min),
            ..Finding::new(Gate::Ranking, Outcome::Hold, says)
        };
    }
    let ap =
        |paper: &Paper| average_precision(&paper.log_odds, &judged.fraud, Some(&judged.weights));
    let difference = ap(&judged.candidate) - ap(&judged.champion);
    let interval = interval(judged);
    let floor = -bounds.ap_loss_max;
    let (outcome, needed) = match () {
        // Worse with all that the labels leave open, however few they are.
        () if interval.high < floor => (Outcome::Refuse, None),
        () if frauds < bounds.frauds_min => (Outcome::Hold, Some(bounds.frauds_min)),
        () if interval.low > floor => (Outcome::Pass, None),
        // More of the same would end below the floor.
        () if difference <= floor => (Outcome::Refuse, None),
        () => (
            Outcome::Hold,
            Some(needed(frauds, difference, interval.low, floor)),
        ),
    };
    let mut says = format!(
        "AP difference {difference:+.4}, 95 % interval {:+.4} to {:+.4} on {frauds} frauds; its lower end must lie above {floor:+.4}",
        interval.low, interval.high
    );
    if let Some(needed) = needed {
        says.push_str(&format!("; about {needed} frauds are needed to tell"));
    }
    Finding {
        frauds_needed: needed,
        ..Finding::new(Gate::Ranking, outcome, says).measured(interval.low, floor)
    }
}

/// The 2.5 % and 97.5 % points over resampled accounts; both models see the same resamples.
fn interval(judged: &Judged) -> Interval {
    let resampled = |paper: &Paper| {
        let rows = ScoredRows {
            scores: paper.log_odds.clone(),
            fraud: judged.fraud.clone(),
            blocks: judged.blocks.clone(),
            weights: judged.weights.clone(),
            ..ScoredRows::default()
        };
        resampled_ap(&[vec![rows]], 1, RESAMPLES, SEED)
    };
    paired(&resampled(&judged.candidate), &resampled(&judged.champion))
}

/// An interval narrows with the root of the frauds: how many bring its lower end to the floor.
fn needed(frauds: usize, difference: f64, low: f64, floor: f64) -> usize {
    let narrower = (difference - low) / (difference - floor);
    (frauds as f64 * narrower * narrower).ceil().min(1e9) as usize
}

#[cfg(test)]
mod tests {
    use super::needed;

    #[test]
    fn four_times_the_frauds_halve_an_interval() {
        assert_eq!(needed(300, 0.0, -0.02, -0.01), 1_200);
        assert_eq!(needed(300, 0.01, -0.01, -0.01), 300);
    }
}
