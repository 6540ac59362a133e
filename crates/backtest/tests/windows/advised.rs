//! Thresholds for a budget of alerts, against a search over every threshold.

use std::ops::ControlFlow;

use event::record::Verdict;
use ringfence_backtest::advise::Point;
use ringfence_backtest::{Advice, BacktestError, Costs, Plan, advise};

use crate::past::{POLICY, Past, Payment, book, plan};

/// Two days, in minutes.
const WINDOW: [u64; 2] = [0, 2880];
const EVENTS: u64 = 288;
/// Such that neither reviewing nor declining is always the better.
const COSTS: Costs = Costs {
    fraud_loss: 0.8,
    review: 6.0,
    challenge_stops: 0.5,
    challenge_friction: 0.5,
    decline_friction: 0.2,
};

struct Seen {
    score: u16,
    amount: f64,
    label: Option<Verdict>,
}

/// The higher the score, the likelier a fraud; of some nothing is known.
fn seen() -> Vec<Seen> {
    let mut state = 7_u64;
    let mut draw = |below: u64| {
        // Knuth's multiplier: the high bits are the good ones.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % below
    };
    let one = |_| {
        let score = draw(1001);
        let amount = 1 + draw(120);
        let label = match draw(1000) {
            drawn if drawn % 5 == 0 => None,
            drawn if drawn < score * score / 1000 => Some(Verdict::Fraud),
            _ => Some(Verdict::Legitimate),
        };
        Seen {
            score: score as u16,
            amount: amount as f64,
            label,
        }
    };
    (0..EVENTS).map(one).collect()
}

fn past(seen: &[Seen]) -> Past {
    let mut past = Past::new(POLICY, "");
    let minutes = |number| number * 10;
    for (number, it) in (0..).zip(seen) {
        past.decide(Payment {
            number,
            minute: minutes(number),
            amount: it.amount as u64,
            score: it.score,
        });
    }
    // Behind the window, so that it is two days long.
    past.decide(Payment {
        number: EVENTS,
        minute: WINDOW[1],
        amount: 9_999,
        score: 1000,
    });
    for (number, it) in (0..).zip(seen) {
        if let Some(verdict) = it.label {
            past.label(number, verdict, WINDOW[1] + 1);
        }
    }
    past.commit();
    past
}

fn plan_of(costs: Costs) -> Plan {
    let mut plan = plan(WINDOW, book("", POLICY), book("", POLICY));
    plan.costs = costs;
    plan
}

fn advice(past: &Past, alerts_per_day: f64) -> Advice {
    let watch = |_| ControlFlow::Continue(());
    advise(&past.place, &plan_of(COSTS), alerts_per_day, watch).unwrap()
}

/// What holding back everything from a threshold on would mean, straight from the payments.
fn by_hand(seen: &[Seen], threshold: u16) -> Point {
    let held = || seen.iter().filter(|it| it.score >= threshold);
    let frauds = |it: &&Seen| it.label == Some(Verdict::Fraud);
    let money = |of: &mut dyn Iterator<Item = &Seen>| of.map(|it| it.amount).sum::<f64>();
    let all = money(&mut seen.iter().filter(frauds));
    let caught = money(&mut held().filter(frauds));
    let good = money(&mut held().filter(|it| it.label == Some(Verdict::Legitimate)));
    let known = held().filter(|it| it.label.is_some()).count();
    let hit = held().filter(frauds).count() as f64;
    let passed = (all - caught) * COSTS.fraud_loss;
    Point {
        threshold,
        alerts_per_day: held().count() as f64 / 2.0,
        precision: (known > 0).then(|| hit / known as f64),
        recall: Some(hit / seen.iter().filter(frauds).count() as f64),
        value_recall: Some(caught / all),
        cost_of_review: passed + held().count() as f64 * COSTS.review,
        cost_of_decline: passed + good * COSTS.decline_friction,
    }
}

fn near(told: Option<f64>, wanted: Option<f64>, what: &str) {
    let close = match (told, wanted) {
        (Some(told), Some(wanted)) => (told - wanted).abs() < 1e-6,
        (told, wanted) => told == wanted,
    };
    assert!(close, "{what}: {told:?}, not {wanted:?}");
}

#[test]
fn both_curves_are_those_of_a_search_over_every_threshold() {
    let seen = seen();
    let told = advice(&past(&seen), 20.0);
    assert_eq!(told.curve.len(), 1002);
    for (threshold, point) in (0..).zip(&told.curve) {
        let wanted = by_hand(&seen, threshold);
        assert_eq!(point.threshold, threshold);
        let what = |of: &str| format!("{of} at {threshold}");
        let alerts = [point, &wanted].map(|it| Some(it.alerts_per_day));
        near(alerts[0], alerts[1], &what("alerts"));
        near(point.precision, wanted.precision, &what("precision"));
        near(point.recall, wanted.recall, &what("recall"));
        near(point.value_recall, wanted.value_recall, &what("money"));
        let review = [point, &wanted].map(|it| Some(it.cost_of_review));
        near(review[0], review[1], &what("reviewing"));
        let decline = [point, &wanted].map(|it| Some(it.cost_of_decline));
        near(decline[0], decline[1], &what("declining"));
    }
    let frauds = seen.iter().filter(|it| it.label == Some(Verdict::Fraud));
    assert_eq!((told.events, told.frauds), (EVENTS, frauds.count() as u64));
}

#[test]
fn the_advice_is_what_a_search_over_every_threshold_finds() {
    let seen = seen();
    let past = past(&seen);
    let points: Vec<Point> = (0..=1001).map(|it| by_hand(&seen, it)).collect();
    let cheapest = points
        .iter()
        .min_by(|a, b| a.cost_of_review.total_cmp(&b.cost_of_review));
    let cheapest = cheapest.unwrap().threshold;
    assert!((1..1001).contains(&cheapest), "{cheapest} is an end");
    let pays = |threshold: u16| {
        let held = seen
            .iter()
            .filter(|it| it.score >= threshold && it.label.is_some());
        let (mut good, mut known) = (0.0, 0.0);
        for it in held {
            known += 1.0;
            good += it.amount * f64::from(u8::from(it.label == Some(Verdict::Legitimate)));
        }
        known > 0.0 && good * COSTS.decline_friction <= known * COSTS.review
    };
    let mut apart = 0;
    for budget in [0.5, 7.0, 20.0, 60.0, 144.0] {
        let told = advice(&past, budget);
        let fits = points.iter().find(|it| it.alerts_per_day <= budget);
        let review = fits.unwrap().threshold;
        assert_eq!(told.review, review, "for {budget} a day");
        let decline = (review..=1000).find(|it| pays(*it)).unwrap_or(1001);
        assert_eq!(told.decline, decline, "for {budget} a day");
        assert_eq!(told.cheapest_review, cheapest);
        assert_eq!((told.alerts_per_day, told.costs), (budget, COSTS));
        apart += u32::from(decline > review);
    }
    assert!(
        (1..5).contains(&apart),
        "declining paid from the review on {apart} times of 5"
    );
}

#[test]
fn no_thresholds_without_a_budget_or_without_scores() {
    let seen = seen();
    let past = past(&seen);
    let ask = |alerts: f64, plan: &Plan| {
        let watch = |_| ControlFlow::Continue(());
        advise(&past.place, plan, alerts, watch).unwrap_err()
    };
    for budget in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(ask(budget, &plan_of(COSTS)).code(), "alert_budget");
    }
    let mut wrong = plan_of(COSTS);
    wrong.costs.decline_friction = 1.5;
    assert!(matches!(ask(5.0, &wrong), BacktestError::Cost { .. }));
    let mut past = Past::new(POLICY, "");
    past.decide_without_score(Payment {
        number: 0,
        minute: 0,
        amount: 10,
        score: 0,
    });
    past.commit();
    let watch = |_| ControlFlow::Continue(());
    let refused = advise(&past.place, &plan_of(COSTS), 5.0, watch).unwrap_err();
    assert_eq!(refused.code(), "no_scores");
}
