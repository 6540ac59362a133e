//! Normalisation, learnt from training rows only: knots of the tabular features, mean and spread of the
//! other inputs.

use graph::sample::{EDGE_WIDTH, NEIGHBOUR_WIDTH, NODE_WIDTH, STEP_WIDTH};
use model::hybrid::knots::Knots;
use model::hybrid::shape::STEP_EVENT_TYPE;

use super::arrays::Arrays;
use super::sight::Sight;

/// Shares of a feature's present values at which knots stand: evenly in the middle, finer towards the
/// tails, where amounts and counts of frauds lie.
const SHARES: [f64; 15] = [
    0.0, 0.005, 0.02, 0.06, 0.15, 0.3, 0.45, 0.6, 0.75, 0.87, 0.94, 0.98, 0.993, 0.998, 1.0,
];

/// `(x - mean) * inverse`; the inverse of a hidden or constant column is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Affine {
    pub mean: f32,
    pub inverse: f32,
}

impl Affine {
    #[inline(always)]
    pub fn apply(self, value: f32) -> f32 {
        (value - self.mean) * self.inverse
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    pub knots: Knots,
    pub step: [Affine; STEP_WIDTH],
    /// Per role.
    pub neighbour: Vec<[Affine; NEIGHBOUR_WIDTH]>,
    pub entity: Vec<[Affine; NODE_WIDTH]>,
}

/// Rows that are looked at; more would not move a quantile.
const ROWS_MAX: usize = 50_000;

impl Scale {
    /// `tabular` is row-major over all rows of `arrays`; `rows` are those that may be learnt from.
    pub fn fit(tabular: &[f32], arrays: &Arrays, rows: &[usize], sight: &Sight) -> Scale {
        let every = rows.len().div_ceil(ROWS_MAX).max(1);
        let rows: Vec<usize> = rows.iter().copied().step_by(every).collect();
        let mut step = [Moments::default(); STEP_WIDTH];
        let mut neighbour = vec![[Moments::default(); NEIGHBOUR_WIDTH]; arrays.roles()];
        let mut entity = vec![[Moments::default(); NODE_WIDTH]; arrays.roles()];
        for row in &rows {
            add(&mut step, arrays.sequence(*row));
            for role in 0..arrays.roles() {
                add(&mut neighbour[role], arrays.neighbours(*row, role));
                add(&mut entity[role], arrays.entity(*row, role));
            }
        }
        let mut steps: [Affine; STEP_WIDTH] =
            std::array::from_fn(|at| step[at].affine(sight.step[at]));
        // The event type is no quantity: it has a row of weights of its own.
        steps[STEP_EVENT_TYPE] = Affine::default();
        let of_node = |at: usize| sight.neighbour[EDGE_WIDTH + at];
        Scale {
            knots: knots(tabular, &rows, sight),
            step: steps,
            neighbour: neighbour
                .iter()
                .map(|it| std::array::from_fn(|at| it[at].affine(sight.neighbour[at])))
                .collect(),
            entity: entity
                .iter()
                .map(|it| std::array::from_fn(|at| it[at].affine(of_node(at))))
                .collect(),
        }
    }
}

fn add<const N: usize>(moments: &mut [Moments; N], values: &[f32]) {
    for row in values.chunks_exact(N) {
        for (moment, value) in moments.iter_mut().zip(row) {
            moment.add(f64::from(*value));
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Moments {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        self.sum += value;
        self.squares += value * value;
    }

    fn affine(&self, seen: bool) -> Affine {
        if !seen || self.count == 0.0 {
            return Affine::default();
        }
        let mean = self.sum / self.count;
        let variance = (self.squares / self.count - mean * mean).max(0.0);
        if variance < 1e-10 {
            return Affine::default();
        }
        Affine {
            mean: mean as f32,
            inverse: (1.0 / variance.sqrt()) as f32,
        }
    }
}

fn knots(tabular: &[f32], rows: &[usize], sight: &Sight) -> Knots {
    let width = sight.features.len();
    let mut present = Vec::with_capacity(rows.len());
    Knots::of_each(sight.features.iter().enumerate().map(|(feature, seen)| {
        if !seen {
            return Vec::new();
        }
        present.clear();
        let values = rows.iter().map(|row| tabular[row * width + feature]);
        present.extend(values.filter(|value| !value.is_nan()));
        let never_missing = present.len() == rows.len();
        place(&mut present, never_missing)
    }))
}

/// Knots of one feature; none where it never changes.
fn place(present: &mut [f32], never_missing: bool) -> Vec<f32> {
    present.sort_unstable_by(f32::total_cmp);
    let mut at = Vec::new();
    let Some(last) = present.len().checked_sub(1) else {
        return at;
    };
    for share in SHARES {
        let value = present[(share * last as f64).round() as usize] + 0.0;
        if at.last().is_none_or(|held| *held < value) {
            at.push(value);
        }
    }
    if never_missing && at.len() == 1 {
        at.clear();
    }
    at
}
