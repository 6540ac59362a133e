//! What models said live, joined with what the log knows by now: every figure counted again by hand.

// Helpers of tests lie outside the `#[test]` functions that clippy exempts.
#![allow(clippy::unwrap_used)]

use std::ops::ControlFlow;

use compare::Table;
use event::json::{Line, parse_line};
use event::record::{Decision, DecisionKind, DecisionSource, ModelVersion, Record};
use event::{Event, EventTime, Position, Schema, Span};
use model::artifact::Artifact;
use node::shadow::store::{Entry, ScoreWriter, check_of};
use node::{Accepted, Journal, Place};
use ringfence_backtest::BacktestError;
use ringfence_backtest::models::{Contender, Contest, run};
use tempfile::TempDir;

const SCHEMA: &str = include_str!("../../../schemas/default.toml");
/// Its header has the shadow's thresholds.
const MODEL: &[u8] = include_bytes!("../../ringfence/starter.model");
const POLICY: &str = "[thresholds]\nchallenge = 600\nreview = 600\ndecline = 900\n";
const CHAMPION: [u8; 32] = [1; 32];
const EVENTS: u64 = 500;
/// Events that the shadow has seen: not the first, and of the rest not each.
const FROM: u64 = 50;
const SHED_EVERY: u64 = 7;

fn at(minute: u64) -> EventTime {
    let start = EventTime::parse_iso("2026-01-01T00:00:00Z").unwrap();
    EventTime::from_millis(start.millis() + minute as i64 * 60_000)
}

fn parse(schema: &Schema, text: &str) -> Line {
    parse_line(text, schema, None).unwrap()
}

fn event(schema: &Schema, number: u64) -> Event {
    let text = format!(
        r#"{{"event_id":"e{number}","event_type":"payment","event_timestamp":"{}","account":"a{}","merchant":"m1","device":"d1","amount":"{}.00"}}"#,
        at(number * 10),
        number % 13,
        1 + number * 31 % 90,
    );
    match parse(schema, &text) {
        Line::Event(event) => *event,
        other => panic!("{other:?}"),
    }
}

fn champions_score(number: u64) -> u16 {
    (number * 37 % 1001) as u16
}

fn shadows_score(number: u64) -> u16 {
    (number * 53 % 1001) as u16
}

fn is_fraud(number: u64) -> bool {
    number.is_multiple_of(6)
}

fn verdict(number: u64) -> DecisionKind {
    match champions_score(number) {
        0..600 => DecisionKind::Approve,
        600..900 => DecisionKind::Review,
        _ => DecisionKind::Decline,
    }
}

fn shadow() -> [u8; 32] {
    let (_, identity) = Artifact::decode(MODEL).unwrap();
    identity.bytes()
}

struct Past {
    _dir: TempDir,
    place: Place,
    positions: Vec<Position>,
}

/// Decided by the champion, labelled a day later, and scored by the shadow.
fn past() -> Past {
    let dir = TempDir::new().unwrap();
    let place = Place::new(dir.path(), "acme").unwrap();
    let mut journal = Journal::create(&place, SCHEMA, Default::default()).unwrap();
    let schema = Schema::parse(SCHEMA).unwrap();
    std::fs::create_dir_all(place.models()).unwrap();
    std::fs::write(place.model(&shadow()), MODEL).unwrap();
    let (mut writer, _) = ScoreWriter::open(&place, shadow(), 1 << 30).unwrap();
    let mut positions = Vec::new();
    for number in 0..EVENTS {
        let event = event(&schema, number);
        let Accepted::New(position) = journal.accept_event(event.clone()).unwrap() else {
            panic!("known already");
        };
        positions.push(position);
        let score = champions_score(number);
        let mut decision = decision(position, &event, score);
        decision.verdict = verdict(number);
        if number.is_multiple_of(5) {
            // A rule moved it: the model's own score counts.
            decision.findings.model_score = Some(score);
            decision.score = 1000;
        }
        journal.append_decision(&event, &decision).unwrap();
        if number >= FROM && !number.is_multiple_of(SHED_EVERY) {
            let score = shadows_score(number);
            let mut entry = Entry {
                position,
                at: event.event_timestamp,
                check: check_of(&event.event_id),
                score,
                probability_ppm: u32::from(score) * 10,
                nanos: 5_000,
                deciding_nanos: 20_000,
            };
            if number == 51 {
                // Of an event that a power loss took; another has its position now.
                entry.check ^= 1;
            }
            writer.push(&entry).unwrap();
        }
        if number >= 144 && is_fraud(number - 144) {
            let text = format!(
                r#"{{"label":"fraud","event_id":"e{}","label_timestamp":"{}","source":"chargeback"}}"#,
                number - 144,
                at(number * 10)
            );
            let Line::Label(line) = parse(&schema, &text) else {
                panic!("no label");
            };
            let label = journal.resolve_label(&line, at(number * 10)).unwrap();
            journal.append(&Record::Label(label.unwrap())).unwrap();
        }
    }
    writer.flush().unwrap();
    journal.commit().unwrap();
    Past {
        _dir: dir,
        place,
        positions,
    }
}

fn decision(position: Position, event: &Event, score: u16) -> Decision {
    let mut model = ModelVersion::default();
    model.0.copy_from_slice(&CHAMPION[..8]);
    Decision {
        event_position: position,
        decided_at: event.received_at,
        suspicion: Default::default(),
        verdict: DecisionKind::Approve,
        score,
        probability_ppm: u32::from(score) * 100,
        source: DecisionSource::Model,
        model,
        policy_version: 1,
        rules_version: 0,
        propensity_ppm: 1_000_000,
        degraded: 0,
        reasons: Default::default(),
        evidence: Default::default(),
        findings: Default::default(),
    }
}

fn contest(from: u64, until: u64) -> Contest {
    let contender = |artifact, part| Contender {
        artifact,
        part,
        hot_update_ms: Some(12.5),
        trouble: (part == "shadow").then(|| "its file is gone".to_owned()),
    };
    Contest {
        from: at(from * 10),
        until: at(until * 10),
        models: vec![
            contender(CHAMPION, "champion"),
            contender(shadow(), "shadow"),
        ],
        policy: POLICY.to_owned(),
        rates: String::new(),
        maturity: Some(Span::days(1)),
        samples: 5,
    }
}

fn table(past: &Past, contest: &Contest) -> Table {
    run(&past.place, contest, |_| ControlFlow::Continue(())).unwrap()
}

fn close(got: f64, wanted: f64) {
    assert!((got - wanted).abs() < 1e-9, "{got}, not {wanted}");
}

#[test]
fn the_table_is_what_counting_the_log_says() {
    let past = past();
    let table = table(&past, &contest(100, 450));
    let (artifact, _) = Artifact::decode(MODEL).unwrap();
    let limit = artifact.header.thresholds["payment"].review;
    // From the first event of the window that the shadow scored on; labels are known up to the log's end, and count
    // of events that are a day old by then.
    let first = (100..450)
        .find(|it: &u64| !it.is_multiple_of(SHED_EVERY))
        .unwrap();
    let all = || first..450;
    let mature = |it: &u64| *it < EVENTS - 1 - 144;
    let known = || all().filter(|it| mature(it) && verdict(*it) != DecisionKind::Decline);
    assert_eq!(table.decisions, all().count() as u64);
    let frauds = known().filter(|it| is_fraud(*it)).count();
    assert_eq!(table.truth.frauds, frauds as u64);
    let declined = all().filter(|it| mature(it) && verdict(*it) == DecisionKind::Decline);
    assert_eq!(table.truth.declined, declined.count() as u64);
    assert_eq!(
        table.truth.immature,
        all().filter(|it| !mature(it)).count() as u64
    );

    let [champion, shadow] = &table.models[..] else {
        panic!("two models")
    };
    let alert = |it: &u64| champions_score(*it) >= 600;
    let caught = known().filter(|it| alert(it) && is_fraud(*it)).count() as f64;
    let alerts = known().filter(alert).count() as f64;
    assert!(caught > 0.0);
    close(champion.precision.unwrap().value, caught / alerts);
    close(champion.recall.unwrap().value, caught / frauds as f64);
    let days = (known().next_back().unwrap() - known().next().unwrap()) as f64 / 144.0;
    close(champion.frauds_intercepted_per_day, caught / days);
    close(champion.false_positives_per_day, (alerts - caught) / days);
    close(champion.coverage, 1.0);
    // Measured where the shadow was there to carry it: 20 us.
    close(champion.latency_us.unwrap().mean, 20.0);

    let seen = |it: &u64| !it.is_multiple_of(SHED_EVERY);
    let alert = |it: &u64| shadows_score(*it) >= limit;
    let caught = known()
        .filter(|it| seen(it) && alert(it) && is_fraud(*it))
        .count();
    let alerts = known().filter(|it| seen(it) && alert(it)).count();
    close(
        shadow.precision.unwrap().value,
        caught as f64 / alerts as f64,
    );
    close(
        shadow.coverage,
        all().filter(seen).count() as f64 / all().count() as f64,
    );
    close(shadow.latency_us.unwrap().p99, 5.0);
    assert_eq!(shadow.hot_update_ms, Some(12.5));
    assert_eq!(shadow.trouble.as_deref(), Some("its file is gone"));
    assert_eq!(champion.trouble, None);
    let beside = shadow.beside.as_ref().unwrap();
    assert!(beside.paired);
    assert_eq!(beside.rows, known().filter(seen).count() as u64);
    let samples = &beside.disagreements.samples;
    assert_eq!(samples.len(), 5);
    for sample in samples {
        let at = past.positions.iter().position(|it| it.0 == sample.position);
        assert_eq!(sample.event_id, format!("e{}", at.unwrap()));
    }
}

#[test]
fn a_score_of_another_event_at_its_position_is_left_out() {
    let past = past();
    let table = table(&past, &contest(50, 60));
    // 50 to 59: 56 was shed, and what is held at the position of 51 is of another event.
    assert_eq!(table.models[1].scored, 8);
    assert_eq!(table.models[0].scored, 10);
}

/// A shadow whose file is gone or damaged has no thresholds: its column stays empty, and the others are compared.
#[test]
fn a_shadow_without_a_readable_file_holds_up_no_comparison() {
    let past = past();
    let whole = table(&past, &contest(100, 450));
    let path = past.place.model(&shadow());
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let mut asked = contest(100, 450);
    for told in [Some("as the server says"), None] {
        asked.models[1].trouble = told.map(str::to_owned);
        let damaged = table(&past, &asked);
        let says = told.unwrap_or("its model file cannot be read (model_unusable)");
        assert_eq!(damaged.models[1].trouble.as_deref(), Some(says));
        assert_eq!(damaged.models[1].scored, 0);
        assert!(damaged.models[0].precision.is_some());
        assert_eq!(damaged.models[0].trouble, None);
        assert!(whole.models[1].scored > 0);
    }
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let past = past();
    let code = |contest: &Contest| {
        let refused = run(&past.place, contest, |_| ControlFlow::Continue(()));
        refused.unwrap_err().code()
    };
    assert_eq!(code(&contest(9, 9)), "window");
    assert_eq!(code(&contest(9_000, 9_001)), "window_empty");
    let mut none = contest(0, 9);
    none.models.clear();
    assert_eq!(code(&none), "no_model");
    let mut many = contest(0, 9);
    many.models = vec![many.models[0].clone(); Contest::MODELS_MAX + 1];
    assert_eq!(code(&many), "models_max");
    let cancelled = run(&past.place, &contest(100, 450), |_| ControlFlow::Break(()));
    assert!(matches!(cancelled, Err(BacktestError::Cancelled)));
}
