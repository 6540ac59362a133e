//! What rules and lists add to a decision: 50 rules of ten kinds, and a million items on five lists.
//!
//! `cargo bench -p ringfence-engine --bench decide`

// A benchmark reads the clock and prints; the crate's rules are about the core.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::hint::black_box;
use std::time::Instant;

use event::json::{Line, parse_line};
use event::record::{Config, ConfigSection, ModelVersion, Record};
use event::{Event, EventTime, Position, Schema};
use graph::Sample;
use graph::sample::SampleParts;
use lists::{Change, Definition, Effect, Form, NewItem, Value};
use ringfence_engine::{Effect as Done, Engine, Scored};

const EVENTS: usize = 20_000;
const ROUNDS: usize = 7;
const ITEMS: usize = 1_000_000;
const SLICE: usize = 1_000;
const RULES: usize = 50;
const GOAL_US: f64 = 8.0;

/// Each is used five times, with other numbers in the place of `@`.
const KINDS: [&str; 10] = [
    "amount > @00_00 && device.accounts_24h >= 4",
    "event_type == \"transfer\" && payee.tenure < 24 && amount > @0_00",
    "on_list(\"devices\", device.id) && amount > @0_00",
    "channel in [\"web\", \"app\", \"phone\"] && account.count_1h > @",
    "score >= 6@0 && !has(device.id) || score >= 9@0",
    "timestamp.getHours() < 5 && amount > @_000",
    "merchant.id.startsWith(\"m@\") && account.sum_24h > @000",
    "amount % 100_00 == 0 && amount >= @00_00 && account.tenure < 72",
    "probability > 0.@ && ip.accounts_24h > 3",
    "features.amount_vs_type > @ && !on_list(\"known\", merchant.id)",
];

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % n
    }
}

struct World {
    schema: Schema,
    engine: Engine,
    next: u64,
}

impl World {
    fn set(&mut self, section: ConfigSection, body: String) {
        let at = EventTime::parse_iso("2026-01-01T00:00:00Z").unwrap();
        let version = self.engine.version_of(section) + 1;
        let (author, why) = ("bench".into(), Default::default());
        let config = Config {
            at,
            section,
            version,
            author,
            why,
            body,
        };
        let done = self
            .engine
            .apply(Position(self.next), &Record::Config(config));
        assert_eq!(done, Done::Configured(section, version));
        self.next += 1;
    }

    fn list(&mut self, name: &str, on: &str, form: Form, value: impl Fn(usize) -> Value) {
        let definition = Definition {
            name: name.to_owned(),
            on: on.to_owned(),
            form,
            effect: Effect::Watch,
        };
        self.set(
            ConfigSection::Lists,
            Change::Create(definition).encode().unwrap(),
        );
        let each = ITEMS / 5;
        for from in (0..each).step_by(SLICE) {
            let items = (from..from + SLICE).map(|at| NewItem {
                value: value(at),
                expires: None,
                reason: String::new(),
            });
            let (list, items) = (name.to_owned(), items.collect());
            self.set(
                ConfigSection::Lists,
                Change::Put { list, items }.encode().unwrap(),
            );
        }
    }

    /// Median over rounds of the mean time of a decision, microseconds.
    fn time(&mut self, events: &[(Event, Sample)]) -> f64 {
        let mut rounds: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let started = Instant::now();
                for (at, (event, sample)) in events.iter().enumerate() {
                    let scored = Scored {
                        score: (at % 1001) as u16,
                        probability_ppm: (at * 50 % 1_000_000) as u32,
                        model: ModelVersion([1; 8]),
                        reasons: Default::default(),
                        evidence: Default::default(),
                    };
                    black_box(self.engine.decide(event, Position(0), sample, Ok(scored)));
                }
                started.elapsed().as_secs_f64() * 1e6 / events.len() as f64
            })
            .collect();
        rounds.sort_by(f64::total_cmp);
        rounds[ROUNDS / 2]
    }
}

fn events(world: &mut World) -> Vec<(Event, Sample)> {
    let mut dice = Dice(7);
    let make = |at: usize, dice: &mut Dice, schema: &Schema| {
        let kind = ["payment", "transfer"][dice.below(2) as usize];
        let to = if kind == "payment" {
            "merchant"
        } else {
            "payee"
        };
        let text = format!(
            r#"{{"event_id":"e{at}","event_type":"{kind}","event_timestamp":"2026-02-{:02}T{:02}:{:02}:00Z","account":"a{}","{to}":"m{}","device":"device-{}","ip":"10.{}.{}.7","channel":"{}","amount":"{}.00"}}"#,
            1 + at / 1440,
            at / 60 % 24,
            at % 60,
            dice.below(3000),
            dice.below(400_000),
            dice.below(400_000),
            dice.below(250),
            dice.below(250),
            ["web", "app", "branch"][dice.below(3) as usize],
            1 + dice.below(5000),
        );
        match parse_line(&text, schema, None).unwrap() {
            Line::Event(event) => *event,
            other => panic!("{other:?}"),
        }
    };
    let mut all = Vec::with_capacity(EVENTS);
    for at in 0..EVENTS {
        let event = make(at, &mut dice, &world.schema);
        let mut sample = Sample::default();
        world
            .engine
            .sample(&event, SampleParts::Tabular, &mut sample);
        world
            .engine
            .apply(Position(world.next), &Record::Event(event.clone()));
        world.next += 1;
        all.push((event, sample));
    }
    all
}

fn main() {
    let schema = Schema::parse(include_str!("../../../schemas/default.toml")).unwrap();
    let engine = Engine::new(&schema);
    let mut world = World {
        schema,
        engine,
        next: 0,
    };
    let policy = "[thresholds]\nchallenge = 300\nreview = 600\ndecline = 900\n";
    world.set(ConfigSection::Policy, policy.to_owned());
    let events = events(&mut world);
    let bare = world.time(&events);
    let text = |prefix: &'static str| move |at: usize| Value::Text(format!("{prefix}{}", at * 2));
    let started = Instant::now();
    world.list(
        "devices",
        "device",
        Form::Text { fold: false },
        text("device-"),
    );
    world.list("known", "merchant", Form::Text { fold: false }, text("m"));
    world.list(
        "accounts",
        "account",
        Form::Prefix { fold: false },
        text("a"),
    );
    world.list("nets", "ip", Form::Cidr, |at| {
        Value::Text(format!(
            "10.{}.{}.{}/32",
            at / 65_536,
            at / 256 % 256,
            at % 256
        ))
    });
    world.list("bands", "amount", Form::Amount, |at| Value::Band {
        from: at as i64 * 100,
        to: at as i64 * 100 + 40,
        currency: "EUR".to_owned(),
    });
    let taken = started.elapsed().as_secs_f64() * 1e3 / (ITEMS / SLICE) as f64;
    let with_lists = world.time(&events);
    let mut rules = String::new();
    for at in 0..RULES {
        let when = KINDS[at % KINDS.len()].replace('@', &(1 + at / KINDS.len()).to_string());
        rules.push_str(&format!(
            "[[rules]]\nid = \"r{at}\"\nwhen = '{when}'\nstatus = \"active\"\nscore_add = 1\n"
        ));
    }
    world.set(ConfigSection::Rules, rules);
    let with_both = world.time(&events);
    println!("decide, no lists, no rules          {bare:>8.2} us");
    println!("with {ITEMS} items on 5 lists      {with_lists:>8.2} us");
    println!("and with {RULES} rules                   {with_both:>8.2} us");
    println!(
        "rules and lists add                 {:>8.2} us (goal {GOAL_US})",
        with_both - bare
    );
    println!("a slice of {SLICE} items is applied in  {taken:>8.2} ms");
}
