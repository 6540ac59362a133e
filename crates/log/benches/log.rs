//! What the log costs: append and commit, sequential scan, reopening, key and position lookups, pages of one key.
//! CPU time is the thread's own (`/proc/thread-self/schedstat`), so that neighbours on the machine
//! matter less.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ringfence_log::{IndexJob, Log, LogOptions, Position, Reader};

const PAYLOAD_BYTES: usize = 120;
const RUN: Duration = Duration::from_secs(2);
const SCANNED: u64 = 2_000_000;

fn main() {
    let home = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("log-bench");
    let _ = std::fs::remove_dir_all(&home);
    println!(
        "dir {}, payload {PAYLOAD_BYTES} B, all records keyed",
        home.display()
    );
    for batch in [1, 100, 1000] {
        append_and_commit(&home.join(format!("append-{batch}")), batch);
    }
    let sealed = home.join("sealed");
    write(&sealed, LogOptions::default());
    scan(&sealed);
    reopen("64 MiB segments", &sealed, LogOptions::default());
    let one = home.join("one");
    let options = LogOptions {
        segment_bytes: 1 << 30,
        ..LogOptions::default()
    };
    write(&one, options.clone());
    reopen("one active segment", &one, options);
    lookups("sealed segments", &sealed, SCANNED / 2);
    lookups("active segment", &one, SCANNED);
    pages(&home.join("pages"));
    std::fs::remove_dir_all(&home).unwrap();
}

fn payload(position: u64) -> [u8; PAYLOAD_BYTES] {
    let mut bytes = [0x5a; PAYLOAD_BYTES];
    bytes[..8].copy_from_slice(&position.to_le_bytes());
    bytes
}

/// The finaliser of splitmix64, as a stand-in for the hash of an event id.
fn key(position: u64) -> u64 {
    let mixed = (position ^ (position >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb)
}

fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

fn append_and_commit(dir: &Path, batch: u64) {
    let (mut log, _) = Log::open(dir, LogOptions::default()).unwrap();
    let (start, start_cpu, mut waits) = (Instant::now(), cpu(), Vec::new());
    while start.elapsed() < RUN {
        for _ in 0..batch {
            let next = log.next().0;
            log.append(&payload(next), next as i64, Some(key(next)))
                .unwrap();
        }
        let commit = Instant::now();
        log.commit().unwrap();
        waits.push(commit.elapsed());
    }
    let (wall, used, records) = (start.elapsed(), cpu() - start_cpu, log.committed().0 as f64);
    waits.sort_unstable();
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "append+commit, batch {batch:>4}: {:>9.0} records/s, {:>5.2} us CPU/record, commit p50 {:.2} ms, p99 {:.2} ms, max {:.1} ms",
        records / wall.as_secs_f64(),
        used.as_secs_f64() * 1e6 / records,
        at(0.5),
        at(0.99),
        at(1.0),
    );
}

fn write(dir: &Path, options: LogOptions) {
    let (mut log, _) = Log::open(dir, options).unwrap();
    while log.next().0 < SCANNED {
        let next = log.next().0;
        log.append(&payload(next), next as i64, Some(key(next)))
            .unwrap();
        if next % 1000 == 999 {
            log.commit().unwrap();
            log.take_index_job().map_or(Ok(()), IndexJob::run).unwrap();
        }
    }
    log.commit().unwrap();
}

fn scan(dir: &Path) {
    let reader = Reader::open(dir).unwrap();
    let (start, start_cpu) = (Instant::now(), cpu());
    let mut records = reader.iter_from(Position(0)).unwrap();
    let mut sum = 0_u64;
    while let Some(record) = records.next_record().unwrap() {
        sum += record.payload.len() as u64 + record.time_ms as u64;
    }
    let (wall, used) = (start.elapsed(), cpu() - start_cpu);
    assert_eq!(
        sum,
        SCANNED * PAYLOAD_BYTES as u64 + SCANNED * (SCANNED - 1) / 2
    );
    println!(
        "sequential scan: {:.2} million records/s, {:.3} us CPU/record",
        SCANNED as f64 / 1e6 / wall.as_secs_f64(),
        used.as_secs_f64() * 1e6 / SCANNED as f64,
    );
}

fn reopen(what: &str, dir: &Path, options: LogOptions) {
    let start = Instant::now();
    let (_, recovery) = Log::open(dir, options).unwrap();
    let millions = recovery.records() as f64 / 1e6;
    println!(
        "reopen, {what}: {:.1} ms per million records ({} segments)",
        start.elapsed().as_secs_f64() * 1e3 / millions,
        recovery.segments,
    );
}

fn lookups(what: &str, dir: &Path, keys: u64) {
    let options = LogOptions {
        segment_bytes: 1 << 30,
        ..LogOptions::default()
    };
    let (mut log, _) = Log::open(dir, options).unwrap();
    // loads the indexes
    assert!(log.find(key(SCANNED + 1), i64::MIN).unwrap().is_empty());
    const LOOKUPS: u64 = 100_000;
    let start = cpu();
    for nth in 0..LOOKUPS {
        let position = nth * 7919 % keys;
        let found = log.find(key(position), i64::MIN).unwrap();
        assert!(found.contains(&Position(position)));
    }
    let hit = cpu() - start;
    let start = cpu();
    let misses = (SCANNED..SCANNED + LOOKUPS)
        .map(|position| log.find(key(position), i64::MIN).unwrap().len());
    assert_eq!(misses.sum::<usize>(), 0);
    let miss = cpu() - start;
    let start = cpu();
    for nth in 0..LOOKUPS {
        let position = Position(nth * 7919 % keys);
        assert_eq!(log.read(position).unwrap().position, position);
    }
    let read = cpu() - start;
    let each = |used: Duration| used.as_secs_f64() * 1e6 / LOOKUPS as f64;
    println!(
        "find, {what}: hit {:.2} us, miss {:.2} us, record at a position {:.2} us CPU",
        each(hit),
        each(miss),
        each(read)
    );
}

/// Half of the records have one key, the others 1,000 among them; pages of 20, newest first.
fn pages(dir: &Path) {
    const PAGE: usize = 20;
    let (mut log, _) = Log::open(dir, LogOptions::default()).unwrap();
    for position in 0..SCANNED {
        let of = if position % 2 == 0 {
            0
        } else {
            1 + position / 2 % 1000
        };
        log.append(&payload(position), position as i64, Some(key(of + 7)))
            .unwrap();
        if position % 1000 == 999 {
            log.commit().unwrap();
            log.take_index_job().map_or(Ok(()), IndexJob::run).unwrap();
        }
    }
    let mut walk = |what: &str, of: u64, start: u64| {
        const PAGES: u32 = 200;
        let (mut before, mut held) = (Position(start), 0);
        let used = cpu();
        for _ in 0..PAGES {
            let page = log.find_page(key(of + 7), i64::MIN, before, PAGE).unwrap();
            held += page.positions.len();
            before = page.rest.unwrap_or(Position(start));
        }
        let used = (cpu() - used).as_secs_f64() * 1e6 / f64::from(PAGES);
        println!("page of {PAGE}, {what}: {used:.0} us CPU, {held} positions in {PAGES} pages");
    };
    walk("key of half of the records, newest", 0, SCANNED);
    walk(
        "key of half of the records, in a sealed segment",
        0,
        SCANNED / 3,
    );
    walk("key of a thousandth", 5, SCANNED);
    walk("absent key", 5000, SCANNED);
}
