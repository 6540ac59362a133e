//! Counters of a node that is busier than its ring: an address of a thousand accounts costs what one of
//! five does.
//!
//! A node gets a hub when its ring drops an interaction that a window still needs; until then the ring
//! gives exact counts. Each window is cut into 16 cells, so a count may miss up to 1/16 of the window at
//! its old end. Distinct peers are estimated by linear counting (Whang, Vander-Zanden, Taylor 1990) over
//! cells that remember when they were last hit, which serves every window at once: with m = 256 cells the
//! standard error is about 6 % at n = 256 and the estimate saturates at m ln m = 1,420.

use event::schema::WINDOWS;
use event::{EventTime, Span};

use crate::interaction::{Direction, Interaction, state};
use crate::known::{DAYS, day_of};

pub const CELLS: usize = 16;
pub const SKETCH: usize = 256;
const DEVICE_SKETCH: usize = 64;
/// Sketch stamps count sixteenths of the shortest window.
const STAMPS_PER_SHORTEST: i64 = 16;
/// With stamps of 2 s at least, 32 bits of them reach past the last accepted event time.
const STAMP_MS_MIN: i64 = 2000;
const _: () = assert!(EventTime::END.millis() / STAMP_MS_MIN < u32::MAX as i64);

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
    pub peers: [[u32; SKETCH]; 2],
    pub devices: [u32; DEVICE_SKETCH],
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

impl HubClock {
    fn epoch(&self, window: usize, time: EventTime) -> i64 {
        let length = (self.windows[window].millis() / CELLS as i64).max(1);
        time.millis().div_euclid(length)
    }

    fn stamp_length(&self) -> i64 {
        (self.windows[0].millis() / STAMPS_PER_SHORTEST).max(STAMP_MS_MIN)
    }

    fn stamp(&self, time: EventTime) -> u32 {
        (time.millis() / self.stamp_length()) as u32
    }
}

impl Hub {
    pub fn add(&mut self, item: &Interaction, clock: &HubClock) {
        let direction = item.direction as usize;
        for (window, cells) in self.cells.iter_mut().enumerate() {
            let epoch = clock.epoch(window, item.time);
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
        self.add_day(day_of(item.time, clock.day_length));
        let stamp = clock.stamp(item.time);
        hit(&mut self.peers[direction], item.peer, stamp);
        hit(&mut self.devices, item.device, stamp);
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

    /// Counts of the window that ends at `now`. As in a ring, what the log already holds but is dated
    /// later counts as now.
    pub fn window(&self, window: usize, now: EventTime, clock: &HubClock) -> WindowCounts {
        let oldest = clock.epoch(window, now) - (CELLS as i64 - 1);
        let mut counts = WindowCounts::default();
        for cell in &self.cells[window] {
            if cell.epoch < oldest {
                continue;
            }
            for direction in 0..2 {
                counts.count[direction] += cell.count[direction];
                counts.moved[direction] += cell.moved[direction];
                counts.sum[direction] += cell.sum[direction];
            }
            counts.max = counts.max.max(cell.max);
            counts.declined += cell.declined;
        }
        let length = clock.stamp_length();
        let since = (now.minus(clock.windows[window]).millis() / length).max(0) as u32;
        for direction in [Direction::Out, Direction::In] {
            counts.peers[direction as usize] = distinct(&self.peers[direction as usize], since);
        }
        counts.devices = distinct(&self.devices, since);
        counts
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

fn hit(sketch: &mut [u32], id: u32, stamp: u32) {
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

fn distinct(sketch: &[u32], since: u32) -> f32 {
    let cells = sketch.len() as f32;
    let hit = sketch.iter().filter(|stamp| **stamp > since).count() as f32;
    let empty = (cells - hit).max(1.0);
    cells * libm::logf(cells / empty)
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
            hub.add(one, &CLOCK);
        }
        let now = items.last().unwrap().time;
        for (window, span) in CLOCK.windows.iter().enumerate() {
            let seen = hub.window(window, now, &CLOCK);
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
        let month = hub.window(3, now, &CLOCK).peers[0];
        assert!(
            (560.0..840.0).contains(&month),
            "700 peers estimated as {month}"
        );
        let hour = hub.window(0, now, &CLOCK).peers[0];
        assert!((50.0..70.0).contains(&hour), "59 peers estimated as {hour}");
    }
}
