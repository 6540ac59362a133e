//! The sequence branch: LSTM and attention pool, several rows at once so that they share the weights.

use super::activation::{cell, power};
use super::matrix::{add_tile, multiply_add};
use super::pack::Packed;
use crate::hybrid::shape::{GATES, STEP_EVENT_TYPE, STEP_WIDTH, STEPS};

const LANES: usize = 16;

/// Working memory of one row.
#[derive(Clone, Debug)]
pub struct Memory {
    /// Steps x hidden.
    states: Vec<f32>,
    /// Query times state, still in lanes.
    lanes: Vec<[f32; LANES]>,
}

impl Memory {
    pub fn new(hidden: usize) -> Memory {
        Memory {
            states: vec![0.0; STEPS * hidden],
            lanes: vec![[0.0; LANES]; STEPS],
        }
    }

    pub fn states(&self, steps: usize) -> &[f32] {
        &self.states[..self.states.len() / STEPS * steps]
    }
}

#[derive(Clone, Copy)]
pub struct Row<'a> {
    pub sequence: &'a [f32],
    pub steps: usize,
    pub query: &'a [f32],
}

/// Last state and pool of each row; `P` is the width of a panel of the recurrent matrix, `T` of a tile of it.
#[inline(always)]
pub fn past<const FMA: bool, const H: usize, const P: usize, const T: usize, const R: usize>(
    packed: &Packed,
    rows: [Row<'_>; R],
    memories: &mut [Memory],
) -> [[[f32; H]; 2]; R] {
    let mut h = [[0.0; H]; R];
    let mut c = [[0.0; H]; R];
    let longest = rows.iter().map(|row| row.steps).max().unwrap_or(0);
    for step in 0..longest {
        let gates = gates::<FMA, H, P, T, R>(packed, &rows, step, &h);
        for r in 0..R {
            // A shorter row has ended: its state stays.
            if step >= rows[r].steps {
                continue;
            }
            let [i, f, g, o] = &gates[r];
            for at in 0..H {
                (c[r][at], h[r][at]) = cell::<FMA>([i[at], f[at], g[at], o[at]], c[r][at]);
            }
            let memory = &mut memories[r];
            memory.states[step * H..(step + 1) * H].copy_from_slice(&h[r]);
            let mut lanes = [0.0; LANES];
            let query = rows[r].query.as_chunks::<LANES>().0;
            for (query, state) in query.iter().zip(h[r].as_chunks::<LANES>().0) {
                for at in 0..LANES {
                    lanes[at] = multiply_add::<FMA>(query[at], state[at], lanes[at]);
                }
            }
            memory.lanes[step] = lanes;
        }
    }
    let mut out = [[[0.0; H]; 2]; R];
    for r in 0..R {
        out[r] = [h[r], pool::<FMA, H>(rows[r].steps, &mut memories[r])];
    }
    out
}

#[inline(always)]
fn gates<const FMA: bool, const H: usize, const P: usize, const T: usize, const R: usize>(
    packed: &Packed,
    rows: &[Row<'_>; R],
    step: usize,
    h: &[[f32; H]; R],
) -> [[[f32; H]; GATES]; R] {
    const NONE: &[f32] = &[0.0; STEP_WIDTH];
    let mut gates = [[[0.0; H]; GATES]; R];
    let mut values = [NONE; R];
    let mut states = [h[0].as_slice(); R];
    let mut typed = [0; R];
    for r in 0..R {
        if step < rows[r].steps {
            values[r] = &rows[r].sequence[step * STEP_WIDTH..(step + 1) * STEP_WIDTH];
        }
        states[r] = &h[r];
        let event_type = (values[r][STEP_EVENT_TYPE] as usize).min(packed.shape.event_types - 1);
        typed[r] = event_type * GATES * H;
    }
    let biases = packed.get(&packed.typed);
    let panels = packed.get(&packed.recurrent).as_chunks::<P>().0;
    for (panel, rows) in panels.chunks_exact(STEP_WIDTH + H).enumerate() {
        let (of_step, of_state) = rows.split_at(STEP_WIDTH);
        for tile in 0..P / T {
            let from = panel * P + tile * T;
            let mut sums = [[0.0; T]; R];
            for r in 0..R {
                sums[r].copy_from_slice(&biases[typed[r] + from..][..T]);
            }
            add_tile::<FMA, P, T, R>(values, of_step, tile, &mut sums);
            add_tile::<FMA, P, T, R>(states, of_state, tile, &mut sums);
            for r in 0..R {
                gates[r].as_flattened_mut()[from..from + T].copy_from_slice(&sums[r]);
            }
        }
    }
    gates
}

/// Softmax over query times state, and the mean of the states under it; zeros of no steps.
#[inline(always)]
fn pool<const FMA: bool, const H: usize>(steps: usize, memory: &mut Memory) -> [f32; H] {
    let mut scores = [f32::MIN; STEPS];
    for (score, lanes) in scores.iter_mut().zip(&memory.lanes[..steps]) {
        *score = lanes.iter().sum();
    }
    let most = scores.iter().copied().fold(f32::MIN, f32::max);
    let mut total = 0.0;
    let mut pool = [0.0; H];
    let states = memory.states.as_chunks::<H>().0;
    for (score, state) in scores.iter().zip(states).take(steps) {
        let weight = power::<FMA>(score - most);
        total += weight;
        for at in 0..H {
            pool[at] = multiply_add::<FMA>(weight, state[at], pool[at]);
        }
    }
    if steps > 0 {
        for value in &mut pool {
            *value /= total;
        }
    }
    pool
}
