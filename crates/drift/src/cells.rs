//! What a window counts, per segment and column: the one loop that every decision pays for.
//!
//! Rows come in blocks, and a block is taken some columns at a time: what a column needs is loaded once for all of its
//! rows. Sums are of whole numbers, so they are the same however rows are cut into blocks and windows into pieces.

use pulp::{Arch, Simd, WithSimd};
use serde::{Deserialize, Serialize};

use crate::reference::Expected;
use crate::ruler::{BINS, CUTS, LANES, Lanes, MISSING, Ruler, lanes_of};

/// Standardised values are summed in steps of 1 / this.
const STEPS: f32 = 512.0;
/// Rows of a block, at most: a sum of as many squares of `CLIP * STEPS` fits into 32 bits.
pub const BLOCK: usize = 16;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cells {
    pub rows: u64,
    /// Of standardised values in steps, missing ones left out.
    sum: Vec<i64>,
    squares: Vec<u64>,
    /// A list of columns per cut: rows that reach it. The first is of rows that have a value.
    reached: Vec<Vec<u32>>,
    /// Of categories, by column.
    codes: Vec<(u16, [u32; BINS])>,
}

/// What a block adds to [`LANES`] columns.
struct Sums {
    sum: [i32; LANES],
    squares: [u32; LANES],
    reached: [[u32; LANES]; CUTS],
}

impl Cells {
    pub fn new(ruler: &Ruler) -> Cells {
        let width = ruler.width();
        Cells {
            rows: 0,
            sum: vec![0; width],
            squares: vec![0; width],
            reached: vec![vec![0; width]; CUTS],
            codes: ruler.categories().map(|it| (it, [0; BINS])).collect(),
        }
    }

    /// Up to [`BLOCK`] rows, one after the other.
    pub fn add(&mut self, ruler: &Ruler, rows: &[f32]) {
        let width = ruler.width();
        debug_assert!(rows.len().is_multiple_of(width) && rows.len() <= BLOCK * width);
        self.rows += (rows.len() / width) as u64;
        Arch::new().dispatch(Block {
            cells: self,
            ruler,
            rows,
        });
        for (column, counts) in &mut self.codes {
            for row in rows.chunks_exact(width) {
                counts[ruler.bin_of_code(usize::from(*column), row)] += 1;
            }
        }
    }

    #[inline(always)]
    fn add_lanes(&mut self, start: usize, sums: &Sums) {
        let add = |to: &mut [i64], from: &[i32]| {
            to.iter_mut()
                .zip(from)
                .for_each(|(to, it)| *to += i64::from(*it));
        };
        add(&mut self.sum[start..], &sums.sum);
        let squares = self.squares[start..].iter_mut().zip(&sums.squares);
        squares.for_each(|(to, it)| *to += u64::from(*it));
        for (to, from) in self.reached.iter_mut().zip(&sums.reached) {
            to[start..]
                .iter_mut()
                .zip(from)
                .for_each(|(to, it)| *to += it);
        }
    }

    /// Of standardised values.
    pub fn sum(&self, column: usize) -> f64 {
        self.sum[column] as f64 / f64::from(STEPS)
    }

    pub fn squares(&self, column: usize) -> f64 {
        self.squares[column] as f64 / f64::from(STEPS * STEPS)
    }

    /// All of a column; a row without a score is no row of the score's: another model decided it.
    pub fn counted(&self, column: usize, counts: [u64; BINS], is_score: bool) -> Expected {
        let mut of = Expected {
            rows: self.rows as f64,
            sum: self.sum(column),
            squares: self.squares(column),
            bins: counts.map(|it| it as f64),
        };
        if is_score {
            of.rows -= std::mem::take(&mut of.bins[MISSING]);
        }
        of
    }

    /// By bin, column after column.
    pub fn counts(&self) -> impl Iterator<Item = [u64; BINS]> {
        let mut codes = self.codes.iter().peekable();
        (0..self.sum.len()).map(move |column| {
            match codes.next_if(|(category, _)| usize::from(*category) == column) {
                Some((_, counts)) => counts.map(u64::from),
                None => self.counts_of_values(column),
            }
        })
    }

    /// Who reaches a cut and not the next is between them.
    fn counts_of_values(&self, column: usize) -> [u64; BINS] {
        let reached = |cut: usize| self.reached.get(cut).map_or(0, |it| u64::from(it[column]));
        let mut counts = [0; BINS];
        for (bin, count) in counts[..CUTS].iter_mut().enumerate() {
            *count = reached(bin) - reached(bin + 1);
        }
        counts[MISSING] = self.rows - reached(0);
        counts
    }

    pub fn merge(&mut self, other: &Cells) {
        self.rows += other.rows;
        self.sum
            .iter_mut()
            .zip(&other.sum)
            .for_each(|(to, it)| *to += it);
        self.squares
            .iter_mut()
            .zip(&other.squares)
            .for_each(|(to, it)| *to += it);
        let own = self.reached.iter_mut().flatten();
        own.zip(other.reached.iter().flatten())
            .for_each(|(to, it)| *to += it);
        for ((_, to), (_, from)) in self.codes.iter_mut().zip(&other.codes) {
            to.iter_mut().zip(from).for_each(|(to, it)| *to += it);
        }
    }

    pub fn fits(&self, ruler: &Ruler) -> bool {
        let width = ruler.width();
        self.sum.len() == width
            && self.squares.len() == width
            && self.reached.len() == CUTS
            && self.reached.iter().all(|it| it.len() == width)
            && ruler.categories().eq(self.codes.iter().map(|it| it.0))
    }
}

struct Block<'a> {
    cells: &'a mut Cells,
    ruler: &'a Ruler,
    rows: &'a [f32],
}

/// The compiler makes vectors of the machine's width of loops over lanes.
impl WithSimd for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let width = self.ruler.width();
        for start in (0..width).step_by(LANES) {
            let sums = sums_of(&self.ruler.lanes(start), self.rows, width, start);
            self.cells.add_lanes(start, &sums);
        }
    }
}

/// Of the columns from `start` on.
#[inline(always)]
fn sums_of(lanes: &Lanes, rows: &[f32], width: usize, start: usize) -> Sums {
    let mut sums = Sums {
        sum: [0; LANES],
        squares: [0; LANES],
        reached: [[0; LANES]; CUTS],
    };
    for row in rows.chunks_exact(width) {
        let values = lanes_of(row, start);
        let standard = lanes.standard(&values);
        for at in 0..LANES {
            let step = step_of(standard[at]);
            sums.sum[at] += step;
            sums.squares[at] += (step * step) as u32;
            sums.reached[0][at] += u32::from(!values[at].is_nan());
        }
        for (reached, cuts) in sums.reached[1..].iter_mut().zip(&lanes.cuts) {
            for at in 0..LANES {
                reached[at] += u32::from(standard[at] >= cuts[at]);
            }
        }
    }
    sums
}

/// The nearest step; 0 of NaN. Below 2^22 steps the sum's last bits are the whole number (IEEE 754, round to nearest).
#[inline(always)]
fn step_of(z: f32) -> i32 {
    const UNIT_BITS: f32 = 12_582_912.0;
    let step = (z * STEPS + UNIT_BITS)
        .to_bits()
        .wrapping_sub(UNIT_BITS.to_bits()) as i32;
    if z.is_nan() { 0 } else { step }
}

const _: () = assert!((BLOCK as u64) * ((16.0 * STEPS) as u64).pow(2) <= u32::MAX as u64);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::{Column, Scale};
    use crate::ruler::{Codes, Scratch, UNSEEN};

    const WIDTH: usize = 21;

    fn ruler() -> Ruler {
        let scales = [Scale::Plain, Scale::Log, Scale::Money];
        let mut columns: Vec<Column> = (0..WIDTH)
            .map(|at| Column::plain("", scales[at % 3]))
            .collect();
        columns[4].scale = Scale::Category;
        columns[20].scale = Scale::Category;
        columns[20].novelty = Some(7);
        let mut ruler = Ruler::new(&columns);
        for column in 0..WIDTH {
            let cuts: Vec<f32> = (0..column % CUTS)
                .map(|cut| cut as f32 / 2.0 - 1.0)
                .collect();
            // The fifth has one value only.
            ruler.set(
                column,
                column as f32 / 8.0,
                (column % 5) as f32 / 2.0,
                &cuts,
            );
        }
        for column in [4, 20] {
            let listed = vec![3, 0, 1];
            ruler.set_codes(column, Codes { listed, known: 6 });
        }
        ruler
    }

    /// Every kind of value: missing, endless, far out, on a cut.
    fn rows(count: usize) -> Vec<f32> {
        let odd = [
            f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            1e30,
            -1e30,
            0.0,
            -0.0,
            0.5,
        ];
        let mut state = 7_u64;
        let mut draw = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize
        };
        let mut row = |column: usize| match (column, draw() % 5) {
            (_, 0) => odd[draw() % odd.len()],
            (4 | 20, _) => (draw() % 9) as f32,
            _ => (draw() % 2_000) as f32 / 250.0 - 4.0,
        };
        (0..count * WIDTH).map(|at| row(at % WIDTH)).collect()
    }

    #[test]
    fn a_block_counts_what_its_rows_do_one_by_one() {
        let (ruler, rows) = (ruler(), rows(500));
        let mut cells = Cells::new(&ruler);
        // Blocks of every length there is.
        let (mut left, mut long) = (&rows[..], 0);
        while !left.is_empty() {
            long = long % BLOCK + 1;
            let (block, rest) = left.split_at((long * WIDTH).min(left.len()));
            cells.add(&ruler, block);
            left = rest;
        }
        assert_eq!(cells.rows, 500);

        let mut scratch = Scratch::default();
        let mut expected = vec![(0.0_f64, 0.0_f64, [0_u64; BINS]); WIDTH];
        for row in rows.chunks_exact(WIDTH) {
            ruler.measure(row, &mut scratch);
            for (column, (sum, squares, counts)) in expected.iter_mut().enumerate() {
                let step = f64::from(scratch.standard[column] * STEPS).round_ties_even();
                *sum += step;
                *squares += step * step;
                counts[scratch.bins[column] as usize] += 1;
            }
        }
        let counts: Vec<[u64; BINS]> = cells.counts().collect();
        for (column, (sum, squares, bins)) in expected.iter().enumerate() {
            let steps = f64::from(STEPS);
            assert_eq!(cells.sum(column), sum / steps, "column {column}");
            assert_eq!(
                cells.squares(column),
                squares / steps / steps,
                "column {column}"
            );
            assert_eq!(counts[column], *bins, "column {column}");
        }
        assert!(counts[20][UNSEEN] > 0 && counts[20][MISSING] > 0 && counts[9][CUTS - 1] > 0);

        let mut twice = cells.clone();
        twice.merge(&cells);
        let merged: Vec<[u64; BINS]> = twice.counts().collect();
        assert!(
            merged
                .iter()
                .flatten()
                .zip(counts.iter().flatten())
                .all(|(a, b)| *a == 2 * b)
        );
    }
}
