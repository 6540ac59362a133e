//! Honest figures: a protocol fixes what may be known, choices are made on validation folds, the test
//! is read once per rung and that is counted in the report.
//!
//! **Invariant**: nothing here changes a sample; rungs only leave columns out. Truth that was not yet
//! known (final labels) judges scores and never reaches a feature or a training label.

pub mod ladder;
pub mod protocol;

pub mod source;

pub mod folds;
pub mod groups;
pub mod handbook;
pub mod samples;

pub mod channel;

mod learner;
mod network;

mod contender;

mod choice;
mod rung;

pub mod bootstrap;
pub mod curves;
pub mod duel;
pub mod measure;
pub mod report;

pub mod html;

pub mod audit;

use std::ops::ControlFlow;

use event::Position;
use node::{NodeError, Place};
use thiserror::Error;

use crate::boost::BoostError;
use crate::calibrate::CalibrateError;
use crate::producer::ProducerError;
use contender::Ground;
use duel::Duel;
use graph::sample::SampleParts;
use groups::Groups;
use ladder::Rung;
use protocol::{Fold, Protocol, ProtocolError, Window};
use report::{Report, RungReport};
use rung::{Bench, Divisions, Read};
use samples::Samples;
use source::Source;

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
    #[error(transparent)]
    Producer(#[from] ProducerError),
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
    #[error(
        "isotonic calibration needs at least {min} frauds in the validation folds, got {frauds}: use platt or beta, or widen the folds"
    )]
    FewToCalibrate { frauds: usize, min: usize },
    #[error(
        "none of the {groups} groups has an event of this tenant: the first column must hold its event ids"
    )]
    NoGroup { groups: usize },
    #[error("the schema has no feature of group {0:?}")]
    NoFeatures(String),
    #[error("the samples hold no sequences and neighbourhoods, which a network needs")]
    NoNetwork,
    #[error("cancelled")]
    Cancelled,
}

impl EvaluateError {
    /// The history holds fewer frauds than a model, or the calibration of its producer, needs.
    fn is_few_frauds(&self) -> bool {
        matches!(
            self,
            EvaluateError::FewFrauds { .. }
                | EvaluateError::OneClass { .. }
                | EvaluateError::Boost(BoostError::FewPositives { .. })
                | EvaluateError::Producer(
                    ProducerError::Boost(BoostError::FewPositives { .. })
                        | ProducerError::Calibrate(CalibrateError::Few { .. })
                )
        )
    }
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
    progress: impl FnMut(Step) -> ControlFlow<()>,
) -> Result<Report, EvaluateError> {
    evaluate_grouped(place, protocol, rungs, extent, &Groups::default(), progress)
}

/// The same with intervals over rings where the groups know them.
pub fn evaluate_grouped(
    place: &Place,
    protocol: &Protocol,
    rungs: &[Rung],
    extent: Extent,
    groups: &Groups,
    mut progress: impl FnMut(Step) -> ControlFlow<()>,
) -> Result<Report, EvaluateError> {
    let windows = windows(protocol, extent);
    let source = Source::open(place)?;
    let mut samples = Samples::read(&source, protocol, &windows)?;
    if !groups.is_empty() && !groups.tie(&mut samples, &source)? {
        return Err(EvaluateError::NoGroup {
            groups: groups.len(),
        });
    }
    // What cannot be measured is refused before the replay.
    rung::check(&samples, protocol, extent)?;
    if rungs.iter().any(|rung| rung.model.groups().is_some()) {
        let parts = match rungs.iter().any(|rung| rung.model.has_arrays()) {
            true => SampleParts::Full,
            false => SampleParts::Tabular,
        };
        samples.replay(&source, parts, |done, of| {
            progress(Step::Replay { done, of })
        })?;
    }
    channel::fill(
        &mut samples,
        &source,
        protocol,
        rungs,
        extent,
        &mut progress,
    )?;
    let mut report = evaluate_samples(&samples, protocol, rungs, extent, progress)?;
    let drawn = match groups.len() {
        0 => "subjects".to_owned(),
        count => format!("{count} given groups, and subjects outside them"),
    };
    report
        .setting
        .push(("intervals resample".to_owned(), drawn));
    Ok(report)
}

/// The same on samples that are already there.
pub fn evaluate_samples(
    samples: &Samples,
    protocol: &Protocol,
    rungs: &[Rung],
    extent: Extent,
    progress: impl FnMut(Step) -> ControlFlow<()>,
) -> Result<Report, EvaluateError> {
    let divisions = Divisions::new(samples, protocol, extent)?;
    let needs_handbook = rungs.iter().any(|rung| rung.model.groups().is_none());
    let handbook = match needs_handbook {
        true => handbook::features(samples),
        false => Vec::new(),
    };
    let ground = Ground {
        samples,
        protocol,
        handbook: &handbook,
    };
    let mut bench = Bench::new(ground, &divisions, progress);
    let mut done: Vec<RungReport> = Vec::new();
    let mut reads: Vec<Option<Read>> = Vec::new();
    let mut duels = Vec::new();
    for rung in rungs {
        let named = |name: &str| {
            let at = done.iter().position(|it| it.name == name)?;
            reads[at].as_ref()
        };
        let before = match &rung.beside {
            Some(name) => named(name),
            None => reads.last().and_then(|it| it.as_ref()),
        };
        let before = before.map(|it| it.resampled.as_slice());
        let (report, read) = bench.run(rung, before)?;
        if let (Some(beside), Some(read)) = (&rung.beside, &read) {
            let rivals = [beside.as_str(), ladder::OWN_HISTORY];
            let rivals = rivals
                .into_iter()
                .filter_map(|name| Some((name, named(name)?)));
            duels.extend(
                rivals.filter_map(|(name, rival)| {
                    Duel::new(&read.side(&rung.name), &rival.side(name))
                }),
            );
        }
        reads.push(read);
        done.push(report);
    }
    let sizes = divisions.sizes();
    Ok(Report::new(protocol, samples, sizes, done, duels))
}

/// Every range of which samples are needed.
pub fn windows(protocol: &Protocol, extent: Extent) -> Vec<Window> {
    let ends = |fold: &Fold| {
        let staged = fold.staged.map(|it| [it.producer, it.consumer]);
        [fold.train, fold.test]
            .into_iter()
            .chain(staged.into_iter().flatten())
    };
    let validation = protocol.validation.iter().flat_map(ends);
    match extent {
        Extent::Validation => validation.collect(),
        Extent::Test => validation
            .chain(protocol.test.iter().flat_map(ends))
            .collect(),
    }
}
