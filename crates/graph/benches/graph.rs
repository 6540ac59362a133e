//! Time and memory of fold and sample on a skewed stream over `schemas/default.toml`, one thread.
//!
//! `cargo bench -p ringfence-graph -- 100000 1000000` names the numbers of entities. Without any, 10000000
//! follow where the machine has 12 GiB to spare.
//! Each size is filled with four interactions an entity, then 3 x 60,000 further events are timed one by
//! one. Bytes are what the allocator handed out.

// A benchmark reads the clock and prints; the crate's rules are about the core.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used)]

use std::time::Instant;

use cap::Cap;
use event::draft::{AmountText, Draft, DraftAmount, DraftValue};
use event::{Event, EventTime, Position, RoleIx, Schema};
use ringfence_graph::sample::SampleParts;
use ringfence_graph::{Graph, Input, Sample};

#[global_allocator]
static ALLOCATOR: Cap<mimalloc::MiMalloc> = Cap::new(mimalloc::MiMalloc, usize::MAX);

const TIMED: usize = 60_000;
const INTERACTIONS_PER_ENTITY: usize = 4;
const ROLES_PER_EVENT: usize = 6;

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Below `n`, the small ones much more often the higher `skew` is.
    fn below(&mut self, n: usize, skew: i32) -> usize {
        (self.unit().powi(skew) * n as f64) as usize
    }
}

/// People with a card, one or two devices and a home address, who pay at skewed merchants and each other.
struct Stream {
    schema: Schema,
    dice: Dice,
    accounts: usize,
    entities: usize,
    step_ms: f64,
    written: usize,
}

impl Stream {
    fn new(schema: &Schema, entities: usize) -> Stream {
        let events = entities * INTERACTIONS_PER_ENTITY / ROLES_PER_EVENT;
        Stream {
            schema: schema.clone(),
            dice: Dice(7),
            accounts: entities * 35 / 100,
            entities,
            // The whole stream fills about 40 days.
            step_ms: 40.0 * 86_400_000.0 / events as f64,
            written: 0,
        }
    }

    fn next(&mut self) -> Event {
        let dice = &mut self.dice;
        // New accounts first, so that the graph reaches its size; then half of all events skewed.
        let account = if self.written < self.accounts {
            self.written * 7919 % self.accounts
        } else if dice.next().is_multiple_of(2) {
            dice.below(self.accounts, 3)
        } else {
            dice.below(self.accounts, 1)
        };
        let transfer = dice.unit() < 0.3;
        let device = if dice.unit() < 0.1 {
            dice.below(self.entities / 5, 2)
        } else {
            account * 4 / 7
        };
        let ip = if dice.unit() < 0.3 {
            dice.below(self.entities / 12, 4)
        } else {
            account / 5
        };
        let shop = dice.below(self.entities / 60 + 1, 4);
        let shop_or_payee = if transfer {
            dice.below(self.accounts, 2)
        } else {
            shop
        };
        let numbers = [
            account,
            shop_or_payee,
            shop_or_payee,
            account,
            device,
            ip,
            shop / 4,
        ];
        let names = numbers.map(|number| format!("{number:012}"));
        let left_out = if transfer { 2 } else { 1 };
        let time_ms = 1_700_000_000_000 + (self.written as f64 * self.step_ms) as i64;
        let time = EventTime::from_millis(time_ms);
        let event_type = if transfer { "transfer" } else { "payment" };
        let id = format!("event-{:012}", self.written);
        let category = format!("mcc{}", shop % 300);
        let attribute = |name: &str, value| (self.schema.attribute(name).unwrap(), value);
        self.written += 1;
        let draft = Draft {
            event_id: &id,
            event_type: self.schema.event_type(event_type).unwrap(),
            event_timestamp: time,
            received_at: time,
            entities: (0..names.len())
                .filter(|role| *role != left_out)
                .map(|role| (RoleIx(role as u8), names[role].as_str()))
                .collect(),
            amount: Some(DraftAmount {
                value: AmountText::Minor((dice.unit().powi(3) * 50_000.0) as i64 + 100),
                currency: "EUR",
            }),
            attributes: [
                attribute("channel", DraftValue::Text("web")),
                attribute("merchant_category", DraftValue::Text(&category)),
            ]
            .into_iter()
            .collect(),
        };
        draft.validate(&self.schema).unwrap()
    }
}

/// Times `each` on every event of a batch; returns median and 99th percentile in microseconds.
fn time(events: &[Event], mut each: impl FnMut(usize, &Event)) -> [f64; 2] {
    let mut nanos: Vec<u64> = Vec::with_capacity(events.len());
    for (at, event) in events.iter().enumerate() {
        let start = Instant::now();
        each(at, event);
        nanos.push(start.elapsed().as_nanos() as u64);
    }
    nanos.sort_unstable();
    [nanos.len() / 2, nanos.len() * 99 / 100].map(|at| nanos[at] as f64 / 1000.0)
}

fn amount(event: &Event) -> Option<f32> {
    event.amount.map(|money| money.minor as f32 / 100.0)
}

fn run(schema: &Schema, entities: usize) {
    let before = ALLOCATOR.allocated();
    let mut graph = Graph::new(schema);
    let mut stream = Stream::new(schema, entities);
    let events = entities * INTERACTIONS_PER_ENTITY / ROLES_PER_EVENT;
    for at in 0..events {
        let event = stream.next();
        let position = Position(at as u64);
        graph.fold_event(Input {
            event: &event,
            position,
            amount: amount(&event),
        });
    }
    let bytes = ALLOCATOR.allocated() - before;
    let mut sample = Sample::default();
    let mut next = events;
    let mut rows = Vec::new();
    for (name, parts) in [
        ("fold + sample, full", Some(SampleParts::Full)),
        ("fold + sample, tabular", Some(SampleParts::Tabular)),
        ("fold", None),
    ] {
        let batch: Vec<Event> = (0..TIMED).map(|_| stream.next()).collect();
        let [median, p99] = time(&batch, |at, event| {
            let amount = amount(event);
            if let Some(parts) = parts {
                graph.sample(event, amount, parts, &mut sample);
            }
            let position = Position((next + at) as u64);
            graph.fold_event(Input {
                event,
                position,
                amount,
            });
        });
        next += TIMED;
        rows.push((name, median, p99));
    }
    let (held, hubs) = (graph.entities(), graph.hubs());
    println!(
        "{entities} entities asked, {held} held, {hubs} hubs, {} pairs, {events} events",
        graph.pairs()
    );
    for (name, median, p99) in rows {
        println!("  {name:<24} median {median:>7.2} us   p99 {p99:>7.2} us");
    }
    let interactions = events * ROLES_PER_EVENT;
    println!(
        "  memory {:.1} MiB: {:.0} bytes an entity, {:.0} bytes an interaction",
        bytes as f64 / f64::from(1 << 20),
        bytes as f64 / held as f64,
        bytes as f64 / interactions as f64,
    );
}

/// Memory that can be had without swapping, as Linux tells it.
fn available_gib() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find(|line| line.starts_with("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib >> 20)
}

fn main() {
    let schema = Schema::parse(include_str!("../../../schemas/default.toml")).unwrap();
    // cargo adds `--bench`
    let asked = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let mut sizes: Vec<usize> = asked.map(|arg| arg.parse().unwrap()).collect();
    if sizes.is_empty() {
        sizes = vec![100_000, 1_000_000];
        match available_gib() {
            Some(12..) => sizes.push(10_000_000),
            held => println!("10000000 entities skipped: 12 GiB needed, available {held:?}"),
        }
    }
    for entities in sizes {
        run(&schema, entities);
    }
}
