//! Epochs until the AP of later rows has stopped rising, with a checkpoint after each.

use std::ops::ControlFlow;
use std::path::Path;

use thiserror::Error;

use super::checkpoint::{Best, Checkpoint, CheckpointError};
use super::config::{NeuralConfig, NeuralConfigError};
use super::network::Network;
use super::sight::Sight;
use super::train::{Lesson, Trainer, score};
use crate::boost::average_precision;

/// Later rows that decide when to stop.
#[derive(Clone, Copy)]
pub struct Exam<'a> {
    pub rows: &'a [usize],
    pub fraud: &'a [bool],
    /// Of the rows; a kept legitimate event stands for several.
    pub weights: &'a [f32],
}

/// Where a training stands, for whoever waits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Progress {
    /// Rows of the running epoch, from 1.
    Rows {
        epoch: usize,
        done: usize,
        of: usize,
    },
    /// An epoch is done and was examined.
    Epoch {
        epoch: usize,
        loss: f64,
        ap: f64,
        best: f64,
    },
    /// A training that was killed goes on after this epoch.
    Resumed { epoch: usize },
}

#[derive(Debug, Error)]
pub enum NeuralError {
    #[error(transparent)]
    Config(#[from] NeuralConfigError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error("training of the network was cancelled in epoch {epoch}; its checkpoint stays")]
    Cancelled { epoch: usize },
    #[error(
        "the network's loss is no number in epoch {epoch}: lower the learning rate, or look for extreme values"
    )]
    Diverged { epoch: usize },
}

/// A network at its best epoch.
pub struct Trained {
    pub network: Network,
    pub epoch: usize,
    pub ap: f64,
}

/// Epochs without a better AP after which training ends.
const PATIENCE: usize = 4;

/// A training's files and names; without a path nothing is kept.
#[derive(Clone, Copy)]
pub struct Keep<'a> {
    pub path: Option<&'a Path>,
    /// Digest of what is learnt from.
    pub lesson: &'a str,
}

pub fn train(
    config: &NeuralConfig,
    lesson: &Lesson<'_>,
    exam: &Exam<'_>,
    (sight, event_types): (&Sight, usize),
    keep: Keep<'_>,
    mut progress: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<Trained, NeuralError> {
    config.check()?;
    let held = match keep.path {
        Some(path) => Checkpoint::load(path, keep.lesson, config)?,
        None => None,
    };
    let mut at = match held {
        Some(held) => {
            let epoch = held.trainer.epoch;
            if progress(Progress::Resumed { epoch }).is_break() {
                return Err(NeuralError::Cancelled { epoch });
            }
            held
        }
        None => {
            let trainer = Trainer::new(config.clone(), lesson, sight, event_types);
            Checkpoint {
                lesson: keep.lesson.to_owned(),
                best: Best {
                    epoch: 0,
                    ap: -1.0,
                    weights: trainer.average.clone(),
                },
                trainer,
            }
        }
    };
    at.trainer.config.epochs = config.epochs;
    while at.trainer.epoch < config.epochs && at.trainer.epoch < at.best.epoch + PATIENCE {
        let number = at.trainer.epoch + 1;
        let rows = |done, of| {
            progress(Progress::Rows {
                epoch: number,
                done,
                of,
            })
        };
        let ControlFlow::Continue(epoch) = at.trainer.epoch(lesson, rows) else {
            return Err(NeuralError::Cancelled { epoch: number });
        };
        if !epoch.loss.is_finite() {
            return Err(NeuralError::Diverged { epoch: number });
        }
        let scores = score(&at.trainer.averaged(), lesson.source, exam.rows);
        let ap = average_precision(&scores, exam.fraud, Some(&weights(exam)));
        if ap > at.best.ap {
            at.best = Best {
                epoch: number,
                ap,
                weights: at.trainer.average.clone(),
            };
        }
        if let Some(path) = keep.path {
            at.save(path)?;
        }
        let done = Progress::Epoch {
            epoch: number,
            loss: epoch.loss,
            ap,
            best: at.best.ap,
        };
        if progress(done).is_break() {
            return Err(NeuralError::Cancelled { epoch: number });
        }
    }
    Ok(Trained {
        network: Network {
            weights: at.best.weights,
            ..at.trainer.network
        },
        epoch: at.best.epoch,
        ap: at.best.ap,
    })
}

fn weights(exam: &Exam<'_>) -> Vec<f64> {
    exam.weights.iter().map(|it| f64::from(*it)).collect()
}
