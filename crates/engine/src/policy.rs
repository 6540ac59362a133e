//! Thresholds per event type, what happens without a score, and the draw of unbiased approvals.

use event::record::{DecisionKind, ModelVersion, ReasonCode, degraded};
use event::{EventTypeIx, Position, Schema};
use serde::Deserialize;
use smallvec::SmallVec;
use thiserror::Error;

use crate::exploration::{RandomApprove, RandomApproveFile};

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
    random_approve: Option<RandomApprove>,
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
    #[error("policy is not valid TOML: {message}")]
    Toml { field: String, message: String },
    #[error(
        "{field}: thresholds must be 0..=1000 (1001: never) and challenge <= review <= decline, got {got}"
    )]
    Order { field: String, got: String },
    #[error("event_types: unknown event type {value:?}; known: {known}")]
    EventType { value: String, known: String },
    #[error("fallback must be approve, challenge, review or decline, got {value:?}")]
    Fallback { value: String },
    #[error("{field} must be {must}")]
    RandomApprove { field: String, must: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    fallback: Option<String>,
    thresholds: ThresholdsFile,
    #[serde(default)]
    event_types: std::collections::BTreeMap<String, ThresholdsFile>,
    random_approve: Option<RandomApproveFile>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct ThresholdsFile {
    challenge: u16,
    review: u16,
    decline: u16,
}

pub const SCORE_MAX: u16 = 1000;
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
            random_approve: None,
        }
    }
}

impl Policy {
    pub fn parse(text: &str, schema: &Schema) -> Result<Policy, PolicyError> {
        let file = read(text)?;
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
            random_approve: file.random_approve.map(RandomApprove::check).transpose()?,
        })
    }

    pub fn thresholds(&self, event_type: EventTypeIx) -> Thresholds {
        let own = self.by_type.iter().find(|(ix, _)| *ix == event_type);
        own.map_or(self.default, |(_, thresholds)| *thresholds)
    }

    /// What is decided without a score.
    pub fn fallback(&self) -> DecisionKind {
        self.fallback
    }

    pub fn random_approve(&self) -> Option<&RandomApprove> {
        self.random_approve.as_ref()
    }
}

/// The document, or which of its fields is wrong. Of a text that is TOML no line is told: a secret that was hidden when
/// it was handed in may stand in it by now.
fn read(text: &str) -> Result<PolicyFile, PolicyError> {
    let document = toml::Deserializer::parse(text);
    let document = document.map_err(|error| PolicyError::Toml {
        field: "policy".to_owned(),
        message: error.to_string().trim().to_owned(),
    })?;
    serde_path_to_error::deserialize(document).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." {
            "policy".to_owned()
        } else {
            path
        };
        let message = format!("{field}: {}", error.inner().message());
        PolicyError::Toml { field, message }
    })
}

impl PolicyError {
    /// Its path in the document; `policy` where it is the whole.
    pub fn field(&self) -> String {
        match self {
            PolicyError::Toml { field, .. }
            | PolicyError::Order { field, .. }
            | PolicyError::RandomApprove { field, .. } => field.clone(),
            PolicyError::EventType { value, .. } => format!("event_types.{value}"),
            PolicyError::Fallback { .. } => "fallback".to_owned(),
        }
    }
}

/// A new policy with the draw of unbiased approvals of the one before it, unless it has its own.
pub fn keep_draw(policy: &str, held: &str) -> String {
    const DRAW: &str = "random_approve";
    let tables = (policy.parse::<toml::Table>(), held.parse::<toml::Table>());
    let (Ok(mut new), Ok(held)) = tables else {
        return policy.to_owned();
    };
    match held.get(DRAW) {
        Some(draw) if !new.contains_key(DRAW) => {
            new.insert(DRAW.to_owned(), draw.clone());
            new.to_string()
        }
        _ => policy.to_owned(),
    }
}

impl Thresholds {
    /// The highest that is reached decides.
    pub fn verdict(self, score: u16) -> DecisionKind {
        match score {
            score if score >= self.decline => DecisionKind::Decline,
            score if score >= self.review => DecisionKind::Review,
            score if score >= self.challenge => DecisionKind::Challenge,
            _ => DecisionKind::Approve,
        }
    }
}

impl NoScore {
    /// What a decision without a score tells of it.
    pub fn flag(self) -> u32 {
        match self {
            NoScore::NoModel => degraded::NO_MODEL,
            NoScore::ModelFault => degraded::MODEL_FAULT,
            NoScore::ModelTimeout => degraded::MODEL_TIMEOUT,
            NoScore::ModelBreakerOpen => degraded::MODEL_BREAKER_OPEN,
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
