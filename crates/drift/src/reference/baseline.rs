//! The statistics of one column in one segment.

use serde::{Deserialize, Serialize};

use super::HOURS;
use crate::ruler::{BINS, MISSING};

/// What is expected of one row: sum and squares of its standardised value (0 where missing), then its bins.
pub const VALUES: usize = 2 + BINS;

/// Sums over rows, counted or expected. All of them are linear in the rows, so those of several hours add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    pub rows: f64,
    pub sum: f64,
    pub squares: f64,
    pub bins: [f64; BINS],
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    pub rows: f32,
    /// Of one row, on average over the reference.
    pub whole: [f32; VALUES],
    /// The same by hour of the week, shrunk towards the whole; empty where the hour says nothing.
    pub profile: Vec<Hour>,
    /// Fourth standardised moment.
    pub kurtosis: f32,
    pub noise: Noise,
}

/// What is expected of one row of one hour of the week. Most of a reference is these: shares take two bytes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hour {
    sum: f32,
    squares: f32,
    shares: [u16; BINS],
}

impl Hour {
    pub fn of(per_row: &[f32; VALUES]) -> Hour {
        let mut hour = Hour {
            sum: per_row[0],
            squares: per_row[1],
            shares: [0; BINS],
        };
        for (to, share) in hour.shares.iter_mut().zip(&per_row[2..]) {
            *to = (share * f32::from(u16::MAX) + 0.5) as u16;
        }
        hour
    }

    fn per_row(&self) -> [f32; VALUES] {
        let mut per_row = [self.sum; VALUES];
        per_row[1] = self.squares;
        for (to, share) in per_row[2..].iter_mut().zip(&self.shares) {
            *to = f32::from(*share) / f32::from(u16::MAX);
        }
        per_row
    }
}

/// How far statistics move without drift.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Noise {
    /// Of the logarithm of the standard deviation.
    pub spread: Wander,
    /// Of the square root of the population stability index.
    pub psi: Wander,
    pub distance: Wander,
    pub missing: Wander,
    /// Share of rows a day whose category was new in the reference.
    pub novelty: f32,
}

/// Movement of one statistic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Wander {
    /// Days, or longer pieces where a day has too few rows, that it was learnt from.
    pub pieces: f32,
    /// Variance of short windows over that of independent rows, at least 1: events come in clusters.
    pub factor: f32,
    /// From day to day beyond that: the root of the mean square.
    pub day: f32,
    /// The same, such that of as many normal days the largest would be as large as the reference's was. Some days are like
    /// no others, as when wages come: a mean over all days does not expect the next one.
    pub odd: f32,
    /// Largest lasting movement per day that the reference does not exclude.
    pub speed: f32,
}

impl Baseline {
    /// What `rows` rows of this hour of the week would sum up to.
    pub fn expect(&self, hour: usize, rows: f64) -> Expected {
        match self.profile.get(hour) {
            Some(hour) => Expected::of(&hour.per_row(), rows),
            None => Expected::of(&self.whole, rows),
        }
    }

    pub fn is_sound(&self) -> bool {
        let finite = |list: &[f32; VALUES]| list.iter().all(|it| it.is_finite());
        let wanders = [
            self.noise.spread,
            self.noise.psi,
            self.noise.distance,
            self.noise.missing,
        ];
        let sound = |it: &Wander| {
            let values = [it.pieces, it.factor, it.day, it.odd, it.speed];
            values.iter().all(|it| it.is_finite() && *it >= 0.0)
        };
        finite(&self.whole)
            && (self.profile.is_empty() || self.profile.len() == HOURS)
            && self.profile.iter().all(|it| finite(&it.per_row()))
            && self.kurtosis.is_finite()
            && self.rows >= 1.0
            && self.noise.novelty.is_finite()
            && wanders.iter().all(sound)
    }
}

impl Expected {
    pub fn of(per_row: &[f32; VALUES], rows: f64) -> Expected {
        let mut of = Expected {
            rows,
            sum: f64::from(per_row[0]) * rows,
            squares: f64::from(per_row[1]) * rows,
            bins: [0.0; BINS],
        };
        for (bin, share) in of.bins.iter_mut().zip(&per_row[2..]) {
            *bin = f64::from(*share) * rows;
        }
        of
    }

    pub fn add(&mut self, other: &Expected) {
        self.rows += other.rows;
        self.sum += other.sum;
        self.squares += other.squares;
        let bins = self.bins.iter_mut().zip(&other.bins);
        bins.for_each(|(to, from)| *to += from);
    }

    pub fn minus(&self, other: &Expected) -> Expected {
        let mut left = *self;
        left.rows -= other.rows;
        left.sum -= other.sum;
        left.squares -= other.squares;
        let bins = left.bins.iter_mut().zip(&other.bins);
        bins.for_each(|(to, from)| *to -= from);
        left
    }

    /// Rows that have a value.
    pub fn present(&self) -> f64 {
        self.rows - self.bins[MISSING]
    }

    pub fn mean(&self) -> f64 {
        self.sum / self.present().max(1e-9)
    }

    pub fn sd(&self) -> f64 {
        let present = self.present().max(1e-9);
        let mean = self.sum / present;
        libm::sqrt((self.squares / present - mean * mean).max(0.0))
    }

    pub fn missing(&self) -> f64 {
        self.bins[MISSING] / self.rows.max(1e-9)
    }

    pub fn per_row(&self) -> [f32; VALUES] {
        let mut of = [0.0; VALUES];
        let rows = self.rows.max(1e-9);
        of[0] = (self.sum / rows) as f32;
        of[1] = (self.squares / rows) as f32;
        for (share, bin) in of[2..].iter_mut().zip(&self.bins) {
            *share = (bin / rows) as f32;
        }
        of
    }
}
