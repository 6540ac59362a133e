//! How fast a window is decided again: with the graph rebuilt for rules that look at features, and from the log alone.
//!
//! `cargo bench -p ringfence-backtest --bench window -- 200000` names the number of events; each has its decision and
//! four entities of `schemas/default.toml`.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints and may stop"
)]

use std::ops::ControlFlow;

use event::json::{Line, parse_line};
use event::record::{Decision, DecisionKind, DecisionSource, Findings, ModelVersion};
use event::{EventTime, Schema};
use node::{Accepted, Journal, Place};
use ringfence_backtest::{Costs, Plan, Rulebook, run};

const SCHEMA: &str = include_str!("../../../schemas/default.toml");
const POLICY: &str = "[thresholds]\nchallenge = 400\nreview = 700\ndecline = 950\n";
const COMMIT_EVERY: u64 = 1000;
const SECONDS_APART: i64 = 20;
const GOALS: [f64; 2] = [60_000.0, 150_000.0];

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % n
    }
}

fn at(number: u64) -> EventTime {
    let start = EventTime::parse_iso("2026-01-01T00:00:00Z").unwrap();
    EventTime::from_millis(start.millis() + number as i64 * SECONDS_APART * 1000)
}

fn write(place: &Place, events: u64) {
    let mut journal = Journal::create(place, SCHEMA, Default::default()).unwrap();
    let schema = Schema::parse(SCHEMA).unwrap();
    let mut dice = Dice(7);
    for number in 0..events {
        let text = format!(
            r#"{{"event_id":"e{number}","event_type":"payment","event_timestamp":"{}","account":"a{}","merchant":"m{}","device":"d{}","ip":"i{}","amount":"{}.00"}}"#,
            at(number),
            dice.below(events / 20 + 10),
            dice.below(2000),
            dice.below(events / 25 + 10),
            dice.below(events / 40 + 10),
            1 + dice.below(900),
        );
        let Line::Event(event) = parse_line(&text, &schema, None).unwrap() else {
            panic!("no event");
        };
        let Accepted::New(event_position) = journal.accept_event((*event).clone()).unwrap() else {
            panic!("known already");
        };
        let decision = Decision {
            event_position,
            decided_at: event.received_at,
            suspicion: Default::default(),
            verdict: DecisionKind::Approve,
            score: dice.below(1001) as u16,
            probability_ppm: 1000,
            source: DecisionSource::Model,
            model: ModelVersion([1; 8]),
            policy_version: 1,
            rules_version: 0,
            propensity_ppm: 1_000_000,
            degraded: 0,
            reasons: Default::default(),
            evidence: Default::default(),
            findings: Findings::default(),
        };
        journal.append_decision(&event, &decision).unwrap();
        if number % COMMIT_EVERY == 0 {
            journal.commit().unwrap();
        }
    }
    journal.commit().unwrap();
}

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let events = args.next().map_or(200_000, |text| text.parse().unwrap());
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let place = Place::new(dir.path(), "bench").unwrap();
    write(&place, events);
    let rule = |when: &str| {
        format!(
            "[[rules]]\nid = \"r\"\nwhen = '{when}'\nstatus = \"active\"\ndecision = \"review\"\n"
        )
    };
    let cases = [
        (
            "rules over features",
            rule("device.accounts_24h >= 3 && amount > 100_00"),
        ),
        ("rules over fields", rule("amount > 100_00 && score > 300")),
    ];
    println!("{events} events with their decisions, the last half decided again");
    for ((name, rules), goal) in cases.into_iter().zip(GOALS) {
        let policy = POLICY.to_owned();
        let plan = Plan {
            from: at(events / 2),
            until: at(events),
            current: Rulebook {
                rules: String::new(),
                policy: policy.clone(),
            },
            candidate: Rulebook { rules, policy },
            costs: Costs::default(),
            scorer: None,
            samples: 10,
        };
        let report = run(&place, &plan, |_| ControlFlow::Continue(())).unwrap();
        let rate = events as f64 / report.seconds;
        let graph = if report.full_replay {
            "graph rebuilt"
        } else {
            "log alone"
        };
        println!("{name:<22} {graph:<14} {rate:>10.0} events/s (goal {goal:.0})");
    }
}
