//! A model enters service while its tenant decides. It is read, checked and, where its producer is not the one
//! that speaks, given a channel made from history, all beside the tenant; the owner thread only switches.

use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use event::Position;

use super::TenantHandle;
use crate::NodeError;
use crate::channel::Rebuild;
use crate::mailbox::Level;
use crate::models::{self, Fitting};
use crate::owner::Shape;
use crate::request::{Answer, Failed, NotServing, Request};
use crate::tenant::activation::{LEFT_MAX, ReadyModel, Serving};
use crate::tenant::documents::Author;

/// Where the activation that was asked for last stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activation {
    pub artifact: [u8; 32],
    pub state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// What its producer says of all history is being made.
    Rebuilding { done: u64, total: u64 },
    Serving {
        position: Position,
        policy_version: u32,
        /// From the call, or from the end of the channel's making, to the first decision that could be this model's.
        took: Duration,
        /// How long no decision was taken for it.
        pause: Duration,
    },
    /// Nothing was changed.
    Failed { code: &'static str, reason: String },
}

impl State {
    fn of(failed: &Failed) -> State {
        State::Failed {
            code: failed.code(),
            reason: failed.to_string(),
        }
    }
}

/// Why an activation did not begin.
#[derive(Debug)]
pub enum Refused {
    UnknownModel([u8; 32]),
    /// Another one is under way.
    Running,
    Failed(Failed),
}

/// How long the job that rebuilds a channel waits for one answer of the owner.
const PATIENCE: Duration = Duration::from_secs(60);
pub(super) const OTHER: &str = "the owner gave the answer to another request";
/// What a question of the job weighs in the queue.
const LETTER_BYTES: usize = 256;

impl From<Failed> for Refused {
    fn from(failed: Failed) -> Refused {
        Refused::Failed(failed)
    }
}

impl TenantHandle {
    /// `None`: nothing was asked for since the start.
    pub fn activation(&self) -> Option<Activation> {
        let held = self.activation.lock();
        held.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, artifact: [u8; 32], state: State) {
        let held = self.activation.lock();
        *held.unwrap_or_else(PoisonError::into_inner) = Some(Activation { artifact, state });
    }

    /// Puts a model of the tenant's folder into service, or begins to: then [`TenantHandle::activation`] tells
    /// how far it is. Blocks while the file is read.
    pub fn activate(
        self: &Arc<Self>,
        artifact: [u8; 32],
        author: Author,
        deadline: Instant,
    ) -> Result<State, Refused> {
        let _alone = self.alone()?;
        self.activate_alone(artifact, author, deadline)
    }

    /// Whoever calls keeps others away.
    pub(super) fn activate_alone(
        self: &Arc<Self>,
        artifact: [u8; 32],
        author: Author,
        deadline: Instant,
    ) -> Result<State, Refused> {
        let called = Instant::now();
        if let Some(held) = self.activation()
            && matches!(held.state, State::Rebuilding { .. })
        {
            let same = held.artifact == artifact;
            return same.then_some(held.state).ok_or(Refused::Running);
        }
        let ready = self.fitting(artifact)?.ready(author);
        let serving = self.serving(deadline)?;
        let schema = &self.opened_shape()?.schema;
        let voice = ready.champion.voice();
        let rebuild = voice
            .filter(|voice| serving.lacks(voice.producer))
            .map(|voice| Rebuild::new(schema, voice.clone()));
        let Some(rebuild) = rebuild else {
            let state = self.hand_over(ready, called, deadline)?;
            if let State::Serving { took, .. } = &state {
                let took = took.as_micros() as u64;
                self.shared.counters.swap_us_max.raise_to(took);
            }
            self.note(artifact, state.clone());
            return Ok(state);
        };
        if serving.first.0 > 0 {
            let first = serving.first;
            let removed = NodeError::HistoryRemoved { first };
            return Err(Failed::Refused(removed).into());
        }
        let state = State::Rebuilding {
            done: 0,
            total: serving.next.0,
        };
        self.note(artifact, state.clone());
        let tenant = self.clone();
        let started = thread::Builder::new()
            .name("ringfence-channel".to_owned())
            .spawn(move || tenant.rebuild(ready, rebuild, serving));
        if started.is_err() {
            let failed = Failed::Internal("cannot start a thread");
            self.note(artifact, State::of(&failed));
            return Err(failed.into());
        }
        Ok(state)
    }

    /// The job beside the tenant, to its end.
    fn rebuild(&self, ready: ReadyModel, rebuild: Rebuild, serving: Serving) {
        let artifact = ready.champion.artifact();
        let done = self.rebuild_and_switch(ready, rebuild, serving);
        self.note(artifact, done.unwrap_or_else(|failed| State::of(&failed)));
    }

    fn rebuild_and_switch(
        &self,
        mut ready: ReadyModel,
        mut rebuild: Rebuild,
        mut serving: Serving,
    ) -> Result<State, Failed> {
        let artifact = ready.champion.artifact();
        // What the tenant told is on disk by the time it is told, so no failing disk takes it back.
        while serving.next.0 - rebuild.next().0 > LEFT_MAX / 2 {
            let total = serving.next.0;
            let told = |done, _| self.note(artifact, State::Rebuilding { done, total });
            let caught_up = rebuild.catch_up(&self.place, serving.next, told);
            caught_up.map_err(Failed::Refused)?;
            serving = self.serving(Instant::now() + PATIENCE)?;
        }
        ready.rebuilt = Some(rebuild);
        let made = Instant::now();
        self.hand_over(ready, made, made + PATIENCE)
    }

    /// A model of the folder that can serve this tenant.
    pub(super) fn fitting(&self, artifact: [u8; 32]) -> Result<Fitting, Refused> {
        let shape = self.opened_shape()?;
        let found = models::fitting(&self.place, artifact, shape).map_err(Failed::Refused)?;
        found.ok_or(Refused::UnknownModel(artifact))
    }

    pub(super) fn serving(&self, deadline: Instant) -> Result<Serving, Failed> {
        match self.wait_for(Request::Serving, deadline)? {
            Answer::Serving(serving) => Ok(serving),
            _ => Err(Failed::Internal(OTHER)),
        }
    }

    fn hand_over(
        &self,
        ready: ReadyModel,
        since: Instant,
        deadline: Instant,
    ) -> Result<State, Failed> {
        match self.wait_for(Request::Activate(Box::new(ready)), deadline)? {
            Answer::Activated {
                position,
                policy_version,
                pause,
                left,
            } => {
                let took = since.elapsed();
                // Here, where nobody waits for it.
                drop(left);
                Ok(State::Serving {
                    position,
                    policy_version,
                    took,
                    pause,
                })
            }
            _ => Err(Failed::Internal(OTHER)),
        }
    }

    pub(super) fn opened_shape(&self) -> Result<&Shape, Failed> {
        self.shape().ok_or_else(|| {
            let status = self.status().unwrap_or(NotServing::Starting);
            Failed::NotServing(status)
        })
    }

    pub(super) fn wait_for(&self, request: Request, deadline: Instant) -> Result<Answer, Failed> {
        let pending = self.ask(request, LETTER_BYTES, Level::L2, deadline)?;
        let ended = |_| Failed::NotServing(NotServing::Draining);
        pending.blocking_recv().map_err(ended)?
    }
}
