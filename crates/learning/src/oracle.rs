//! What a simulated world knows about its frauds: the oracle file, which no stream contains.

pub mod standing;

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use serde::Deserialize;
use thiserror::Error;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Oracle {
    secrets: BTreeMap<String, Secret>,
    pub structures: Vec<Structure>,
}

/// An event of a ring or of its hard negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Secret {
    pub role: Role,
    /// Place in [`Oracle::structures`].
    pub structure: u32,
    /// The acting account lends itself to others' money: it may serve again.
    pub is_mule: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Fraud,
    Cover,
    HardNegative,
}

/// A ring, or the play of friends in its shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure {
    pub id: String,
    pub typology: String,
    pub hard_negative: bool,
    /// The event after which the fixed oracle's posterior exceeds ten times the prevalence.
    pub earliest_evidence: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    event_id: String,
    role: Role,
    typology: String,
    ring: String,
    part: String,
    #[serde(rename = "stage")]
    _stage: String,
    earliest_evidence: Option<String>,
}

#[derive(Debug, Error)]
pub enum OracleError {
    #[error("cannot read the oracle: {0}")]
    Read(#[from] io::Error),
    #[error("line {line} of the oracle: {source}")]
    Line {
        line: usize,
        source: serde_json::Error,
    },
    #[error("line {line} of the oracle: event {event_id:?} stands in it twice")]
    Twice { line: usize, event_id: String },
}

impl Oracle {
    pub fn read(file: impl BufRead) -> Result<Oracle, OracleError> {
        let mut oracle = Oracle::default();
        let mut numbers: BTreeMap<String, u32> = BTreeMap::new();
        for (at, line) in file.lines().enumerate() {
            let number = at + 1;
            let parsed: Line =
                serde_json::from_str(&line?).map_err(|source| OracleError::Line {
                    line: number,
                    source,
                })?;
            let next = oracle.structures.len() as u32;
            let structure = *numbers.entry(parsed.ring.clone()).or_insert(next);
            if structure == next {
                oracle.structures.push(Structure {
                    id: parsed.ring,
                    typology: parsed.typology,
                    hard_negative: parsed.role == Role::HardNegative,
                    earliest_evidence: parsed.earliest_evidence,
                });
            }
            let secret = Secret {
                role: parsed.role,
                structure,
                is_mule: parsed.part == "mule",
            };
            if oracle.secrets.contains_key(&parsed.event_id) {
                return Err(OracleError::Twice {
                    line: number,
                    event_id: parsed.event_id,
                });
            }
            oracle.secrets.insert(parsed.event_id, secret);
        }
        Ok(oracle)
    }

    pub fn secret(&self, event_id: &str) -> Option<Secret> {
        self.secrets.get(event_id).copied()
    }

    pub fn is_fraud(&self, event_id: &str) -> bool {
        self.secret(event_id)
            .is_some_and(|secret| secret.role == Role::Fraud)
    }

    /// Every named typology that has a fraud.
    pub fn typologies(&self) -> Vec<&str> {
        let rings = self.structures.iter().filter(|it| !it.hard_negative);
        let mut names: Vec<&str> = rings.map(|it| it.typology.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}
