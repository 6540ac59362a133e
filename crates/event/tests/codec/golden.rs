//! Every layout version of every kind, frozen: the files under `tests/golden` were written from
//! `docs/record-format.md`, not by the encoder, and never change.

use compact_str::CompactString;
use ringfence_event::codec::decode;
use ringfence_event::record::{
    Activation, AttributeValue, Channel, Config, ConfigSection, Decision, DecisionKind,
    DecisionSource, Entities, Event, Findings, Label, LabelSource, Levels, ListEffect, ListHit,
    ModelVersion, Outcome, OutcomeKind, ReasonCode, Record, RuleHit, RuleOutcome, ServingPart,
    Severity, Subject, Tick, Verdict, degraded,
};
use ringfence_event::{
    AttributeIx, Currency, EntityId, EventId, EventTime, EventTypeIx, Money, Position, RoleIx,
};
use smallvec::{SmallVec, smallvec};

use super::encoded;

/// Hex with a comment on each line.
pub fn bytes(golden: &str) -> Vec<u8> {
    let parts = golden.lines().filter_map(|line| line.split('#').next());
    parts
        .flat_map(str::split_whitespace)
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect()
}

fn check(golden: &str, record: Record) {
    let bytes = bytes(golden);
    assert_eq!(encoded(&record), bytes, "encoder");
    assert_eq!(decode(&bytes), Ok(record), "decoder");
}

fn at(text: &str) -> EventTime {
    EventTime::parse_iso(text).unwrap()
}

const EVENT_TIME: &str = "2026-01-31T12:00:00.250Z";

fn entities() -> Entities {
    let entity = |text: &str| EntityId::parse("entity", text).unwrap();
    smallvec![(RoleIx(0), entity("acc-7")), (RoleIx(3), entity("crd-é"))]
}

fn money(minor: i64, code: &str) -> Option<Money> {
    Some(Money {
        minor,
        currency: Currency::parse(code).unwrap(),
    })
}

fn event_id(text: &str) -> EventId {
    EventId::parse("event_id", text).unwrap()
}

fn subject(amount: Option<Money>) -> Subject {
    Subject {
        event_id: event_id("tx-0001"),
        position: Position(300),
        event_type: EventTypeIx(1),
        event_timestamp: at(EVENT_TIME),
        entities: entities(),
        amount,
        categories: smallvec![(AttributeIx(0), CompactString::from("web"))],
    }
}

#[test]
fn event() {
    let event = Event {
        event_id: event_id("tx-0001"),
        event_type: EventTypeIx(1),
        event_timestamp: at(EVENT_TIME),
        received_at: at("2026-01-31T12:00:01.750Z"),
        entities: entities(),
        amount: money(1250, "EUR"),
        attributes: smallvec![
            (AttributeIx(0), AttributeValue::Category("web".into())),
            (AttributeIx(2), AttributeValue::Number(-1.5)),
            (AttributeIx(5), AttributeValue::Text("hi\nthere".into())),
        ],
    };
    check(include_str!("../golden/event.hex"), Record::Event(event));
}

#[test]
fn event_bare() {
    let event = Event {
        event_id: event_id("l"),
        event_type: EventTypeIx(0),
        event_timestamp: at("1970-01-01T00:00:00Z"),
        received_at: at("2199-12-31T23:59:59.999Z"),
        entities: smallvec![(RoleIx(0), EntityId::parse("account", "a").unwrap())],
        amount: None,
        attributes: SmallVec::new(),
    };
    check(
        include_str!("../golden/event_bare.hex"),
        Record::Event(event),
    );
}

#[test]
fn label() {
    let label = Label {
        subject: subject(money(980, "JPY")),
        verdict: Verdict::Fraud,
        source: LabelSource::Chargeback,
        reason: "10.4".into(),
        confidence_percent: 95,
        label_timestamp: at("2026-02-20T00:00:00Z"),
        received_at: at("2026-02-20T00:00:07Z"),
        prior: Some((Verdict::Legitimate, Position(70_000))),
    };
    check(include_str!("../golden/label.hex"), Record::Label(label));
}

#[test]
fn label_first() {
    let label = Label {
        subject: subject(None),
        verdict: Verdict::Legitimate,
        source: LabelSource::Import,
        reason: "".into(),
        confidence_percent: 100,
        label_timestamp: at("2026-02-20T00:00:00Z"),
        received_at: at("2026-02-20T00:00:00Z"),
        prior: None,
    };
    check(
        include_str!("../golden/label_first.hex"),
        Record::Label(label),
    );
}

#[test]
fn outcome() {
    let outcome = Outcome {
        subject: subject(money(980, "JPY")),
        kind: OutcomeKind::ChallengeFailed,
        outcome_timestamp: at("2026-01-31T12:01:00Z"),
        received_at: at("2026-01-31T12:01:02Z"),
    };
    check(
        include_str!("../golden/outcome.hex"),
        Record::Outcome(outcome),
    );
}

#[test]
fn decision() {
    let reason = |feature, contribution_milli| ReasonCode {
        feature,
        contribution_milli,
    };
    let decision = Decision {
        event_position: Position(1 << 63),
        decided_at: at("2026-01-31T12:00:01.751Z"),
        suspicion: smallvec![(0, 65_535), (1, 258)],
        verdict: DecisionKind::Decline,
        score: 1000,
        probability_ppm: 999_999,
        source: DecisionSource::Model,
        model: ModelVersion([1, 2, 3, 4, 5, 6, 7, 8]),
        policy_version: 7,
        rules_version: u32::MAX,
        propensity_ppm: 1_000_000,
        degraded: degraded::NO_RATE | degraded::LATE_EVENT,
        reasons: smallvec![reason(200, 1375), reason(65_535, i32::MIN)],
        evidence: smallvec![Position(0), Position(127), Position(128)],
        findings: Findings::default(),
    };
    check(
        include_str!("../golden/decision.hex"),
        Record::Decision(decision),
    );
}

#[test]
fn decision_fallback() {
    let decision = Decision {
        event_position: Position(0),
        decided_at: at("2026-01-31T12:00:01.751Z"),
        suspicion: SmallVec::new(),
        verdict: DecisionKind::Review,
        score: 0,
        probability_ppm: 0,
        source: DecisionSource::Fallback,
        model: ModelVersion::default(),
        policy_version: 1,
        rules_version: 0,
        propensity_ppm: 1_000_000,
        degraded: degraded::NO_MODEL,
        reasons: SmallVec::new(),
        evidence: SmallVec::new(),
        findings: Findings::default(),
    };
    let golden = include_str!("../golden/decision_fallback.hex");
    check(golden, Record::Decision(decision));
}

#[test]
fn decision_findings() {
    let decision = Decision {
        event_position: Position(9),
        decided_at: at("2026-01-31T12:00:01.751Z"),
        suspicion: SmallVec::new(),
        verdict: DecisionKind::Approve,
        score: 640,
        probability_ppm: 12_000,
        source: DecisionSource::Rule,
        model: ModelVersion([1, 2, 3, 4, 5, 6, 7, 8]),
        policy_version: 7,
        rules_version: 3,
        propensity_ppm: 5_000,
        degraded: 0,
        reasons: SmallVec::new(),
        evidence: SmallVec::new(),
        findings: Findings {
            model_score: Some(490),
            explored: Some(DecisionKind::Decline),
            rules: vec![
                RuleHit {
                    rule: "mule-ring".into(),
                    outcome: RuleOutcome::Matched,
                    reason: "ring".into(),
                    alert: Some(Severity::High),
                },
                RuleHit {
                    rule: "new".into(),
                    outcome: RuleOutcome::Shadow,
                    reason: CompactString::default(),
                    alert: None,
                },
            ],
            lists: vec![ListHit {
                list: "vip".into(),
                effect: ListEffect::Watch,
            }],
            tags: vec!["mule".into(), "new-device".into()],
            model_propensity_ppm: None,
        },
    };
    let golden = include_str!("../golden/decision_findings.hex");
    check(golden, Record::Decision(decision));
}

/// Of a challenger that takes 5 % of the decisions.
#[test]
fn decision_shared() {
    let decision = Decision {
        event_position: Position(9),
        decided_at: at("2026-01-31T12:00:01.751Z"),
        suspicion: SmallVec::new(),
        verdict: DecisionKind::Approve,
        score: 12,
        probability_ppm: 3,
        source: DecisionSource::Model,
        model: ModelVersion([1, 2, 3, 4, 5, 6, 7, 8]),
        policy_version: 7,
        rules_version: 0,
        propensity_ppm: 1_000_000,
        degraded: 0,
        reasons: SmallVec::new(),
        evidence: SmallVec::new(),
        findings: Findings {
            model_propensity_ppm: Some(50_000),
            ..Findings::default()
        },
    };
    let golden = include_str!("../golden/decision_shared.hex");
    check(golden, Record::Decision(decision));
}

#[test]
fn tick() {
    let tick = Tick { at: at(EVENT_TIME) };
    check(include_str!("../golden/tick.hex"), Record::Tick(tick));
}

#[test]
fn config() {
    let config = Config {
        at: at(EVENT_TIME),
        section: ConfigSection::Rates,
        version: 3,
        author: "treasury".into(),
        why: CompactString::default(),
        body: "USD = 0.92\n".to_owned(),
    };
    check(include_str!("../golden/config.hex"), Record::Config(config));
}

#[test]
fn config_with_a_reason() {
    let config = Config {
        at: at(EVENT_TIME),
        section: ConfigSection::Rules,
        version: 4,
        author: "risk".into(),
        why: "mules".into(),
        body: "[]".to_owned(),
    };
    let golden = include_str!("../golden/config_reason.hex");
    check(golden, Record::Config(config));
}

#[test]
fn activation() {
    let mut artifact = [0; 32];
    (0xe0..=0xff)
        .zip(&mut artifact)
        .for_each(|(byte, at)| *at = byte);
    let activation = Activation::new(at(EVENT_TIME), ServingPart::Challenger, artifact, 50_000);
    let golden = include_str!("../golden/activation.hex");
    check(golden, Record::Activation(activation.clone()));

    let rebuilt = Channel::Rebuilt {
        producer: [0xaa; 32],
        scores: [0xbb; 32],
    };
    let champion = Activation {
        part: ServingPart::Champion,
        channel: rebuilt,
        ..activation.clone()
    };
    let golden = include_str!("../golden/activation_channel.hex");
    check(golden, Record::Activation(champion));

    let authored = Activation {
        channel: Channel::Kept {
            producer: [0xaa; 32],
        },
        levels: Levels::ALL,
        author: "ann".into(),
        why: "pilot".into(),
        ..activation.clone()
    };
    let golden = include_str!("../golden/activation_author.hex");
    check(golden, Record::Activation(authored));

    let (part, share_ppm) = (ServingPart::Retired, 1_000_000);
    let retired = Activation {
        part,
        share_ppm,
        ..activation
    };
    let golden = include_str!("../golden/activation_retired.hex");
    check(golden, Record::Activation(retired));
}
