//! Models judged by the labels of the days that they decided: every figure counted again by hand, whoever reads the log.

// Helpers of tests lie outside the `#[test]` functions that clippy exempts.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use event::json::{Line, parse_line};
use event::record::{Decision, DecisionKind, DecisionSource, ModelVersion, Record};
use event::{Event, EventTime, Position, Schema, Span};
use log::LogOptions;
use node::background::Priority;
use node::breaker::BreakerSettings;
use node::clock::Clock;
use node::guard::GuardSettings;
use node::mailbox::BoxLimits;
use node::node::NodeSettings;
use node::owner::{Fsync, OwnerSettings};
use node::quota::{Quota, Quotas};
use node::state_file;
use node::{Accepted, History, Journal, Node, Place};
use ringfence_backtest::decay::{DAYS_MAX, Days, Decay, Judged, SavedError};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(60);
const PER_DAY: u64 = 48;
const MATURITY: u64 = 3;
const ONE: ModelVersion = ModelVersion([1; 8]);
const OTHER: ModelVersion = ModelVersion([2; 8]);

fn schema_text() -> String {
    let schema = include_str!("../../../schemas/default.toml");
    schema.replace("maturity = \"14d\"", "maturity = \"3d\"")
}

fn at(number: u64) -> EventTime {
    let start = EventTime::parse_iso("2026-01-01T00:00:00Z").unwrap();
    start.plus(Span::minutes(30 * number as i64))
}

fn parse(schema: &Schema, text: &str) -> Line {
    parse_line(text, schema, None).unwrap()
}

fn event(schema: &Schema, number: u64) -> Event {
    let text = format!(
        r#"{{"event_id":"e{number}","event_type":"payment","event_timestamp":"{}","account":"a{}","merchant":"m1","device":"d1","amount":"5.00"}}"#,
        at(number),
        number % 11,
    );
    match parse(schema, &text) {
        Line::Event(event) => *event,
        other => panic!("{other:?}"),
    }
}

/// The second model takes over at noon of the third day, and a few events have none.
fn model(number: u64) -> ModelVersion {
    match number {
        _ if number.is_multiple_of(17) => ModelVersion::default(),
        0..120 => ONE,
        _ => OTHER,
    }
}

fn ppm(number: u64) -> u32 {
    (number * 7919 % 1_000) as u32 * 1_000
}

fn is_declined(number: u64) -> bool {
    number % 8 == 5
}

fn is_fraud(number: u64) -> bool {
    number.is_multiple_of(6)
}

/// When its label comes, in events; every fourth fraud's comes when its day has been judged.
fn told_after(number: u64) -> u64 {
    match number.is_multiple_of(24) {
        true => (MATURITY + 2) * PER_DAY,
        false => PER_DAY,
    }
}

fn decision(position: Position, event: &Event, number: u64) -> Decision {
    Decision {
        event_position: position,
        decided_at: event.received_at,
        suspicion: Default::default(),
        verdict: match is_declined(number) {
            true => DecisionKind::Decline,
            false => DecisionKind::Approve,
        },
        score: 0,
        probability_ppm: ppm(number),
        source: DecisionSource::Model,
        model: model(number),
        policy_version: 1,
        rules_version: 0,
        propensity_ppm: 1_000_000,
        degraded: 0,
        reasons: Default::default(),
        evidence: Default::default(),
        findings: Default::default(),
    }
}

/// Decided and labelled up to an event.
fn write(place: &Place, until: u64) {
    let mut journal = Journal::create(place, &schema_text(), Default::default()).unwrap();
    let schema = Schema::parse(&schema_text()).unwrap();
    for number in 0..until {
        let event = event(&schema, number);
        let Accepted::New(position) = journal.accept_event(event.clone()).unwrap() else {
            panic!("known already");
        };
        let decision = decision(position, &event, number);
        journal.append_decision(&event, &decision).unwrap();
        let told = (0..=number).filter(|it| is_fraud(*it) && it + told_after(*it) == number);
        for fraud in told {
            let text = format!(
                r#"{{"label":"fraud","event_id":"e{fraud}","label_timestamp":"{}","source":"chargeback"}}"#,
                at(number)
            );
            let Line::Label(line) = parse(&schema, &text) else {
                panic!("no label");
            };
            let label = journal.resolve_label(&line, at(number)).unwrap();
            journal.append(&Record::Label(label.unwrap())).unwrap();
        }
        if number.is_multiple_of(1000) {
            journal.commit().unwrap();
        }
    }
    journal.commit().unwrap();
}

fn judged(place: &Place, from: Option<u64>) -> Vec<Judged> {
    let history = History::open(place).unwrap();
    let mut days = Days::new(history.schema(), from.is_some());
    let mut records = history.iter_from(Position(from.unwrap_or(0))).unwrap();
    while let Some((position, record)) = records.next_record().unwrap() {
        days.take(position, record);
    }
    days.judged().cloned().collect()
}

#[test]
fn a_day_is_judged_once_by_the_labels_that_came_in_time() {
    let dir = TempDir::new().unwrap();
    let place = Place::new(dir.path(), "acme").unwrap();
    // The last event is the first of the seventh day: three days are old enough, to the minute.
    write(&place, 6 * PER_DAY + 1);
    let judged = judged(&place, None);
    let days = [(0, ONE), (1, ONE), (2, ONE), (2, OTHER)];
    assert_eq!(judged.len(), days.len(), "{judged:?}");
    for (held, (day, model_of)) in judged.iter().zip(days) {
        assert_eq!((held.day, held.model), (at(day * PER_DAY), model_of));
        let own = (day * PER_DAY..(day + 1) * PER_DAY).filter(|it| model(*it) == model_of);
        let own: Vec<u64> = own.collect();
        assert_eq!(held.decided, own.len() as u64, "day {day}");
        let known: Vec<u64> = own.into_iter().filter(|it| !is_declined(*it)).collect();
        let in_time = |it: &&u64| is_fraud(**it) && told_after(**it) <= MATURITY * PER_DAY;
        let frauds = known.iter().filter(in_time).count() as u64;
        assert!(frauds > 0 && frauds < known.iter().filter(|it| is_fraud(**it)).count() as u64);
        let worth = &held.worth;
        assert_eq!((worth.known, worth.frauds), (known.len() as u64, frauds));
        let said: f64 = known.iter().map(|it| f64::from(ppm(*it)) / 1e6).sum();
        assert!((worth.frauds_expected - said).abs() < 1e-9);
        assert_eq!(worth.frauds_came, frauds as f64);
        assert!(worth.ap.is_some() && worth.calibration_error > Some(0.0));
    }
}

/// The rest is the same whoever begins where: a day that may have begun before is left out.
#[test]
fn what_is_told_of_a_day_does_not_depend_on_where_reading_begins() {
    let dir = TempDir::new().unwrap();
    let place = Place::new(dir.path(), "acme").unwrap();
    write(&place, 9 * PER_DAY);
    let whole = judged(&place, None);
    let from_the_second_day = judged(&place, Some(150));
    assert_eq!(from_the_second_day[0].day, at(2 * PER_DAY));
    let rest = whole.len() - from_the_second_day.len();
    assert_eq!(from_the_second_day, whole[rest..]);
}

/// A day before which events are read, though nobody decided them, is whole.
#[test]
fn the_first_decided_day_counts_where_events_of_a_day_before_are_read() {
    let schema = Schema::parse(&schema_text()).unwrap();
    let judged = |decided_from: u64| -> Vec<EventTime> {
        let mut days = Days::new(&schema, true);
        for number in 0..(3 + MATURITY) * PER_DAY {
            let event = event(&schema, number);
            let decision = decision(Position(2 * number), &event, number);
            days.take(Position(2 * number), Record::Event(event));
            if number >= decided_from {
                days.take(Position(2 * number + 1), Record::Decision(decision));
            }
        }
        days.judged().map(|it| it.day).collect()
    };
    assert_eq!(judged(PER_DAY)[0], at(PER_DAY));
    assert_eq!(judged(1)[0], at(PER_DAY));
    assert_eq!(judged(0)[0], at(PER_DAY));
}

#[test]
fn of_a_large_day_an_even_share_is_judged() {
    let schema = Schema::parse(&schema_text()).unwrap();
    let mut days = Days::new(&schema, false);
    let mut position = 0;
    let mut take = |event: Event, number: u64| {
        let mut decision = decision(Position(position), &event, number);
        (decision.verdict, decision.model) = (DecisionKind::Approve, ONE);
        decision.probability_ppm = 1_000_000 * u32::from(number < 50_000);
        days.take(Position(position), Record::Event(event));
        let is_judged = days.take(Position(position + 1), Record::Decision(decision));
        position += 2;
        is_judged
    };
    let first = event(&schema, 0);
    for number in 0..200_000 {
        assert!(!take(first.clone(), number));
    }
    assert!(take(event(&schema, (1 + MATURITY) * PER_DAY), 0));
    let held: Vec<&Judged> = days.judged().collect();
    let [only] = held[..] else { panic!("{held:?}") };
    assert_eq!(only.decided, 200_000);
    let known = only.worth.known;
    assert!((40_000..=65_536).contains(&known), "{known}");
    // A quarter, as of all: five standard deviations.
    let share = only.worth.frauds_expected / known as f64;
    assert!((share - 0.25).abs() < 0.011, "{share}");
}

fn settings() -> NodeSettings {
    let breaker = BreakerSettings {
        failures: 32,
        pause: SOON,
        probes: 1,
    };
    NodeSettings {
        keep_of: BTreeMap::default(),
        tenants_max: 4,
        quotas: Quotas {
            default: Quota {
                entities_max: 1000,
                bytes_max: 1 << 30,
            },
            tenants: BTreeMap::new(),
        },
        owner: OwnerSettings {
            keep: None,
            mailbox: BoxLimits {
                letters_max: 100,
                bytes_max: 1 << 20,
            },
            fsync: Fsync::Always,
            group_letters: 16,
            snapshot_records: 1 << 30,
            tick: SOON,
            retry: SOON,
            guard: GuardSettings {
                deadline: SOON,
                breakers: [breaker; 3],
            },
            shadow: Default::default(),
            clock: Clock::default(),
            log: LogOptions::default(),
        },
    }
}

fn until(mut true_soon: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !true_soon() {
        assert!(Instant::now() < end, "waited for {SOON:?} in vain");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Written down and read again after every few records, also between an event and its decision.
#[test]
fn interrupted_anywhere_it_is_the_same() {
    let dir = TempDir::new().unwrap();
    let place = Place::new(dir.path(), "acme").unwrap();
    write(&place, 7 * PER_DAY);
    let history = History::open(&place).unwrap();
    let schema = history.schema();
    let mut records = history.iter_from(Position(0)).unwrap();
    let mut log = Vec::new();
    while let Some(record) = records.next_record().unwrap() {
        log.push(record);
    }
    let whole = judged(&place, None);
    for every in [2, 3, 7, 100] {
        let (mut days, mut at, mut again) = (Days::new(schema, false), 0, 0);
        while at < log.len() {
            let until = (at + every).min(log.len());
            for (position, record) in &log[at..until] {
                days.take(*position, record.clone());
            }
            let saved = days.save(Position(until as u64)).unwrap();
            let next;
            (days, next) = Days::restore(schema, &saved).unwrap();
            at = next.0 as usize;
            again += until - at;
        }
        assert!(days.judged().eq(&whole) && again > 0, "every {every}");
    }
}

#[test]
fn saved_days_of_another_schema_or_damaged_are_refused() {
    let schema = Schema::parse(&schema_text()).unwrap();
    let saved = Days::new(&schema, true).save(Position(7)).unwrap();
    assert_eq!(Days::restore(&schema, &saved).unwrap().1, Position(7));
    let other = Schema::parse(&schema_text().replace("\"3d\"", "\"4d\"")).unwrap();
    let refused = Days::restore(&other, &saved).unwrap_err();
    assert!(matches!(refused, SavedError::OtherSchema), "{refused}");
    let refused = Days::restore(&schema, &saved[..saved.len() - 1]).unwrap_err();
    assert!(matches!(refused, SavedError::Encoding(_)), "{refused}");
    let longer = [&saved[..], &[0]].concat();
    let refused = Days::restore(&schema, &longer).unwrap_err();
    assert!(matches!(refused, SavedError::Inconsistent), "{refused}");
}

/// It begins where the days begin that are remembered, and forgets who is gone.
#[test]
fn a_node_s_tenants_are_followed_as_far_back_as_is_remembered() {
    let dir = TempDir::new().unwrap();
    let place = Place::new(dir.path(), "acme").unwrap();
    let days = DAYS_MAX as u64 + MATURITY + 30;
    write(&place, days * PER_DAY);
    let node = Arc::new(Node::open(dir.path(), settings()).unwrap());
    let tell = |text: &str| panic!("{text}");
    let decay = Decay::start(node.clone(), Priority::Low, Box::new(tell)).unwrap();
    let mut expected = judged(&place, None);
    assert_eq!(expected.len(), DAYS_MAX as usize);
    expected.reverse();
    until(|| decay.of("acme").days.len() == expected.len());
    assert_eq!(*decay.of("acme").days, expected);
    assert!(decay.of("other").days.is_empty());
    node.erase("acme").unwrap();
    until(|| decay.all().is_empty());
    decay.stop();
}

/// A start goes on where the one before ended: what it reads is what was written down, and not the log again.
#[test]
fn a_start_goes_on_from_what_was_written_down_unless_that_is_damaged() {
    const MAGIC: &state_file::Magic = b"RFDECAY1";
    let dir = TempDir::new().unwrap();
    let place = Place::new(dir.path(), "acme").unwrap();
    write(&place, (MATURITY + 5) * PER_DAY);
    let mut expected = judged(&place, None);
    expected.reverse();
    let node = Arc::new(Node::open(dir.path(), settings()).unwrap());
    let start = |told: Arc<Mutex<Vec<String>>>| {
        let tell = move |text: &str| told.lock().unwrap().push(text.to_owned());
        Decay::start(node.clone(), Priority::Low, Box::new(tell)).unwrap()
    };
    let told = Arc::new(Mutex::new(Vec::new()));
    let is_read = |decay: &Decay| decay.all().get("acme").is_some_and(|it| it.behind == 0);
    let decay = start(told.clone());
    until(|| is_read(&decay));
    decay.stop();
    let written = state_file::read(&place.decay(), MAGIC).unwrap().unwrap();
    let history = History::open(&place).unwrap();
    let (days, next) = Days::restore(history.schema(), &written).unwrap();
    assert_eq!(next, history.end());
    assert!(days.judged().rev().eq(&expected));

    // Who had read all of it and judged nothing has nothing to tell.
    let nothing = Days::new(history.schema(), false).save(next).unwrap();
    state_file::write(&place.decay(), MAGIC, &[&nothing]).unwrap();
    let decay = start(told.clone());
    until(|| is_read(&decay));
    assert!(decay.of("acme").days.is_empty());
    decay.stop();
    // Nothing new was read, and nothing is written.
    let held = state_file::read(&place.decay(), MAGIC).unwrap();
    assert_eq!(held, Some(nothing.clone()));

    // Of a log that had come further than this one, as after a repair.
    let ahead = Days::new(history.schema(), false).save(Position(next.0 + 1));
    state_file::write(&place.decay(), MAGIC, &[&ahead.unwrap()]).unwrap();
    let decay = start(told.clone());
    until(|| is_read(&decay));
    assert_eq!(*decay.of("acme").days, expected);
    decay.stop();
    assert_eq!(*told.lock().unwrap(), Vec::<String>::new());

    let mut bytes = std::fs::read(place.decay()).unwrap();
    bytes[20] ^= 1;
    std::fs::write(place.decay(), bytes).unwrap();
    let decay = start(told.clone());
    until(|| is_read(&decay));
    assert_eq!(*decay.of("acme").days, expected);
    decay.stop();
    let said = told.lock().unwrap().concat();
    assert!(said.contains("days are judged anew"), "{said}");
    let written = state_file::read(&place.decay(), MAGIC).unwrap().unwrap();
    let (days, _) = Days::restore(history.schema(), &written).unwrap();
    assert!(days.judged().rev().eq(&expected));
}
