//! A window of a real log decided again: the same by the rules of its time, and otherwise by others.

// Helpers of tests lie outside the `#[test]` functions that clippy exempts.
#![allow(clippy::unwrap_used)]

use std::ops::ControlFlow;

use engine::{Engine, Scored};
use event::json::{Line, parse_line};
use event::record::{Config, ConfigSection, Decision, DecisionKind, ModelVersion, Record};
use event::{Event, EventTime, Schema};
use graph::Sample;
use graph::sample::SampleParts;
use node::{Accepted, Journal, Place};
use ringfence_backtest::{BacktestError, Costs, Plan, Report, Rulebook, advise, run};
use tempfile::TempDir;

const SCHEMA: &str = include_str!("../../../schemas/default.toml");
const POLICY: &str = "[thresholds]\nchallenge = 400\nreview = 700\ndecline = 950\n";
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

fn at(minute: u64) -> EventTime {
    let start = EventTime::parse_iso("2026-01-01T00:00:00Z").unwrap();
    EventTime::from_millis(start.millis() + minute as i64 * 60_000)
}

fn event(schema: &Schema, number: u64) -> Event {
    let text = format!(
        r#"{{"event_id":"e{number}","event_type":"payment","event_timestamp":"{}","account":"a{}","merchant":"m1","device":"d{}","amount":"{}.00"}}"#,
        at(number * 10),
        number % 13,
        number % 7,
        1 + number * 31 % 90,
    );
    match parse_line(&text, schema, None).unwrap() {
        Line::Event(event) => *event,
        other => panic!("{other:?}"),
    }
}

struct Past {
    _dir: TempDir,
    place: Place,
    /// As they were taken live.
    decisions: Vec<(Event, Decision)>,
}

/// Events as a tenant decides them: sampled, appended, applied, decided, in one log.
fn past() -> Past {
    let dir = TempDir::new().unwrap();
    let place = Place::new(dir.path(), "acme").unwrap();
    let mut journal = Journal::create(&place, SCHEMA, Default::default()).unwrap();
    let schema = Schema::parse(SCHEMA).unwrap();
    let mut engine = Engine::new(&schema);
    // What the journal has written already: the schema.
    let mut applied = 0;
    let history = node::History::open(&place).unwrap();
    let mut records = history.iter_from(event::Position(0)).unwrap();
    while let Some((position, record)) = records.next_record().unwrap() {
        engine.apply(position, &record);
        applied += 1;
    }
    assert_eq!(applied, 1);
    for (section, body) in [
        (ConfigSection::Policy, POLICY),
        (ConfigSection::Rules, RULES),
    ] {
        let (author, why) = ("test".into(), Default::default());
        let (at, body) = (at(0), body.to_owned());
        let record = Record::Config(Config {
            at,
            section,
            version: 1,
            author,
            why,
            body,
        });
        let position = journal.append(&record).unwrap();
        engine.apply(position, &record);
    }
    let mut sample = Sample::default();
    let mut decisions = Vec::new();
    for number in 0..EVENTS {
        let event = event(&schema, number);
        engine.sample(&event, SampleParts::Tabular, &mut sample);
        let Accepted::New(position) = journal.accept_event(event.clone()).unwrap() else {
            panic!("known already");
        };
        engine.apply(position, &Record::Event(event.clone()));
        let scored = Scored {
            // Mostly low.
            score: ((number * 37 % 1001).pow(2) / 1000) as u16,
            probability_ppm: 1000,
            model: ModelVersion([1; 8]),
            reasons: Default::default(),
            evidence: Default::default(),
        };
        let decision = engine.decide(&event, position, &sample, Ok(scored));
        let behind = journal.append_decision(&event, &decision).unwrap();
        engine.apply(behind, &Record::Decision(decision.clone()));
        decisions.push((event, decision));
        if number >= 144 && (number - 144).is_multiple_of(FRAUD_EVERY) {
            let text = format!(
                r#"{{"label":"fraud","event_id":"e{}","label_timestamp":"{}","source":"chargeback"}}"#,
                number - 144,
                at(number * 10)
            );
            let Line::Label(line) = parse_line(&text, &schema, None).unwrap() else {
                panic!("no label");
            };
            let label = journal
                .resolve_label(&line, at(number * 10))
                .unwrap()
                .unwrap();
            let position = journal.append(&Record::Label(label.clone())).unwrap();
            engine.apply(position, &Record::Label(label));
        }
    }
    journal.commit().unwrap();
    Past {
        _dir: dir,
        place,
        decisions,
    }
}

fn plan(rules: &str, policy: &str) -> Plan {
    let book = |rules: &str, policy: &str| Rulebook {
        rules: rules.to_owned(),
        policy: policy.to_owned(),
    };
    Plan {
        from: at(1440),
        until: at(4320),
        current: book(RULES, POLICY),
        candidate: book(rules, policy),
        costs: Costs::default(),
        scorer: None,
        samples: 5,
    }
}

fn report(past: &Past, plan: &Plan) -> Report {
    run(&past.place, plan, |_| ControlFlow::Continue(())).unwrap()
}

fn inside(past: &Past) -> impl Iterator<Item = &(Event, Decision)> {
    past.decisions
        .iter()
        .filter(|(event, _)| (at(1440)..at(4320)).contains(&event.event_timestamp))
}

#[test]
fn the_rules_of_its_time_decide_a_window_as_it_was_decided() {
    let past = past();
    let told = report(&past, &plan(RULES, POLICY));
    let of = |kind: DecisionKind| inside(&past).filter(|(_, it)| it.verdict == kind).count() as u64;
    let live = [
        DecisionKind::Approve,
        DecisionKind::Challenge,
        DecisionKind::Review,
        DecisionKind::Decline,
    ]
    .map(of);
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
    let told = report(&past, &plan);
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
    let told = report(&past, &plan(&format!("{RULES}{shadow}"), POLICY));
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
fn thresholds_are_advised_for_a_number_of_alerts_a_day() {
    let past = past();
    let advice = advise(&past.place, &plan("", ""), 20.0, |_| {
        ControlFlow::Continue(())
    })
    .unwrap();
    let score = |it: &Decision| it.findings.model_score.unwrap_or(it.score);
    let alerts = |from: u16| inside(&past).filter(|(_, it)| score(it) >= from).count();
    assert!(
        alerts(advice.review) <= 40 && alerts(advice.review - 1) > 40,
        "{}",
        advice.review
    );
    let point = &advice.curve[usize::from(advice.review)];
    assert_eq!(point.alerts_per_day, alerts(advice.review) as f64 / 2.0);
    assert_eq!(advice.curve[0].recall, Some(1.0));
    assert_eq!(advice.curve[1001].alerts_per_day, 0.0);
    let refused = advise(&past.place, &plan("", ""), 0.0, |_| {
        ControlFlow::Continue(())
    });
    assert_eq!(refused.unwrap_err().code(), "alert_budget");
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
