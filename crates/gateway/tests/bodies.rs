//! What comes from outside, whatever it is: refused by a code, never a panic.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

use event::{EventTime, Schema};
use proptest::prelude::*;
use ringfence_gateway::query::Query;

const SCHEMA: &str = include_str!("../../../schemas/default.toml");

fn event() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        Just("event_id".to_owned()),
        Just("event_type".to_owned()),
        Just("event_timestamp".to_owned()),
        Just("account".to_owned()),
        Just("amount".to_owned()),
        Just("lat".to_owned()),
        Just("label".to_owned()),
        Just("outcome".to_owned()),
        "[a-z_]{1,8}",
    ];
    let value = prop_oneof![
        Just("null".to_owned()),
        Just("\"payment\"".to_owned()),
        Just("\"2026-01-05T10:00:00Z\"".to_owned()),
        Just("[[]]".to_owned()),
        Just("{\"a\":{}}".to_owned()),
        any::<f64>().prop_map(|it| it.to_string()),
        "\"[^\"\\\\]{0,20}\"",
    ];
    prop::collection::vec((key, value), 0..8).prop_map(|fields| {
        let fields: Vec<String> = fields.iter().map(|(k, v)| format!("\"{k}\":{v}")).collect();
        format!("{{{}}}", fields.join(","))
    })
}

proptest! {
    #[test]
    fn no_line_panics_and_every_refusal_has_a_code(text in prop_oneof![event(), ".{0,200}"]) {
        let schema = Schema::parse(SCHEMA).unwrap();
        let now = EventTime::from_millis(1_790_000_000_000);
        if let Err(invalid) = event::json::parse_line(&text, &schema, Some(now)) {
            prop_assert!(!invalid.code().is_empty());
            // An answer does not grow with what was refused.
            prop_assert!(invalid.to_string().len() < 2_000);
        }
    }

    #[test]
    fn no_query_panics_and_what_is_accepted_is_known(text in ".{0,100}") {
        if let Ok(query) = Query::parse(Some(&text), &["depth"]) {
            prop_assert!(query.get("other").is_none());
        }
    }
}
