//! Counters of a node that is busier than its ring: an address of a thousand accounts costs what one of
//! five does.
//!
//! A node gets a hub when its ring drops an interaction that a window still needs; until then the ring
//! gives exact counts. Each window is cut into 16 cells, so a count may miss up to 1/16 of the window at
//! its old end. Distinct peers are estimated by linear counting (Whang, Vander-Zanden, Taylor 1990) over
//! cells that remember when they were last hit, which serves every window at once: with m = 256 cells the
//! standard error is about 6 % at n = 256 and the estimate saturates at m ln m = 1,420.

use std::sync::LazyLock;

use event::schema::WINDOWS;
use event::{EventTime, Span};

use crate::interaction::{Direction, Interaction, state};
use crate::known::{DAYS, day_of};

pub const CELLS: usize = 16;
pub const SKETCH: usize = 256;
const DEVICE_SKETCH: usize = 64;
/// Sketch stamps count sixteenths of the shortest window.
const STAMPS_PER_SHORTEST: i64 = 16;
/// With stamps of 4 s at least, 31 bits of them reach past the last accepted event time.
const STAMP_MS_MIN: i64 = 4000;
const _: () = assert!(EventTime::END.millis() / STAMP_MS_MIN < i32::MAX as i64);
/// What one busy entity costs beyond an ordinary one, whatever its number of neighbours (I6).
const _: () = assert!(std::mem::size_of::<Hub>() <= 5400);

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cell {
    pub epoch: i64,
    pub count: [u32; 2],
    /// Interactions whose money moved, and how much of it.
    pub moved: [u32; 2],
    pub sum: [f32; 2],
    pub max: f32,
    pub declined: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Hub {
    pub cells: [[Cell; CELLS]; WINDOWS],
    pub days: [u32; DAYS],
    pub newest_day: i64,
    /// Stamp of the last hit per cell and direction; 0 is never.
    pub peers: [[i32; SKETCH]; 2],
    pub devices: [i32; DEVICE_SKETCH],
}

impl Default for Hub {
    fn default() -> Hub {
        Hub {
            cells: Default::default(),
            days: [0; DAYS],
            newest_day: 0,
            peers: [[0; SKETCH]; 2],
            devices: [0; DEVICE_SKETCH],
        }
    }
}

/// The spans a hub needs.
#[derive(Clone, Copy, Debug)]
pub struct HubClock {
    pub windows: [Span; WINDOWS],
    pub day_length: i64,
}

/// Where a time lies in every counter of a hub. All entities of an event share it: divisions by lengths
/// that only the schema knows are the dearest instructions of a hub.
#[derive(Clone, Copy, Debug)]
pub struct Tick {
    epochs: [i64; WINDOWS],
    day: i64,
    stamp: i32,
}

/// Where windows begin for a hub, computed once per event.
#[derive(Clone, Copy, Debug)]
pub struct HubEdges {
    /// First epoch inside each window.
    oldest: [i64; WINDOWS],
    /// Last stamp before each window.
    since: [i32; WINDOWS],
}

/// Counts of one window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WindowCounts {
    pub count: [u32; 2],
    pub moved: [u32; 2],
    pub sum: [f32; 2],
    pub max: f32,
    pub declined: u32,
    pub peers: [f32; 2],
    pub devices: f32,
}

impl WindowCounts {
    /// Without a branch: which of a hub's cells are current is anybody's guess.
    fn add(&mut self, cell: &Cell, inside: bool) {
        let (whole, share) = (u32::from(inside), f32::from(u8::from(inside)));
        for direction in 0..2 {
            self.count[direction] += whole * cell.count[direction];
            self.moved[direction] += whole * cell.moved[direction];
            self.sum[direction] += share * cell.sum[direction];
        }
        self.max = self.max.max(share * cell.max);
        self.declined += whole * cell.declined;
    }
}

impl HubClock {
    pub fn edges(&self, now: EventTime) -> HubEdges {
        let mut oldest = [0; WINDOWS];
        for (window, oldest) in oldest.iter_mut().enumerate() {
            *oldest = self.epoch(window, now) - (CELLS as i64 - 1);
        }
        let since = self.windows.map(|span| self.stamp(now.minus(span)));
        HubEdges { oldest, since }
    }

    pub fn tick(&self, time: EventTime) -> Tick {
        Tick {
            epochs: std::array::from_fn(|window| self.epoch(window, time)),
            day: day_of(time, self.day_length),
            stamp: self.stamp(time),
        }
    }

    fn epoch(&self, window: usize, time: EventTime) -> i64 {
        let length = (self.windows[window].millis() / CELLS as i64).max(1);
        time.millis().div_euclid(length)
    }

    fn stamp_length(&self) -> i64 {
        (self.windows[0].millis() / STAMPS_PER_SHORTEST).max(STAMP_MS_MIN)
    }

    fn stamp(&self, time: EventTime) -> i32 {
        (time.millis().max(0) / self.stamp_length()) as i32
    }
}

impl Hub {
    /// Counts an interaction; `at` is the tick of its time.
    pub fn add(&mut self, item: &Interaction, at: &Tick) {
        let direction = item.direction as usize;
        for (cells, epoch) in self.cells.iter_mut().zip(at.epochs) {
            let cell = &mut cells[place(epoch)];
            if cell.epoch > epoch {
                continue;
            }
            if cell.epoch < epoch {
                *cell = Cell {
                    epoch,
                    ..Cell::default()
                };
            }
            cell.count[direction] += 1;
            cell.moved[direction] += u32::from(item.paid().is_some());
            cell.sum[direction] += item.flow();
            cell.max = cell.max.max(item.flow());
            cell.declined += u32::from(item.has(state::DECLINED));
        }
        self.add_day(at.day);
        hit(&mut self.peers[direction], item.peer, at.stamp);
        hit(&mut self.devices, item.device, at.stamp);
    }

    fn add_day(&mut self, day: i64) {
        if day > self.newest_day {
            let fresh = (day - self.newest_day).min(DAYS as i64);
            for step in 0..fresh {
                self.days[(day - step).rem_euclid(DAYS as i64) as usize] = 0;
            }
            self.newest_day = day;
        }
        if day > self.newest_day - DAYS as i64 {
            self.days[day.rem_euclid(DAYS as i64) as usize] += 1;
        }
    }

    /// The interaction's money did not move after all, or it was declined. A window's maximum keeps it.
    pub fn amend(&mut self, item: &Interaction, declined: bool, clock: &HubClock) {
        let direction = item.direction as usize;
        for (window, cells) in self.cells.iter_mut().enumerate() {
            let epoch = clock.epoch(window, item.time);
            let cell = &mut cells[place(epoch)];
            if cell.epoch == epoch {
                let moved = u32::from(item.paid().is_some());
                cell.moved[direction] = cell.moved[direction].saturating_sub(moved);
                cell.sum[direction] = (cell.sum[direction] - item.flow()).max(0.0);
                cell.declined += u32::from(declined);
            }
        }
    }

    /// Counts of the windows that end where the edges say. As in a ring, what the log already holds but is dated
    /// later counts as now. Devices are counted only where they are asked for.
    pub fn windows(&self, edges: &HubEdges, devices: bool) -> [WindowCounts; WINDOWS] {
        let mut windows = [WindowCounts::default(); WINDOWS];
        for ((counts, cells), oldest) in windows.iter_mut().zip(&self.cells).zip(edges.oldest) {
            for cell in cells {
                counts.add(cell, cell.epoch >= oldest);
            }
        }
        for direction in [Direction::Out as usize, Direction::In as usize] {
            if windows[WINDOWS - 1].count[direction] != 0 {
                let peers = distinct(&self.peers[direction], edges.since);
                for (counts, peers) in windows.iter_mut().zip(peers) {
                    counts.peers[direction] = peers;
                }
            }
        }
        if devices {
            let devices = distinct(&self.devices, edges.since);
            for (counts, devices) in windows.iter_mut().zip(devices) {
                counts.devices = devices;
            }
        }
        windows
    }

    /// Interactions whose day lies in `(from, to]`.
    pub fn days_between(&self, from_day: i64, to_day: i64) -> u32 {
        let oldest = self.newest_day - DAYS as i64;
        ((from_day.max(oldest) + 1)..=to_day.min(self.newest_day))
            .map(|day| self.days[day.rem_euclid(DAYS as i64) as usize])
            .sum()
    }
}

fn place(epoch: i64) -> usize {
    epoch.rem_euclid(CELLS as i64) as usize
}

fn hit(sketch: &mut [i32], id: u32, stamp: i32) {
    if id == crate::slab::NONE {
        return;
    }
    // Linear counting wants cells like dice: a plain multiply spreads neighbouring ids evenly, which
    // fills the sketch too early. Finaliser of MurmurHash3 (Appleby).
    let mut mixed = id;
    mixed = (mixed ^ (mixed >> 16)).wrapping_mul(0x85eb_ca6b);
    mixed = (mixed ^ (mixed >> 13)).wrapping_mul(0xc2b2_ae35);
    mixed ^= mixed >> 16;
    let cell = mixed as usize % sketch.len();
    sketch[cell] = sketch[cell].max(stamp);
}

/// Distinct ids hit after each of the given stamps.
fn distinct(sketch: &[i32], since: [i32; WINDOWS]) -> [f32; WINDOWS] {
    let mut hit = [0_i32; WINDOWS];
    for (hit, since) in hit.iter_mut().zip(since) {
        // A plain sum over signed compares: the compiler makes vectors of it.
        *hit = sketch.iter().map(|stamp| i32::from(*stamp > since)).sum();
    }
    let estimates: &[f32] = if sketch.len() == SKETCH {
        &*PEERS
    } else {
        &*DEVICES
    };
    hit.map(|hit| estimates[hit as usize])
}

static PEERS: LazyLock<[f32; SKETCH + 1]> = LazyLock::new(estimates);
static DEVICES: LazyLock<[f32; DEVICE_SKETCH + 1]> = LazyLock::new(estimates);

/// Ids that a sketch of `N - 1` cells stands for, by the number of cells that were hit: m ln(m / empty).
fn estimates<const N: usize>() -> [f32; N] {
    let cells = (N - 1) as f32;
    std::array::from_fn(|hit| {
        let empty = (cells - hit as f32).max(1.0);
        cells * libm::logf(cells / empty)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: HubClock = HubClock {
        windows: [
            Span::hours(1),
            Span::hours(24),
            Span::days(7),
            Span::days(30),
        ],
        day_length: 30 * 86_400_000 / 32,
    };

    fn item(ms: i64, peer: u32) -> Interaction {
        let mut item = Interaction {
            time: EventTime::from_millis(ms),
            peer,
            ..Default::default()
        };
        item.amount = 2.0;
        item.state = state::MONEY;
        item
    }

    #[test]
    fn counts_stay_within_one_cell_of_the_exact_window() {
        let mut hub = Hub::default();
        let start = 1_700_000_000_000_i64;
        let step = 61_000;
        let items: Vec<Interaction> = (0..40_000)
            .map(|n| item(start + n * step, (n % 700) as u32))
            .collect();
        for one in &items {
            hub.add(one, &CLOCK.tick(one.time));
        }
        let now = items.last().unwrap().time;
        for (window, span) in CLOCK.windows.iter().enumerate() {
            let seen = hub.windows(&CLOCK.edges(now), true)[window];
            let exact = items
                .iter()
                .filter(|one| now.since(one.time) < *span)
                .count() as f64;
            let short = exact * 15.0 / 16.0 - 2.0;
            let count = f64::from(seen.count[0]);
            assert!(
                count >= short && count <= exact + 1.0,
                "window {window}: {count} of {exact}"
            );
            assert_eq!(f64::from(seen.sum[0]), count * 2.0);
        }
        let month = hub.windows(&CLOCK.edges(now), true)[3].peers[0];
        assert!(
            (560.0..840.0).contains(&month),
            "700 peers estimated as {month}"
        );
        let hour = hub.windows(&CLOCK.edges(now), true)[0].peers[0];
        assert!((50.0..70.0).contains(&hour), "59 peers estimated as {hour}");
    }
}
