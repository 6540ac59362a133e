//! I6: an entity that everybody uses costs what a small one costs, and its sample stays right within the
//! bounds that `hub.rs` states.

// Helpers of tests lie outside the `#[test]` functions that clippy exempts.
#![allow(clippy::unwrap_used)]

use event::draft::{AmountText, Draft, DraftAmount};
use event::{Event, EventTime, Position, RoleIx, Schema};
use ringfence_graph::sample::SampleParts;
use ringfence_graph::{Graph, Input, Sample};

const START_MS: i64 = 1_700_000_000_000;
const NEIGHBOURS: i64 = 1_000_000;

fn event(schema: &Schema, number: i64, time_ms: i64) -> Event {
    let account = format!("a{number}");
    let at = EventTime::from_millis(time_ms);
    let role = |name: &str| schema.role(name).unwrap();
    let entities: [(RoleIx, &str); 2] = [(role("account"), &account), (role("ip"), "203.0.113.7")];
    let draft = Draft {
        event_id: "e",
        event_type: schema.event_type("cash_withdrawal").unwrap(),
        event_timestamp: at,
        received_at: at,
        entities: entities.into_iter().collect(),
        amount: Some(DraftAmount {
            value: AmountText::Minor(200),
            currency: "EUR",
        }),
        attributes: Default::default(),
    };
    draft.validate(schema).unwrap()
}

#[test]
fn an_address_of_a_million_accounts_stays_small_and_right() {
    let schema = Schema::parse(include_str!("../../../schemas/default.toml")).unwrap();
    let mut graph = Graph::new(&schema);
    let step_ms = 1000;
    for n in 0..NEIGHBOURS {
        let event = event(&schema, n, START_MS + n * step_ms);
        graph.fold_event(Input {
            event: &event,
            position: Position(n as u64),
            amount: Some(2.0),
        });
    }
    let ip = schema.kind("ip").unwrap();
    let view = graph.view(ip, "203.0.113.7").unwrap();
    assert!(view.is_hub);
    assert_eq!(view.events, NEIGHBOURS as u32);
    assert_eq!(view.interactions.len(), 32);
    assert_eq!(graph.hubs(), 1);
    assert_eq!(graph.entities() as i64, NEIGHBOURS + 1);

    let last = event(&schema, NEIGHBOURS, START_MS + NEIGHBOURS * step_ms);
    let mut sample = Sample::default();
    graph.sample(&last, Some(2.0), SampleParts::Full, &mut sample);
    let names = graph.features().names();
    let value =
        |name: &str| f64::from(sample.tabular[names.iter().position(|it| it == name).unwrap()]);
    for (window, seconds) in [
        ("1h", 3600.0),
        ("24h", 86_400.0),
        ("7d", 604_800.0),
        ("30d", 1e6),
    ] {
        let count = value(&format!("ip_count_{window}"));
        assert!(
            count <= seconds && count >= seconds * 15.0 / 16.0 - 1.0,
            "{window}: {count}"
        );
        assert_eq!(value(&format!("ip_sum_{window}")), count * 2.0);
        // Linear counting over 256 cells says no more than "very many".
        assert!(value(&format!("ip_peers_{window}")) >= 1000.0);
    }
    assert_eq!(value("ip_events"), 1e6);
    assert!(value("pair_ip_link") < 0.1, "a link through it says little");
    assert_eq!(sample.neighbours[schema.role("ip").unwrap().index()], 16);
}

#[test]
fn a_hub_gives_money_back_and_keeps_its_means() {
    let schema = Schema::parse(include_str!("../../../schemas/default.toml")).unwrap();
    let mut graph = Graph::new(&schema);
    let mut events = Vec::new();
    for n in 0..100 {
        let event = event(&schema, n, START_MS + n * 1000);
        graph.fold_event(Input {
            event: &event,
            position: Position(n as u64),
            amount: Some(2.0),
        });
        events.push(event);
    }
    for n in [90_u64, 95, 95] {
        graph.fold_outcome(&event::record::Outcome {
            subject: events[n as usize].subject(Position(n)),
            kind: event::record::OutcomeKind::Declined,
            outcome_timestamp: EventTime::from_millis(START_MS + 100_000),
            received_at: EventTime::from_millis(START_MS + 100_000),
        });
    }
    let next = event(&schema, 200, START_MS + 101_000);
    let mut sample = Sample::default();
    graph.sample(&next, Some(4.0), SampleParts::Tabular, &mut sample);
    let names = graph.features().names();
    let value = |name: &str| sample.tabular[names.iter().position(|it| it == name).unwrap()];
    assert_eq!(value("ip_count_24h"), 100.0);
    assert_eq!(value("ip_sum_24h"), 196.0);
    assert_eq!(value("ip_declined_24h"), 2.0);
    assert_eq!(
        value("ip_amount_ratio_7d"),
        2.0,
        "98 payments of 2.00 are left"
    );
    assert!(
        sample.sequence.is_empty() && sample.evidence.is_empty(),
        "tabular only"
    );
}
