//! One log file per tenant, or one commit log shared by all tenants of a node?
//!
//! Every tenant is a closed loop: append a group of 200-byte records, wait until it is durable,
//! repeat. `own` gives each tenant its file and its fdatasync; `prezeroed` is the same with the
//! blocks allocated and written beforehand; `shared` puts the groups of all waiting tenants into one
//! file under one fdatasync. Latency is what a tenant waits from the call to the durable group.
//! Written against plain files: it was run before the layout existed and decides it
//! (docs/log-format.md).
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Barrier, Condvar, Mutex};
use std::time::{Duration, Instant};

const RECORD_BYTES: usize = 200;
const TENANTS: [usize; 6] = [1, 2, 4, 8, 16, 32];
const GROUP_RECORDS: [usize; 2] = [1, 32];
const PREZEROED_BYTES: u64 = 16 << 20;
const RUN: Duration = Duration::from_millis(500);
/// The layouts take turns, and the median round is shown: disk latency wanders.
const ROUNDS: usize = 5;

#[derive(Clone, Copy, PartialEq)]
enum Layout {
    Own,
    Prezeroed,
    Shared,
}

fn main() {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("commit-layout");
    println!(
        "dir {}, {} s a round, median of {ROUNDS}, record {RECORD_BYTES} B",
        dir.display(),
        RUN.as_secs_f32()
    );
    println!("group  tenants  layout        p50 ms    p99 ms   records/s  fdatasync/s");
    for group in GROUP_RECORDS {
        for tenants in TENANTS {
            let layouts = [Layout::Own, Layout::Prezeroed, Layout::Shared];
            let mut rounds = [const { Vec::new() }; 3];
            for _ in 0..ROUNDS {
                for (layout, results) in layouts.into_iter().zip(&mut rounds) {
                    let _ = std::fs::remove_dir_all(&dir);
                    std::fs::create_dir_all(&dir).unwrap();
                    results.push(run(layout, tenants, group, &dir));
                }
            }
            for (layout, results) in layouts.into_iter().zip(rounds) {
                let [p50, p99, records, syncs] = medians(results);
                println!(
                    "{group:>5}  {tenants:>7}  {:<10} {p50:>9.2} {p99:>9.2} {records:>11.0} {syncs:>12.0}",
                    layout.name(),
                );
            }
        }
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

impl Layout {
    fn name(self) -> &'static str {
        match self {
            Layout::Own => "own",
            Layout::Prezeroed => "prezeroed",
            Layout::Shared => "shared",
        }
    }
}

/// Column by column.
fn medians(rounds: Vec<[f64; 4]>) -> [f64; 4] {
    std::array::from_fn(|column| {
        let mut values: Vec<f64> = rounds.iter().map(|round| round[column]).collect();
        values.sort_unstable_by(f64::total_cmp);
        values[values.len() / 2]
    })
}

/// One round: p50 and p99 in ms, records/s, fdatasync/s.
fn run(layout: Layout, tenants: usize, group: usize, dir: &Path) -> [f64; 4] {
    let shared = SharedLog::create(&dir.join("shared"));
    let body = vec![0x5a_u8; group * RECORD_BYTES];
    let ready = Barrier::new(tenants);
    let per_tenant: Vec<(Vec<Duration>, usize)> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..tenants)
            .map(|tenant| {
                let (shared, body, ready) = (&shared, &body, &ready);
                let path = dir.join(format!("tenant-{tenant}"));
                scope.spawn(move || match layout {
                    Layout::Shared => {
                        ready.wait();
                        closed_loop(|| shared.commit(body))
                    }
                    Layout::Own | Layout::Prezeroed => {
                        let file = create(&path, layout == Layout::Prezeroed);
                        let prezeroed = layout == Layout::Prezeroed;
                        let mut end = 0;
                        ready.wait();
                        closed_loop(|| {
                            if prezeroed && end + body.len() as u64 > PREZEROED_BYTES {
                                end = 0;
                            }
                            file.write_all_at(body, end).unwrap();
                            end += body.len() as u64;
                            file.sync_data().unwrap();
                            1
                        })
                    }
                })
            })
            .collect();
        handles
            .into_iter()
            .map(|handle| handle.join().unwrap())
            .collect()
    });
    let seconds = RUN.as_secs_f64();
    let syncs: usize = per_tenant.iter().map(|(_, syncs)| syncs).sum();
    let mut waits: Vec<Duration> = per_tenant
        .into_iter()
        .flat_map(|(waits, _)| waits)
        .collect();
    waits.sort_unstable();
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    [
        at(0.50),
        at(0.99),
        (waits.len() * group) as f64 / seconds,
        syncs as f64 / seconds,
    ]
}

/// Calls `commit` until the time is over; returns each wait and how many fsyncs were this tenant's.
fn closed_loop(mut commit: impl FnMut() -> usize) -> (Vec<Duration>, usize) {
    let (start, mut waits, mut syncs) = (Instant::now(), Vec::new(), 0);
    while start.elapsed() < RUN {
        let call = Instant::now();
        syncs += commit();
        waits.push(call.elapsed());
    }
    (waits, syncs)
}

fn create(path: &Path, prezero: bool) -> File {
    let mut file = OpenOptions::new()
        .create_new(true)
        .write(true)
        .open(path)
        .unwrap();
    if prezero {
        file.write_all(&vec![0; PREZEROED_BYTES as usize]).unwrap();
    }
    file.sync_all().unwrap();
    file
}

/// Leader and followers: whoever finds no sync running takes all waiting groups, writes and syncs them.
struct SharedLog {
    file: File,
    state: Mutex<SharedState>,
    synced: Condvar,
}

#[derive(Default)]
struct SharedState {
    pending: Vec<u8>,
    end: u64,
    next_ticket: u64,
    durable_ticket: u64,
    leading: bool,
}

impl SharedLog {
    fn create(path: &Path) -> Self {
        Self {
            file: create(path, false),
            state: Mutex::default(),
            synced: Condvar::new(),
        }
    }

    /// Returns 1 when this call did the fdatasync, 0 when another tenant's covered it.
    fn commit(&self, body: &[u8]) -> usize {
        let mut state = self.state.lock().unwrap();
        state.pending.extend_from_slice(body);
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        loop {
            if state.durable_ticket > ticket {
                return 0;
            }
            if !state.leading {
                break;
            }
            state = self.synced.wait(state).unwrap();
        }
        state.leading = true;
        let bytes = std::mem::take(&mut state.pending);
        let (at, covers) = (state.end, state.next_ticket);
        state.end += bytes.len() as u64;
        drop(state);
        self.file.write_all_at(&bytes, at).unwrap();
        self.file.sync_data().unwrap();
        let mut state = self.state.lock().unwrap();
        state.leading = false;
        state.durable_ticket = covers;
        drop(state);
        self.synced.notify_all();
        1
    }
}
