//! Time of a rule set on one event: 50 ordinary rules, with a hash set of a million entries behind `on_list`; and
//! the dearest expression of each kind, beside what it is reckoned to cost.
//!
//! `cargo bench -p ringfence-rules`

// A benchmark reads the clock and prints; the crate's rules are about the core.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::collections::HashSet;
use std::hint::black_box;
use std::time::Instant;

use ringfence_rules::{Evaluation, Key, ListIx, RuleSet, Slot, Type, VariableIx, Vocabulary};

const RULES: usize = 50;
const EVENTS: usize = 20_000;
const LISTED: u64 = 1_000_000;
/// Of rules and lists together, at 50 rules and 10^6 entries.
const GOAL_US: f64 = 8.0;

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

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}

/// Each is used five times, with other numbers in the place of `@`.
const ORDINARY: [&str; 10] = [
    "amount > @00_00 && device.accounts_72h >= 4",
    "event_type == 'transfer' && payee.tenure_h < 24 && amount > @0_00",
    "on_list('devices@', device.id)",
    "channel in ['web', 'app', 'phone'] && account.count_1h > @ && amount / account.mean_30d > 4",
    "score >= 6@0 && !has(device.id) || score >= 9@0",
    "event_timestamp.getHours('+01:00') in [0, 1, 2, 3, 4] && amount > @_000",
    "['gift', 'crypto', 'wire'].exists(w, merchant.name.contains(w)) && amount > @0_00",
    "merchant.name.matches('(?i)^(best|top) ?(deals?|shop)@') && card.country != ip.country",
    "amount % 100_00 == 0 && amount >= @00_00 && account.first_seen + duration('@h') > event_timestamp",
    "on_list('accounts@', account.id) && !on_list('known@', merchant.name)",
];

const NUMBERS: [&str; 7] = [
    "amount",
    "score",
    "device.accounts_72h",
    "payee.tenure_h",
    "account.count_1h",
    "account.mean_30d",
    "probability",
];
const TEXTS: [&str; 7] = [
    "event_type",
    "channel",
    "device.id",
    "account.id",
    "merchant.name",
    "card.country",
    "ip.country",
];
const TIMES: [&str; 2] = ["event_timestamp", "account.first_seen"];

fn vocabulary() -> Vocabulary {
    let mut vocabulary = Vocabulary::new();
    for name in NUMBERS {
        vocabulary.add(name, Type::Number, true).unwrap();
    }
    for name in TEXTS {
        let of = Type::Text { bytes_max: 128 };
        vocabulary.add(name, of, true).unwrap();
    }
    for name in TIMES {
        vocabulary.add(name, Type::Time, false).unwrap();
    }
    let of = Type::Text { bytes_max: 4096 };
    vocabulary.add("note", of, true).unwrap();
    vocabulary
}

fn document(rules: impl Iterator<Item = String>) -> String {
    let rule = |(at, when): (usize, String)| {
        format!(
            "[[rules]]\nid = \"r{at}\"\nstatus = \"active\"\nwhen = \"{when}\"\nscore_add = 5\n\n"
        )
    };
    rules.enumerate().map(rule).collect()
}

enum Value {
    Missing,
    Number(f64),
    Text(String),
    Time(i64),
}

impl Value {
    fn slot(&self) -> Slot<'_> {
        match self {
            Value::Missing => Slot::Missing,
            Value::Number(it) => Slot::Number(*it),
            Value::Text(it) => Slot::Text(it),
            Value::Time(it) => Slot::Time(*it),
        }
    }
}

fn value(name: &str, dice: &mut Dice) -> Value {
    let entity = |dice: &mut Dice| Value::Text(format!("entity-{:012}", dice.below(4 * LISTED)));
    match name {
        _ if TIMES.contains(&name) => {
            Value::Time(1_790_000_000_000 + dice.below(86_400_000_000) as i64)
        }
        // One in ten events lacks each.
        _ if dice.below(10) == 0 => Value::Missing,
        "amount" => Value::Number((dice.below(200_000) + 1) as f64),
        "score" => Value::Number(dice.below(1001) as f64),
        "event_type" => Value::Text(dice.pick(&["payment", "transfer", "login"]).to_owned()),
        "channel" => Value::Text(dice.pick(&["web", "app", "pos", "phone"]).to_owned()),
        "card.country" | "ip.country" => Value::Text(dice.pick(&["DE", "FR", "NG"]).to_owned()),
        "merchant.name" => Value::Text(format!("Best Shop {} of all", dice.below(10_000))),
        _ if TEXTS.contains(&name) => entity(dice),
        _ => Value::Number(dice.below(100) as f64),
    }
}

/// Median and 99th percentile of one evaluation, in microseconds, and matches an event.
fn time(set: &RuleSet, events: &[Vec<Value>], listed: &HashSet<String>) -> [f64; 3] {
    let mut out = Evaluation::default();
    let mut on_list = |_: ListIx, key: Key<'_>| match key {
        Key::Text(text) => listed.contains(text),
        Key::Number(_) => false,
    };
    let mut nanos = Vec::with_capacity(events.len());
    let mut matched = 0;
    let mut slots = Vec::new();
    for event in events {
        slots.clear();
        slots.extend(event.iter().map(Value::slot));
        let start = Instant::now();
        set.evaluate(0, black_box(&slots), &mut on_list, &mut out);
        nanos.push(start.elapsed().as_nanos() as u64);
        matched += out.matched.len();
    }
    nanos.sort_unstable();
    let [median, p99] =
        [nanos.len() / 2, nanos.len() * 99 / 100].map(|at| nanos[at] as f64 / 1000.0);
    [median, p99, matched as f64 / events.len() as f64]
}

fn ordinary(vocabulary: &Vocabulary, dice: &mut Dice) {
    let rules = (0..RULES).map(|at| {
        let digit = (at / ORDINARY.len() + 1).to_string();
        ORDINARY[at % ORDINARY.len()].replace('@', &digit)
    });
    let document = document(rules);
    let start = Instant::now();
    let set = RuleSet::parse(&document, vocabulary).unwrap();
    let compiled = start.elapsed();
    let listed: HashSet<String> = (0..LISTED)
        .map(|at| format!("entity-{:012}", at * 4))
        .collect();
    let names = |ix: &VariableIx| vocabulary.variable(*ix).name.clone();
    let names: Vec<String> = set.used().iter().map(names).collect();
    let events: Vec<Vec<Value>> = (0..EVENTS)
        .map(|_| names.iter().map(|name| value(name, dice)).collect())
        .collect();
    time(&set, &events, &listed);
    let [median, p99, matched] = time(&set, &events, &listed);
    println!(
        "{RULES} rules, {} variables, {} lists, cost {}; compiled in {compiled:.1?}; {matched:.1} match an event",
        set.used().len(),
        set.lists().len(),
        set.cost()
    );
    println!("  evaluation   median {median:>6.2} us   p99 {p99:>6.2} us   goal {GOAL_US} us");
}

/// On the values that make them dearest.
fn dearest(vocabulary: &Vocabulary) {
    let long = "a".repeat(4096);
    let row = |part: &str, joint: &str, count: usize| vec![part; count].join(joint);
    let words: Vec<String> = (0..400).map(|at| format!("'{at:03}'")).collect();
    for (name, when) in [
        ("arithmetic", format!("{} > 0", row("score * 3", " + ", 50))),
        ("comparisons", row("score < 0", " || ", 300)),
        ("texts", row("note != note", " || ", 30)),
        ("contains", row("note.contains('ab')", " || ", 4)),
        (
            "contains, self-overlap",
            row("note.contains('aaaaaaaab')", " || ", 4),
        ),
        ("matches", row("note.matches('a{8}b')", " || ", 2)),
        (
            "in",
            row(&format!("channel in [{}]", words.join(",")), " || ", 1),
        ),
        (
            "calendar",
            row("event_timestamp.getDayOfYear() > 400", " || ", 60),
        ),
    ] {
        let set = RuleSet::parse(&document([when].into_iter()), vocabulary).unwrap();
        let value = |ix: &VariableIx| match vocabulary.variable(*ix).name.as_str() {
            "note" => Value::Text(long.clone()),
            "channel" => Value::Text("zzz".to_owned()),
            "event_timestamp" => Value::Time(1_790_000_000_000),
            _ => Value::Number(640.0),
        };
        let event = || set.used().iter().map(value).collect();
        let events: Vec<Vec<Value>> = (0..2_000).map(|_| event()).collect();
        let [median, ..] = time(&set, &events, &HashSet::new());
        let unit = median * 1000.0 / f64::from(set.cost());
        println!(
            "  {name:<24} cost {:>6}   median {median:>7.2} us   {unit:>5.2} ns a unit",
            set.cost()
        );
    }
}

fn main() {
    let vocabulary = vocabulary();
    ordinary(&vocabulary, &mut Dice(7));
    println!("dearest values of each kind:");
    dearest(&vocabulary);
}
