//! Many tenants with little load each: what would a commit round across tenants bring?
//!
//! Each tenant appends one group of 400 bytes at a fixed rate, whatever the disk does, and waits until it is durable;
//! latency counts from when the group was due. `own`: each tenant has its file and its fdatasync, as the node does.
//! `pool`: the same with four fdatasyncs at a time. `syncfs`: a file each; whoever finds no sync running syncs the file
//! system for all that wait. `shared`: one file for all, one fdatasync for all that wait.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const GROUP: [u8; 400] = [0x5a; 400];
/// Tenants, and groups a second of each.
const LOADS: [(usize, u32); 5] = [(4, 20), (16, 20), (64, 5), (64, 20), (64, 50)];
const RUN: Duration = Duration::from_secs(2);
/// The layouts take turns, and the median round is shown: disk latency wanders.
const ROUNDS: usize = 3;
const POOL: usize = 4;

#[derive(Clone, Copy, PartialEq)]
enum Layout {
    Own,
    Pool,
    Syncfs,
    Shared,
}

const LAYOUTS: [(Layout, &str); 4] = [
    (Layout::Own, "own"),
    (Layout::Pool, "pool"),
    (Layout::Syncfs, "syncfs"),
    (Layout::Shared, "shared"),
];

fn main() {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("commit-rounds");
    println!("dir {}, {RUN:?} a round, median of {ROUNDS}", dir.display());
    println!("tenants  groups/s each  layout      p50 ms    p99 ms    syncs/s");
    for (tenants, rate) in LOADS {
        let mut rounds = [const { Vec::new() }; LAYOUTS.len()];
        for _ in 0..ROUNDS {
            for ((layout, _), results) in LAYOUTS.into_iter().zip(&mut rounds) {
                let _ = std::fs::remove_dir_all(&dir);
                std::fs::create_dir_all(&dir).unwrap();
                results.push(run(layout, tenants, rate, &dir));
            }
        }
        for ((_, name), results) in LAYOUTS.into_iter().zip(rounds) {
            let [p50, p99, syncs] = medians(results);
            println!("{tenants:>7}  {rate:>13}  {name:<8} {p50:>9.2} {p99:>9.2} {syncs:>10.0}");
        }
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

/// Column by column.
fn medians(rounds: Vec<[f64; 3]>) -> [f64; 3] {
    std::array::from_fn(|column| {
        let mut values: Vec<f64> = rounds.iter().map(|round| round[column]).collect();
        values.sort_unstable_by(f64::total_cmp);
        values[values.len() / 2]
    })
}

/// p50 and p99 in ms, syncs a second.
fn run(layout: Layout, tenants: usize, rate: u32, dir: &Path) -> [f64; 3] {
    let disk = Disk {
        layout,
        files: (0..tenants)
            .map(|it| create(&dir.join(it.to_string())))
            .collect(),
        ends: (0..tenants).map(|_| AtomicU64::new(0)).collect(),
        round: Mutex::default(),
        done: Condvar::new(),
        syncs: AtomicU64::new(0),
    };
    let start = Instant::now() + Duration::from_millis(20);
    let mut waits: Vec<Duration> = thread::scope(|scope| {
        let handles: Vec<_> = (0..tenants)
            .map(|tenant| {
                let disk = &disk;
                // Tenants are out of step by a fixed, uneven part of the interval.
                let phase = (tenant * 7919 % 1000) as u32;
                let first = start + Duration::from_secs(1) * phase / (1000 * rate);
                scope.spawn(move || open_loop(first, rate, || disk.commit(tenant)))
            })
            .collect();
        let all = handles.into_iter().map(|it| it.join().unwrap());
        all.flatten().collect()
    });
    waits.sort_unstable();
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    let syncs = disk.syncs.load(Ordering::Relaxed) as f64;
    [at(0.50), at(0.99), syncs / RUN.as_secs_f64()]
}

fn open_loop(first: Instant, rate: u32, commit: impl Fn()) -> Vec<Duration> {
    let count = rate * RUN.as_secs() as u32;
    let due = (0..count).map(|nth| first + Duration::from_secs(1) * nth / rate);
    due.map(|due| {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        commit();
        due.elapsed()
    })
    .collect()
}

fn create(path: &Path) -> File {
    let file = OpenOptions::new().create_new(true).write(true).open(path);
    let file = file.unwrap();
    file.sync_all().unwrap();
    file
}

struct Disk {
    layout: Layout,
    files: Vec<File>,
    ends: Vec<AtomicU64>,
    round: Mutex<Round>,
    done: Condvar,
    syncs: AtomicU64,
}

/// Leader and followers: whoever finds no sync running syncs for all that wait. Of a pool, how many run.
#[derive(Default)]
struct Round {
    next_ticket: u64,
    durable_ticket: u64,
    running: usize,
}

impl Disk {
    fn commit(&self, tenant: usize) {
        let tenant = if self.layout == Layout::Shared {
            0
        } else {
            tenant
        };
        let at = self.ends[tenant].fetch_add(GROUP.len() as u64, Ordering::Relaxed);
        self.files[tenant].write_all_at(&GROUP, at).unwrap();
        match self.layout {
            Layout::Own => self.sync(tenant),
            Layout::Pool => {
                let mut round = self.round.lock().unwrap();
                while round.running == POOL {
                    round = self.done.wait(round).unwrap();
                }
                round.running += 1;
                drop(round);
                self.sync(tenant);
                self.round.lock().unwrap().running -= 1;
                self.done.notify_one();
            }
            Layout::Syncfs | Layout::Shared => self.join_round(),
        }
    }

    fn join_round(&self) {
        let mut round = self.round.lock().unwrap();
        let ticket = round.next_ticket;
        round.next_ticket += 1;
        while round.durable_ticket <= ticket && round.running > 0 {
            round = self.done.wait(round).unwrap();
        }
        if round.durable_ticket > ticket {
            return;
        }
        round.running = 1;
        let covers = round.next_ticket;
        drop(round);
        self.sync(0);
        let mut round = self.round.lock().unwrap();
        round.running = 0;
        round.durable_ticket = covers;
        drop(round);
        self.done.notify_all();
    }

    fn sync(&self, tenant: usize) {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        match self.layout {
            Layout::Syncfs => rustix::fs::syncfs(&self.files[tenant]).unwrap(),
            _ => self.files[tenant].sync_data().unwrap(),
        }
    }
}
