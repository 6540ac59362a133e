//! A history of payments in memory: two merchants of twenty are compromised, a third of what is paid
//! there is fraud and half of that is dear; a fraud's label comes one day after it.

use event::json::{Line, parse_line};
use event::record::{Label, LabelSource, Verdict};
use event::{Event, EventTime, Position, Record, Schema, Span};
use ringfence_learning::evaluate::source::Stream;

pub struct World {
    pub hidden: bool,
    /// Frauds close their instant.
    pub frauds_last: bool,
    /// Frauds have higher ids than all other events.
    pub frauds_last_by_id: bool,
    pub days: u64,
}

impl Default for World {
    fn default() -> World {
        World {
            hidden: false,
            frauds_last: false,
            frauds_last_by_id: false,
            days: 10,
        }
    }
}

/// Twelve events an instant, an instant every 24 minutes.
const PER_INSTANT: u64 = 12;
const INSTANTS_PER_DAY: u64 = 60;

pub fn mixed(seed: u64) -> u64 {
    let z = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

pub fn stream(world: &World) -> Stream {
    let mut text = include_str!("../../../../schemas/default.toml")
        .replace("maturity = \"14d\"", "maturity = \"1d\"");
    if world.hidden {
        text = text.replacen("[time]", "[time]\nsimultaneous = \"hidden\"", 1);
    }
    let schema = Schema::parse(&text).unwrap();
    let mut stream = Stream::new(schema.clone());
    let mut due: Vec<(EventTime, Position, Event)> = Vec::new();
    let mut told = 0;
    let push = |stream: &mut Stream, record: Record| {
        let position = Position(stream.len() as u64);
        stream.push(&record, position);
        position
    };
    for instant in 0..world.days * INSTANTS_PER_DAY {
        let mut rows: Vec<(Event, bool)> = (0..PER_INSTANT)
            .map(|place| payment(world, instant, instant * PER_INSTANT + place, &schema))
            .collect();
        if world.frauds_last {
            rows.sort_by_key(|row| row.1);
        }
        let now = rows[0].0.event_timestamp;
        while told < due.len() && due[told].0 <= now {
            push(&mut stream, label(&due[told]));
            told += 1;
        }
        for (event, fraud) in rows {
            let position = push(&mut stream, Record::Event(event.clone()));
            if fraud {
                due.push((now.plus(Span::days(1)), position, event));
            }
        }
    }
    for it in &due[told..] {
        push(&mut stream, label(it));
    }
    stream
}

fn payment(world: &World, instant: u64, number: u64, schema: &Schema) -> (Event, bool) {
    let draw = |salt: u64| mixed(number * 31 + salt * 0x9e37_79b9_7f4b + 1);
    let merchant = draw(1) % 20;
    let fraud = merchant < 2 && draw(2) % 3 == 0;
    let dear = draw(3) % 20 < if fraud { 10 } else { 1 };
    let cents = 500 + draw(5) % 4_000 + if dear { 6_000 } else { 0 };
    let high = world.frauds_last_by_id && fraud;
    let id = format!("{}{:06}", if high { "z" } else { "e" }, draw(6) % 1_000_000);
    let minute = instant * 24;
    let (day, hour, minute) = (1 + minute / 1440, minute / 60 % 24, minute % 60);
    let line = format!(
        r#"{{"event_id":"{id}-{number}","event_type":"payment","event_timestamp":"2026-01-{day:02}T{hour:02}:{minute:02}:00Z","account":"n{}","merchant":"n{merchant}","amount":"{}.{:02}"}}"#,
        draw(4) % 150,
        cents / 100,
        cents % 100,
    );
    let Line::Event(event) = parse_line(&line, schema, None).unwrap() else {
        panic!("{line}");
    };
    (*event, fraud)
}

fn label((at, position, event): &(EventTime, Position, Event)) -> Record {
    Record::Label(Label {
        subject: event.subject(*position),
        verdict: Verdict::Fraud,
        source: LabelSource::Analyst,
        reason: "".into(),
        confidence_percent: 100,
        label_timestamp: *at,
        received_at: *at,
        prior: None,
    })
}
