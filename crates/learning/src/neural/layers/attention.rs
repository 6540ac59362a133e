//! What the event asks its account's past: scaled dot-product attention over all states of the sequence
//! (Vaswani et al. 2017, arXiv 1706.03762, one head, one query).

use model::hybrid::mathematics::exp;

use super::super::batch::Batch;
use super::super::matrix::vectorized;

#[derive(Debug, Default)]
pub struct Tape {
    /// Packed, as the states are.
    weights: Vec<f32>,
    /// Rows x hidden.
    pub pool: Vec<f32>,
}

pub fn forward(tape: &mut Tape, batch: &Batch, query: &[f32], states: &[f32], h: usize) {
    let scale = 1.0 / (h as f32).sqrt();
    tape.weights.clear();
    tape.weights.resize(batch.event_type.len(), 0.0);
    tape.pool.clear();
    tape.pool.resize(batch.len() * h, 0.0);
    let Tape { weights, pool } = tape;
    vectorized(|| {
        let rows = query.chunks_exact(h).zip(pool.chunks_exact_mut(h));
        for (row, (query, pool)) in rows.enumerate() {
            let length = batch.lengths[row];
            let mut most = f32::MIN;
            for step in 0..length {
                let at = batch.packed(row, step);
                let score = scale * dot(query, &states[at * h..(at + 1) * h]);
                weights[at] = score;
                most = most.max(score);
            }
            let mut total = 0.0;
            for step in 0..length {
                let weight = &mut weights[batch.packed(row, step)];
                *weight = exp(*weight - most);
                total += *weight;
            }
            for step in 0..length {
                let at = batch.packed(row, step);
                weights[at] /= total;
                let state = &states[at * h..(at + 1) * h];
                for (sum, it) in pool.iter_mut().zip(state) {
                    *sum += weights[at] * it;
                }
            }
        }
    });
}

/// Adds to the gradients of query and states.
pub fn backward(
    tape: &Tape,
    batch: &Batch,
    (query, states): (&[f32], &[f32]),
    dpool: &[f32],
    dquery: &mut [f32],
    dstates: &mut [f32],
) {
    let h = query.len() / batch.len();
    let scale = 1.0 / (h as f32).sqrt();
    vectorized(|| {
        for row in 0..batch.len() {
            let place = row * h..(row + 1) * h;
            let (query, dpool) = (&query[place.clone()], &dpool[place.clone()]);
            let pool = &tape.pool[place.clone()];
            let dquery = &mut dquery[place];
            // Softmax: the gradient of a score is its weight times how far it lies above the mean.
            let mean = dot(dpool, pool);
            for step in 0..batch.lengths[row] {
                let at = batch.packed(row, step);
                let state = &states[at * h..(at + 1) * h];
                let weight = tape.weights[at];
                let dscore = scale * weight * (dot(dpool, state) - mean);
                let dstate = &mut dstates[at * h..(at + 1) * h];
                for column in 0..h {
                    dstate[column] += weight * dpool[column] + dscore * query[column];
                    dquery[column] += dscore * state[column];
                }
            }
        }
    });
}

/// Sixteen sums side by side, so that it is vector code.
#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 16];
    let (a, b) = (a.as_chunks::<16>().0, b.as_chunks::<16>().0);
    for (a, b) in a.iter().zip(b) {
        for at in 0..16 {
            sums[at] += a[at] * b[at];
        }
    }
    sums.iter().sum()
}
