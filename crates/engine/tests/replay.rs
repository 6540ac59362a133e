//! I1 through the engine: the same log gives the same state and the same samples, however it is cut.

// Helpers of tests lie outside the `#[test]` functions that clippy exempts.
#![allow(clippy::unwrap_used)]

#[path = "../../graph/tests/history/mod.rs"]
mod history;

use event::record::{Activation, Channel, Config, ConfigSection, ModelVersion, ServingPart};
use event::{Position, Record, Schema};
use graph::Sample;
use graph::sample::SampleParts;
use history::history;
use lists::{Change, Definition, Form, NewItem, Value};
use proptest::prelude::*;
use ringfence_engine::{
    ENGINE_SEMANTICS, ENGINE_SEMANTICS_OLDEST, Effect, Engine, RestoreError, Scored,
};

const POLICY: &str = "[thresholds]\nchallenge = 500\nreview = 700\ndecline = 900\n";

/// What a shell would write between the events: rates, a policy, a model.
fn with_config(records: Vec<Record>) -> Vec<Record> {
    let at = event::EventTime::from_millis(history::START_MS);
    let config = |section, body: &str| {
        let (author, body) = ("test".into(), body.to_owned());
        Record::Config(Config {
            at,
            section,
            version: 1,
            author,
            why: Default::default(),
            body,
        })
    };
    let mut all = vec![
        config(ConfigSection::Rates, "USD = 0.5\n"),
        config(ConfigSection::Policy, POLICY),
        config(ConfigSection::Lists, "nothing"),
        Record::Activation(Activation::new(at, ServingPart::Champion, [7; 32], 0)),
    ];
    let shift = all.len() as u64;
    all.extend(records.into_iter().map(|record| shifted(record, shift)));
    all
}

fn shifted(mut record: Record, by: u64) -> Record {
    match &mut record {
        Record::Label(label) => label.subject.position.0 += by,
        Record::Outcome(outcome) => outcome.subject.position.0 += by,
        Record::Decision(decision) => decision.event_position.0 += by,
        _ => {}
    }
    record
}

fn run(engine: &mut Engine, records: &[Record], from: usize) -> Vec<Vec<u32>> {
    let mut sample = Sample::default();
    let mut bits = Vec::new();
    for (at, record) in records.iter().enumerate().skip(from) {
        if let Record::Event(event) = record {
            engine.sample(event, SampleParts::Full, &mut sample);
            bits.push(sample.bits());
        }
        engine.apply(Position(at as u64), record);
    }
    bits
}

/// Changes of rules and lists, some of which are refused where they come before what they need.
fn changes(schema: &Schema) -> Vec<(ConfigSection, u32, String)> {
    let definition = Definition {
        name: "some".to_owned(),
        on: schema.roles[0].name.clone(),
        form: Form::Prefix { fold: true },
        effect: lists::Effect::Block { overridable: true },
    };
    let list = || "some".to_owned();
    let item = |text: &str, expires| NewItem {
        value: Value::Text(text.to_owned()),
        expires,
        reason: String::new(),
    };
    let later = Some(history::START_MS + 3_600_000);
    let lists = [
        Change::Create(definition),
        Change::Put {
            list: list(),
            items: vec![item("a", later), item("0", None)],
        },
        Change::Remove {
            list: list(),
            values: vec![Value::Text("0".to_owned())],
        },
        Change::Drop { list: list() },
    ];
    let field = format!("{}.events", schema.roles[0].name);
    let rule = |when: &str, effect: &str| {
        format!("[[rules]]\nid = \"r\"\nwhen = '{when}'\nstatus = \"active\"\n{effect}\n")
    };
    let rules = [
        rule(&format!("{field} > 1"), "decision = \"review\""),
        rule("score > 400", "score_add = 300"),
        rule(
            &format!("on_list(\"some\", {}.id)", schema.roles[0].name),
            "challenge = true",
        ),
    ];
    let lists = lists.into_iter().map(|it| it.encode().unwrap());
    let lists = lists
        .zip(1..)
        .map(|(body, version)| (ConfigSection::Lists, version, body));
    let rules = rules.into_iter().zip(1..);
    let rules = rules.map(|(body, version)| (ConfigSection::Rules, version, body));
    lists.chain(rules).collect()
}

/// Positions from `at` on are one further.
fn move_past(record: &mut Record, at: u64) {
    let position = match record {
        Record::Label(label) => &mut label.subject.position,
        Record::Outcome(outcome) => &mut outcome.subject.position,
        Record::Decision(decision) => &mut decision.event_position,
        _ => return,
    };
    position.0 += u64::from(position.0 >= at);
}

/// What would be decided at each event, by scores that follow from the event's place.
fn decide(engine: &mut Engine, records: &[Record], from: usize) -> Vec<event::record::Decision> {
    let mut sample = Sample::default();
    let mut decisions = Vec::new();
    for (at, record) in records.iter().enumerate().skip(from) {
        let position = Position(at as u64);
        if let Record::Event(event) = record {
            engine.sample(event, SampleParts::Tabular, &mut sample);
            engine.apply(position, record);
            let scored = Scored {
                score: (at * 37 % 1001) as u16,
                probability_ppm: 1,
                model: ModelVersion([1; 8]),
                reasons: Default::default(),
                evidence: Default::default(),
            };
            decisions.push(engine.decide(event, position, &sample, Ok(scored)));
        } else {
            engine.apply(position, record);
        }
    }
    decisions
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(96), ..ProptestConfig::default() })]

    #[test]
    fn replays_and_restores_end_in_the_same_digest(past in history(vec![4, 8, 64], 100), cut in 0.0..1.0) {
        let schema = past.shape.schema();
        let records = with_config(past.records(&schema));
        let (mut one, mut two) = (Engine::new(&schema), Engine::new(&schema));
        let bits = run(&mut one, &records, 0);
        prop_assert_eq!(&bits, &run(&mut two, &records, 0));
        prop_assert_eq!(one.digest(), two.digest());

        let cut = (records.len() as f64 * cut) as usize;
        let mut half = Engine::new(&schema);
        let mut joined = run(&mut half, &records[..cut], 0);
        let mut written = Vec::new();
        half.write_snapshot(&mut written).unwrap();
        let mut restored = Engine::read_snapshot(&schema, &mut written.as_slice()).unwrap();
        let mut again = Vec::new();
        restored.write_snapshot(&mut again).unwrap();
        prop_assert_eq!(&written, &again);
        joined.extend(run(&mut restored, &records, cut));
        prop_assert_eq!(&bits, &joined);
        prop_assert_eq!(one.digest(), restored.digest());
        prop_assert_eq!(one.champion(), restored.champion());
        prop_assert_eq!(one.policy(), restored.policy());
    }

    /// Rules and lists come and go in the middle of events, and an event is decided by those in force before it,
    /// from the log's start or from a snapshot anywhere.
    #[test]
    fn decisions_are_replayed_with_the_rules_and_lists_of_their_time(
        past in history(vec![4, 8, 64], 100),
        places in proptest::collection::vec(0.0..1.0, 7),
        cut in 0.0..1.0,
    ) {
        let schema = past.shape.schema();
        let mut records = with_config(past.records(&schema));
        for (place, (section, version, body)) in places.iter().zip(changes(&schema)) {
            let at = 4 + ((records.len() - 4) as f64 * place) as u64;
            records.iter_mut().for_each(|record| move_past(record, at));
            let time = records[at as usize - 1].time();
            let (author, why) = ("test".into(), Default::default());
            let config = Config { at: time, section, version, author, why, body };
            records.insert(at as usize, Record::Config(config));
        }
        let mut one = Engine::new(&schema);
        let decisions = decide(&mut one, &records, 0);
        let cut = (records.len() as f64 * cut) as usize;
        let mut half = Engine::new(&schema);
        let mut joined = decide(&mut half, &records[..cut], 0);
        let mut written = Vec::new();
        half.write_snapshot(&mut written).unwrap();
        let mut restored = Engine::read_snapshot(&schema, &mut written.as_slice()).unwrap();
        joined.extend(decide(&mut restored, &records, cut));
        prop_assert_eq!(&decisions, &joined);
        prop_assert_eq!(one.digest(), restored.digest());
    }

    /// A channel that is handed in at its activation leaves the state in which its producer had spoken
    /// from the start, whoever spoke before.
    #[test]
    fn a_rebuilt_channel_is_one_that_was_always_there(past in history(vec![4, 8, 64], 100), silent in 0_u64..60) {
        let schema = past.shape.schema();
        let records = past.records(&schema);
        let says = |at: u64| if at < silent { 0 } else { (at as u16).wrapping_mul(40_503) | 1 };
        let mut scores = Vec::new();
        let mut always = Engine::new(&schema);
        let mut others = Engine::new(&schema);
        for (at, record) in records.iter().enumerate() {
            let position = Position(at as u64);
            others.apply(position, record);
            let mut record = record.clone();
            if let Record::Decision(decision) = &mut record {
                decision.suspicion.clear();
            }
            always.apply(position, &record);
            let is_event = matches!(record, Record::Event(_));
            if is_event {
                always.fold_suspicion(position, says(position.0));
            }
            scores.push(if is_event { says(position.0) } else { 0 });
        }
        let channel = Channel::Rebuilt { producer: [3; 32], scores: [4; 32] };
        let at = event::EventTime::from_millis(history::START_MS);
        let activation = Record::Activation(Activation {
            channel,
            ..Activation::new(at, ServingPart::Champion, [7; 32], 1_000_000)
        });
        let graph = |engine: &Engine| {
            let mut bytes = Vec::new();
            engine.graph().write_snapshot(&mut bytes).unwrap();
            bytes
        };
        let spoken = graph(&always);
        let next = Position(records.len() as u64);
        let from = (silent as usize).min(scores.len());
        for engine in [&mut always, &mut others] {
            engine.apply(next, &activation);
            engine.adopt_channel(Position(from as u64), &scores[from..]);
        }
        prop_assert_eq!(&spoken, &graph(&always));
        prop_assert_eq!(always.digest(), others.digest());
        prop_assert_eq!(others.channel(), Some([3; 32]));
        let mut written = Vec::new();
        others.write_snapshot(&mut written).unwrap();
        let restored = Engine::read_snapshot(&schema, &mut written.as_slice()).unwrap();
        prop_assert_eq!(restored.channel(), others.channel());
        prop_assert_eq!(others.unheard(), 0);
        prop_assert_eq!(restored.unheard(), 0);

        // A model without a producer reads none.
        let empty = Activation::new(at, ServingPart::Champion, [8; 32], 1_000_000);
        let empty = Record::Activation(empty);
        others.apply(Position(next.0 + 1), &empty);
        prop_assert_eq!(others.channel(), None);
        prop_assert_eq!(others.graph().counts().suspicions, 0);
        let mut never = Engine::new(&schema);
        for (at, record) in records.iter().chain([&activation, &empty]).enumerate() {
            let mut record = record.clone();
            match &mut record {
                Record::Decision(decision) => decision.suspicion.clear(),
                Record::Activation(activation) => activation.channel = Channel::Empty,
                _ => {}
            }
            never.apply(Position(at as u64), &record);
        }
        prop_assert_eq!(others.digest(), never.digest());
    }

    /// What a correction replaces leaves no trace: the state is as if the last label had been the first.
    #[test]
    fn a_corrected_label_subtracts_exactly(past in history(vec![64], 60), first in any::<bool>(), second in any::<bool>()) {
        let mut past = past;
        past.shape.hidden = false;
        past.steps.retain(|step| !matches!(step, history::Step::Label { .. }));
        let schema = past.shape.schema();
        let mut records = past.records(&schema);
        let Some(at) = records.iter().rposition(|it| matches!(it, Record::Event(_))) else { return Ok(()) };
        let Record::Event(event) = records[at].clone() else { unreachable!() };
        let verdict = |fraud| if fraud { event::record::Verdict::Fraud } else { event::record::Verdict::Legitimate };
        let label = |fraud, prior| Record::Label(event::record::Label {
            subject: event.subject(Position(at as u64)),
            verdict: verdict(fraud),
            source: event::record::LabelSource::Analyst,
            reason: Default::default(),
            confidence_percent: 100,
            label_timestamp: event.event_timestamp,
            received_at: event.event_timestamp,
            prior,
        });
        let here = Position(records.len() as u64);
        records.push(label(first, None));
        records.push(label(second, Some((verdict(first), here))));
        let mut corrected = Engine::new(&schema);
        run(&mut corrected, &records, 0);
        let mut straight = Engine::new(&schema);
        records.truncate(records.len() - 2);
        records.push(label(second, None));
        records.push(Record::Tick(event::record::Tick { at: event.event_timestamp }));
        run(&mut straight, &records, 0);
        prop_assert_eq!(corrected.graph().counts(), straight.graph().counts());
        prop_assert_eq!(corrected.digest(), straight.digest());
    }

    /// An outcome or a decline that comes twice takes the money back once.
    #[test]
    fn stopping_money_twice_is_stopping_it_once(past in history(vec![4, 64], 60), kind in 0_usize..7) {
        let schema = past.shape.schema();
        let mut records = past.records(&schema);
        let Some(at) = records.iter().rposition(|it| matches!(it, Record::Event(_))) else { return Ok(()) };
        let Record::Event(event) = records[at].clone() else { unreachable!() };
        let outcome = Record::Outcome(event::record::Outcome {
            subject: event.subject(Position(at as u64)),
            kind: event::record::OutcomeKind::ALL[kind],
            outcome_timestamp: event.event_timestamp,
            received_at: event.event_timestamp,
        });
        records.push(outcome.clone());
        records.push(Record::Tick(event::record::Tick { at: event.event_timestamp }));
        let mut once = Engine::new(&schema);
        run(&mut once, &records, 0);
        records.pop();
        records.push(outcome);
        let mut twice = Engine::new(&schema);
        run(&mut twice, &records, 0);
        prop_assert_eq!(once.digest(), twice.digest());
    }
}

#[test]
fn a_snapshot_of_other_semantics_or_another_schema_is_refused() {
    let default = Schema::parse(include_str!("../../../schemas/default.toml")).unwrap();
    let handbook = Schema::parse(include_str!("../../../schemas/handbook.toml")).unwrap();
    let mut bytes = Vec::new();
    Engine::new(&default).write_snapshot(&mut bytes).unwrap();
    let other = Engine::read_snapshot(&handbook, &mut bytes.as_slice());
    assert!(matches!(
        other,
        Err(RestoreError::Graph(graph::SnapshotError::Schema { .. }))
    ));
    for len in [0, 3, 11, bytes.len() / 2, bytes.len() - 1] {
        assert!(
            Engine::read_snapshot(&default, &mut &bytes[..len]).is_err(),
            "cut at {len}"
        );
    }
    for number in [ENGINE_SEMANTICS_OLDEST - 1, ENGINE_SEMANTICS + 1] {
        bytes[..4].copy_from_slice(&number.to_le_bytes());
        let other = Engine::read_snapshot(&default, &mut bytes.as_slice());
        assert!(matches!(
            other,
            Err(RestoreError::Semantics { expected, got })
                if (expected, got) == (ENGINE_SEMANTICS, number)
        ));
    }
}

#[test]
fn config_that_does_not_parse_is_named_and_ignored() {
    let schema = Schema::parse(include_str!("../../../schemas/default.toml")).unwrap();
    let mut engine = Engine::new(&schema);
    let handbook = include_str!("../../../schemas/handbook.toml");
    let cases = [
        (
            ConfigSection::Schema,
            include_str!("../../../schemas/default.toml"),
            None,
        ),
        (
            ConfigSection::Schema,
            handbook,
            Some("cannot replace schema"),
        ),
        (ConfigSection::Policy, POLICY, None),
        (
            ConfigSection::Policy,
            "thresholds = 3",
            Some("policy is not valid TOML"),
        ),
        (
            ConfigSection::Policy,
            &POLICY.replace("500", "701"),
            Some("got 701 / 700 / 900"),
        ),
        (ConfigSection::Rates, "USD = 0.9", None),
        (
            ConfigSection::Rates,
            "USD = 0",
            Some("rates.USD must be between"),
        ),
        (
            ConfigSection::Rates,
            "ABC = 1",
            Some("\"ABC\" is no ISO 4217 currency"),
        ),
        (
            ConfigSection::Rules,
            "[[rules]]\nid = \"r\"\nwhen = 'nothing > 1'\nstatus = \"active\"\n",
            Some("line 3"),
        ),
        (ConfigSection::Lists, "", Some("line 1")),
    ];
    let mut policy_version = 0;
    for (at, (section, body, wanted)) in cases.into_iter().enumerate() {
        let version = at as u32 + 1;
        let at = Position(at as u64);
        let config = Config {
            at: event::EventTime::MIN,
            section,
            version,
            author: "test".into(),
            why: Default::default(),
            body: body.to_owned(),
        };
        let before = engine.clone();
        let effect = engine.apply(at, &Record::Config(config));
        match (wanted, effect) {
            (None, Effect::Configured(got, of)) => {
                assert_eq!((got, of), (section, version));
                if section == ConfigSection::Policy {
                    policy_version = version;
                }
            }
            (Some(wanted), Effect::ConfigIgnored { reason, .. }) => {
                assert!(
                    reason.contains(wanted),
                    "{reason:?} does not say {wanted:?}"
                );
                assert_eq!(engine.policy(), before.policy());
            }
            (wanted, effect) => panic!("wanted {wanted:?}, got {effect:?}"),
        }
    }
    assert_eq!(engine.version_of(ConfigSection::Policy), policy_version);
}

#[test]
fn an_activation_of_nothing_leaves_no_champion() {
    let schema = Schema::parse(include_str!("../../../schemas/default.toml")).unwrap();
    let mut engine = Engine::new(&schema);
    let activate = |part, byte| {
        let at = event::EventTime::MIN;
        Record::Activation(Activation::new(at, part, [byte; 32], 0))
    };
    engine.apply(Position(0), &activate(ServingPart::Champion, 7));
    engine.apply(Position(1), &activate(ServingPart::Shadow, 9));
    assert_eq!(engine.champion(), Some([7; 32]));
    engine.apply(Position(2), &activate(ServingPart::Champion, 0));
    assert_eq!(engine.champion(), None);
}
