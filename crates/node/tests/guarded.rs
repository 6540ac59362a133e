//! A model that fails or comes late: what decides instead, what is said of it, and what is logged.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

// The name under which the shared helper knows it.
extern crate model as ringfence_model;

#[path = "support/hybrid.rs"]
mod hybrid;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use event::EventTime;
use event::record::{Decision, DecisionKind, DecisionSource, Levels, degraded};
use hybrid::{artifact, network, payment};
use log::LogOptions;
use ringfence_node::breaker::BreakerSettings;
use ringfence_node::clock::{Clock, Hands};
use ringfence_node::counters::{Count, Counters};
use ringfence_node::guard::{Guard, GuardSettings, Part, Urgency};
use ringfence_node::mailbox::Level;
use ringfence_node::shadow::ShadowSettings;
use ringfence_node::shadow::store::read;
use ringfence_node::tenant::documents::Author;
use ringfence_node::tenant::lineup::Move;
use ringfence_node::{Champion, NodeError, Place, Tenant};
use tempfile::TempDir;

const PAUSE: Duration = Duration::from_secs(5);
const PROBES: usize = 3;
/// Failures that open the breaker of each level.
const FAILURES: [u32; 3] = [12, 8, 4];

struct Bench {
    dir: TempDir,
    tenant: Tenant,
    hands: Arc<Hands>,
    next: usize,
}

impl Bench {
    /// A tenant whose network computes with weights of this scale.
    fn new(scale: f32) -> Bench {
        let dir = TempDir::new().unwrap();
        let mut tenant = hybrid::tenant(dir.path(), &artifact(network(scale)));
        let hands = Arc::new(Hands::at(Instant::now()));
        let settings = GuardSettings {
            deadline: Duration::from_millis(50),
            breakers: FAILURES.map(|failures| BreakerSettings {
                failures,
                pause: PAUSE,
                probes: PROBES as u32,
            }),
        };
        tenant.guard_by(Guard::new(settings, Clock::moved_by(hands.clone())));
        Bench {
            dir,
            tenant,
            hands,
            next: 0,
        }
    }

    fn decide(&mut self, level: Level) -> Decision {
        let urgency = Urgency {
            level,
            deadline: None,
        };
        let event = payment(self.next);
        self.next += 1;
        self.tenant.decide_in_time(event, urgency).unwrap().decision
    }

    /// From now on every look at the clock finds it so much later.
    fn each_look_takes(&self, millis: u64) {
        self.hands.looks_take(&[Duration::from_millis(millis)]);
    }
}

/// Another model in the folder, told apart by its scale and its maker.
fn put(tenant: &Tenant, scale: f32, by: &str) -> Champion {
    let mut other = artifact(network(scale));
    other.header.created_by = by.to_owned();
    let written = tenant.place().models().join("new");
    let identity = other.save(&written).unwrap();
    std::fs::rename(written, tenant.place().model(&identity.bytes())).unwrap();
    let features = tenant.engine().features();
    Champion::of(&other, &identity, tenant.schema(), features).unwrap()
}

fn flags(decision: &Decision) -> Vec<&'static str> {
    degraded::names(decision.degraded).collect()
}

#[test]
fn a_model_that_comes_late_is_not_used_then_not_asked_and_then_tried_again() {
    let mut bench = Bench::new(1.0);
    assert_eq!(flags(&bench.decide(Level::L1)), [""; 0]);
    bench.each_look_takes(60);
    let policy = bench.tenant.engine().policy().clone();
    for round in 0..FAILURES[0] {
        // As many L3 requests fall back without the model as are above its threshold.
        let decision = bench.decide(Level::L1);
        assert_eq!(decision.source, DecisionSource::Fallback);
        assert_eq!(decision.verdict, DecisionKind::Review, "{policy:?}");
        let told = flags(&decision);
        assert_eq!(told, ["network_timeout", "model_timeout"], "round {round}");
        if round + 1 == FAILURES[2] {
            let least = bench.decide(Level::L3);
            let kept = ["network_breaker_open", "model_breaker_open"];
            assert_eq!(flags(&least), kept);
            assert_eq!(least.source, DecisionSource::Fallback);
        }
    }
    let kept = bench.decide(Level::L1);
    assert_eq!(flags(&kept), ["network_breaker_open", "model_breaker_open"]);
    assert_eq!(kept.verdict, DecisionKind::Review);
    // In time again, but before the pause is over.
    bench.each_look_takes(0);
    bench.hands.advance(PAUSE / 2);
    assert_eq!(bench.decide(Level::L1).source, DecisionSource::Fallback);
    bench.hands.advance(PAUSE / 2);
    for _ in 0..=PROBES {
        let decision = bench.decide(Level::L1);
        assert_eq!(decision.source, DecisionSource::Model);
        assert_eq!(flags(&decision), [""; 0]);
    }
}

#[test]
fn a_network_that_fails_is_left_alone_and_its_trees_say_the_same_as_before() {
    let mut bench = Bench::new(1e30);
    for number in 0..FAILURES[0] + 5 {
        let decision = bench.decide(Level::L1);
        assert_eq!(decision.source, DecisionSource::Model);
        let expected = match number < FAILURES[0] {
            true => "network_fault",
            false => "network_breaker_open",
        };
        assert_eq!(flags(&decision), [expected], "{number}");
        assert!(!decision.reasons.is_empty());
    }
    // A probe that fails opens it for another pause; the one after it is not made.
    bench.hands.advance(PAUSE);
    assert_eq!(flags(&bench.decide(Level::L1)), ["network_fault"]);
    assert_eq!(flags(&bench.decide(Level::L1)), ["network_breaker_open"]);
}

#[test]
fn another_model_begins_with_closed_breakers() {
    let mut bench = Bench::new(1e30);
    for _ in 0..FAILURES[2] {
        bench.decide(Level::L3);
    }
    assert_eq!(flags(&bench.decide(Level::L3)), ["network_breaker_open"]);
    let other = put(&bench.tenant, 1.0, "a test").artifact();
    bench.tenant.activate(other).unwrap();
    assert_eq!(flags(&bench.decide(Level::L3)), [""; 0]);
}

#[test]
fn reasons_that_keep_coming_late_are_left_out_and_the_decision_stays_what_it_is() {
    let mut bench = Bench::new(1.0);
    // A decision looks before and after its score, then before and after its reasons.
    let late = Duration::from_millis(60);
    bench
        .hands
        .looks_take(&[Duration::ZERO, Duration::ZERO, Duration::ZERO, late]);
    for _ in 0..FAILURES[2] {
        let decision = bench.decide(Level::L3);
        assert_eq!(flags(&decision), [""; 0]);
        assert!(
            !decision.reasons.is_empty(),
            "late is no reason to withhold"
        );
    }
    let decision = bench.decide(Level::L3);
    assert_eq!(flags(&decision), ["reasons_breaker_open"]);
    assert_eq!(decision.source, DecisionSource::Model);
    assert!(decision.reasons.is_empty());
    assert!(!bench.decide(Level::L1).reasons.is_empty());
}

#[test]
fn what_was_answered_is_what_was_logged_and_a_replay_gives_the_same_state() {
    let mut bench = Bench::new(1.0);
    let mut answered = Vec::new();
    for number in 0..30 {
        bench.each_look_takes(if number % 3 == 0 { 60 } else { 0 });
        let level = Level::ALL[number % 3];
        answered.push(bench.decide(level));
    }
    bench.tenant.commit().unwrap();
    let digest = bench.tenant.engine().digest();
    let place = Place::new(bench.dir.path(), "acme").unwrap();
    drop(bench.tenant);
    let (mut tenant, _) = Tenant::open(&place, LogOptions::default(), |_, _| {}).unwrap();
    assert_eq!(tenant.engine().digest(), digest);
    let mut kinds = std::collections::BTreeSet::new();
    for (number, decision) in answered.iter().enumerate() {
        kinds.insert(decision.degraded);
        let again = tenant.decide(payment(number)).unwrap();
        assert!(again.duplicate);
        assert_eq!(again.decision, *decision, "{number}");
    }
    assert!(kinds.len() >= 3, "{kinds:?}");
}

#[test]
fn a_request_whose_time_is_over_leaves_nothing_behind() {
    let mut bench = Bench::new(1.0);
    bench.decide(Level::L1);
    let (next, digest) = (bench.tenant.next(), bench.tenant.engine().digest());
    let now = Clock::moved_by(bench.hands.clone()).instant();
    let urgency = Urgency {
        level: Level::L1,
        deadline: Some(now),
    };
    let late = bench.tenant.decide_in_time(payment(30), urgency);
    assert!(matches!(late, Err(NodeError::DeadlinePassed)), "{late:?}");
    assert_eq!(bench.tenant.next(), next);
    assert_eq!(bench.tenant.engine().digest(), digest);
    // Over before the reasons: the decision is taken, and says what is missing.
    bench.each_look_takes(1);
    let urgency = Urgency {
        level: Level::L1,
        deadline: Some(now + Duration::from_micros(3500)),
    };
    let decided = bench.tenant.decide_in_time(payment(30), urgency).unwrap();
    assert_eq!(flags(&decided.decision), ["reasons_out_of_time"]);
    assert!(decided.decision.reasons.is_empty());
}

/// Shadows are compared with the model that decided: what its own call took goes with the sample.
#[test]
fn the_time_of_a_score_is_that_of_the_model_that_decided() {
    let mut bench = Bench::new(1.0);
    let shadow = put(&bench.tenant, 1.0, "a shadow").artifact();
    let challenger = Box::new(put(&bench.tenant, 1.0, "a challenger"));
    let (named, producer) = (Author::from("ann"), None);
    bench
        .tenant
        .shadow_by(ShadowSettings::default(), Arc::default());
    let enters = Move::Shadow {
        artifact: shadow,
        producer,
    };
    bench.tenant.make_move(enters, &named).unwrap();
    // A look before and after a score, then before and after its reasons.
    let millis = |millis: &[u64]| -> Vec<Duration> {
        let all = millis.iter();
        all.map(|it| Duration::from_millis(*it)).collect()
    };
    bench.hands.looks_take(&millis(&[0, 3, 0, 9]));
    bench.decide(Level::L1);
    let challenges = Move::Challenge {
        model: challenger,
        share_ppm: 1_000_000,
        levels: Levels::ALL,
    };
    bench.tenant.make_move(challenges, &named).unwrap();
    bench.hands.looks_take(&millis(&[0, 7, 0, 9]));
    bench.decide(Level::L1);
    bench.decide(Level::L1);
    let end = Instant::now() + Duration::from_secs(60);
    let took = loop {
        let all = EventTime::MIN..EventTime::END;
        let held = read(bench.tenant.place(), &shadow, all).unwrap().entries;
        if held.len() == 3 {
            break held.into_iter().map(|it| it.deciding_nanos);
        }
        assert!(Instant::now() < end, "{held:?}");
        thread::sleep(Duration::from_millis(1));
    };
    assert_eq!(took.collect::<Vec<_>>(), [3_000_000, 7_000_000, 7_000_000]);
}

#[test]
fn the_challengers_breakers_are_told_apart_until_it_leaves() {
    let mut bench = Bench::new(1.0);
    let model = Box::new(put(&bench.tenant, 1e30, "a challenger that fails"));
    let (artifact, named) = (model.artifact(), Author::from("ann"));
    let challenges = Move::Challenge {
        model,
        share_ppm: 1_000_000,
        levels: Levels::ALL,
    };
    bench.tenant.make_move(challenges, &named).unwrap();
    for _ in 0..FAILURES[1] {
        bench.decide(Level::L2);
    }
    let counters = Counters::default();
    let told = |tenant: &Tenant| {
        counters.guarded(tenant.guards());
        let sum = |counts: &[[Count; 3]; 3]| counts.iter().flatten().map(Count::get).sum::<u64>();
        let [champion, challenger] = &counters.breakers;
        assert_eq!((sum(&champion.open), sum(&champion.opened)), (0, 0));
        assert_eq!(sum(&challenger.opened), 2);
        challenger.open[Part::Network as usize]
            .each_ref()
            .map(Count::get)
    };
    assert_eq!(told(&bench.tenant), [0, 1, 1]);
    let leaves = Move::Withdraw { artifact };
    bench.tenant.make_move(leaves, &named).unwrap();
    assert_eq!(told(&bench.tenant), [0; 3]);
}
