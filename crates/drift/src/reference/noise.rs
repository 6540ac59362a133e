//! How far statistics of the reference's own hours and days lie from what the rest of it expects of them. A week is
//! compared with the other weeks, so that a profile that fits its own weeks too well does not look quiet.

use super::baseline::{Noise, Wander};
use super::measure::{compare, distance};
use super::profile::{Profile, Slot};
use super::{Expected, HOURS};

/// Rows of the smallest piece that says something.
const PIECE_ROWS: f64 = 100.0;
const DAY: usize = 24;

#[derive(Clone, Copy, Debug, Default)]
struct Piece {
    counted: Expected,
    expected: Expected,
}

impl Piece {
    fn add(&mut self, other: &Piece) {
        self.counted.add(&other.counted);
        self.expected.add(&other.expected);
    }

    /// Logarithm of how many times the expected standard deviation it is.
    fn spread(&self) -> Option<f64> {
        let (have, want) = (self.counted.sd(), self.expected.sd());
        (want > SPREAD_MIN).then(|| spread(have, want))
    }

    fn missing(&self) -> f64 {
        self.counted.missing() - self.expected.missing()
    }
}

/// A piece that spreads by less than this share of the whole's standard deviation has one value: the rest is rounding.
pub const ONE_VALUE: f64 = 1e-3;

/// Logarithm of how many times one standard deviation is another; of one value, as if it spread a little. Where the
/// reference had such days, another is no news.
pub fn spread(have: f64, want: f64) -> f64 {
    libm::log(have.max(ONE_VALUE) / want)
}

/// The spread of a segment is looked at from this share of the whole's on. Trees cut and networks scale a feature over
/// all events: what moves within a twentieth of its standard deviation there is next to nothing to them, and where it
/// moves out of that, its distribution says so.
pub const SPREAD_MIN: f64 = 0.05;

/// Variance of the logarithm of a standard deviation of so many independent rows.
pub fn spread_variance(kurtosis: f64, rows: f64) -> f64 {
    (kurtosis - 1.0).max(0.1) / (4.0 * rows.max(1.0))
}

/// Variance of a share of so many independent rows.
pub fn share_variance(share: f64, rows: f64) -> f64 {
    let share = share.clamp(1.0 / rows.max(2.0), 1.0 - 1.0 / rows.max(2.0));
    share * (1.0 - share) / rows.max(1.0)
}

/// What the largest distance of as many independent rows is on average, times the root of their number.
pub const DISTANCE_MEAN: f64 = 0.87;

pub fn noise(slots: &[Slot], first: usize, profile: &Profile, kurtosis: f64) -> Noise {
    // Scores begin where trees were no longer grown: the halves are those of what there is.
    let empty = slots.iter().take_while(|it| it.rows == 0.0).count();
    let (slots, first) = (&slots[empty..], (first + empty) % HOURS);
    let hours = pieces(slots, first, profile);
    // Days between the middles of the halves.
    let apart = (slots.len() as f64 / DAY as f64 / 2.0).max(1.0);
    let mut with_value = Scales::of(&hours, |piece| piece.counted.present());
    // How rows depend on each other shows where they differ.
    with_value.short.retain(|it| it.counted.sd() > ONE_VALUE);
    let with_row = Scales::of(&hours, |piece| piece.counted.rows);
    let (psi, distance) = unsigned(&with_row, apart);
    Noise {
        spread: signed(&with_value, apart, Piece::spread, |piece| {
            spread_variance(kurtosis, piece.counted.present())
        }),
        psi,
        distance,
        missing: signed(
            &with_row,
            apart,
            |piece| Some(piece.missing()),
            |piece| share_variance(piece.expected.missing(), piece.counted.rows),
        ),
        novelty: 0.0,
    }
}

/// The reference in pieces: as short as say something, days, weeks, halves.
struct Scales {
    short: Vec<Piece>,
    days: Vec<Piece>,
    weeks: Vec<Piece>,
    halves: [Piece; 2],
}

impl Scales {
    fn of(hours: &[Piece], rows: impl Fn(&Piece) -> f64) -> Scales {
        let halves = [&hours[..hours.len() / 2], &hours[hours.len() / 2..]].map(|half| {
            let mut sum = Piece::default();
            half.iter().for_each(|hour| sum.add(hour));
            sum
        });
        Scales {
            short: merged(hours, 1, &rows),
            days: merged(hours, DAY, &rows),
            weeks: merged(hours, 7 * DAY, &rows),
            halves,
        }
    }
}

/// Each hour beside what the other weeks expect of it.
fn pieces(slots: &[Slot], first: usize, profile: &Profile) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(slots.len());
    for (week, own) in slots.chunks(HOURS).enumerate() {
        let start = (first + week * HOURS) % HOURS;
        let others = profile.without(own, start);
        for (at, slot) in own.iter().enumerate() {
            let per_row = others.per_row((start + at) % HOURS);
            pieces.push(Piece {
                counted: *slot,
                expected: Expected::of(&per_row, slot.rows),
            });
        }
    }
    pieces
}

/// Consecutive pieces of at least so many hours, and of enough rows.
fn merged(hours: &[Piece], least: usize, rows: impl Fn(&Piece) -> f64) -> Vec<Piece> {
    let mut list = Vec::new();
    let (mut open, mut len) = (Piece::default(), 0);
    for hour in hours {
        open.add(hour);
        len += 1;
        if len >= least && rows(&open) >= PIECE_ROWS {
            list.push(std::mem::take(&mut open));
            len = 0;
        }
    }
    list
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for value in values {
        sum += value;
        count += 1.0;
    }
    if count > 0.0 { sum / count } else { 0.0 }
}

/// The square that makes the largest of these, all normal around 0, the largest to be expected of as many: that is at about
/// the root of 2 ln n standard deviations (Cramer, Mathematical Methods of Statistics, 1946, 28.6).
fn odd_square(values: impl Iterator<Item = f64>) -> f64 {
    let (mut most, mut count) = (0.0_f64, 0.0);
    for value in values {
        most = most.max(value * value);
        count += 1.0;
    }
    if count > 0.0 {
        most / (2.0 * libm::log(count)).max(1.0)
    } else {
        0.0
    }
}

/// A statistic that may go up and down around 0.
fn signed(
    scales: &Scales,
    apart: f64,
    statistic: impl Fn(&Piece) -> Option<f64>,
    variance: impl Fn(&Piece) -> f64,
) -> Wander {
    let Scales { days, halves, .. } = scales;
    let short = scales.short.iter().filter_map(|piece| {
        let value = statistic(piece)?;
        Some(value * value / variance(piece))
    });
    let factor = mean(short).max(1.0);
    // What lasts a day shows between days, what lasts longer between weeks.
    let chance = |list: &[Piece]| factor * mean(list.iter().map(&variance));
    let lasting = |list: &[Piece]| {
        let squares = list.iter().filter_map(&statistic).map(|it| it * it);
        (mean(squares) - chance(list)).max(0.0)
    };
    let day = lasting(days).max(lasting(&scales.weeks));
    let odd = odd_square(days.iter().filter_map(&statistic)) - chance(days);
    let [first, second] = [0, 1].map(|at| statistic(&halves[at]).unwrap_or(0.0));
    let half = factor * (variance(&halves[0]) + variance(&halves[1]));
    let error = half + day * 4.0 / days.len().max(1) as f64;
    let moved = (second - first) * (second - first) + error;
    Wander {
        pieces: days.len() as f32,
        factor: factor as f32,
        day: libm::sqrt(day) as f32,
        odd: libm::sqrt(odd.max(0.0)) as f32,
        speed: (libm::sqrt(moved) / apart) as f32,
    }
}

/// Statistics that are never below 0: what is left of them when that of chance is taken off. Between the halves nothing is
/// taken off: that much movement the reference does not exclude.
fn unsigned(scales: &Scales, apart: f64) -> (Wander, Wander) {
    let Scales { days, weeks, .. } = scales;
    let (mut squares, mut freedom) = (0.0, 0.0);
    for piece in &scales.short {
        let compared = compare(&piece.counted, &piece.expected);
        squares += compared.chi_squared;
        freedom += compared.freedom;
    }
    let factor = if freedom > 0.0 {
        squares / freedom
    } else {
        1.0
    };
    let factor = factor.max(1.0);
    let psi = |piece: &Piece| {
        let compared = compare(&piece.counted, &piece.expected);
        compared.psi - factor * compared.freedom / piece.counted.rows.max(1.0)
    };
    let far = |piece: &Piece| {
        let chance = chance_distance(factor, piece.counted.present());
        (distance(&piece.counted, &piece.expected) - chance).max(0.0)
    };
    let mean_psi = |list: &[Piece]| mean(list.iter().map(psi)).max(0.0);
    let mean_far = |list: &[Piece]| mean(list.iter().map(|piece| far(piece) * far(piece)));
    let odd_psi = odd_square(days.iter().map(|it| libm::sqrt(psi(it).max(0.0))));
    let odd_far = odd_square(days.iter().map(far));
    // The first half as the second would expect it.
    let [first, second] = &scales.halves;
    let rows = second.counted.rows.max(1.0);
    let mut expected = first.expected;
    let shift = second.counted.minus(&second.expected);
    for (bin, moved) in expected.bins.iter_mut().zip(&shift.bins) {
        *bin = (*bin + moved / rows * first.counted.rows).max(0.0);
    }
    let moved = compare(&first.counted, &expected).psi;
    let of_psi = Wander {
        pieces: days.len() as f32,
        factor: factor as f32,
        day: libm::sqrt(mean_psi(days).max(mean_psi(weeks))) as f32,
        odd: libm::sqrt(odd_psi) as f32,
        speed: (libm::sqrt(moved.max(0.0)) / apart) as f32,
    };
    let of_distance = Wander {
        pieces: days.len() as f32,
        factor: factor as f32,
        day: libm::sqrt(mean_far(days).max(mean_far(weeks))) as f32,
        odd: libm::sqrt(odd_far) as f32,
        speed: (distance(&first.counted, &expected) / apart) as f32,
    };
    (of_psi, of_distance)
}

pub fn chance_distance(factor: f64, rows: f64) -> f64 {
    DISTANCE_MEAN * libm::sqrt(factor / rows.max(1.0))
}
