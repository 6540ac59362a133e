//! From a sample to a decision: network, else trees, else what the policy says without a score. What did not
//! speak, and why, is in the decision's `degraded`.

use engine::{NoScore, Scored};
use event::record::{Decision, DecisionKind, ModelVersion, ReasonCode, Record, degraded};
use event::{Event, Position};
use smallvec::SmallVec;

use super::{Decided, Tenant};
use crate::NodeError;
use crate::champion::Score;
use crate::guard::{Guard, Missed, Part, Urgency};
use crate::timeline::Step;

/// A decision has room for several producers; one speaks.
const SLOT: u8 = 0;

impl Tenant {
    pub(super) fn decide_at(
        &mut self,
        event: &Event,
        position: Position,
        urgency: Urgency,
    ) -> Result<Decided, NodeError> {
        let said = self.say(event);
        let (score, flags) = self.score(urgency);
        self.mark(Step::Scored);
        let scored = score.map(|(score, model)| Scored {
            score: score.score,
            probability_ppm: score.probability_ppm,
            model,
            reasons: Default::default(),
            evidence: self.sample.evidence.iter().copied().collect(),
        });
        let mut decision = self.engine.decide(event, position, &self.sample, scored);
        self.mark(Step::Judged);
        decision.suspicion = said.into_iter().map(|score| (SLOT, score)).collect();
        decision.degraded |= flags;
        if decision.verdict != DecisionKind::Approve {
            self.give_reasons(&mut decision, urgency);
        }
        let at = self.journal.append_decision(event, &decision)?;
        self.engine.apply(at, &Record::Decision(decision.clone()));
        Ok(Decided {
            position,
            decision,
            duplicate: false,
        })
    }

    /// Whether nobody waits any more.
    pub(super) fn is_past(&self, urgency: Urgency) -> bool {
        let guard = self.guard.as_ref();
        guard.is_some_and(|guard| guard.is_past(urgency.deadline))
    }

    /// What the producer says of the sampled event; it is logged whatever becomes of the score.
    fn say(&mut self, event: &Event) -> Option<u16> {
        let voice = self.champion.as_mut()?.voice_mut()?;
        // An activation that is not of this channel would have rebuilt it.
        debug_assert_eq!(self.engine.channel(), Some(voice.producer));
        voice.say(event.event_timestamp, &self.sample.tabular)
    }

    /// What the model says, and the flags of what could not speak.
    fn score(&mut self, urgency: Urgency) -> (Result<(Score, ModelVersion), NoScore>, u32) {
        let Some(champion) = &mut self.champion else {
            let wanted = self.engine.champion().is_some();
            let why = match wanted {
                true => NoScore::ModelFault,
                false => NoScore::NoModel,
            };
            return (Err(why), 0);
        };
        let (guard, sample) = (&mut self.guard, &self.sample);
        if let Some(guard) = guard {
            guard.turn_to(champion.artifact());
        }
        let mut flags = 0;
        if champion.has_network() {
            flags = match call(guard, Part::Network, urgency, || champion.score(sample)) {
                Ok(score) => return (Ok((score, champion.version())), 0),
                Err(Missed::Failed) => degraded::NETWORK_FAULT,
                Err(Missed::Late(_)) => degraded::NETWORK_TIMEOUT,
                Err(Missed::Open) => degraded::NETWORK_BREAKER_OPEN,
            };
        }
        // A microsecond, so that whoever looks this decision up finds a score although its time is over.
        let by_trees = call(guard, Part::Trees, urgency, || {
            champion.score_by_trees(sample)
        });
        let score = by_trees.map_err(|missed| match missed {
            Missed::Failed => NoScore::ModelFault,
            Missed::Late(_) => NoScore::ModelTimeout,
            Missed::Open => NoScore::ModelBreakerOpen,
        });
        (score.map(|score| (score, champion.version())), flags)
    }

    /// Adds the reasons of a score, or the flag that says why there are none. They decide nothing: those
    /// that came late are given all the same.
    pub(super) fn give_reasons(&mut self, decision: &mut Decision, urgency: Urgency) {
        // Whoever decided: what moved the score is worth knowing.
        if decision.model == ModelVersion::default() {
            return;
        }
        if self.is_past(urgency) {
            decision.degraded |= degraded::REASONS_OUT_OF_TIME;
            return;
        }
        let Some(champion) = &mut self.champion else {
            return;
        };
        let sample = &self.sample;
        let found = call(&mut self.guard, Part::Reasons, urgency, || {
            Some(champion.reasons(sample))
        });
        decision.reasons = match found {
            Ok(reasons) | Err(Missed::Late(reasons)) => reasons,
            Err(Missed::Open | Missed::Failed) => {
                decision.degraded |= degraded::REASONS_BREAKER_OPEN;
                SmallVec::<[ReasonCode; 4]>::new()
            }
        };
    }
}

fn call<T>(
    guard: &mut Option<Guard>,
    part: Part,
    urgency: Urgency,
    work: impl FnOnce() -> Option<T>,
) -> Result<T, Missed<T>> {
    match guard {
        Some(guard) => guard.call(part, urgency.level, work),
        None => work().ok_or(Missed::Failed),
    }
}
