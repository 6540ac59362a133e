//! The network on the rows of a fold.

use std::borrow::Cow;
use std::ops::ControlFlow;

use super::EvaluateError;
use super::channel::Channel;
use super::folds::Part;
use super::ladder::View;
use super::protocol::NetworkCandidate;
use super::samples::Samples;
use crate::boost::recency_weights;
use crate::neural::arrays::Arrays;
use crate::neural::batch::Source;
use crate::neural::sight::Sight;
use crate::neural::train::{Lesson, Trainer, score};

/// What a network of one view sees of the samples.
pub struct Eyes<'a> {
    samples: &'a Samples,
    arrays: &'a Arrays,
    /// With the fold's own suspicion in place of the log's.
    tabular: Cow<'a, [f32]>,
    sight: Sight,
}

impl<'a> Eyes<'a> {
    pub fn new(
        samples: &'a Samples,
        view: &View,
        channel: Option<&Channel>,
    ) -> Result<Eyes<'a>, EvaluateError> {
        let Some(arrays) = &samples.arrays else {
            return Err(EvaluateError::NoNetwork);
        };
        let mut sight = Sight::new(&samples.features, &view.features, view.graph, view.sequence);
        sight.show_labels(view.labels);
        // A fold's own producer fills the features only: what the log holds in the arrays is another's.
        sight.hide_suspicion();
        let mut tabular = Cow::Borrowed(&samples.values[..]);
        if let Some(channel) = channel {
            let width = samples.width();
            for (row, values) in tabular.to_mut().chunks_exact_mut(width).enumerate() {
                for (feature, value) in values.iter_mut().enumerate() {
                    *value = channel.value(row, feature).unwrap_or(*value);
                }
            }
        }
        Ok(Eyes {
            samples,
            arrays,
            tabular,
            sight,
        })
    }

    /// Log-odds of the test rows after each of the candidate's numbers of epochs.
    pub fn scores(
        &self,
        candidate: &NetworkCandidate,
        seed: u64,
        train: &Part,
        test: &Part,
    ) -> Result<Vec<Vec<f64>>, EvaluateError> {
        let weights = candidate.half_life.map(|half_life| {
            let times: Vec<i64> = train
                .rows
                .iter()
                .map(|row| self.samples.seen(*row).time.millis())
                .collect();
            let now = times.iter().max().copied().unwrap_or(0);
            recency_weights(&times, now, half_life.millis() as f64)
        });
        let lesson = Lesson {
            source: Source {
                tabular: &self.tabular,
                width: self.samples.width(),
                arrays: self.arrays,
            },
            rows: &train.rows,
            fraud: &train.fraud,
            weights: weights.as_deref(),
        };
        let event_types = self.samples.schema.event_types.len();
        let mut sums = vec![vec![0.0; test.rows.len()]; candidate.epochs.len()];
        for bag in 0..candidate.bags {
            let config = candidate.config(seed * 1_000 + bag as u64);
            let last = config.epochs;
            let mut trainer = Trainer::new(config, &lesson, &self.sight, event_types);
            for epoch in 1..=last {
                if trainer
                    .epoch(&lesson, |_, _| ControlFlow::Continue(()))
                    .is_break()
                {
                    return Err(EvaluateError::Cancelled);
                }
                let Some(stop) = candidate.epochs.iter().position(|it| *it == epoch) else {
                    continue;
                };
                let scores = score(&trainer.averaged(), lesson.source, &test.rows);
                for (sum, score) in sums[stop].iter_mut().zip(scores) {
                    *sum += score / candidate.bags as f64;
                }
            }
        }
        Ok(sums)
    }
}
