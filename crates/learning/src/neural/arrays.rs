//! Samples of many events, each array cut to what is used of it: most accounts have short pasts.

use event::schema::ROLES_MAX;
use graph::Sample;
use graph::sample::{NEIGHBOUR_WIDTH, NEIGHBOURS, NODE_WIDTH, STEP_WIDTH};

use crate::dataset::Digest;

const _: () = assert!(STEP_WIDTH == model::hybrid::shape::STEP_WIDTH);
const _: () = assert!(graph::sample::STEPS == model::hybrid::shape::STEPS);
const _: () = assert!(NEIGHBOURS == model::hybrid::shape::NEIGHBOURS);
const _: () = assert!(NEIGHBOUR_WIDTH == model::hybrid::shape::NEIGHBOUR_WIDTH);
const _: () = assert!(NODE_WIDTH == model::hybrid::shape::NODE_WIDTH);
const _: () = assert!(ROLES_MAX <= model::hybrid::shape::ROLES_MAX);

/// Sequence, neighbourhood and entities of samples; their tabular parts are kept by whoever holds rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrays {
    roles: usize,
    /// Steps of all samples, one after the other; sample `i` has `step_start[i]..step_start[i + 1]`.
    sequence: Vec<f32>,
    step_start: Vec<u32>,
    /// Samples x roles x [`NODE_WIDTH`].
    entities: Vec<f32>,
    /// Neighbours of all samples and roles; role `r` of sample `i` has the range at `i * roles + r`.
    neighbourhood: Vec<f32>,
    neighbour_start: Vec<u32>,
}

impl Arrays {
    pub fn new(roles: usize) -> Arrays {
        Arrays {
            roles,
            sequence: Vec::new(),
            step_start: vec![0],
            entities: Vec::new(),
            neighbourhood: Vec::new(),
            neighbour_start: vec![0],
        }
    }

    pub fn push(&mut self, sample: &Sample) {
        let used = sample.steps * STEP_WIDTH;
        self.sequence.extend_from_slice(&sample.sequence[..used]);
        self.step_start
            .push((self.sequence.len() / STEP_WIDTH) as u32);
        self.entities.extend_from_slice(&sample.entities);
        let blocks = sample
            .neighbourhood
            .chunks_exact(NEIGHBOURS * NEIGHBOUR_WIDTH);
        for (block, used) in blocks.zip(&sample.neighbours) {
            let used = usize::from(*used) * NEIGHBOUR_WIDTH;
            self.neighbourhood.extend_from_slice(&block[..used]);
            self.neighbour_start
                .push((self.neighbourhood.len() / NEIGHBOUR_WIDTH) as u32);
        }
    }

    /// All of it, into a digest.
    pub(crate) fn feed(&self, digest: &mut Digest) {
        for floats in [&self.sequence, &self.entities, &self.neighbourhood] {
            digest.floats(floats);
        }
        for starts in [&self.step_start, &self.neighbour_start] {
            digest.numbers(starts.iter().map(|start| u64::from(*start)));
        }
    }

    pub fn len(&self) -> usize {
        self.step_start.len() - 1
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn roles(&self) -> usize {
        self.roles
    }

    pub fn steps(&self, row: usize) -> usize {
        (self.step_start[row + 1] - self.step_start[row]) as usize
    }

    /// Steps x [`STEP_WIDTH`], oldest first.
    pub fn sequence(&self, row: usize) -> &[f32] {
        let (from, until) = (self.step_start[row], self.step_start[row + 1]);
        &self.sequence[from as usize * STEP_WIDTH..until as usize * STEP_WIDTH]
    }

    pub fn entity(&self, row: usize, role: usize) -> &[f32] {
        &self.entities[(row * self.roles + role) * NODE_WIDTH..][..NODE_WIDTH]
    }

    /// Used neighbours x [`NEIGHBOUR_WIDTH`], newest first.
    pub fn neighbours(&self, row: usize, role: usize) -> &[f32] {
        let at = row * self.roles + role;
        let (from, until) = (self.neighbour_start[at], self.neighbour_start[at + 1]);
        &self.neighbourhood[from as usize * NEIGHBOUR_WIDTH..until as usize * NEIGHBOUR_WIDTH]
    }

    /// One sample as the serving network takes it.
    pub fn restore(&self, row: usize, sample: &mut Sample) {
        sample.steps = self.steps(row);
        sample.sequence.clear();
        sample.sequence.extend_from_slice(self.sequence(row));
        sample
            .sequence
            .resize(graph::sample::STEPS * STEP_WIDTH, 0.0);
        sample.entities.clear();
        sample.neighbourhood.clear();
        for role in 0..self.roles {
            sample.entities.extend_from_slice(self.entity(row, role));
            let used = self.neighbours(row, role);
            sample.neighbours[role] = (used.len() / NEIGHBOUR_WIDTH) as u8;
            sample.neighbourhood.extend_from_slice(used);
            let full = (role + 1) * NEIGHBOURS * NEIGHBOUR_WIDTH;
            sample.neighbourhood.resize(full, 0.0);
        }
    }

    /// Every bit of a sample, for comparisons that must be exact.
    pub fn bits(&self, row: usize) -> Vec<u32> {
        let mut bits: Vec<u32> = Vec::new();
        let mut add = |values: &[f32]| {
            bits.push(values.len() as u32);
            bits.extend(values.iter().map(|it| it.to_bits()));
        };
        add(self.sequence(row));
        for role in 0..self.roles {
            add(self.entity(row, role));
            add(self.neighbours(row, role));
        }
        bits
    }

    /// Bytes held, for whoever bounds memory.
    pub fn bytes(&self) -> usize {
        4 * (self.sequence.len()
            + self.step_start.len()
            + self.entities.len()
            + self.neighbourhood.len()
            + self.neighbour_start.len())
    }

    /// The given samples in the given order.
    pub fn reordered(&self, rows: &[usize]) -> Arrays {
        let mut arrays = Arrays::new(self.roles);
        for row in rows {
            arrays.sequence.extend_from_slice(self.sequence(*row));
            arrays
                .step_start
                .push((arrays.sequence.len() / STEP_WIDTH) as u32);
            for role in 0..self.roles {
                arrays.entities.extend_from_slice(self.entity(*row, role));
                arrays
                    .neighbourhood
                    .extend_from_slice(self.neighbours(*row, role));
                let end = arrays.neighbourhood.len() / NEIGHBOUR_WIDTH;
                arrays.neighbour_start.push(end as u32);
            }
        }
        arrays
    }

    /// For a file: values, and where each sample's begin.
    pub fn parts(&self) -> ([&[f32]; 3], [&[u32]; 2]) {
        (
            [&self.sequence, &self.entities, &self.neighbourhood],
            [&self.step_start, &self.neighbour_start],
        )
    }

    /// `None` unless the parts fit together.
    pub fn of_parts(
        roles: usize,
        rows: usize,
        [sequence, entities, neighbourhood]: [Vec<f32>; 3],
        [step_start, neighbour_start]: [Vec<u32>; 2],
    ) -> Option<Arrays> {
        let rises = |start: &[u32], items: usize, values: usize, width: usize| {
            start.len() == items + 1
                && start[0] == 0
                && start.is_sorted()
                && start[items] as usize * width == values
        };
        let fits = roles <= ROLES_MAX
            && rises(&step_start, rows, sequence.len(), STEP_WIDTH)
            && rises(
                &neighbour_start,
                rows * roles,
                neighbourhood.len(),
                NEIGHBOUR_WIDTH,
            )
            && entities.len() == rows * roles * NODE_WIDTH;
        fits.then_some(Arrays {
            roles,
            sequence,
            step_start,
            entities,
            neighbourhood,
            neighbour_start,
        })
    }
}
