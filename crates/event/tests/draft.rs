//! The validation ladder: every refusal with its exact words, its stable code and its field, and the last
//! value that still passes.

use std::collections::BTreeSet;

use ringfence_event::draft::{AmountText, Draft, DraftAmount, DraftValue, Invalid};
use ringfence_event::record::AttributeValue;
use ringfence_event::time::Span;
use ringfence_event::{
    AttributeIx, Currency, Event, EventTime, Money, RoleIx, Schema, json::parse_line,
};

fn schema() -> Schema {
    let text = include_str!("../../../schemas/default.toml");
    match Schema::parse(text) {
        Ok(schema) => schema,
        Err(error) => panic!("{error}"),
    }
}

const NOON: EventTime = EventTime::from_millis(1_769_860_800_000);

/// A transfer of 12.50 EUR from acc-1 to acc-2.
fn transfer(schema: &Schema) -> Draft<'static> {
    Draft {
        event_id: "tx-1",
        event_type: schema.event_type("transfer").unwrap_or_else(|| panic!()),
        event_timestamp: NOON,
        received_at: NOON,
        entities: [
            (role(schema, "account"), "acc-1"),
            (role(schema, "payee"), "acc-2"),
        ]
        .into_iter()
        .collect(),
        amount: euros(AmountText::Major("12.50")),
        attributes: [].into_iter().collect(),
    }
}

fn role(schema: &Schema, name: &str) -> RoleIx {
    schema.role(name).unwrap_or_else(|| panic!("{name}"))
}

fn attribute(schema: &Schema, name: &str) -> AttributeIx {
    schema.attribute(name).unwrap_or_else(|| panic!("{name}"))
}

fn euros(value: AmountText<'_>) -> Option<DraftAmount<'_>> {
    let currency = "EUR";
    Some(DraftAmount { value, currency })
}

/// The transfer after one change.
fn changed(change: impl FnOnce(&mut Draft<'static>, &Schema)) -> Result<Event, Invalid> {
    let schema = schema();
    let mut draft = transfer(&schema);
    change(&mut draft, &schema);
    draft.validate(&schema)
}

fn with_value(name: &str, value: DraftValue<'static>) -> Result<Event, Invalid> {
    changed(|draft, schema| draft.attributes.push((attribute(schema, name), value)))
}

fn with_amount(value: AmountText<'static>, currency: &'static str) -> Result<Event, Invalid> {
    changed(|draft, _| draft.amount = Some(DraftAmount { value, currency }))
}

fn line(text: &str) -> Invalid {
    match parse_line(text, &schema(), Some(NOON)) {
        Err(invalid) => invalid,
        Ok(line) => panic!("accepted: {line:?}"),
    }
}

const LONG_ID: &str = match std::str::from_utf8(&[b'x'; 129]) {
    Ok(text) => text,
    Err(_) => "",
};
const LONG_TEXT: &str = match std::str::from_utf8(&[b'x'; 1025]) {
    Ok(text) => text,
    Err(_) => "",
};

/// What is refused, its words, its code, its field.
type Case = (
    Result<Event, Invalid>,
    &'static str,
    &'static str,
    &'static str,
);

fn ids_and_times() -> Vec<Case> {
    vec![
        (
            changed(|draft, _| draft.entities.truncate(1)),
            "payee is missing",
            "field_missing",
            "payee",
        ),
        (
            changed(|draft, _| draft.entities.retain(|it| it.1 != "acc-1")),
            "account is missing",
            "field_missing",
            "account",
        ),
        (
            changed(|draft, _| draft.event_id = ""),
            "event_id must not be empty",
            "field_empty",
            "event_id",
        ),
        (
            changed(|draft, _| draft.entities[1].1 = ""),
            "payee must not be empty",
            "field_empty",
            "payee",
        ),
        (
            changed(|draft, _| draft.event_id = LONG_ID),
            "event_id must be at most 128 bytes, got 129",
            "field_too_long",
            "event_id",
        ),
        (
            with_value("text", DraftValue::Text(LONG_TEXT)),
            "text must be at most 1024 bytes, got 1025",
            "field_too_long",
            "text",
        ),
        (
            changed(|draft, _| draft.event_id = "é\u{85}x"),
            "event_id must not hold control characters, got one at byte 2",
            "control_character",
            "event_id",
        ),
        (
            changed(|draft, _| draft.entities[0].1 = "acc\0"),
            "account must not hold control characters, got one at byte 3",
            "control_character",
            "account",
        ),
        (
            changed(|draft, _| draft.event_timestamp = EventTime::from_millis(-1)),
            "event_timestamp must be between 1970 and 2200, got 1969-12-31T23:59:59.999Z",
            "time_range",
            "event_timestamp",
        ),
        (
            changed(|draft, _| draft.received_at = EventTime::END),
            "received_at must be between 1970 and 2200, got 2200-01-01T00:00:00.000Z",
            "time_range",
            "received_at",
        ),
        (
            changed(|draft, _| draft.event_timestamp = NOON.plus(Span::from_millis(300_001))),
            "event_timestamp 2026-01-31T12:05:00.001Z is more than 5 min ahead of received_at \
             2026-01-31T12:00:00.000Z",
            "time_in_future",
            "event_timestamp",
        ),
        (
            changed(|draft, _| draft.entities.push(draft.entities[1])),
            "payee is given twice",
            "field_twice",
            "payee",
        ),
        (
            changed(|draft, schema| {
                let lat = (attribute(schema, "lat"), DraftValue::Number(1.0));
                draft.attributes.extend([lat, lat]);
            }),
            "lat is given twice",
            "field_twice",
            "lat",
        ),
    ]
}

fn amounts() -> Vec<Case> {
    vec![
        (
            changed(|draft, _| draft.amount = None),
            "amount is missing",
            "field_missing",
            "amount",
        ),
        (
            with_amount(AmountText::Major("1"), "EUX"),
            "currency: expected an ISO 4217 currency code such as EUR, got \"EUX\"",
            "unknown_currency",
            "currency",
        ),
        (
            with_amount(AmountText::Major("1,5"), "EUR"),
            "amount: expected a decimal amount such as 12.50, got \"1,5\"",
            "amount_format",
            "amount",
        ),
        (
            with_amount(AmountText::Major("0.5"), "JPY"),
            "amount: JPY has 0 decimal places, got \"0.5\"",
            "amount_precision",
            "amount",
        ),
        (
            with_amount(AmountText::Major("-5"), "EUR"),
            "amount: amount must be >= 0 and <= 10^13 minor units, got -5",
            "amount_range",
            "amount",
        ),
        (
            with_amount(AmountText::Minor(Money::MAX_MINOR + 1), "EUR"),
            "amount: amount must be >= 0 and <= 10^13 minor units, got 10000000000001",
            "amount_range",
            "amount",
        ),
        (
            with_amount(AmountText::Minor(-1), "EUR"),
            "amount: amount must be >= 0 and <= 10^13 minor units, got -1",
            "amount_range",
            "amount",
        ),
    ]
}

fn attributes() -> Vec<Case> {
    vec![
        (
            with_value("lat", DraftValue::Number(f64::NAN)),
            "lat must be a finite number, got NaN",
            "not_finite",
            "lat",
        ),
        (
            with_value("lat", DraftValue::Text("inf")),
            "lat must be a finite number, got inf",
            "not_finite",
            "lat",
        ),
        (
            with_value("lat", DraftValue::Text("north")),
            "lat must be a number, got \"north\"",
            "not_a_number",
            "lat",
        ),
        (
            with_value("channel", DraftValue::Number(1.5)),
            "channel must be text, got 1.5",
            "not_text",
            "channel",
        ),
        (
            with_value("lat", DraftValue::Number(90.5)),
            "lat must be between -90 and 90, got 90.5",
            "out_of_bounds",
            "lat",
        ),
        (
            with_value("channel", DraftValue::Text("")),
            "channel must not be empty",
            "field_empty",
            "channel",
        ),
    ]
}

/// Refusals that only a line of text, or the state behind the ladder, can meet.
fn beyond_the_ladder() -> Vec<Case> {
    let before = Invalid::BeforeEvent {
        field: "label_timestamp".to_owned(),
        value: NOON.minus(Span::seconds(1)),
        event_timestamp: NOON,
    };
    let late = Invalid::TooLate {
        field: "label_timestamp".to_owned(),
        value: NOON.plus(Span::days(181)),
        event_timestamp: NOON,
        horizon: "180d".to_owned(),
    };
    vec![
        (
            Err(line(r#"{"event_type": "theft"}"#)),
            "event_type \"theft\" is unknown; known: payment, transfer, deposit, cash_withdrawal, \
             login, profile_change",
            "unknown_value",
            "event_type",
        ),
        (
            Err(line(
                r#"{"event_type": "login", "event_timestamp": "yesterday"}"#,
            )),
            "event_timestamp: expected an ISO-8601 time with offset such as 2026-01-31T12:00:00Z, \
             got \"yesterday\"",
            "time_format",
            "event_timestamp",
        ),
        (
            Err(line("[]")),
            "not a JSON object: invalid type: sequence, expected an object of at most 64 fields at \
             line 1 column 0",
            "not_json",
            "",
        ),
        (
            Err(before),
            "label_timestamp 2026-01-31T11:59:59.000Z is before its event at 2026-01-31T12:00:00.000Z",
            "before_event",
            "label_timestamp",
        ),
        (
            Err(late),
            "label_timestamp 2026-07-31T12:00:00.000Z is more than 180d after its event at \
             2026-01-31T12:00:00.000Z",
            "too_late",
            "label_timestamp",
        ),
    ]
}

/// An amount on a type that has none; the default schema has no such type.
fn amount_where_none_belongs() -> Case {
    let text = include_str!("../../../schemas/default.toml");
    let text = text.replace(
        "class = \"login\"",
        "class = \"login\"\namount = \"absent\"",
    );
    let refused = match Schema::parse(&text) {
        Ok(schema) => {
            let mut draft = transfer(&schema);
            draft.event_type = schema.event_type("login").unwrap_or(draft.event_type);
            draft.validate(&schema)
        }
        Err(error) => panic!("{error}"),
    };
    (
        refused,
        "amount is not allowed for event_type \"login\"",
        "amount_not_allowed",
        "amount",
    )
}

#[test]
fn each_refusal_has_its_words_its_code_and_its_field() {
    let mut cases = ids_and_times();
    cases.extend(amounts());
    cases.extend(attributes());
    cases.extend(beyond_the_ladder());
    cases.push(amount_where_none_belongs());
    let mut codes = BTreeSet::new();
    for (refused, words, code, field) in cases {
        let invalid = refused.expect_err(words);
        assert_eq!(invalid.to_string(), words);
        assert_eq!(invalid.code(), code, "{words}");
        assert_eq!(invalid.field().unwrap_or_default(), field, "{words}");
        codes.insert(code);
    }
    // Every variant of Invalid, and of MoneyError within it, has a case above.
    assert_eq!(codes.len(), 21, "{codes:?}");
}

#[test]
fn the_last_good_value_of_each_rung_passes() {
    let cases = [
        changed(|draft, _| draft.event_id = &LONG_ID[1..]),
        changed(|draft, _| draft.event_id = "Â£ \u{a0}é"),
        changed(|draft, _| draft.event_timestamp = NOON.plus(Span::minutes(5))),
        changed(|draft, _| draft.event_timestamp = EventTime::MIN),
        changed(|draft, _| draft.received_at = EventTime::from_millis(7_258_118_399_999)),
        with_amount(AmountText::Minor(Money::MAX_MINOR), "EUR"),
        with_amount(AmountText::Minor(0), "EUR"),
        with_value("lat", DraftValue::Number(90.0)),
        with_value("lat", DraftValue::Text(" -90 ")),
        with_value("text", DraftValue::Text(&LONG_TEXT[1..])),
        with_value("text", DraftValue::Text("")),
        with_value("text", DraftValue::Text("two\nlines")),
    ];
    for (ix, case) in cases.into_iter().enumerate() {
        assert!(case.is_ok(), "case {ix}: {case:?}");
    }
}

#[test]
fn an_event_holds_what_was_drafted_in_schema_order() {
    let event = changed(|draft, schema| {
        draft.entities.swap(0, 1);
        draft
            .attributes
            .push((attribute(schema, "lon"), DraftValue::Text("-0")));
        draft
            .attributes
            .push((attribute(schema, "channel"), DraftValue::Text("web")));
    });
    let event = event.expect("a good draft");
    let schema = schema();
    let entities = event.entities.iter().map(|(role, id)| (*role, id.as_str()));
    assert_eq!(
        entities.collect::<Vec<_>>(),
        [
            (role(&schema, "account"), "acc-1"),
            (role(&schema, "payee"), "acc-2")
        ]
    );
    assert_eq!(event.amount, Money::from_minor(1250, Currency::EUR).ok());
    assert_eq!(
        event.attribute(attribute(&schema, "channel")),
        Some(&AttributeValue::Category("web".into()))
    );
    assert_eq!(event.attributes[0].0, attribute(&schema, "channel"));
    // Minus zero is stored as zero: equal events have equal bytes.
    let lon = event.number(attribute(&schema, "lon"));
    assert_eq!(lon.map(f64::to_bits), Some(0));
}
