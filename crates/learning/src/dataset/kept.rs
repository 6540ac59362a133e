//! Samples of events, whatever becomes known of them later.

use std::collections::HashMap;

use event::{EventTime, Position, Schema};
use graph::Sample;

use super::{DatasetError, Rows, Wanted, keeps};
use crate::neural::arrays::Arrays;

/// An event in the log.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Who {
    pub position: Position,
    pub time: EventTime,
    /// Decides whether it is drawn.
    pub key: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    pub width: usize,
    pub who: Vec<Who>,
    pub values: Vec<f32>,
    pub arrays: Option<Arrays>,
    /// Share of the events not known as fraud that were kept.
    pub rate: f64,
}

impl Kept {
    /// With the number of roles where arrays are wanted.
    pub fn new(width: usize, roles: Option<usize>, rate: f64) -> Kept {
        Kept {
            width,
            who: Vec::new(),
            values: Vec::new(),
            arrays: roles.map(Arrays::new),
            rate,
        }
    }

    pub fn push(&mut self, who: Who, sample: &Sample) {
        self.who.push(who);
        self.values.extend_from_slice(&sample.tabular);
        if let Some(arrays) = &mut self.arrays {
            arrays.push(sample);
        }
    }

    /// Place of each event.
    pub fn places(&self) -> HashMap<Position, usize> {
        let places = self.who.iter().enumerate();
        places.map(|(row, who)| (who.position, row)).collect()
    }

    /// Rows of the events of which something is known, in order of time: late events stand behind later ones
    /// in the log, and who splits rows by time needs them in its order.
    pub fn settle(
        self,
        wanted: &Wanted<'_>,
        schema: &Schema,
        rate: f64,
        unknown: u64,
    ) -> Result<Rows, DatasetError> {
        let rate = rate.min(self.rate);
        let mut order: Vec<(usize, bool)> = Vec::with_capacity(self.who.len());
        for (row, who) in self.who.iter().enumerate() {
            let known = wanted.range.known_until;
            match wanted.labels.truth(who.position, who.time, known, schema) {
                Some(true) => order.push((row, true)),
                Some(false) if keeps(who.key, rate) => order.push((row, false)),
                Some(false) | None => {}
            }
        }
        if order.is_empty() {
            return Err(DatasetError::Empty);
        }
        order.sort_by_key(|(row, _)| (self.who[*row].time, self.who[*row].position));
        let as_is = order.len() == self.who.len()
            && order.iter().enumerate().all(|(at, (row, _))| at == *row);
        let rows: Vec<usize> = order.iter().map(|(row, _)| *row).collect();
        let weight = |row: &usize| wanted.labels.weight(self.who[*row].position);
        let weights: Vec<f32> = rows.iter().map(weight).collect();
        let of = |row: &usize| &self.values[row * self.width..(row + 1) * self.width];
        Ok(Rows {
            width: self.width,
            times: rows.iter().map(|row| self.who[*row].time).collect(),
            positions: rows.iter().map(|row| self.who[*row].position).collect(),
            fraud: order.iter().map(|(_, fraud)| *fraud).collect(),
            weights: weights.iter().any(|it| *it != 1.0).then_some(weights),
            negative_rate: rate,
            unknown,
            arrays: match self.arrays {
                Some(arrays) if !as_is => Some(arrays.reordered(&rows)),
                arrays => arrays,
            },
            values: match as_is {
                false => rows.iter().flat_map(of).copied().collect(),
                true => self.values,
            },
        })
    }
}
