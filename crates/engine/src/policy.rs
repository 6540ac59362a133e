//! From a score to a decision: thresholds per event type, and what happens without a score.
//!
//! Lists and rules come before and after the thresholds later; they will sit in [`Policy::decide`].

use event::record::{
    Decision, DecisionKind, DecisionSource, Findings, ModelVersion, ReasonCode, degraded,
};
use event::{Event, EventTypeIx, Position, Schema};
use serde::Deserialize;
use smallvec::SmallVec;
use thiserror::Error;

/// Score thresholds 0..=1000; the highest that is reached decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    pub challenge: u16,
    pub review: u16,
    pub decline: u16,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    default: Thresholds,
    by_type: Vec<(EventTypeIx, Thresholds)>,
    fallback: DecisionKind,
}

/// What a model said about an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    pub score: u16,
    pub probability_ppm: u32,
    pub model: ModelVersion,
    pub reasons: SmallVec<[ReasonCode; 4]>,
    pub evidence: SmallVec<[Position; 8]>,
}

/// Why there is no score; the decision is then a named fallback, never a silent approve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoScore {
    NoModel,
    ModelFault,
    /// It took longer than it may.
    ModelTimeout,
    /// It has failed so often that it was not asked.
    ModelBreakerOpen,
}

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PolicyError {
    #[error("policy is not valid TOML: {0}")]
    Toml(String),
    #[error(
        "{field}: thresholds must be 0..=1000 (1001: never) and challenge <= review <= decline, got {got}"
    )]
    Order { field: String, got: String },
    #[error("event_types: unknown event type {value:?}; known: {known}")]
    EventType { value: String, known: String },
    #[error("fallback must be approve, challenge, review or decline, got {value:?}")]
    Fallback { value: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    fallback: Option<String>,
    thresholds: ThresholdsFile,
    #[serde(default)]
    event_types: std::collections::BTreeMap<String, ThresholdsFile>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct ThresholdsFile {
    challenge: u16,
    review: u16,
    decline: u16,
}

const SCORE_MAX: u16 = 1000;
/// A threshold no score reaches.
pub const NEVER: u16 = SCORE_MAX + 1;

impl Default for Policy {
    /// Before any policy is set everything with a score below 900 passes; without a score: review.
    fn default() -> Policy {
        Policy {
            default: Thresholds {
                challenge: NEVER,
                review: 900,
                decline: NEVER,
            },
            by_type: Vec::new(),
            fallback: DecisionKind::Review,
        }
    }
}

impl Policy {
    pub fn parse(text: &str, schema: &Schema) -> Result<Policy, PolicyError> {
        let file: PolicyFile = toml::from_str(text)
            .map_err(|error| PolicyError::Toml(error.to_string().trim().to_owned()))?;
        let fallback = match file.fallback {
            None => DecisionKind::Review,
            Some(name) => {
                let parsed = DecisionKind::parse(&name);
                parsed.ok_or(PolicyError::Fallback { value: name })?
            }
        };
        let mut by_type = Vec::new();
        for (name, thresholds) in file.event_types {
            let ix = schema
                .event_type(&name)
                .ok_or_else(|| PolicyError::EventType {
                    value: name.clone(),
                    known: schema
                        .event_types
                        .iter()
                        .map(|it| it.name.as_str())
                        .collect::<Vec<_>>()
                        .join(", "),
                })?;
            by_type.push((ix, check(&format!("event_types.{name}"), thresholds)?));
        }
        Ok(Policy {
            default: check("thresholds", file.thresholds)?,
            by_type,
            fallback,
        })
    }

    pub fn thresholds(&self, event_type: EventTypeIx) -> Thresholds {
        let own = self.by_type.iter().find(|(ix, _)| *ix == event_type);
        own.map_or(self.default, |(_, thresholds)| *thresholds)
    }

    /// The decision record for an event at `position`.
    pub fn decide(
        &self,
        version: u32,
        event: &Event,
        position: Position,
        scored: Result<Scored, NoScore>,
    ) -> Decision {
        let scored = match scored {
            Ok(scored) => scored,
            Err(why) => return self.fall_back(version, event, position, why),
        };
        let thresholds = self.thresholds(event.event_type);
        let score = scored.score.min(SCORE_MAX);
        let verdict = match score {
            score if score >= thresholds.decline => DecisionKind::Decline,
            score if score >= thresholds.review => DecisionKind::Review,
            score if score >= thresholds.challenge => DecisionKind::Challenge,
            _ => DecisionKind::Approve,
        };
        let shown = verdict != DecisionKind::Approve;
        Decision {
            event_position: position,
            decided_at: event.received_at,
            suspicion: SmallVec::new(),
            verdict,
            score,
            probability_ppm: scored.probability_ppm.min(1_000_000),
            source: DecisionSource::Model,
            model: scored.model,
            policy_version: version,
            rules_version: 0,
            propensity_ppm: 1_000_000,
            degraded: 0,
            reasons: scored.reasons,
            evidence: if shown {
                scored.evidence
            } else {
                SmallVec::new()
            },
            findings: Findings::default(),
        }
    }

    fn fall_back(&self, version: u32, event: &Event, position: Position, why: NoScore) -> Decision {
        Decision {
            event_position: position,
            decided_at: event.received_at,
            suspicion: SmallVec::new(),
            verdict: self.fallback,
            score: 0,
            probability_ppm: 0,
            source: DecisionSource::Fallback,
            model: ModelVersion::default(),
            policy_version: version,
            rules_version: 0,
            propensity_ppm: 1_000_000,
            degraded: match why {
                NoScore::NoModel => degraded::NO_MODEL,
                NoScore::ModelFault => degraded::MODEL_FAULT,
                NoScore::ModelTimeout => degraded::MODEL_TIMEOUT,
                NoScore::ModelBreakerOpen => degraded::MODEL_BREAKER_OPEN,
            },
            reasons: SmallVec::new(),
            evidence: SmallVec::new(),
            findings: Findings::default(),
        }
    }
}

fn check(field: &str, file: ThresholdsFile) -> Result<Thresholds, PolicyError> {
    let ThresholdsFile {
        challenge,
        review,
        decline,
    } = file;
    if challenge > review || review > decline || decline > NEVER {
        let got = format!("{challenge} / {review} / {decline}");
        return Err(PolicyError::Order {
            field: field.to_owned(),
            got,
        });
    }
    Ok(Thresholds {
        challenge,
        review,
        decline,
    })
}
