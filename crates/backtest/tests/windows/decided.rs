use std::ops::ControlFlow;

use event::Event;
use event::record::{Decision, DecisionKind, Verdict};
use ringfence_backtest::{BacktestError, Plan, run};

use crate::past::{self, POLICY, Past, Payment, at, book, kinds};

/// Shared devices and scores both matter to it.
const RULES: &str = r#"
[[rules]]
id = "shared"
when = 'device.accounts_24h >= 3 && amount > 70_00'
status = "active"
decision = "review"
[[rules]]
id = "up"
when = 'account.count_24h > 10'
status = "active"
score_add = 200
"#;
const EVENTS: u64 = 600;
/// Every tenth event is fraud, and its label comes a day later.
const FRAUD_EVERY: u64 = 10;
/// Minutes of two days.
const WINDOW: [u64; 2] = [1440, 4320];

fn past() -> Past {
    let mut past = Past::new(POLICY, RULES);
    for number in 0..EVENTS {
        past.decide(Payment::nth(number));
        if number >= 144 && (number - 144).is_multiple_of(FRAUD_EVERY) {
            past.label(number - 144, Verdict::Fraud, number * 10);
        }
    }
    past.commit();
    past
}

fn plan(rules: &str, policy: &str) -> Plan {
    past::plan(WINDOW, book(RULES, POLICY), book(rules, policy))
}

fn inside(past: &Past) -> impl Iterator<Item = &(Event, Decision)> {
    past.between(WINDOW[0], WINDOW[1])
}

#[test]
fn the_rules_of_its_time_decide_a_window_as_it_was_decided() {
    let past = past();
    let told = past.report(&plan(RULES, POLICY));
    let live = kinds(inside(&past));
    assert!(live.iter().all(|count| *count > 3), "{live:?}");
    for side in [&told.current, &told.candidate] {
        assert_eq!(
            [side.approve, side.challenge, side.review, side.decline],
            live
        );
    }
    assert!(told.changes.is_empty() && told.samples.is_empty());
    assert!(told.full_replay);
    assert_eq!((told.events, told.frauds, told.legitimate), (288, 29, 0));
    let hits = |rule: &str| {
        inside(&past)
            .filter(|(_, it)| it.findings.rules.iter().any(|hit| hit.rule == rule))
            .count() as u64
    };
    for row in &told.rules {
        assert_eq!(row.matched, hits(&row.rule), "{}", row.rule);
        assert!(row.matched > 3);
    }
    assert_eq!(told.saved(), 0.0);
}

#[test]
fn another_policy_needs_no_graph_and_its_changes_are_counted_and_named() {
    let past = past();
    let mut plan = plan(
        "",
        "[thresholds]\nchallenge = 500\nreview = 500\ndecline = 1001\n",
    );
    plan.current.rules = String::new();
    let told = past.report(&plan);
    assert!(!told.full_replay);
    // By hand, from the scores alone.
    let score = |it: &Decision| it.findings.model_score.unwrap_or(it.score);
    let reviewed = inside(&past).filter(|(_, it)| score(it) >= 500);
    assert_eq!(told.candidate.review, reviewed.count() as u64);
    assert_eq!(told.candidate.decline, 0);
    let up = inside(&past).filter(|(_, it)| (500..700).contains(&score(it)));
    let change = told
        .changes
        .iter()
        .find(|it| it.from == DecisionKind::Challenge && it.to == DecisionKind::Review);
    assert_eq!(change.unwrap().events, up.count() as u64);
    assert_eq!(told.samples.len(), 5);
    assert_ne!(told.samples[0].from, told.samples[0].to);
    let frauds = inside(&past).filter(|(event, _)| {
        let number: u64 = event.event_id.as_str()[1..].parse().unwrap();
        number.is_multiple_of(FRAUD_EVERY)
    });
    let frauds: Vec<_> = frauds.collect();
    let caught = frauds.iter().filter(|(_, it)| score(it) >= 500).count() as f64;
    assert_eq!(told.candidate.recall, Some(caught / frauds.len() as f64));
    let money = |event: &Event| event.amount.unwrap().minor as f64 / 100.0;
    let passed: f64 = frauds
        .iter()
        .filter(|(_, it)| score(it) < 500)
        .map(|(event, _)| money(event))
        .sum();
    assert!((told.candidate.fraud_passed - passed).abs() < 1e-6);
    // Nothing is known to be legitimate, so the cost is what passes and what people look at.
    let cost = passed + told.candidate.review as f64 * 5.0;
    assert!((told.candidate.cost - cost).abs() < 1e-6);
}

#[test]
fn a_new_rule_in_shadow_is_measured_and_changes_nothing() {
    let past = past();
    let shadow = "[[rules]]\nid = \"tenth\"\nwhen = 'event_id.endsWith(\"0\")'\nstatus = \"shadow\"\ndecision = \"decline\"\n";
    let told = past.report(&plan(&format!("{RULES}{shadow}"), POLICY));
    assert!(told.changes.is_empty());
    let row = told.rules.iter().find(|it| it.rule == "tenth").unwrap();
    assert_eq!((row.status, row.matched, row.frauds), ("shadow", 29, 29));
    assert_eq!((row.precision, row.recall), (Some(1.0), Some(1.0)));
    let [low, high] = row.precision_interval.unwrap();
    assert!(
        (0.85..0.92).contains(&low) && (high - 1.0).abs() < 1e-9,
        "{low} {high}"
    );
}

#[test]
fn what_cannot_be_tried_is_refused_before_the_log_is_read() {
    let past = past();
    let refuse = |change: &dyn Fn(&mut Plan)| {
        let mut plan = plan(RULES, POLICY);
        change(&mut plan);
        run(&past.place, &plan, |_| ControlFlow::Continue(())).unwrap_err()
    };
    assert_eq!(refuse(&|it| it.until = it.from).code(), "window");
    assert_eq!(refuse(&|it| it.costs.review = -1.0).code(), "cost");
    assert_eq!(
        refuse(&|it| it.candidate.rules = "[[rules]]".to_owned()).code(),
        "rules"
    );
    assert_eq!(
        refuse(&|it| it.candidate.policy = "x".to_owned()).code(),
        "policy"
    );
    let empty = refuse(&|it| {
        it.from = at(1_000_000);
        it.until = at(1_000_001);
    });
    assert!(empty.to_string().contains("2026-01-01"), "{empty}");
    let plan = plan(RULES, POLICY);
    let stopped = run(&past.place, &plan, |_| ControlFlow::Break(())).unwrap_err();
    assert!(matches!(stopped, BacktestError::Cancelled));
}
