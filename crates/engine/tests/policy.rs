//! Scores into decisions.

// Helpers of tests lie outside the `#[test]` functions that clippy exempts.
#![allow(clippy::unwrap_used)]

use event::draft::{AmountText, Draft, DraftAmount};
use event::rates::RateTable;
use event::record::{
    Config, ConfigSection, DecisionKind, DecisionSource, ModelVersion, Record, degraded,
};
use event::{Event, EventTime, Position, RoleIx, Schema};
use graph::Sample;
use ringfence_engine::exploration::{hidden, revealed};
use ringfence_engine::{Effect, Engine, NoScore, Policy, Scored};

fn schema() -> Schema {
    Schema::parse(include_str!("../../../schemas/default.toml")).unwrap()
}

fn event(schema: &Schema, event_type: &str, currency: &str) -> Event {
    let at = EventTime::from_millis(1_700_000_000_000);
    let draft = Draft {
        event_id: "e1",
        event_type: schema.event_type(event_type).unwrap(),
        event_timestamp: at,
        received_at: at,
        entities: (0..schema.roles.len())
            .map(|role| (RoleIx(role as u8), "x"))
            .collect(),
        amount: Some(DraftAmount {
            value: AmountText::Minor(12_345),
            currency,
        }),
        attributes: Default::default(),
    };
    draft.validate(schema).unwrap()
}

fn scored(score: u16) -> Scored {
    Scored {
        score,
        probability_ppm: 2_000_000,
        model: ModelVersion([1; 8]),
        reasons: Default::default(),
        evidence: [Position(3)].into_iter().collect(),
    }
}

fn with_policy(schema: &Schema, version: u32, body: &str) -> Engine {
    let mut engine = Engine::new(schema);
    let config = Config {
        at: EventTime::from_millis(0),
        section: ConfigSection::Policy,
        version,
        author: "risk".into(),
        why: Default::default(),
        body: body.to_owned(),
    };
    let effect = engine.apply(Position(0), &Record::Config(config));
    assert_eq!(effect, Effect::Configured(ConfigSection::Policy, version));
    engine
}

#[test]
fn the_highest_threshold_reached_decides() {
    use DecisionKind::{Approve, Challenge, Decline, Review};
    let schema = schema();
    let text = "fallback = \"challenge\"\n\
        [thresholds]\nchallenge = 300\nreview = 600\ndecline = 900\n\
        [event_types.transfer]\nchallenge = 0\nreview = 1000\ndecline = 1001\n";
    let mut engine = with_policy(&schema, 5, text);
    for (event_type, score, wanted) in [
        ("payment", 0, Approve),
        ("payment", 299, Approve),
        ("payment", 300, Challenge),
        ("payment", 599, Challenge),
        ("payment", 600, Review),
        ("payment", 899, Review),
        ("payment", 900, Decline),
        ("transfer", 0, Challenge),
        ("transfer", 999, Challenge),
        ("transfer", 1000, Review),
        // 1001 is never: a score past the scale does not reach it either.
        ("transfer", u16::MAX, Review),
    ] {
        let event = event(&schema, event_type, "EUR");
        let decision = engine.decide(&event, Position(9), &Sample::default(), Ok(scored(score)));
        assert_eq!(decision.verdict, wanted, "{event_type} {score}");
        assert_eq!(decision.source, DecisionSource::Model);
        assert_eq!(decision.score, score.min(1000));
        assert_eq!(decision.probability_ppm, 1_000_000);
        assert_eq!(
            (decision.policy_version, decision.event_position),
            (5, Position(9))
        );
        assert_eq!(decision.evidence.is_empty(), wanted == Approve);
    }
}

#[test]
fn without_a_score_the_decision_is_a_named_fallback() {
    let schema = schema();
    let event = event(&schema, "payment", "EUR");
    let own = "fallback = \"decline\"\n[thresholds]\nchallenge = 1\nreview = 2\ndecline = 3\n";
    let (review, decline) = (DecisionKind::Review, DecisionKind::Decline);
    for (policy, why, verdict, bit) in [
        (None, NoScore::NoModel, review, degraded::NO_MODEL),
        (
            Some(own),
            NoScore::ModelFault,
            decline,
            degraded::MODEL_FAULT,
        ),
        (
            Some(own),
            NoScore::ModelTimeout,
            decline,
            degraded::MODEL_TIMEOUT,
        ),
        (
            Some(own),
            NoScore::ModelBreakerOpen,
            decline,
            degraded::MODEL_BREAKER_OPEN,
        ),
    ] {
        let mut engine = match policy {
            None => Engine::new(&schema),
            Some(text) => with_policy(&schema, 1, text),
        };
        let decision = engine.decide(&event, Position(9), &Sample::default(), Err(why));
        assert_eq!(
            (decision.verdict, decision.source),
            (verdict, DecisionSource::Fallback)
        );
        assert_eq!((decision.degraded, decision.score), (bit, 0));
    }
}

#[test]
fn a_broken_policy_is_refused_with_the_field() {
    let schema = schema();
    let good = "[thresholds]\nchallenge = 1\nreview = 2\ndecline = 3\n";
    let draw =
        |text: &str| format!("{good}[random_approve]\nshare = 0.01\namount_max = 9.0\n{text}");
    for (text, wanted, field) in [
        ("", "missing field `thresholds`", "policy"),
        ("[thresholds", "TOML", "policy"),
        (
            "[thresholds]\nchallenge = 3\nreview = 2\ndecline = 4\n",
            "thresholds: thresholds must be",
            "thresholds",
        ),
        (
            "[thresholds]\nchallenge = 1\nreview = 2\ndecline = 1002\n",
            "got 1 / 2 / 1002",
            "thresholds",
        ),
        (
            "[thresholds]\nchallenge = 1\nreview = \"2\"\ndecline = 3\n",
            "invalid type",
            "thresholds.review",
        ),
        (
            &format!("fallback = \"pass\"\n{good}"),
            "got \"pass\"",
            "fallback",
        ),
        (
            &format!("{good}[event_types.gift]\nchallenge = 1\nreview = 2\ndecline = 3\n"),
            "unknown event type \"gift\"",
            "event_types.gift",
        ),
        (
            &format!("{good}[event_types.login]\nchallenge = 9\nreview = 2\ndecline = 3\n"),
            "event_types.login: thresholds",
            "event_types.login",
        ),
        (
            &format!("extra = 1\n{good}"),
            "unknown field `extra`",
            "extra",
        ),
        (
            &draw("secret = \"short\"\n"),
            "random_approve.secret must be of 16 to 128 bytes",
            "random_approve.secret",
        ),
        (
            &draw("secret = 7\n"),
            "invalid type",
            "random_approve.secret",
        ),
    ] {
        let error = Policy::parse(text, &schema).unwrap_err();
        assert_eq!(error.field(), field, "{error}");
        let error = error.to_string();
        assert!(error.contains(wanted), "{error:?} does not say {wanted:?}");
    }
}

#[test]
fn a_shown_policy_has_no_secret_and_keeps_it_when_it_comes_back() {
    const SECRET: &str = "0123456789abcdef";
    let policy = |secret: &str| {
        format!(
            "# ours\n[thresholds]\nchallenge = 1\nreview = 2\ndecline = 3\n\n[random_approve] # a few\nshare = 0.01\nsecret = {secret}  # kept\namount_max = 9.0\n"
        )
    };
    let inline = "random_approve = { secret = 'a#b\"c-0123456789', share = 0.1 }\n";
    for (whole, literal) in [
        (policy(&format!("{SECRET:?}")), format!("{SECRET:?}")),
        (
            policy(&format!("'''{SECRET}'''")),
            format!("'''{SECRET}'''"),
        ),
        (inline.to_owned(), "'a#b\"c-0123456789'".to_owned()),
    ] {
        let shown = hidden(&whole);
        assert_eq!(shown, whole.replace(&literal, "\"(hidden)\""));
        assert_eq!(revealed(&shown, &whole).unwrap(), whole);
        let json = shown.replace("\"(hidden)\"", "'(hidden)'");
        assert_eq!(revealed(&json, &whole).unwrap(), whole);
    }
    // A new secret is one, and without the draw there is nothing to hide.
    let other = policy("\"fedcba9876543210\"");
    assert_eq!(
        revealed(&other, &policy("\"0123456789abcdef\"")).unwrap(),
        other
    );
    let plain = "[thresholds]\nchallenge = 1\nreview = 2\ndecline = 3\n";
    assert_eq!(hidden(plain), plain);
    let refused = revealed(&hidden(&other), plain).unwrap_err();
    assert_eq!(refused.field(), "random_approve.secret");
}

#[test]
fn a_wrong_field_beside_a_secret_is_told_without_it() {
    const SECRET: &str = "0123456789abcdef";
    let thresholds = "[thresholds]\nchallenge = 1\nreview = 2\ndecline = 3\n";
    let draw = |secret: &str, share: &str| {
        format!(
            "random_approve = {{ secret = {secret:?}, share = {share}, amount_max = 9.0 }}\n{thresholds}"
        )
    };
    let held = draw(SECRET, "0.01");
    let whole = revealed(&draw("(hidden)", "\"x\""), &held).unwrap();
    assert!(whole.contains(SECRET), "it is there to be told");
    let error = Policy::parse(&whole, &schema()).unwrap_err();
    assert_eq!(error.field(), "random_approve.share");
    let told = format!("{error} {error:?}");
    assert!(!told.contains(SECRET), "{told}");
    assert!(told.contains("invalid type"), "{told}");
}

#[test]
fn amounts_come_in_base_currency_or_not_at_all() {
    let schema = schema();
    let rates = RateTable::parse("USD = 0.5\nJPY = 0.01\n").unwrap();
    let amount = |currency: &str| {
        let event = event(&schema, "payment", currency);
        rates.to_base(event.amount.unwrap(), schema.base_currency)
    };
    assert_eq!(amount("EUR"), Some(123.45));
    assert_eq!(amount("USD"), Some(61.725));
    assert_eq!(amount("JPY"), Some(123.45));
    assert_eq!(amount("GBP"), None);
    assert_eq!(
        Engine::new(&schema).base_amount(&event(&schema, "payment", "USD")),
        None
    );
}

#[test]
fn a_missing_rate_and_a_late_event_are_named_in_the_decision() {
    use event::record::degraded;
    use event::{Event, EventTime, Position, Record, Schema, Span};
    use ringfence_engine::{Engine, NoScore};

    let schema = Schema::parse(include_str!("../../../schemas/default.toml")).unwrap();
    let event = |id: &str, at: &str, currency: &str| -> Event {
        let text = format!(
            r#"{{"event_id":"{id}","event_type":"deposit","event_timestamp":"{at}","received_at":"2026-03-01T00:00:00Z","account":"a","amount":"5","currency":"{currency}"}}"#
        );
        match event::json::parse_line(&text, &schema, None).unwrap() {
            event::json::Line::Event(event) => *event,
            other => panic!("{other:?}"),
        }
    };
    let mut engine = Engine::new(&schema);
    let degraded_of = |engine: &mut Engine, position: u64, event: Event| {
        engine.apply(Position(position), &Record::Event(event.clone()));
        engine
            .decide(
                &event,
                Position(position),
                &Sample::default(),
                Err(NoScore::NoModel),
            )
            .degraded
    };
    let at = "2026-03-01T00:00:00Z";
    assert_eq!(
        degraded_of(&mut engine, 0, event("1", at, "EUR")),
        degraded::NO_MODEL
    );
    let no_rate = degraded_of(&mut engine, 1, event("2", at, "USD"));
    assert_eq!(no_rate, degraded::NO_MODEL | degraded::NO_RATE);
    let late = degraded_of(&mut engine, 2, event("3", "2026-01-29T23:59:59Z", "EUR"));
    assert_eq!(late, degraded::NO_MODEL | degraded::LATE_EVENT);
    let edge = EventTime::parse_iso(at)
        .unwrap()
        .minus(Span::days(30))
        .to_string();
    assert_eq!(
        degraded_of(&mut engine, 3, event("4", &edge, "EUR")),
        degraded::NO_MODEL
    );
}
