//! Lists of 10^6 items: lookups of each form, time of a slice, of a clone and of the first slice after it, CSV,
//! snapshot, and bytes per item as the allocator handed them out. Single steps are by the clock,
//! the rest in CPU time, which other work on the machine changes less.
//!
//! `cargo bench -p ringfence-lists`, or `-- 100000` for another number of items.

// A benchmark reads the clock and prints; the crate's rules are about the core.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used)]

use std::hint::black_box;
use std::io::Write;
use std::time::{Duration, Instant};

use cap::Cap;
use ringfence_lists::csv::{Import, export};
use ringfence_lists::{Change, Definition, Effect, Form, Lists, NewItem, Probe, Value};

#[global_allocator]
static ALLOCATOR: Cap<mimalloc::MiMalloc> = Cap::new(mimalloc::MiMalloc, usize::MAX);

const LOOKUPS: u64 = 400_000;
const AT: i64 = 1_790_000_000_000;

fn places(code: &str) -> Option<u8> {
    (code == "EUR").then_some(2)
}

/// SplitMix64 (Steele, Lea, Flood 2014) of a number.
fn mixed(n: u64) -> u64 {
    let mut mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Values that are all different; prefixes of 6 lengths, networks of 5.
fn value(form: Form, n: u64) -> Value {
    Value::Text(match form {
        Form::Text { .. } => format!("{:016x}", mixed(n)),
        Form::Prefix { .. } => format!("{:016x}", mixed(n))[..10 + (n % 6) as usize].to_owned(),
        Form::Cidr => {
            let len = [32, 30, 28, 26, 24][(n % 5) as usize];
            let bits = (n as u32).wrapping_mul(0x9e37_79b1) >> (32 - len) << (32 - len);
            format!("{}/{len}", std::net::Ipv4Addr::from_bits(bits))
        }
        Form::Amount => {
            let from = 1_000 * n as i64;
            let (to, currency) = (from + 400, "EUR".to_owned());
            return Value::Band { from, to, currency };
        }
    })
}

fn slice(form: Form, numbers: std::ops::Range<u64>) -> Change {
    let mut items: Vec<NewItem> = numbers
        .map(|n| NewItem {
            value: value(form, n),
            expires: n.is_multiple_of(2).then_some(AT + 1_000_000_000 + n as i64),
            reason: "seen in a reported fraud".to_owned(),
        })
        .collect();
    // Shortened, a few are equal.
    items.sort_by_key(|it| format!("{:?}", it.value));
    items.dedup_by(|a, b| a.value == b.value);
    let list = "list".to_owned();
    Change::Put { list, items }
}

/// CPU time of this thread; the kernel brings it up to date every few milliseconds.
fn cpu() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let first = told.split_whitespace().next().unwrap();
    Duration::from_nanos(first.parse().unwrap())
}

struct Times(Vec<Duration>);

impl Times {
    fn print(mut self, what: &str) {
        self.0.sort_unstable();
        let (middle, last) = (self.0[self.0.len() / 2], self.0[self.0.len() - 1]);
        println!("  {what}: median {middle:.1?}, longest {last:.1?}");
    }
}

fn apply(lists: &mut Lists, change: &Change) -> Duration {
    let start = Instant::now();
    lists.apply(change, AT, "bench").unwrap();
    start.elapsed()
}

fn lookups(lists: &Lists, form: Form, count: u64) {
    for (what, offset) in [("lookup, held", 0), ("lookup, not held", count + 1_000_000)] {
        let probes: Vec<Value> = (0..LOOKUPS)
            .map(|n| value(form, offset + mixed(n) % count))
            .collect();
        let (start, wall) = (cpu(), Instant::now());
        let mut hits = 0;
        for probe in &probes {
            let probe = match probe {
                Value::Text(text) => Probe::Text(text.split('/').next().unwrap_or(text)),
                Value::Band { from, .. } => Probe::Amount(*from + 200, *b"EUR"),
            };
            hits += u64::from(lists.contains("list", black_box(probe), AT));
        }
        let (cpu, wall) = (cpu() - start, wall.elapsed());
        let [cpu, wall] = [cpu, wall].map(|it| it / LOOKUPS as u32);
        println!("  {what}: {cpu:?} of CPU, {wall:?} by the clock, {hits} of {LOOKUPS} hit");
    }
}

fn csv(lists: &Lists, form: Form) {
    let mut rows = Vec::new();
    let start = cpu();
    let items = export(lists, "list", AT, &mut rows).unwrap().unwrap();
    println!(
        "  csv export: {:.0} items/s",
        items as f64 / (cpu() - start).as_secs_f64()
    );
    let start = cpu();
    let mut import = Import::new(rows.as_slice(), form, places, AT).unwrap();
    let mut read = 0;
    while let Some(slice) = import.next_slice().unwrap() {
        assert!(slice.rejects.is_empty(), "{:?}", slice.rejects);
        read += slice.items.len();
    }
    assert_eq!(read, items);
    println!(
        "  csv import, to slices: {:.0} rows/s",
        items as f64 / (cpu() - start).as_secs_f64()
    );
}

fn bench(form: Form, count: u64) {
    println!("{form}, {count} items");
    let before = ALLOCATOR.allocated();
    let mut lists = Lists::new(places);
    let effect = Effect::Block { overridable: true };
    let (name, on) = ("list".to_owned(), "device".to_owned());
    lists
        .apply(
            &Change::Create(Definition {
                name,
                on,
                form,
                effect,
            }),
            AT,
            "bench",
        )
        .unwrap();
    let mut times = Vec::new();
    for first in (0..count).step_by(1_000) {
        let change = slice(form, first..first + 1_000);
        times.push(apply(&mut lists, &change));
    }
    Times(times).print("slice of 1,000 items");
    let (held, bytes) = (lists.items(), ALLOCATOR.allocated() - before);
    println!("  {held} held, {} bytes each", bytes / held);
    lookups(&lists, form, count);
    let text = slice(form, 0..1_000).encode().unwrap();
    let parsed = (0..20).map(|_| {
        let start = Instant::now();
        black_box(Change::parse(&text).unwrap());
        start.elapsed()
    });
    Times(parsed.collect()).print(&format!("a slice's text, {} KiB, parsed", text.len() >> 10));
    let start = Instant::now();
    let copy = lists.clone();
    let cloned = start.elapsed();
    let change = slice(form, count..count + 1_000);
    let first = apply(&mut lists, &change);
    println!("  clone {cloned:?}, first slice after it {first:?}");
    drop(copy);
    let mut sweeps = Vec::new();
    loop {
        let start = Instant::now();
        let more = lists.expire(AT + 1_000_000_000 + count as i64);
        sweeps.push(start.elapsed());
        if !more {
            break;
        }
    }
    Times(sweeps).print("sweep of 4,096 items");
    let mut out = Vec::new();
    let start = cpu();
    lists.write_snapshot(&mut out).unwrap();
    out.flush().unwrap();
    let written = cpu() - start;
    let start = cpu();
    Lists::read_snapshot(places, &mut out.as_slice()).unwrap();
    println!(
        "  snapshot of {} items, {} MiB: written {written:?}, read {:?}",
        lists.items(),
        out.len() >> 20,
        cpu() - start
    );
    csv(&lists, form);
}

fn main() {
    let mut numbers = std::env::args().filter_map(|it| it.parse().ok());
    let count = numbers.next_back().unwrap_or(1_000_000);
    for form in [
        Form::Text { fold: false },
        Form::Prefix { fold: false },
        Form::Cidr,
        Form::Amount,
    ] {
        bench(form, count);
    }
}
