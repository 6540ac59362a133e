//! How a column goes with the hour of the week: means by hour, shrunk towards the whole as far as they are chance.

use super::{Expected, HOURS, Hour, VALUES};

/// An hour of the reference in one segment: what was counted.
pub type Slot = Expected;

/// Sums by hour of the week, and what an hour weighs against the whole.
#[derive(Clone, Debug)]
pub struct Profile {
    pub whole: Expected,
    by_hour: Vec<Expected>,
    /// Rows that the whole counts for in each hour; `None`: hours do not differ.
    weight: Option<f64>,
}

/// Hours that differ by less than this beyond chance are one.
const DIFFER: f64 = 1.25;

impl Profile {
    /// `first` is the hour of the week of the first slot.
    pub fn of(slots: &[Slot], first: usize) -> Profile {
        let mut whole = Expected::default();
        let mut by_hour = vec![Expected::default(); HOURS];
        for (at, slot) in slots.iter().enumerate() {
            whole.add(slot);
            by_hour[(first + at) % HOURS].add(slot);
        }
        let weight = weight(slots, first, &whole, &by_hour);
        Profile {
            whole,
            by_hour,
            weight,
        }
    }

    /// The same without some slots, under the same weight.
    pub fn without(&self, slots: &[Slot], first: usize) -> Profile {
        let mut left = self.clone();
        for (at, slot) in slots.iter().enumerate() {
            left.whole = left.whole.minus(slot);
            let hour = &mut left.by_hour[(first + at) % HOURS];
            *hour = hour.minus(slot);
        }
        left
    }

    pub fn per_row(&self, hour: usize) -> [f32; VALUES] {
        let whole = self.whole.per_row();
        let Some(weight) = self.weight else {
            return whole;
        };
        let own = &self.by_hour[hour];
        let rows = own.rows.max(0.0);
        let own = own.per_row();
        let mut mixed = [0.0; VALUES];
        for ((mixed, own), whole) in mixed.iter_mut().zip(own).zip(whole) {
            let sum = f64::from(own) * rows + f64::from(whole) * weight;
            *mixed = (sum / (rows + weight)) as f32;
        }
        mixed
    }

    pub fn all(&self) -> Vec<Hour> {
        let of = |hour: usize| Hour::of(&self.per_row(hour));
        match self.weight {
            Some(_) => (0..HOURS).map(of).collect(),
            None => Vec::new(),
        }
    }
}

/// Empirical Bayes: variance of the hours' shares beyond that of the same hour in other weeks, by the nested analysis of
/// variance on the bins.
fn weight(slots: &[Slot], first: usize, whole: &Expected, by_hour: &[Expected]) -> Option<f64> {
    let share = |bin: usize| whole.bins[bin] / whole.rows;
    let live: Vec<usize> = (0..whole.bins.len())
        .filter(|bin| share(*bin) > 0.0)
        .collect();
    let freedom = live.len() as f64 - 1.0;
    if freedom < 1.0 {
        return None;
    }
    let (mut between, mut hours, mut squares) = (0.0, 0.0, 0.0);
    for hour in by_hour.iter().filter(|it| it.rows > 0.0) {
        hours += 1.0;
        squares += hour.rows * hour.rows;
        for bin in &live {
            let expect = hour.rows * share(*bin);
            between += (hour.bins[*bin] - expect) * (hour.bins[*bin] - expect) / expect;
        }
    }
    let (mut within, mut used) = (0.0, 0.0);
    for (at, slot) in slots.iter().enumerate().filter(|(_, it)| it.rows > 0.0) {
        used += 1.0;
        let hour = &by_hour[(first + at) % HOURS];
        for bin in &live {
            let expect = slot.rows * hour.bins[*bin] / hour.rows;
            let apart = slot.bins[*bin] - expect;
            within += apart * apart / (slot.rows * share(*bin));
        }
    }
    if used <= hours || hours < 2.0 {
        return None;
    }
    let chance = (within / (freedom * (used - hours))).max(1e-9);
    let found = between / (freedom * (hours - 1.0));
    let rows = (whole.rows - squares / whole.rows) / (hours - 1.0);
    let apart = (found - chance) / rows;
    (found > DIFFER * chance && apart > 0.0).then_some(chance / apart)
}
