//! Is a simulated world fair? Its stream, imported like any other, is held against its oracle: no artefact
//! may tell fraud, no single column may, and there must be something to learn from the transaction, from
//! the account's history and from the graph.
//!
//! **Invariant**: nothing here feeds a model that is kept, and the learner's settings never change.

mod report;

mod artefacts;
mod columns;
mod ladder;
mod resample;
mod spread;
mod structures;

mod fixed;
mod form;
mod tape;

pub use artefacts::{Artefacts, artefacts};
pub use columns::Column;
pub use ladder::{Ladder, Rung};
pub use report::{Check, Report};
pub use spread::Spread;
pub use structures::Likeness;
pub use tape::{Row, Tape, Truth};

use std::ops::ControlFlow;

use node::{History, NodeError, Place};
use thiserror::Error;

use crate::boost::BoostError;
use crate::oracle::Oracle;

#[derive(Debug, Error)]
pub enum AuditError {
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error(transparent)]
    Boost(#[from] BoostError),
    #[error("the stream holds no fraud that the oracle knows")]
    NoFraud,
    #[error("cancelled")]
    Cancelled,
}

/// What the parameters of the world promise.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    pub seed: u64,
    pub prevalence: f64,
    pub recurrent_mules: f64,
    /// A typology and the time (ms) before which it must not occur.
    pub held_out: Option<(String, i64)>,
}

/// How the span is cut: a first part that only warms the graph up, training, test.
#[derive(Clone, Debug, PartialEq)]
pub struct Periods {
    train_from: i64,
    test_from: i64,
    /// By structure: its first event lies in the test period.
    starts_in_test: Vec<bool>,
}

/// Shares of the span at which training and test begin.
const TRAIN_FROM: f64 = 0.2;
const TEST_FROM: f64 = 0.6;

impl Periods {
    fn new(tape: &Tape, oracle: &Oracle) -> Periods {
        let first = tape.rows.first().map_or(0, |row| row.time);
        let span = tape.rows.last().map_or(0, |row| row.time) - first;
        let at = |share: f64| first + (span as f64 * share) as i64;
        let mut periods = Periods {
            train_from: at(TRAIN_FROM),
            test_from: at(TEST_FROM),
            starts_in_test: vec![true; oracle.structures.len()],
        };
        for row in &tape.rows {
            if let (Some(ring), true) = (row.ring(), row.time < periods.test_from) {
                periods.starts_in_test[ring as usize] = false;
            }
        }
        periods
    }

    fn is_test_ring(&self, ring: u32) -> bool {
        self.starts_in_test[ring as usize]
    }

    /// `Some(true)` in the test, `Some(false)` in training. What a ring of the training does later is in
    /// neither: a test ring shares nothing with training.
    fn part_of(&self, row: &Row) -> Option<bool> {
        let is_test = row.time >= self.test_from;
        let straddles = row
            .ring()
            .is_some_and(|ring| is_test && !self.is_test_ring(ring));
        (row.time >= self.train_from && !straddles).then_some(is_test)
    }
}

/// What is being done, for whoever waits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    Read,
    Replay { done: u64, of: u64 },
}

/// Audits an imported world.
pub fn audit(
    place: &Place,
    oracle: &Oracle,
    facts: &Facts,
    with_ladder: bool,
    mut progress: impl FnMut(Step) -> ControlFlow<()>,
) -> Result<Report, AuditError> {
    let history = History::open(place)?;
    if progress(Step::Read).is_break() {
        return Err(AuditError::Cancelled);
    }
    let tape = Tape::read(&history, oracle)?;
    if !tape.rows.iter().any(Row::is_fraud) {
        return Err(AuditError::NoFraud);
    }
    let periods = Periods::new(&tape, oracle);
    let typologies: Vec<String> = oracle
        .structures
        .iter()
        .map(|it| it.typology.clone())
        .collect();
    let ladder = if with_ladder {
        let step = |done, of| progress(Step::Replay { done, of });
        Some(ladder::ladder(
            &history,
            &tape,
            &periods,
            &typologies,
            step,
        )?)
    } else {
        None
    };
    Ok(Report {
        facts: facts.clone(),
        spread: spread::spread(&tape, oracle, &periods, facts),
        artefacts: artefacts(&tape)?,
        columns: columns::columns(&tape)?,
        structures: structures::likenesses(&tape, oracle),
        ladder,
    })
}
