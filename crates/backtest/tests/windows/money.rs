//! Counted by hand: what a report says of money, of people's time and of labels.

use event::record::{DecisionKind, Verdict};
use ringfence_backtest::report::Side;
use ringfence_backtest::{Costs, Report};

use crate::past::{Past, Payment, book, plan};

const CURRENT: &str = "[thresholds]\nchallenge = 400\nreview = 700\ndecline = 950\n";
const CANDIDATE: &str = "[thresholds]\nchallenge = 500\nreview = 700\ndecline = 900\n";
/// In shadow: it says what it would have met, and changes nothing.
const RULES: &str = "[[rules]]\nid = \"large\"\nwhen = 'amount >= 60_00'\nstatus = \"shadow\"\ndecision = \"review\"\n";
const COSTS: Costs = Costs {
    fraud_loss: 0.9,
    review: 5.0,
    challenge_stops: 0.75,
    challenge_friction: 0.02,
    decline_friction: 0.1,
};
const FRAUD: Option<Verdict> = Some(Verdict::Fraud);
const GOOD: Option<Verdict> = Some(Verdict::Legitimate);
/// Score, amount and label of each payment of the window.
const PAYMENTS: [(u16, u64, Option<Verdict>); 15] = [
    // Approved by both.
    (100, 10, GOOD),
    (200, 50, FRAUD),
    // Challenged now, approved by the candidate.
    (450, 80, GOOD),
    (450, 40, FRAUD),
    (450, 15, GOOD),
    // Challenged by both.
    (600, 100, GOOD),
    (600, 60, FRAUD),
    // Reviewed by both.
    (750, 20, GOOD),
    (750, 30, FRAUD),
    (750, 2000, None),
    // Reviewed now, declined by the candidate.
    (920, 70, GOOD),
    (920, 90, FRAUD),
    // Declined by both.
    (960, 5, GOOD),
    (960, 25, FRAUD),
    (960, 1000, None),
];
/// Two days, in minutes.
const WINDOW: [u64; 2] = [1440, 4320];

/// A fraud before the window and one behind it, which nothing here may count.
fn told() -> Report {
    let mut past = Past::new(CURRENT, RULES);
    let outside = |number, minute| Payment {
        number,
        minute,
        amount: 5000,
        score: 990,
    };
    past.decide(outside(100, 1439));
    for (number, (score, amount, _)) in (0..).zip(PAYMENTS) {
        past.decide(Payment {
            number,
            minute: WINDOW[0] + number * 100,
            amount,
            score,
        });
    }
    past.decide(outside(101, 4320));
    for (number, (.., label)) in (0..).zip(PAYMENTS) {
        if let Some(verdict) = label {
            past.label(number, verdict, 4400);
        }
    }
    for number in [100, 101] {
        past.label(number, Verdict::Fraud, 4400);
    }
    past.commit();
    let mut plan = plan(WINDOW, book(RULES, CURRENT), book(RULES, CANDIDATE));
    plan.costs = COSTS;
    past.report(&plan)
}

fn near(told: f64, wanted: f64, what: &str) {
    assert!((told - wanted).abs() < 1e-6, "{what}: {told}, not {wanted}");
}

fn money(side: &Side) -> [(&'static str, f64); 5] {
    [
        ("fraud_stopped", side.fraud_stopped),
        ("fraud_passed", side.fraud_passed),
        ("good_declined", side.good_declined),
        ("good_held_up", side.good_held_up),
        ("cost", side.cost),
    ]
}

fn all_near(side: &Side, wanted: [f64; 5]) {
    for ((what, told), wanted) in money(side).into_iter().zip(wanted) {
        near(told, wanted, what);
    }
}

#[test]
fn money_and_shares_are_those_that_a_hand_counts() {
    let told = told();
    assert_eq!((told.events, told.frauds), (15, 6));
    assert_eq!((told.legitimate, told.unknown), (7, 2));
    assert_eq!(told.days, 2.0);

    let side = &told.current;
    let decided = [side.approve, side.challenge, side.review, side.decline];
    assert_eq!(decided, [2, 5, 5, 3]);
    // 100 of fraud was challenged, 145 reviewed or declined; 195 of good money challenged, 90 reviewed.
    let wanted = [
        0.75 * 100.0 + 145.0,
        50.0 + 0.25 * 100.0,
        5.0,
        195.0 + 90.0,
        0.9 * 75.0 + 5.0 * 5.0 + 0.02 * 195.0 + 0.1 * 5.0,
    ];
    all_near(side, wanted);
    assert_eq!(side.precision, Some(5.0 / 11.0));
    assert_eq!(side.recall, Some(5.0 / 6.0));
    assert_eq!(side.alerts_per_day, 4.0);

    let side = &told.candidate;
    let decided = [side.approve, side.challenge, side.review, side.decline];
    assert_eq!(decided, [5, 2, 3, 5]);
    let wanted = [
        0.75 * 60.0 + 145.0,
        90.0 + 0.25 * 60.0,
        75.0,
        100.0 + 20.0,
        0.9 * 105.0 + 3.0 * 5.0 + 0.02 * 100.0 + 0.1 * 75.0,
    ];
    all_near(side, wanted);
    assert_eq!(side.precision, Some(0.5));
    assert_eq!(side.recall, Some(4.0 / 6.0));
    assert_eq!(side.alerts_per_day, 4.0);
    near(told.saved(), 96.9 - 119.0, "saved");
}

#[test]
fn what_would_change_and_what_a_rule_met_is_counted_by_label() {
    let told = told();
    let changes: Vec<_> = told
        .changes
        .iter()
        .map(|it| (it.from, it.to, it.events, it.frauds, it.legitimate))
        .collect();
    assert_eq!(
        changes,
        [
            (DecisionKind::Challenge, DecisionKind::Approve, 3, 1, 2),
            (DecisionKind::Review, DecisionKind::Decline, 2, 1, 1),
        ]
    );
    assert_eq!(told.samples.len(), 5);
    let labels: Vec<_> = told.samples.iter().map(|it| it.label).collect();
    assert_eq!(labels, [GOOD, FRAUD, GOOD, GOOD, FRAUD]);

    let [rule] = &told.rules[..] else {
        panic!("{:?}", told.rules);
    };
    assert_eq!((rule.matched, rule.frauds, rule.legitimate), (7, 2, 3));
    assert_eq!((rule.precision, rule.recall), (Some(0.4), Some(2.0 / 6.0)));
    assert_eq!(rule.fraud_amount, 150.0);
    assert_eq!(rule.matches_per_day, 3.5);
}
