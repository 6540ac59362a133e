//! How long does a model last, and what does retraining buy? Simulated worlds in which fraud changes its
//! ways, one replay each; every arm of the study serves the same events and differs only in when its model
//! is trained again. The design is fixed in [`Design`] and told in `docs/decay.md`.
//!
//! **Invariant**: all arms of a world see the same samples and the same alert budget, and no arm but the
//! oracle's sees a label before its record. Truth judges what was caught and reaches no other model.

pub mod material;

pub mod learner;

mod calendar;
mod watch;

pub mod course;

pub mod summary;
mod survival;

pub mod figure;

use std::ops::ControlFlow;

use drift::monitor::MonitorError;
use drift::reference::ReferenceError;
use node::NodeError;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::boost::BoostError;
use calendar::Calendar;
use course::Course;
use learner::Model;
use material::Material;

#[derive(Debug, Error)]
pub enum StudyError {
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error("day {day}: {source}")]
    Boost { day: i32, source: BoostError },
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error(transparent)]
    Monitor(#[from] MonitorError),
    #[error("the world must have {wanted} days, got {got}")]
    TooShort { wanted: u32, got: u32 },
    #[error("cancelled")]
    Cancelled,
}

/// What is fixed before any result is seen. Days count from the day on which the first model begins to
/// serve; those before it are negative.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Design {
    /// Days of the world before the first model serves.
    pub before: u32,
    pub days: u32,
    /// Days that a model is trained on: the latest whose labels have had time to come.
    pub window: u32,
    /// Days that a label is given to come; an event without one is then taken for legitimate.
    pub gap: u32,
    /// Share of a day's events that may be alerted.
    pub budget: f64,
    /// Days before the first that say where the first model starts. It has not been trained on them.
    pub start: u32,
    /// A model has decayed when its recall over [`course::WEEK`] days lies below this share of its start
    /// for `sustained` days in a row.
    pub fall: f64,
    pub sustained: u32,
    pub monthly: u32,
    /// The oracle's: with the truth of every event up to the day before.
    pub oracle_every: u32,
    /// Days after a training in which an alert of drift waits.
    pub cool_down: u32,
    /// Share of the events that are no frauds kept for training and scoring.
    pub kept: f64,
}

impl Design {
    pub fn new(days: u32) -> Design {
        Design {
            before: 90,
            days,
            window: 45,
            gap: 14,
            budget: 0.01,
            start: 14,
            fall: 0.9,
            sustained: 7,
            monthly: 30,
            oracle_every: 7,
            cool_down: 14,
            kept: 0.25,
        }
    }

    /// The length of a world.
    pub fn world_days(&self) -> u32 {
        self.before + self.days
    }

    /// The first day of the world of which samples are wanted.
    pub(crate) fn sampled_from(&self) -> u32 {
        self.before - self.gap - self.window
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arm {
    Never,
    Monthly,
    /// Whenever the watch for drift gives an alert.
    Triggered,
    /// As often as `Triggered` in the same world, on days drawn by chance.
    Random,
    Oracle,
}

impl Arm {
    /// `Random` after `Triggered`, which says how often.
    pub const ALL: [Arm; 5] = [
        Arm::Never,
        Arm::Monthly,
        Arm::Triggered,
        Arm::Random,
        Arm::Oracle,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Arm::Never => "never",
            Arm::Monthly => "monthly",
            Arm::Triggered => "triggered",
            Arm::Random => "random",
            Arm::Oracle => "oracle",
        }
    }
}

/// The model with which every arm of a world begins.
pub fn first(material: &Material, design: &Design) -> Result<Model, StudyError> {
    learner::train(material, design, 0, learner::Known::Recorded)
}

/// One arm in one world, from the [`first`] model on. `triggered` is the number of retrainings of that arm
/// in this world, for [`Arm::Random`]; `seed` draws its days.
pub fn serve(
    material: &Material,
    design: &Design,
    first: &Model,
    (arm, (seed, triggered)): (Arm, (u64, usize)),
    mut progress: impl FnMut(u32) -> ControlFlow<()>,
) -> Result<Course, StudyError> {
    let mut calendar = Calendar::new(design, arm, (seed, triggered));
    let mut course = Course::new(design);
    let mut model = first.clone();
    for day in -(design.start as i32)..design.days as i32 {
        if let Some(why) = calendar.due(day) {
            let known = match arm {
                Arm::Oracle => learner::Known::Truth,
                _ => learner::Known::Recorded,
            };
            model = learner::train(material, design, day, known)?;
            course.retrained(day, why);
        }
        let scored = model.score(material, design, day);
        course.push(day, &scored, material, design);
        calendar.see(day, &scored, &model, (material, design))?;
        if progress(day.max(0) as u32).is_break() {
            return Err(StudyError::Cancelled);
        }
    }
    Ok(course)
}
