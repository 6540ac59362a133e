//! Thresholds for a stated number of alerts a day, and the curves behind them.

use std::ops::ControlFlow;

use event::record::Verdict;
use node::Place;
use serde::Serialize;

use crate::costs::Costs;
use crate::error::BacktestError;
use crate::plan::{Plan, Rulebook};
use crate::replay::{Progress, replay};
use crate::report::{known, share};

/// One threshold, were everything with at least this score held back.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Point {
    pub threshold: u16,
    pub alerts_per_day: f64,
    pub precision: Option<f64>,
    pub recall: Option<f64>,
    /// Share of the fraud's money.
    pub value_recall: Option<f64>,
    /// Were it all reviewed, and were it all declined; by the cost matrix.
    pub cost_of_review: f64,
    pub cost_of_decline: f64,
}

#[derive(Clone, Debug, Serialize)]
pub struct Advice {
    /// From 0 to 1001, which nothing reaches.
    pub curve: Vec<Point>,
    pub alerts_per_day: f64,
    /// The lowest threshold whose alerts fit the budget.
    pub review: u16,
    /// From here on declining costs no more than reviewing, by the events whose label is known; at least `review`, and 1001
    /// where none is known.
    pub decline: u16,
    /// Where reviewing alone would be cheapest.
    pub cheapest_review: u16,
    pub events: u64,
    pub frauds: u64,
    pub costs: Costs,
}

const THRESHOLDS: usize = 1002;

/// Everything with one score.
#[derive(Clone, Copy, Default)]
struct Bin {
    events: u64,
    known: u64,
    frauds: u64,
    fraud_amount: f64,
    good_amount: f64,
}

/// Reads the scores of a window, without rules: what a threshold alone would do.
pub fn advise(
    place: &Place,
    plan: &Plan,
    alerts_per_day: f64,
    watch: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<Advice, BacktestError> {
    check_budget(alerts_per_day)?;
    // What rules say is not looked at: without them no graph need be rebuilt.
    let bare = Plan {
        current: Rulebook::default(),
        candidate: Rulebook::default(),
        ..plan.clone()
    };
    let replayed = replay(place, &bare, watch)?;
    let mut bins = [Bin::default(); THRESHOLDS];
    for row in &replayed.rows.rows {
        let Some(score) = row.score else {
            continue;
        };
        let bin = &mut bins[usize::from(score.min(1000))];
        bin.events += 1;
        let amount = f64::from(row.amount);
        match known(row, &replayed.schema, replayed.newest) {
            Some(Verdict::Fraud) => {
                bin.known += 1;
                bin.frauds += 1;
                bin.fraud_amount += amount;
            }
            Some(Verdict::Legitimate) => {
                bin.known += 1;
                bin.good_amount += amount;
            }
            None => {}
        }
    }
    if bins.iter().all(|bin| bin.events == 0) {
        return Err(BacktestError::NoScores);
    }
    Ok(Advice::of(&bins, plan, replayed.days, alerts_per_day))
}

pub fn check_budget(alerts_per_day: f64) -> Result<(), BacktestError> {
    if alerts_per_day > 0.0 && alerts_per_day.is_finite() {
        return Ok(());
    }
    Err(BacktestError::Budget(alerts_per_day))
}

impl Advice {
    fn of(bins: &[Bin; THRESHOLDS], plan: &Plan, days: f64, alerts_per_day: f64) -> Advice {
        let costs = plan.costs;
        let frauds: u64 = bins.iter().map(|bin| bin.frauds).sum();
        let fraud_amount: f64 = bins.iter().map(|bin| bin.fraud_amount).sum();
        let mut held = Bin::default();
        let mut curve: Vec<Point> = (0..THRESHOLDS)
            .rev()
            .map(|threshold| {
                let bin = &bins[threshold];
                held.events += bin.events;
                held.known += bin.known;
                held.frauds += bin.frauds;
                held.fraud_amount += bin.fraud_amount;
                held.good_amount += bin.good_amount;
                let passed = (fraud_amount - held.fraud_amount).max(0.0) * costs.fraud_loss;
                Point {
                    threshold: threshold as u16,
                    alerts_per_day: held.events as f64 / days,
                    precision: share(held.frauds, held.known),
                    recall: share(held.frauds, frauds),
                    value_recall: (fraud_amount > 0.0).then(|| held.fraud_amount / fraud_amount),
                    cost_of_review: passed + held.events as f64 * costs.review,
                    cost_of_decline: passed + held.good_amount * costs.decline_friction,
                }
            })
            .collect();
        curve.reverse();
        let fits = |point: &&Point| point.alerts_per_day <= alerts_per_day;
        // The last threshold holds nothing back and always fits.
        let review = curve
            .iter()
            .find(fits)
            .map_or(1001, |point| point.threshold);
        let cheapest = |cost: fn(&Point) -> f64| {
            let by_cost = |a: &&Point, b: &&Point| cost(a).total_cmp(&cost(b));
            curve
                .iter()
                .min_by(by_cost)
                .map_or(1001, |point| point.threshold)
        };
        let cheapest_review = cheapest(|point| point.cost_of_review);
        let decline = curve[usize::from(review)..]
            .iter()
            .find(|point| declining_pays(bins, point.threshold, &costs))
            .map_or(1001, |point| point.threshold);
        Advice {
            alerts_per_day,
            review,
            decline,
            cheapest_review,
            events: bins.iter().map(|bin| bin.events).sum(),
            frauds,
            costs,
            curve,
        }
    }
}

/// Whether for all from this score on a decline costs no more than a review. Only what is known counts: money of which
/// nobody knows whether it was good would speak for declining it.
fn declining_pays(bins: &[Bin; THRESHOLDS], from: u16, costs: &Costs) -> bool {
    let bins = &bins[usize::from(from)..];
    let good: f64 = bins.iter().map(|bin| bin.good_amount).sum();
    let known: u64 = bins.iter().map(|bin| bin.known).sum();
    known > 0 && good * costs.decline_friction <= known as f64 * costs.review
}
