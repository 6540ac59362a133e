//! Honest figures: a protocol fixes what may be known, choices are made on validation folds, the test
//! is read once per rung and that is counted in the report.
//!
//! **Invariant**: nothing here changes a sample; rungs only leave columns out. Truth that was not yet
//! known (final labels) judges scores and never reaches a feature or a training label.

pub mod ladder;
pub mod protocol;

pub mod folds;
pub mod handbook;
pub mod samples;

mod learner;
mod rung;

pub mod bootstrap;
pub mod measure;
pub mod report;

use std::ops::ControlFlow;

use event::Position;
use node::{NodeError, Place};
use thiserror::Error;

use crate::boost::BoostError;
use crate::calibrate::CalibrateError;
use ladder::{Model, Rung};
use protocol::{Fold, Protocol, ProtocolError, Window};
use report::{Report, RungReport};
use rung::Bench;
use samples::Samples;

#[derive(Debug, Error)]
pub enum EvaluateError {
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error(transparent)]
    Boost(#[from] BoostError),
    #[error(transparent)]
    Calibrate(#[from] CalibrateError),
    #[error("no event of the protocol's types lies in its time ranges")]
    Empty,
    #[error(
        "{set}: {part} holds one class only ({frauds} frauds of {rows} rows): widen the time range"
    )]
    OneClass {
        set: &'static str,
        part: String,
        rows: usize,
        frauds: usize,
    },
    #[error("{set}: {part} holds {frauds} frauds, at least {min} are needed: widen the time range")]
    FewFrauds {
        set: &'static str,
        part: String,
        frauds: usize,
        min: usize,
    },
    #[error("the schema has no feature of group {0:?}")]
    NoFeatures(String),
    #[error("cancelled")]
    Cancelled,
}

/// What is happening, for whoever waits.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Replay {
        done: u64,
        of: u64,
    },
    /// A model was fitted and scored.
    Fitted {
        rung: String,
        what: String,
    },
    /// Scores of a test fold, of the protocol's first seed.
    TestScored {
        rung: String,
        scores: Vec<(Position, f64)>,
    },
}

/// How much of the protocol is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Choices only; the test stays unread.
    Validation,
    Test,
}

pub fn evaluate(
    place: &Place,
    protocol: &Protocol,
    rungs: &[Rung],
    extent: Extent,
    mut progress: impl FnMut(Step) -> ControlFlow<()>,
) -> Result<Report, EvaluateError> {
    let windows = windows(protocol, extent);
    let mut samples = Samples::read(place, protocol, &windows)?;
    if rungs
        .iter()
        .any(|rung| matches!(rung.model, Model::Trees(_)))
    {
        samples.replay(place, |done, of| progress(Step::Replay { done, of }))?;
    }
    evaluate_samples(&samples, protocol, rungs, extent, progress)
}

/// The same on samples that are already there.
pub fn evaluate_samples(
    samples: &Samples,
    protocol: &Protocol,
    rungs: &[Rung],
    extent: Extent,
    progress: impl FnMut(Step) -> ControlFlow<()>,
) -> Result<Report, EvaluateError> {
    let mut bench = Bench::new(samples, protocol, extent, progress)?;
    let mut done: Vec<RungReport> = Vec::new();
    let mut before: Option<Vec<f64>> = None;
    for rung in rungs {
        let (report, resampled) = bench.run(rung, before.as_deref())?;
        before = resampled;
        done.push(report);
    }
    Ok(Report::new(protocol, samples, bench.sizes(), done))
}

/// Every range of which samples are needed.
pub fn windows(protocol: &Protocol, extent: Extent) -> Vec<Window> {
    let ends = |fold: &Fold| [fold.train, fold.test];
    let validation = protocol.validation.iter().flat_map(ends);
    match extent {
        Extent::Validation => validation.collect(),
        Extent::Test => validation
            .chain(protocol.test.iter().flat_map(ends))
            .collect(),
    }
}
