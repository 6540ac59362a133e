//! The rows of one shard, normalised and packed for the layers.

use graph::sample::{EDGE_WIDTH, NEIGHBOUR_WIDTH, NODE_WIDTH, STEP_WIDTH};
use model::hybrid::shape::STEP_EVENT_TYPE;

use super::arrays::Arrays;
use super::scale::{Affine, Scale};

/// Rows per shard: small enough for its activations to stay in the cache.
pub const SHARD: usize = 128;

/// Where samples are read from.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// Row-major, `width` columns.
    pub tabular: &'a [f32],
    pub width: usize,
    pub arrays: &'a Arrays,
}

impl Source<'_> {
    pub fn row(&self, row: usize) -> &[f32] {
        &self.tabular[row * self.width..(row + 1) * self.width]
    }
}

/// Rows stand by falling number of steps, so that those which still run at a step are the first ones.
#[derive(Debug, Default)]
pub struct Batch {
    pub rows: Vec<usize>,
    /// Rows x features, as sampled.
    pub tabular: Vec<f32>,
    /// Rows with more than `t` steps, for each `t`; and where the steps of `t` begin when packed.
    pub running: Vec<usize>,
    pub step_start: Vec<usize>,
    /// Packed steps x [`STEP_WIDTH`]: all first steps, then all second ones.
    pub sequence: Vec<f32>,
    pub event_type: Vec<u8>,
    pub lengths: Vec<usize>,
    pub roles: Vec<Role>,
}

/// The entities in one role.
#[derive(Debug, Default)]
pub struct Role {
    /// Rows x [`NODE_WIDTH`].
    pub entity: Vec<f32>,
    /// Neighbours of all rows x [`NEIGHBOUR_WIDTH`].
    pub neighbours: Vec<f32>,
    /// Row `i` has the neighbours `start[i]..start[i + 1]`.
    pub start: Vec<usize>,
}

impl Batch {
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Packed index of a row's step.
    pub fn packed(&self, row: usize, step: usize) -> usize {
        self.step_start[step] + row
    }

    pub fn fill(&mut self, source: Source<'_>, scale: &Scale, event_types: usize, rows: &[usize]) {
        self.rows.clear();
        self.rows.extend_from_slice(rows);
        self.rows
            .sort_by_key(|row| std::cmp::Reverse(source.arrays.steps(*row)));
        self.tabular.clear();
        for row in &self.rows {
            self.tabular.extend_from_slice(source.row(*row));
        }
        self.fill_sequence(source.arrays, scale, event_types);
        self.roles.resize_with(source.arrays.roles(), Role::default);
        for (role, part) in self.roles.iter_mut().enumerate() {
            part.fill(&self.rows, source.arrays, scale, role);
        }
    }

    fn fill_sequence(&mut self, arrays: &Arrays, scale: &Scale, event_types: usize) {
        self.lengths.clear();
        self.lengths
            .extend(self.rows.iter().map(|row| arrays.steps(*row)));
        let longest = self.lengths.first().copied().unwrap_or(0);
        self.running.clear();
        self.step_start.clear();
        self.sequence.clear();
        self.event_type.clear();
        let mut start = 0;
        for step in 0..longest {
            let running = self.lengths.partition_point(|length| *length > step);
            self.running.push(running);
            self.step_start.push(start);
            start += running;
            for row in &self.rows[..running] {
                let values = &arrays.sequence(*row)[step * STEP_WIDTH..(step + 1) * STEP_WIDTH];
                normalise(values, &scale.step, &mut self.sequence);
                let event_type = (values[STEP_EVENT_TYPE] as usize).min(event_types - 1);
                self.event_type.push(event_type as u8);
            }
        }
    }
}

impl Role {
    fn fill(&mut self, rows: &[usize], arrays: &Arrays, scale: &Scale, role: usize) {
        self.entity.clear();
        self.neighbours.clear();
        self.start.clear();
        self.start.push(0);
        for row in rows {
            let own: &[Affine; NODE_WIDTH] = &scale.entity[role];
            normalise(arrays.entity(*row, role), own, &mut self.entity);
            let affine = &scale.neighbour[role];
            for neighbour in arrays.neighbours(*row, role).chunks_exact(NEIGHBOUR_WIDTH) {
                normalise(neighbour, affine, &mut self.neighbours);
            }
            self.start.push(self.neighbours.len() / NEIGHBOUR_WIDTH);
        }
    }
}

const _: () = assert!(EDGE_WIDTH + NODE_WIDTH == NEIGHBOUR_WIDTH);

fn normalise(values: &[f32], affine: &[Affine], out: &mut Vec<f32>) {
    out.extend(
        values
            .iter()
            .zip(affine)
            .map(|(value, it)| it.apply(*value)),
    );
}
