//! Whether the candidate ranks as well: the AP's difference, account by account resampled.
//!
//! Who looks at the same candidate again and again until it passes would pass a bad one in the end. So the share of bad
//! ones that may pass, 2.5 %, is spent on the looks (Lan and DeMets 1983, Biometrika 70:659): the examination with number
//! k after the first, which promotes nobody, may spend 1/(k(k+1)) of it. These sum to 1 over any number of looks,
//! and by Bonferroni's inequality nothing has to be known of how the looks hang together.

use super::report::{Finding, Gate, Outcome};
use super::{Bounds, Judged, Paper};
use crate::boost::average_precision;
use crate::evaluate::bootstrap::{Interval, paired, resampled_ap};
use crate::evaluate::measure::ScoredRows;

/// At 1,000 the ends of a 95 % interval lie on the 25th value from either side.
const RESAMPLES: usize = 1_000;
const SEED: u64 = 0x6a7e;
/// Of bad candidates, those that may pass.
const ALPHA: f64 = 0.025;

pub fn judge(judged: &Judged, bounds: &Bounds, exam: usize) -> Finding {
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
    let stretch = z(ALPHA * spent(exam)) / z(ALPHA);
    let low = difference - stretch * (difference - interval.low);
    let (outcome, needed) = match () {
        // Worse with all that the labels leave open, however few they are.
        () if interval.high < floor => (Outcome::Refuse, None),
        () if frauds < bounds.frauds_min => (Outcome::Hold, Some(bounds.frauds_min)),
        () if low > floor => (Outcome::Pass, None),
        // More of the same would end below the floor.
        () if difference <= floor => (Outcome::Refuse, None),
        () => (Outcome::Hold, Some(needed(frauds, difference, low, floor))),
    };
    let mut says = format!(
        "AP difference {difference:+.4}, 95 % interval {:+.4} to {:+.4} on {frauds} frauds; ",
        interval.low, interval.high
    );
    if exam > 1 {
        says.push_str(&format!(
            "looked at {exam} times, which lowers its lower end to {low:+.4}; "
        ));
    }
    says.push_str(&format!("its lower end must lie above {floor:+.4}"));
    if let Some(needed) = needed {
        says.push_str(&format!("; about {needed} frauds are needed to tell"));
    }
    Finding {
        frauds_needed: needed,
        ..Finding::new(Gate::Ranking, outcome, says).measured(low, floor)
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

/// The share of [`ALPHA`] that an examination may spend.
fn spent(exam: usize) -> f64 {
    match exam {
        0 => 1.0,
        exam => 1.0 / (exam as f64 * (exam as f64 + 1.0)),
    }
}

/// Above which a standard normal value lies with this chance: the tail of the resamples is too thin to count there.
fn z(chance: f64) -> f64 {
    let tail = |z: f64| 0.5 * libm::erfc(z / std::f64::consts::SQRT_2);
    let (mut low, mut high) = (0.0, 40.0);
    // Sixty halves of forty are less than what a double tells apart.
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        match tail(middle) > chance {
            true => low = middle,
            false => high = middle,
        }
    }
    low
}

/// An interval narrows with the root of the frauds: how many bring its lower end to the floor.
fn needed(frauds: usize, difference: f64, low: f64, floor: f64) -> usize {
    let narrower = (difference - low) / (difference - floor);
    (frauds as f64 * narrower * narrower).ceil().min(1e9) as usize
}

#[cfg(test)]
mod tests {
    use super::{ALPHA, needed, spent, z};

    /// Normal quantiles of any table.
    #[test]
    fn looks_spend_together_what_one_may() {
        let close = |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-6, "{found}");
        close(z(ALPHA), 1.959_964);
        close(z(0.001), 3.090_232);
        let all: f64 = (1..=1_000).map(spent).sum();
        close(all, 1.0 - 1.0 / 1_001.0);
        assert_eq!((spent(0), spent(1)), (1.0, 0.5));
    }

    #[test]
    fn four_times_the_frauds_halve_an_interval() {
        assert_eq!(needed(300, 0.0, -0.02, -0.01), 1_200);
        assert_eq!(needed(300, 0.01, -0.01, -0.01), 300);
    }
}
