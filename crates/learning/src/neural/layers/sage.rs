//! GraphSAGE with projected messages, mean and maximum side by side (Hamilton et al. 2017, arXiv 1706.02216).
//!
//! `message = relu(neighbour P + p)`, `entity = relu(own S + mean M + max X + b)`, for each role.

use graph::sample::NODE_WIDTH;

use super::super::batch::Role;
use super::super::matrix::{add_product, vectorized};
use super::dense::{affine, affine_back, input_back, relu, relu_back};

pub struct Part<'a> {
    pub message: &'a [f32],
    pub message_bias: &'a [f32],
    pub mean: &'a [f32],
    pub max: &'a [f32],
    pub own: &'a [f32],
    pub bias: &'a [f32],
}

pub struct PartMut<'a> {
    pub message: &'a mut [f32],
    pub message_bias: &'a mut [f32],
    pub mean: &'a mut [f32],
    pub max: &'a mut [f32],
    pub own: &'a mut [f32],
    pub bias: &'a mut [f32],
}

/// What the forward pass leaves for the backward pass.
#[derive(Debug, Default)]
pub struct Tape {
    messages: Vec<f32>,
    mean: Vec<f32>,
    max: Vec<f32>,
    /// Which neighbour a maximum came from.
    from: Vec<u32>,
    /// Rows x hidden.
    pub entities: Vec<f32>,
    dmean: Vec<f32>,
    dmax: Vec<f32>,
    dmessages: Vec<f32>,
}

const NOBODY: u32 = u32::MAX;

pub fn forward(tape: &mut Tape, role: &Role, part: &Part<'_>) {
    let h = part.bias.len();
    let rows = role.start.len() - 1;
    affine(
        &mut tape.messages,
        &role.neighbours,
        part.message,
        part.message_bias,
    );
    relu(&mut tape.messages);
    pool(tape, role, h, rows);
    affine(&mut tape.entities, &role.entity, part.own, part.bias);
    add_product(&mut tape.entities, &tape.mean, part.mean, h, h);
    add_product(&mut tape.entities, &tape.max, part.max, h, h);
    relu(&mut tape.entities);
}

/// Mean and maximum over each row's messages; both 0 where there are none.
fn pool(tape: &mut Tape, role: &Role, h: usize, rows: usize) {
    let Tape {
        messages,
        mean,
        max,
        from,
        ..
    } = tape;
    for values in [&mut *mean, &mut *max] {
        values.clear();
        values.resize(rows * h, 0.0);
    }
    from.clear();
    from.resize(rows * h, NOBODY);
    vectorized(|| {
        for (row, ends) in role.start.windows(2).enumerate() {
            let share = 1.0 / (ends[1] - ends[0]).max(1) as f32;
            let place = row * h..(row + 1) * h;
            let mean = &mut mean[place.clone()];
            let max = &mut max[place.clone()];
            let from = &mut from[place];
            for at in ends[0]..ends[1] {
                let message = &messages[at * h..(at + 1) * h];
                for column in 0..h {
                    let value = message[column];
                    mean[column] += share * value;
                    let larger = value > max[column];
                    max[column] = if larger { value } else { max[column] };
                    from[column] = if larger { at as u32 } else { from[column] };
                }
            }
        }
    });
}

/// From the gradient of the entities, which is overwritten.
pub fn backward(
    tape: &mut Tape,
    role: &Role,
    part: &Part<'_>,
    gradient: &mut PartMut<'_>,
    dentities: &mut [f32],
) {
    let h = part.bias.len();
    let rows = role.start.len() - 1;
    relu_back(dentities, &tape.entities);
    debug_assert_eq!(gradient.own.len(), NODE_WIDTH * h);
    affine_back(gradient.own, gradient.bias, &role.entity, dentities);
    super::super::matrix::add_outer(gradient.mean, &tape.mean, dentities, h, h);
    super::super::matrix::add_outer(gradient.max, &tape.max, dentities, h, h);
    for values in [&mut tape.dmean, &mut tape.dmax] {
        values.clear();
        values.resize(rows * h, 0.0);
    }
    input_back(&mut tape.dmean, dentities, part.mean, h);
    input_back(&mut tape.dmax, dentities, part.max, h);
    tape.dmessages.clear();
    tape.dmessages.resize(tape.messages.len(), 0.0);
    for (row, ends) in role.start.windows(2).enumerate() {
        let share = 1.0 / (ends[1] - ends[0]).max(1) as f32;
        let place = row * h..(row + 1) * h;
        let dmean = &tape.dmean[place.clone()];
        for at in ends[0]..ends[1] {
            let messages = &mut tape.dmessages[at * h..(at + 1) * h];
            messages
                .iter_mut()
                .zip(dmean)
                .for_each(|(sum, it)| *sum += share * it);
        }
        let sources = tape.from[place.clone()].iter().zip(&tape.dmax[place]);
        for (column, (from, dmax)) in sources.enumerate() {
            if *from != NOBODY {
                tape.dmessages[*from as usize * h + column] += dmax;
            }
        }
    }
    relu_back(&mut tape.dmessages, &tape.messages);
    affine_back(
        gradient.message,
        gradient.message_bias,
        &role.neighbours,
        &tape.dmessages,
    );
}
