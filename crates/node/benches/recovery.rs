//! Recovery: how fast the tail of a log becomes state again, what a snapshot saves, and what one that is made beside
//! a tenant costs those who wait for its answers; and how fast whoever follows the log reads it.
//!
//! `cargo bench -p ringfence-node --bench recovery -- 300000` names the number of events. Each has four
//! to six entities of `schemas/default.toml`; one in fifty gets a fraud label. Files lie under the target
//! directory, so that fsync is real.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints and may stop"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use event::json::{Line, parse_line};
use event::{Event, Position, Record, Schema};
use log::LogOptions;
use ringfence_node::breaker::BreakerSettings;
use ringfence_node::clock::Clock;
use ringfence_node::guard::GuardSettings;
use ringfence_node::mailbox::{BoxLimits, Level};
use ringfence_node::node::{Node, NodeSettings, TenantHandle};
use ringfence_node::owner::{Fsync, OwnerSettings};
use ringfence_node::quota::{Quota, Quotas};
use ringfence_node::request::Request;
use ringfence_node::{Journal, Place, Tenant};

const SCHEMA: &str = include_str!("../../../schemas/default.toml");
const COMMIT_EVERY: usize = 1000;

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

fn event(schema: &Schema, dice: &mut Dice, number: usize, events: usize) -> Event {
    let account = dice.below(events as u64 / 20 + 10);
    // 90 days, evenly.
    let seconds = number as u64 * 90 * 86_400 / events as u64;
    let (day, rest) = (seconds / 86_400, seconds % 86_400);
    let month = [(1, 31), (2, 28), (3, 31)];
    let (mut left, mut at) = (day, (1, 1));
    for (number, days) in month {
        if left < days {
            at = (number, left + 1);
            break;
        }
        left -= days;
    }
    let time = format!(
        "2026-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        at.0,
        at.1,
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    );
    let merchant = dice.below(2000) * dice.below(2000) / 2000;
    let text = format!(
        r#"{{"event_id":"e{number}","event_type":"payment","event_timestamp":"{time}","account":"a{account}","merchant":"m{merchant}","card":"c{account}","device":"d{}","ip":"i{}","location":"l{}","channel":"app","amount":"{}.50"}}"#,
        account * 2 + dice.below(20) / 19,
        account / 4 + dice.below(3),
        merchant % 300,
        5 + dice.below(200),
    );
    match parse_line(&text, schema, None).unwrap() {
        Line::Event(event) => *event,
        _ => unreachable!(),
    }
}

fn fill(place: &Place, events: usize) {
    let schema = Schema::parse(SCHEMA).unwrap();
    let mut journal = Journal::create(place, SCHEMA, LogOptions::default()).unwrap();
    let mut dice = Dice(7);
    for number in 0..events {
        let event = event(&schema, &mut dice, number, events);
        let label = format!(
            r#"{{"label":"fraud","event_id":"e{number}","label_timestamp":"{}","source":"chargeback"}}"#,
            event.event_timestamp
        );
        journal.append(&Record::Event(event)).unwrap();
        if number % 50 == 0 {
            let Line::Label(line) = parse_line(&label, &schema, None).unwrap() else {
                unreachable!()
            };
            let known = journal
                .resolve_label(&line, line.label_timestamp)
                .unwrap()
                .unwrap();
            journal.append(&Record::Label(known)).unwrap();
        }
        if number % COMMIT_EVERY == 0 {
            journal.commit().unwrap();
        }
    }
    journal.commit().unwrap();
}

fn main() {
    let events: usize = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(300_000);
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("recovery");
    let _ = std::fs::remove_dir_all(&root);
    let place = Place::new(&root, "bench").unwrap();
    fill(&place, events);
    for run in 1..=3 {
        let started = Instant::now();
        let (tenant, recovered) = Tenant::open(&place, LogOptions::default(), |_, _| {}).unwrap();
        let seconds = started.elapsed().as_secs_f64();
        let entities = tenant.engine().graph().entities();
        println!(
            "tail only, run {run}: {} records, {entities} entities in {seconds:.2} s = {:.0} records/s",
            recovered.replayed,
            recovered.replayed as f64 / seconds
        );
    }
    let (mut tenant, _) = Tenant::open(&place, LogOptions::default(), |_, _| {}).unwrap();
    let started = Instant::now();
    tenant.snapshot().unwrap();
    println!(
        "snapshot written in {:.2} s",
        started.elapsed().as_secs_f64()
    );
    drop(tenant);
    let started = Instant::now();
    let (_, recovered) = Tenant::open(&place, LogOptions::default(), |_, _| {}).unwrap();
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "snapshot + {} records: open in {seconds:.2} s",
        recovered.replayed
    );
    followed(&root);
    beside(&root, events);
    std::fs::remove_dir_all(&root).unwrap();
}

const LONG: Duration = Duration::from_secs(600);

/// Fsync is left out of the answers: what is measured is how long the tenant's thread stops.
fn settings(snapshot_records: u64) -> NodeSettings {
    let breaker = BreakerSettings {
        failures: 32,
        pause: LONG,
        probes: 1,
    };
    NodeSettings {
        tenants_max: 1,
        keep_of: BTreeMap::new(),
        quotas: Quotas {
            default: Quota {
                entities_max: u64::MAX,
                bytes_max: u64::MAX,
            },
            tenants: BTreeMap::new(),
        },
        owner: OwnerSettings {
            mailbox: BoxLimits {
                letters_max: 1000,
                bytes_max: 1 << 20,
            },
            fsync: Fsync::Interval(Duration::from_millis(50)),
            group_letters: 64,
            snapshot_records,
            tick: LONG,
            retry: LONG,
            keep: None,
            guard: GuardSettings {
                deadline: LONG,
                breakers: [breaker; 3],
            },
            shadow: Default::default(),
            clock: Clock::default(),
            log: LogOptions::default(),
        },
    }
}

/// The whole log as desk and webhooks take it, and one record at a time, as they come when nothing else does.
fn followed(root: &Path) {
    let node = Node::open(root, settings(u64::MAX / 2)).unwrap();
    let tenant = node.tenant("bench").unwrap();
    while tenant.status().is_some() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let most = tenant.committed().0;
    for (batch, most) in [(1024, most), (1, most.min(20_000))] {
        let mut follower = tenant.follower(Position(0));
        let started = Instant::now();
        let mut records = 0;
        while records < most {
            records += follower.next_batch(batch).unwrap().len() as u64;
        }
        let seconds = started.elapsed().as_secs_f64();
        println!(
            "followed by batches of {batch}: {records} records in {seconds:.2} s = {:.0} records/s",
            records as f64 / seconds
        );
    }
    assert!(node.drain(LONG));
}

/// The longest answers, with no snapshot under way and while one is made, and what a copy of the state on the
/// tenant's thread would stop it for.
fn beside(root: &Path, events: usize) {
    let place = Place::new(root, "bench").unwrap();
    let (tenant, _) = Tenant::open(&place, LogOptions::default(), |_, _| {}).unwrap();
    let started = Instant::now();
    let copy = tenant.engine().clone();
    println!(
        "a copy of the state takes {:.1} ms",
        started.elapsed().as_secs_f64() * 1e3
    );
    drop((copy, tenant));
    let schema = Schema::parse(SCHEMA).unwrap();
    let mut dice = Dice(11);
    for (what, records) in [("no snapshot", u64::MAX / 2), ("while one is made", 1000)] {
        let node = Node::open(root, settings(records)).unwrap();
        let tenant = node.tenant("bench").unwrap();
        while tenant.status().is_some() {
            std::thread::sleep(Duration::from_millis(5));
        }
        let first = records == 1000;
        let mut took: Vec<u128> = Vec::new();
        // About as many answers in both runs, all of the second while the first snapshot is under way.
        for number in 0..60_000 {
            let mut event = event(&schema, &mut dice, events - 1, events);
            let id = format!("{first}-{number}");
            event.event_id = event::EventId::parse("event_id", &id).unwrap();
            let started = Instant::now();
            answer(&tenant, event);
            let is_made = number > 1000 && tenant.counters().snapshots.get() == 0;
            if is_made {
                took.push(started.elapsed().as_micros());
            }
            if first && number > 1000 && !is_made {
                break;
            }
        }
        took.sort_unstable();
        let Some(last) = took.len().checked_sub(1) else {
            println!("{what}: made before there was an answer to measure");
            continue;
        };
        let at = |share: usize| took[last * share / 1000];
        println!(
            "{what}: {} answers, p50 {} us, p99 {} us, p99.9 {} us, longest {} us",
            took.len(),
            at(500),
            at(990),
            at(999),
            at(1000)
        );
        if first {
            let ms = tenant.counters().snapshot_us_max.get() / 1000;
            println!("a snapshot beside the tenant took {ms} ms");
        }
        assert!(node.drain(LONG));
    }
}

fn answer(tenant: &TenantHandle, event: Event) {
    let request = Request::Decide {
        event: Box::new(event),
        explain: false,
    };
    let pending = tenant.ask(request, 200, Level::L1, Instant::now() + LONG);
    pending.unwrap().blocking_recv().unwrap().unwrap();
}
