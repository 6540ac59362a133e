//! LSTM over packed sequences (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000);
//! gates in PyTorch's order: input, forget, cell, output.
//!
//! Rows stand by falling length, so the rows that still run at a step are a prefix: no masks.

use model::hybrid::mathematics::{sigmoid, tanh};
use model::hybrid::shape::{GATES, STEP_WIDTH};

use super::super::batch::Batch;
use super::super::matrix::{add_outer, add_product, add_rows, transpose, vectorized};

pub struct Part<'a> {
    /// [`STEP_WIDTH`] x 4 hidden, event types x 4 hidden, hidden x 4 hidden, 4 hidden.
    pub step: &'a [f32],
    pub event_type: &'a [f32],
    pub recurrent: &'a [f32],
    pub bias: &'a [f32],
}

pub struct PartMut<'a> {
    pub step: &'a mut [f32],
    pub event_type: &'a mut [f32],
    pub recurrent: &'a mut [f32],
    pub bias: &'a mut [f32],
}

/// Packed by step, as the batch is.
#[derive(Debug, Default)]
pub struct Tape {
    /// After their nonlinearity: packed steps x 4 hidden.
    gates: Vec<f32>,
    cells: Vec<f32>,
    /// Packed steps x hidden.
    pub states: Vec<f32>,
    /// The state before each step.
    before: Vec<f32>,
    /// Rows x hidden.
    pub last: Vec<f32>,
    dgates: Vec<f32>,
    dstate: Vec<f32>,
    dcell: Vec<f32>,
}

pub fn forward(tape: &mut Tape, batch: &Batch, part: &Part<'_>) {
    let four = part.bias.len();
    let h = four / GATES;
    let packed = batch.event_type.len();
    let gates = &mut tape.gates;
    gates.clear();
    for event_type in &batch.event_type {
        let row = &part.event_type[usize::from(*event_type) * four..][..four];
        gates.extend(row.iter().zip(part.bias).map(|(a, b)| a + b));
    }
    add_product(gates, &batch.sequence, part.step, STEP_WIDTH, four);
    for values in [&mut tape.cells, &mut tape.states, &mut tape.before] {
        values.clear();
        values.resize(packed * h, 0.0);
    }
    for (step, running) in batch.running.iter().enumerate() {
        let start = batch.step_start[step];
        let now = start * h..(start + running) * h;
        let gates = &mut gates[start * four..(start + running) * four];
        if step > 0 {
            let before = batch.step_start[step - 1] * h;
            let held = before..before + running * h;
            tape.before[now.clone()].copy_from_slice(&tape.states[held]);
            add_product(gates, &tape.before[now.clone()], part.recurrent, h, four);
        }
        let (done, rest) = tape.cells.split_at_mut(now.start);
        let old = match step {
            0 => None,
            _ => Some(&done[batch.step_start[step - 1] * h..][..running * h]),
        };
        let cells = &mut rest[..running * h];
        let states = &mut tape.states[now];
        advance(gates, old, cells, states, h);
    }
    tape.last.clear();
    tape.last.resize(batch.len() * h, 0.0);
    for (row, length) in batch.lengths.iter().enumerate() {
        if let Some(step) = length.checked_sub(1) {
            let at = batch.packed(row, step) * h;
            tape.last[row * h..(row + 1) * h].copy_from_slice(&tape.states[at..at + h]);
        }
    }
}

/// One step of all running rows: gates are replaced by their values.
fn advance(
    gates: &mut [f32],
    old: Option<&[f32]>,
    cells: &mut [f32],
    states: &mut [f32],
    h: usize,
) {
    vectorized(|| {
        let rows = gates
            .chunks_exact_mut(GATES * h)
            .zip(cells.chunks_exact_mut(h))
            .zip(states.chunks_exact_mut(h));
        for (row, ((gates, cells), states)) in rows.enumerate() {
            let (input, rest) = gates.split_at_mut(h);
            let (forget, rest) = rest.split_at_mut(h);
            let (fresh, shown) = rest.split_at_mut(h);
            input.iter_mut().for_each(|it| *it = sigmoid(*it));
            forget.iter_mut().for_each(|it| *it = sigmoid(*it));
            fresh.iter_mut().for_each(|it| *it = tanh(*it));
            shown.iter_mut().for_each(|it| *it = sigmoid(*it));
            for at in 0..h {
                cells[at] = input[at] * fresh[at];
            }
            if let Some(old) = old {
                let old = &old[row * h..(row + 1) * h];
                for at in 0..h {
                    cells[at] += forget[at] * old[at];
                }
            }
            for at in 0..h {
                states[at] = shown[at] * tanh(cells[at]);
            }
        }
    });
}

/// From the gradient of the states (packed, overwritten) and of each row's last state.
pub fn backward(
    tape: &mut Tape,
    batch: &Batch,
    part: &Part<'_>,
    gradient: &mut PartMut<'_>,
    dstates: &mut [f32],
    dlast: &[f32],
) {
    let four = part.bias.len();
    let h = four / GATES;
    for (row, length) in batch.lengths.iter().enumerate() {
        if let Some(step) = length.checked_sub(1) {
            let at = batch.packed(row, step) * h;
            let dlast = &dlast[row * h..(row + 1) * h];
            dstates[at..at + h]
                .iter_mut()
                .zip(dlast)
                .for_each(|(sum, it)| *sum += it);
        }
    }
    let turned = transpose(part.recurrent, h, four);
    tape.dgates.clear();
    tape.dgates.resize(tape.gates.len(), 0.0);
    for values in [&mut tape.dstate, &mut tape.dcell] {
        values.clear();
        values.resize(batch.len() * h, 0.0);
    }
    for (step, running) in batch.running.iter().enumerate().rev() {
        let start = batch.step_start[step];
        let now = start * h..(start + running) * h;
        let dgates = &mut tape.dgates[start * four..(start + running) * four];
        let dstate = &mut tape.dstate[..running * h];
        add(dstate, &dstates[now.clone()]);
        let old = match step {
            0 => None,
            _ => Some(&tape.cells[batch.step_start[step - 1] * h..][..running * h]),
        };
        let gates = &tape.gates[start * four..(start + running) * four];
        let cells = &tape.cells[now];
        let moved = Moved {
            gates,
            cells,
            old,
            h,
        };
        retreat(&moved, dgates, dstate, &mut tape.dcell[..running * h]);
        dstate.fill(0.0);
        if step > 0 {
            add_product(dstate, dgates, &turned, four, h);
        }
    }
    add_outer(
        gradient.step,
        &batch.sequence,
        &tape.dgates,
        STEP_WIDTH,
        four,
    );
    add_outer(gradient.recurrent, &tape.before, &tape.dgates, h, four);
    add_rows(gradient.bias, &tape.dgates);
    for (event_type, dgates) in batch.event_type.iter().zip(tape.dgates.chunks_exact(four)) {
        add(
            &mut gradient.event_type[usize::from(*event_type) * four..][..four],
            dgates,
        );
    }
}

fn add(sum: &mut [f32], values: &[f32]) {
    sum.iter_mut().zip(values).for_each(|(sum, it)| *sum += it);
}

/// What one step of all running rows had come to.
struct Moved<'a> {
    gates: &'a [f32],
    cells: &'a [f32],
    /// Cells before the step.
    old: Option<&'a [f32]>,
    h: usize,
}

/// Gradients before the nonlinearities of one step; `dcell` becomes that of the cells before the step.
fn retreat(moved: &Moved<'_>, dgates: &mut [f32], dstate: &[f32], dcell: &mut [f32]) {
    let Moved {
        gates,
        cells,
        old,
        h,
    } = *moved;
    vectorized(|| {
        for row in 0..dstate.len() / h {
            let gates = &gates[row * GATES * h..(row + 1) * GATES * h];
            let (input, rest) = gates.split_at(h);
            let (forget, rest) = rest.split_at(h);
            let (fresh, shown) = rest.split_at(h);
            let dgates = &mut dgates[row * GATES * h..(row + 1) * GATES * h];
            let (dinput, rest) = dgates.split_at_mut(h);
            let (dforget, rest) = rest.split_at_mut(h);
            let (dfresh, dshown) = rest.split_at_mut(h);
            let place = row * h..(row + 1) * h;
            let (cells, dstate) = (&cells[place.clone()], &dstate[place.clone()]);
            let dcell = &mut dcell[place.clone()];
            for at in 0..h {
                let bent = tanh(cells[at]);
                dshown[at] = dstate[at] * bent * shown[at] * (1.0 - shown[at]);
                let d = dcell[at] + dstate[at] * shown[at] * (1.0 - bent * bent);
                dinput[at] = d * fresh[at] * input[at] * (1.0 - input[at]);
                dfresh[at] = d * input[at] * (1.0 - fresh[at] * fresh[at]);
                dcell[at] = d * forget[at];
                dforget[at] = d * forget[at] * (1.0 - forget[at]);
            }
            match old {
                None => dforget.fill(0.0),
                Some(old) => {
                    let old = &old[place];
                    for at in 0..h {
                        dforget[at] *= old[at];
                    }
                }
            }
        }
    });
}
