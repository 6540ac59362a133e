//! The JSON form: what is printed reads back, and every malformed line has its own refusal.

use proptest::collection::btree_map;
use proptest::prelude::*;
use ringfence_event::draft::{AmountText, Draft, DraftAmount, DraftValue};
use ringfence_event::json::{LabelLine, Line, OutcomeLine, event_value, parse_line};
use ringfence_event::record::{LabelSource, OutcomeKind, Verdict};
use ringfence_event::{AttributeIx, Event, EventId, EventTime, Money, RoleIx, Schema};

fn schema() -> Schema {
    match Schema::parse(include_str!("../../../schemas/default.toml")) {
        Ok(schema) => schema,
        Err(error) => panic!("{error}"),
    }
}

const NOW: EventTime = EventTime::from_millis(1_769_860_860_000);

/// The fields of a good transfer, with further ones behind them.
fn transfer(more: &str) -> String {
    format!(
        r#"{{"event_id":"tx-1","event_type":"transfer","event_timestamp":"2026-01-31T12:00:00Z","account":"acc-1","payee":"acc-2"{more}}}"#
    )
}

fn event(text: &str) -> Event {
    match parse_line(text, &schema(), Some(NOW)) {
        Ok(Line::Event(event)) => *event,
        other => panic!("{text}: {other:?}"),
    }
}

fn refusal(text: &str) -> (String, &'static str) {
    match parse_line(text, &schema(), Some(NOW)) {
        Err(invalid) => (invalid.to_string(), invalid.code()),
        Ok(line) => panic!("accepted: {line:?}"),
    }
}

/// A good event of the default schema, its numbers and texts arbitrary.
fn arbitrary_event() -> impl Strategy<Value = Event> {
    let ids = btree_map(0_u8..7, "\\PC{1,32}", 0..=7);
    let numbers = (
        prop::option::of(-1e12..1e12),
        prop::option::of(-90.0..=90.0),
        any::<String>(),
    );
    let money = (
        0..=Money::MAX_MINOR,
        prop::sample::select(vec!["EUR", "JPY", "KWD"]),
    );
    let times = (0..EventTime::END.millis() - 1, 0_i64..10_000_000_000);
    (ids, numbers, money, times).prop_map(|(mut ids, numbers, (minor, currency), (at, delay))| {
        for required in [0, 1] {
            ids.entry(required).or_insert("acc".to_owned());
        }
        let schema = schema();
        let attribute = |name: &str| schema.attribute(name).unwrap_or(AttributeIx(0));
        let mut text = numbers.2;
        while text.len() > 1024 {
            text.pop();
        }
        let mut attributes = vec![(attribute("text"), DraftValue::Text(&text))];
        let balance = numbers.0.map(|it| (attribute("balance_before"), it));
        let lat = numbers.1.map(|it| (attribute("lat"), it));
        for (ix, number) in balance.into_iter().chain(lat) {
            attributes.push((ix, DraftValue::Number(number)));
        }
        let last = EventTime::END.millis() - 1;
        let draft = Draft {
            event_id: "tx-1",
            event_type: schema.event_type("transfer").expect("a type"),
            event_timestamp: EventTime::from_millis(at),
            received_at: EventTime::from_millis((at + delay).min(last)),
            entities: ids
                .iter()
                .map(|(role, id)| (RoleIx(*role), &**id))
                .collect(),
            amount: Some(DraftAmount {
                value: AmountText::Minor(minor),
                currency,
            }),
            attributes: attributes.into(),
        };
        draft.validate(&schema).expect("a good draft")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn an_event_reads_back_as_printed(event in arbitrary_event()) {
        let schema = schema();
        let text = event_value(&event, &schema).to_string();
        prop_assert_eq!(parse_line(&text, &schema, None), Ok(Line::Event(Box::new(event))));
    }

    #[test]
    fn an_amount_written_as_a_number_is_exact(minor in 0..=Money::MAX_MINOR) {
        let text = format!(",\"amount\":{}.{:02}", minor / 100, minor % 100);
        prop_assert_eq!(event(&transfer(&text)).amount.map(|money| money.minor), Some(minor));
    }

    #[test]
    fn no_line_panics(text in any::<String>(), value in "\\PC{0,12}") {
        let schema = schema();
        let _ = parse_line(&text, &schema, None);
        for field in ["amount", "lat", "channel", "received_at", "label", "outcome", "payee"] {
            let _ = parse_line(&transfer(&format!(",\"{field}\":{value}")), &schema, None);
        }
    }
}

#[test]
fn what_is_not_one_flat_object_is_refused() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let many: String = (0..60).map(|ix| format!(",\"f{ix}\":1")).collect();
    let cases = [
        ("", "EOF while parsing a value at line 1 column 0"),
        ("\u{feff}{}", "expected value at line 1 column 1"),
        ("{", "EOF while parsing an object at line 1 column 1"),
        ("{} {}", "trailing characters at line 1 column 4"),
        ("{\"a\": NaN}", "expected value at line 1 column 7"),
        ("{\"a\": 1e999}", "number out of range at line 1 column 11"),
        ("{\"a\": 01}", "invalid number at line 1 column 8"),
        (
            "{\"a\": \"\u{1}\"}",
            "control character (\\u0000-\\u001F) found while parsing a string at line 1 column 8",
        ),
        (
            "{\"a\": \"\\ud800\"}",
            "unexpected end of hex escape at line 1 column 14",
        ),
        (
            "null",
            "invalid type: null, expected an object of at most 64 fields at line 1 column 4",
        ),
        (&transfer(&many), "more than 64 fields at line 1 column 588"),
        (
            &transfer(&format!(",\"lat\":{deep}")),
            "recursion limit exceeded at line 1 column 251",
        ),
    ];
    for (text, expected) in cases {
        let (words, code) = refusal(text);
        assert_eq!(words, format!("not a JSON object: {expected}"), "{text}");
        assert_eq!(code, "not_json", "{text}");
    }
}

#[test]
fn a_field_of_the_wrong_kind_is_refused() {
    let cases = [
        (r#","payee":"acc-3""#, "payee is given twice"),
        (r#","event_id":"tx-1""#, "event_id is given twice"),
        (r#","card":null,"card":"c""#, "card is given twice"),
        (r#","card":7"#, "card must be text, got 7"),
        (
            r#","card":{"id":"c"}"#,
            r#"card must be text, got {"id":"c"}"#,
        ),
        (r#","card":"""#, "card must not be empty"),
        (
            r#","channel":["web"]"#,
            r#"channel must be text, got ["web"]"#,
        ),
        (r#","amount":1,"channel":5"#, "channel must be text, got 5"),
        (
            r#","amount":1,"lat":"north""#,
            r#"lat must be a number, got "north""#,
        ),
        (
            r#","amount":1,"lat":true"#,
            r#"lat must be a number, got "true""#,
        ),
        (
            r#","amount":1,"lat":91"#,
            "lat must be between -90 and 90, got 91",
        ),
        (
            r#","amount":true"#,
            r#"amount must be a number, got "true""#,
        ),
        (r#","amount":[1]"#, r#"amount must be a number, got "[1]""#),
        (
            r#","amount":12.345"#,
            r#"amount: EUR has 2 decimal places, got "12.345""#,
        ),
        (
            r#","amount":1e-7"#,
            r#"amount: expected a decimal amount such as 12.50, got "1e-7""#,
        ),
        (
            r#","amount":-1"#,
            "amount: amount must be >= 0 and <= 10^13 minor units, got -1",
        ),
        (
            r#","amount":1,"currency":5"#,
            "currency must be text, got 5",
        ),
        (
            r#","amount":1,"currency":"eur""#,
            r#"currency: expected an ISO 4217 currency code such as EUR, got "eur""#,
        ),
        ("", "amount is missing"),
        (r#","amount":null"#, "amount is missing"),
    ];
    for (more, expected) in cases {
        assert_eq!(refusal(&transfer(more)).0, expected, "{more}");
    }
}

#[test]
fn an_unknown_field_is_refused_with_the_known_ones() {
    // The bound on fields is reached, not passed: the unknown one is what is wrong.
    let many: String = (0..59).map(|ix| format!(",\"f{ix}\":1")).collect();
    assert!(
        refusal(&transfer(&many))
            .0
            .starts_with("field \"f0\" is unknown")
    );
    let known = "account, payee, merchant, card, device, ip, location, channel, merchant_category, \
                 balance_before, lat, lon, text";
    let (words, code) = refusal(&transfer(r#","amount":1,"longitude":1"#));
    assert_eq!(
        words,
        format!("field \"longitude\" is unknown; known: {known}")
    );
    assert_eq!(code, "unknown_value");
}

#[test]
fn amounts_as_text_and_as_number_are_the_same_money() {
    let cases = [
        (r#","amount":"12.50""#, 1250),
        (r#","amount":12.5"#, 1250),
        (r#","amount":12.50,"currency":"EUR""#, 1250),
        (r#","amount":1e3"#, 100_000),
        (r#","amount":0"#, 0),
        (r#","amount":99999999999.99"#, 9_999_999_999_999),
        (r#","amount":12,"currency":"JPY""#, 12),
        (r#","amount":12,"currency":"KWD""#, 12_000),
    ];
    for (more, minor) in cases {
        let event = event(&transfer(more));
        assert_eq!(event.amount.map(|money| money.minor), Some(minor), "{more}");
    }
}

#[test]
fn ten_megabytes_are_refused_in_a_short_error() {
    let long = "x".repeat(10_000_000);
    let kept = "x".repeat(64);
    let cut = format!("{kept}... (10000000 bytes)");
    let cases = [
        (
            transfer(&format!(r#","card":"{long}""#)),
            "card must be at most 128 bytes, got 10000000".to_owned(),
        ),
        (
            transfer(&format!(r#","text":"{long}","amount":1"#)),
            "text must be at most 1024 bytes, got 10000000".to_owned(),
        ),
        (
            transfer(&format!(r#","lat":"{long}","amount":1"#)),
            format!("lat must be a number, got \"{cut}\""),
        ),
        (
            transfer(&format!(r#","amount":"{long}""#)),
            format!("amount: expected a decimal amount such as 12.50, got \"{cut}\""),
        ),
        (
            transfer(&format!(r#","amount":1,"currency":"{long}""#)),
            format!("currency: expected an ISO 4217 currency code such as EUR, got \"{cut}\""),
        ),
        (
            transfer(&format!(r#","{long}":1,"{long}":1"#)),
            format!("{cut} is given twice"),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(refusal(&text).0, expected);
    }
    for text in [transfer(&format!(r#","{long}":1"#)), format!("\"{long}\"")] {
        assert!(refusal(&text).0.len() < 400);
    }
}

#[test]
fn received_at_is_stamped_stated_or_the_event_time() {
    let schema = schema();
    let received_at = |more: &str, now| match parse_line(&transfer(more), &schema, now) {
        Ok(Line::Event(event)) => event.received_at.to_string(),
        other => panic!("{other:?}"),
    };
    let stated = r#","amount":1,"received_at":"2026-01-31T12:00:02Z""#;
    assert_eq!(received_at(stated, Some(NOW)), "2026-01-31T12:01:00.000Z");
    assert_eq!(received_at(stated, None), "2026-01-31T12:00:02.000Z");
    assert_eq!(
        received_at(r#","amount":1"#, None),
        "2026-01-31T12:00:00.000Z"
    );
}

#[test]
fn label_lines() {
    let text = r#"{"label":"fraud","event_id":"tx-1","label_timestamp":"2026-02-20T00:00:00Z","source":"chargeback"#;
    let parse = |more: &str| parse_line(&format!("{text}{more}}}"), &schema(), None);
    let label = LabelLine {
        event_id: EventId::parse("event_id", "tx-1").expect("an id"),
        verdict: Verdict::Fraud,
        source: LabelSource::Chargeback,
        reason: String::new(),
        confidence_percent: 100,
        label_timestamp: EventTime::from_millis(1_771_545_600_000),
    };
    assert_eq!(parse("\""), Ok(Line::Label(label.clone())));
    let more = r#"","reason":"10.4","confidence":0"#;
    let expected = LabelLine {
        reason: "10.4".to_owned(),
        confidence_percent: 0,
        ..label
    };
    assert_eq!(parse(more), Ok(Line::Label(expected)));
    let refused = [
        (
            r#"","confidence":101"#,
            "confidence must be between 0 and 100, got 101",
        ),
        (
            r#"","confidence":0.5"#,
            "confidence must be between 0 and 100, got 0.5",
        ),
        (
            r#"","confidence":-1"#,
            "confidence must be between 0 and 100, got -1",
        ),
        (r#"","reason":"""#, "reason must not be empty"),
        (
            r#"","amount":1"#,
            "field \"amount\" is unknown; known: label, event_id, label_timestamp, source, reason, \
             confidence, received_at",
        ),
        (
            r#"s""#,
            "source \"chargebacks\" is unknown; known: chargeback, early_fraud_warning, \
             customer_report, analyst, refund, import",
        ),
    ];
    for (more, expected) in refused {
        let words = parse(more).expect_err(more).to_string();
        assert_eq!(words, expected, "{more}");
    }
    // The codec holds 64 bytes of reason; one more must not get as far.
    let reason = |len: usize| format!("\",\"reason\":\"{}", "r".repeat(len));
    assert!(parse(&format!("{}\"", reason(64))).is_ok());
    let words = parse(&format!("{}\"", reason(65))).map_err(|it| it.to_string());
    assert_eq!(
        words,
        Err("reason must be at most 64 bytes, got 65".to_owned())
    );
    let (words, _) = refusal(r#"{"label":"maybe","source":"analyst","event_id":"a"}"#);
    assert_eq!(
        words,
        "label \"maybe\" is unknown; known: legitimate, fraud"
    );
}

#[test]
fn outcome_lines() {
    let text = |kind: &str, more: &str| {
        format!(
            r#"{{"outcome":"{kind}","event_id":"tx-1","outcome_timestamp":"2026-01-31T12:01:00Z"{more}}}"#
        )
    };
    let parse = |text: &str| parse_line(text, &schema(), None);
    let expected = OutcomeLine {
        event_id: EventId::parse("event_id", "tx-1").expect("an id"),
        kind: OutcomeKind::Reversed,
        outcome_timestamp: NOW,
    };
    assert_eq!(parse(&text("reversed", "")), Ok(Line::Outcome(expected)));
    let (words, _) = refusal(&text("undone", ""));
    assert_eq!(
        words,
        "outcome \"undone\" is unknown; known: authorised, declined, failed, reversed, refunded, \
         challenge_passed, challenge_failed"
    );
    let (words, _) = refusal(&text("reversed", r#","label":null,"reason":"x""#));
    assert_eq!(
        words,
        "field \"label\" is unknown; known: outcome, event_id, outcome_timestamp, received_at"
    );
}
