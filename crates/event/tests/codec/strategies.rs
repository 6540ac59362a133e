//! Arbitrary valid records of every kind, bounds included.

use compact_str::CompactString;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use ringfence_event::record::{
    Activation, AttributeValue, Channel, Config, ConfigSection, Decision, DecisionKind,
    DecisionSource, Entities, Event, Findings, Label, LabelSource, Levels, ListEffect, ListHit,
    ModelVersion, Outcome, OutcomeKind, ReasonCode, Record, RuleHit, RuleOutcome, ServingPart,
    Severity, Subject, Tick, Verdict,
};
use ringfence_event::{
    AttributeIx, Currency, EntityId, EventId, EventTime, EventTypeIx, Money, Position, RoleIx,
};

const PPM: u32 = 1_000_000;

pub fn record() -> impl Strategy<Value = Record> {
    prop_oneof![
        event().prop_map(Record::Event),
        label().prop_map(Record::Label),
        outcome().prop_map(Record::Outcome),
        decision().prop_map(Record::Decision),
        time().prop_map(|at| Record::Tick(Tick { at })),
        config().prop_map(Record::Config),
        activation().prop_map(Record::Activation),
    ]
}

/// Not empty, no control character, at most 128 bytes: 32 characters of at most four.
fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "\\PC{1,32}",
        1 => Just("x".repeat(128)),
    ]
}

fn event_id() -> impl Strategy<Value = EventId> {
    id().prop_map(|text| EventId::parse("event_id", &text).unwrap())
}

fn time() -> impl Strategy<Value = EventTime> {
    let end = EventTime::END.millis();
    prop_oneof![8 => 0..end, 1 => Just(0), 1 => Just(end - 1)].prop_map(EventTime::from_millis)
}

fn position() -> impl Strategy<Value = Position> {
    prop_oneof![0_u64..300, any::<u64>(), Just(u64::MAX)].prop_map(Position)
}

fn amount() -> impl Strategy<Value = Option<Money>> {
    let minor = prop_oneof![0_i64..=Money::MAX_MINOR, Just(0), Just(Money::MAX_MINOR)];
    let currency = select(vec!["EUR", "USD", "JPY", "KWD", "CLF", "ZWG"]);
    let money = (minor, currency).prop_map(|(minor, code)| {
        let currency = Currency::parse(code).unwrap();
        Money::from_minor(minor, currency).unwrap()
    });
    option::of(money)
}

fn entities() -> impl Strategy<Value = Entities> {
    btree_map(0_u8..8, id(), 0..=8).prop_map(|held| {
        let entity = |text: &str| EntityId::parse("entity", text).unwrap();
        held.into_iter()
            .map(|(role, text)| (RoleIx(role), entity(&text)))
            .collect()
    })
}

fn attribute() -> impl Strategy<Value = AttributeValue> {
    let finite = any::<f64>().prop_filter("finite, one zero", |value| {
        value.is_finite() && value.to_bits() != (-0.0_f64).to_bits()
    });
    prop_oneof![
        finite.prop_map(AttributeValue::Number),
        id().prop_map(|text| AttributeValue::Category(text.into())),
        any::<String>().prop_map(|text| AttributeValue::Text(text.into())),
        Just(AttributeValue::Text("y".repeat(4096).into())),
    ]
}

pub fn event() -> impl Strategy<Value = Event> {
    let attributes = btree_map(0_u8..32, attribute(), 0..8);
    let times = (time(), time());
    (
        event_id(),
        0_u8..16,
        times,
        entities(),
        amount(),
        attributes,
    )
        .prop_map(
            |(
                event_id,
                event_type,
                (event_timestamp, received_at),
                entities,
                amount,
                attributes,
            )| {
                let attributes = attributes.into_iter();
                Event {
                    event_id,
                    event_type: EventTypeIx(event_type),
                    event_timestamp,
                    received_at,
                    entities,
                    amount,
                    attributes: attributes
                        .map(|(ix, value)| (AttributeIx(ix), value))
                        .collect(),
                }
            },
        )
}

fn subject() -> impl Strategy<Value = Subject> {
    (event(), position()).prop_map(|(event, position)| event.subject(position))
}

fn label() -> impl Strategy<Value = Label> {
    let report = (
        select(Verdict::ALL),
        select(LabelSource::ALL),
        "\\PC{0,16}",
        0_u8..=100,
    );
    let prior = option::of((select(Verdict::ALL), position()));
    (subject(), report, time(), time(), prior).prop_map(
        |(subject, report, label_timestamp, received_at, prior)| Label {
            subject,
            verdict: report.0,
            source: report.1,
            reason: CompactString::from(report.2),
            confidence_percent: report.3,
            label_timestamp,
            received_at,
            prior,
        },
    )
}

fn outcome() -> impl Strategy<Value = Outcome> {
    (subject(), select(OutcomeKind::ALL), time(), time()).prop_map(
        |(subject, kind, outcome_timestamp, received_at)| Outcome {
            subject,
            kind,
            outcome_timestamp,
            received_at,
        },
    )
}

fn decision() -> impl Strategy<Value = Decision> {
    let about = (position(), time(), any::<[u8; 8]>());
    let suspicion = vec(any::<(u8, u16)>(), 0..=8);
    let verdict = (
        select(DecisionKind::ALL),
        select(DecisionSource::ALL),
        0_u16..=1000,
        0..=PPM,
        0..=PPM,
    );
    let versions = any::<[u32; 3]>();
    let reasons = vec(any::<(u16, i32)>(), 0..=32);
    let evidence = vec(position(), 0..=16);
    let findings = prop_oneof![Just(Findings::default()), findings()];
    (
        about, suspicion, verdict, versions, reasons, evidence, findings,
    )
        .prop_map(
            |(about, suspicion, verdict, versions, reasons, evidence, findings)| {
                let reason = |(feature, contribution_milli)| ReasonCode {
                    feature,
                    contribution_milli,
                };
                Decision {
                    event_position: about.0,
                    decided_at: about.1,
                    suspicion: suspicion.into(),
                    verdict: verdict.0,
                    score: verdict.2,
                    probability_ppm: verdict.3,
                    source: verdict.1,
                    model: ModelVersion(about.2),
                    policy_version: versions[0],
                    rules_version: versions[1],
                    propensity_ppm: verdict.4,
                    degraded: versions[2],
                    reasons: reasons.into_iter().map(reason).collect(),
                    evidence: evidence.into(),
                    findings,
                }
            },
        )
}

fn findings() -> impl Strategy<Value = Findings> {
    let name = || "[a-z]{1,64}".prop_map(CompactString::from);
    let score = option::of(0_u16..=1000);
    let explored = option::of(select(DecisionKind::ALL));
    let rule = (
        name(),
        select(RuleOutcome::ALL),
        "\\PC{0,20}",
        option::of(select(Severity::ALL)),
    );
    let rule = rule.prop_map(|(rule, outcome, reason, alert)| RuleHit {
        rule,
        outcome,
        reason: reason.into(),
        alert,
    });
    let list = (name(), select(ListEffect::ALL));
    let list = list.prop_map(|(list, effect)| ListHit { list, effect });
    let tags = btree_set(name(), 0..=4);
    let propensity = option::of(0..=PPM);
    let head = (score, explored, propensity);
    (head, vec(rule, 0..=4), vec(list, 0..=3), tags).prop_map(
        |((model_score, explored, model_propensity_ppm), rules, lists, tags)| Findings {
            model_score,
            explored,
            rules,
            lists,
            tags: tags.into_iter().collect(),
            model_propensity_ppm,
        },
    )
}

fn config() -> impl Strategy<Value = Config> {
    let section = select(ConfigSection::ALL);
    let words = || "\\PC{0,32}";
    (
        time(),
        section,
        any::<u32>(),
        words(),
        words(),
        any::<String>(),
    )
        .prop_map(|(at, section, version, author, why, body)| Config {
            at,
            section,
            version,
            author: author.into(),
            why: why.into(),
            body,
        })
}

fn activation() -> impl Strategy<Value = Activation> {
    let head = (time(), select(ServingPart::ALL), any::<[u8; 32]>(), 0..=PPM);
    let levels = (1_u8..8).prop_map(|bits| Levels::from_bits(bits).unwrap());
    let levels = prop_oneof![Just(Levels::default()), levels];
    let named = prop_oneof![Just(Default::default()), ("\\PC{0,32}", "\\PC{0,32}"),];
    (head, channel(), levels, named).prop_map(|(head, channel, levels, (author, why))| {
        let (at, part, artifact, share_ppm) = head;
        Activation {
            channel,
            levels,
            author: author.into(),
            why: why.into(),
            ..Activation::new(at, part, artifact, share_ppm)
        }
    })
}

fn channel() -> impl Strategy<Value = Channel> {
    let sha = any::<[u8; 32]>;
    prop_oneof![
        Just(Channel::Empty),
        sha().prop_map(|producer| Channel::Kept { producer }),
        (sha(), sha()).prop_map(|(producer, scores)| Channel::Rebuilt { producer, scores }),
    ]
}
