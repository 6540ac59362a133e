//! The study's learner: boosted trees under settings that never change, so that arms differ in what they
//! were shown alone.

use std::ops::ControlFlow;

use model::fast::{FastTrees, Scratch};
use rayon::prelude::*;

use super::material::Material;
use super::{Design, StudyError};
use crate::boost::{self, BoostConfig, Dataset, Layout, Matrix};

/// Legitimate rows learnt from at most: more cost time and change little.
const OTHERS_MAX: usize = 25_000;

/// By what a row is taken for fraud in training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Labels recorded by the day of training, of events that have had the gap's time.
    Recorded,
    /// What is true, of every event before the day.
    Truth,
}

#[derive(Clone, Debug)]
pub struct Model {
    trees: FastTrees,
    /// Days of the world that it was trained on.
    pub trained_on: std::ops::Range<u32>,
}

/// A day's rows with their log-odds.
pub struct Scored {
    pub rows: std::ops::Range<usize>,
    pub raw: Vec<f64>,
}

fn settings() -> BoostConfig {
    BoostConfig {
        rounds: 80,
        num_leaves: 15,
        learning_rate: 0.12,
        feature_fraction: 0.3,
        min_data_in_leaf: 20,
        max_bin: 127,
        seed: 1,
        min_positives: 20,
        ..BoostConfig::default()
    }
}

/// The model that is trained on the morning of `day`.
pub fn train(
    material: &Material,
    design: &Design,
    day: i32,
    known: Known,
) -> Result<Model, StudyError> {
    let today = design.before.saturating_add_signed(day);
    let until = match known {
        Known::Recorded => today - design.gap,
        Known::Truth => today,
    };
    let trained_on = until - design.window..until;
    let lesson = Lesson::new(material, trained_on.clone(), |row| match known {
        Known::Recorded => material.told_fraud(row, material.midnight(today)),
        Known::Truth => material.rows[row].fraud,
    });
    let failed = |source| StudyError::Boost { day, source };
    let set = Dataset {
        features: Matrix::new(
            &lesson.values,
            lesson.labels.len(),
            material.width,
            Layout::RowMajor,
        )
        .map_err(failed)?,
        labels: &lesson.labels,
        weights: None,
    };
    let trained = boost::train(&settings(), &set, None, |_| ControlFlow::Continue(()));
    Ok(Model {
        trees: FastTrees::new(&trained.map_err(failed)?.trees),
        trained_on,
    })
}

struct Lesson {
    values: Vec<f32>,
    labels: Vec<bool>,
}

impl Lesson {
    /// All that is taken for fraud, and evenly many of the drawn others.
    fn new(
        material: &Material,
        days: std::ops::Range<u32>,
        is_fraud: impl Fn(usize) -> bool,
    ) -> Lesson {
        let rows = material.of_days(days.start, days.end);
        let is_other = |row: usize| material.rows[row].drawn;
        let others = rows.clone().filter(|row| is_other(*row)).count();
        let every = others.div_ceil(OTHERS_MAX).max(1);
        let mut lesson = Lesson {
            values: Vec::new(),
            labels: Vec::new(),
        };
        let mut met = 0;
        for row in rows {
            let fraud = is_fraud(row);
            met += usize::from(!fraud && is_other(row));
            if fraud || is_other(row) && met.is_multiple_of(every) {
                lesson.values.extend_from_slice(material.sample(row));
                lesson.labels.push(fraud);
            }
        }
        lesson
    }
}

impl Model {
    pub fn score(&self, material: &Material, design: &Design, day: i32) -> Scored {
        let today = design.before.saturating_add_signed(day);
        let rows = material.of_days(today, today + 1);
        let score = |scratch: &mut Scratch, row: usize| {
            self.trees.predict_raw(material.sample(row), scratch)
        };
        Scored {
            raw: rows
                .clone()
                .into_par_iter()
                .map_init(Scratch::default, score)
                .collect(),
            rows,
        }
    }
}
