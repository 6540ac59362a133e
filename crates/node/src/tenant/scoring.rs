//! From a sample to a decision: the challenger where the event is its, else the champion's network, else its trees, else
//! what the policy says without a score. What did not speak, and why, is in the decision's `degraded`.

use engine::{NoScore, Scored};
use event::record::{Decision, DecisionKind, ModelVersion, ReasonCode, Record, degraded};
use event::schema::Part;
use event::{Event, Position};
use smallvec::SmallVec;

use super::{Decided, Tenant};
use crate::NodeError;
use crate::champion::Score;
use crate::guard::{self, Guard, Missed, Urgency};
use crate::timeline::Step;

/// A decision has room for several producers; one speaks.
const SLOT: u8 = 0;
const WHOLE: u32 = 1_000_000;

/// Champion or challenger, and the chance with which it is this one.
#[derive(Clone, Copy)]
struct Arm {
    is_challenger: bool,
    propensity_ppm: u32,
}

/// What a model said.
struct Said {
    score: Result<(Score, ModelVersion), NoScore>,
    flags: u32,
    propensity_ppm: Option<u32>,
    /// What the call took that gave the score; 0: nobody measured, or there is no score.
    nanos: u32,
}

impl Tenant {
    pub(super) fn decide_at(
        &mut self,
        event: &Event,
        position: Position,
        urgency: Urgency,
    ) -> Result<Decided, NodeError> {
        let said = self.say(event);
        let arm = self.arm(event, urgency);
        let Said {
            score,
            flags,
            propensity_ppm,
            nanos,
        } = self.score(arm, urgency);
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
        decision.findings.model_propensity_ppm = propensity_ppm;
        if decision.verdict != DecisionKind::Approve {
            self.give_reasons(&mut decision, urgency);
        }
        let at = self.journal.append_decision(event, &decision)?;
        self.engine.apply(at, &Record::Decision(decision.clone()));
        if let Some(watch) = &mut self.watch {
            let time = event.event_timestamp;
            watch.decided(position, time, &self.sample.tabular, &decision);
        }
        self.hand_over(event, position, nanos);
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

    /// Which of two models an event is for; `None`: there is no choice.
    fn arm(&self, event: &Event, urgency: Urgency) -> Option<Arm> {
        let held = self.engine.lineup().challenger()?;
        if !held.levels.hold(urgency.level as usize) {
            return None;
        }
        let account = event.entity(self.schema().part(Part::Subject)?)?;
        let is_challenger = held.takes(account);
        let share = held.share_ppm;
        Some(Arm {
            is_challenger,
            propensity_ppm: if is_challenger { share } else { WHOLE - share },
        })
    }

    /// What the model says that the event is for, and the flags of what could not speak.
    fn score(&mut self, arm: Option<Arm>, urgency: Urgency) -> Said {
        if !arm.is_some_and(|arm| arm.is_challenger) {
            return Said {
                propensity_ppm: arm.map(|arm| arm.propensity_ppm),
                ..self.score_by_champion(urgency)
            };
        }
        if let Some(score) = self.score_by_challenger(urgency) {
            return Said {
                score: Ok(score),
                flags: 0,
                propensity_ppm: arm.map(|arm| arm.propensity_ppm),
                nanos: took_nanos(&self.challenger_guard),
            };
        }
        // Not by chance: there is no propensity to tell.
        let mut said = self.score_by_champion(urgency);
        said.flags |= degraded::CHALLENGER_FAULT;
        said
    }

    /// The whole model or nothing: where a part of it fails, the champion is there.
    fn score_by_challenger(&mut self, urgency: Urgency) -> Option<(Score, ModelVersion)> {
        let challenger = self.challenger.as_mut()?;
        let (guard, sample) = (&mut self.challenger_guard, &self.sample);
        if let Some(guard) = guard {
            guard.turn_to(challenger.artifact());
        }
        let part = match challenger.has_network() {
            true => guard::Part::Network,
            false => guard::Part::Trees,
        };
        let score = call(guard, part, urgency, || challenger.score(sample)).ok()?;
        Some((score, challenger.version()))
    }

    fn score_by_champion(&mut self, urgency: Urgency) -> Said {
        let said = |score, flags, nanos| Said {
            score,
            flags,
            propensity_ppm: None,
            nanos,
        };
        let Some(champion) = &mut self.champion else {
            let wanted = self.engine.champion().is_some();
            let why = match wanted {
                true => NoScore::ModelFault,
                false => NoScore::NoModel,
            };
            return said(Err(why), 0, 0);
        };
        let (guard, sample) = (&mut self.guard, &self.sample);
        if let Some(guard) = guard {
            guard.turn_to(champion.artifact());
        }
        let mut flags = 0;
        if champion.has_network() {
            let network = guard::Part::Network;
            flags = match call(guard, network, urgency, || champion.score(sample)) {
                Ok(score) => {
                    let nanos = took_nanos(guard);
                    return said(Ok((score, champion.version())), 0, nanos);
                }
                Err(Missed::Failed) => degraded::NETWORK_FAULT,
                Err(Missed::Late(_)) => degraded::NETWORK_TIMEOUT,
                Err(Missed::Open) => degraded::NETWORK_BREAKER_OPEN,
            };
        }
        // A microsecond, so that whoever looks this decision up finds a score although its time is over.
        let by_trees = call(guard, guard::Part::Trees, urgency, || {
            champion.score_by_trees(sample)
        });
        let score = by_trees.map_err(|missed| match missed {
            Missed::Failed => NoScore::ModelFault,
            Missed::Late(_) => NoScore::ModelTimeout,
            Missed::Open => NoScore::ModelBreakerOpen,
        });
        let nanos = score.as_ref().map_or(0, |_| took_nanos(guard));
        said(score.map(|score| (score, champion.version())), flags, nanos)
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
        let by_challenger = self.challenger.as_mut();
        let by_challenger = by_challenger.filter(|it| it.version() == decision.model);
        let (model, guard) = match (by_challenger, &mut self.champion) {
            (Some(challenger), _) => (challenger, &mut self.challenger_guard),
            (None, Some(champion)) => (champion, &mut self.guard),
            (None, None) => return,
        };
        let sample = &self.sample;
        let found = call(guard, guard::Part::Reasons, urgency, || {
            Some(model.reasons(sample))
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

/// Of the call that was just made.
fn took_nanos(guard: &Option<Guard>) -> u32 {
    guard.as_ref().map_or(0, Guard::took_nanos)
}

fn call<T>(
    guard: &mut Option<Guard>,
    part: guard::Part,
    urgency: Urgency,
    work: impl FnOnce() -> Option<T>,
) -> Result<T, Missed<T>> {
    match guard {
        Some(guard) => guard.call(part, urgency.level, work),
        None => work().ok_or(Missed::Failed),
    }
}
