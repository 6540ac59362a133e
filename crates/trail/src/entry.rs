//! What an entry says.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::TrailError;
use crate::{ACTOR_BYTES_MAX, NAME_BYTES_MAX, TARGET_BYTES_MAX, WHY_BYTES_MAX};

/// A change, as the source of the entry tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// When it took effect, in ms since 1970.
    pub at: i64,
    pub actor: String,
    pub actor_kind: ActorKind,
    /// `noun.verb`, such as `rules.set` or `case.disposition`.
    pub action: String,
    /// What was changed: a list, a case, a model.
    pub target: String,
    /// `None`: there was nothing.
    pub before: Option<Value>,
    pub after: Option<Value>,
    pub why: String,
    pub source: Source,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActorKind {
    /// The subject of a token.
    Token,
    /// Someone at the machine's command line.
    Cli,
    /// Ringfence itself, such as an expiry.
    System,
}

/// Where an entry was durable before: `log:1234`. Within a source places only rise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub name: String,
    pub seq: u64,
}

/// An entry of the trail.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Counts from 1 without a gap.
    pub seq: u64,
    pub at: i64,
    pub actor: String,
    pub actor_kind: ActorKind,
    pub action: String,
    pub target: String,
    pub before: Content,
    pub after: Content,
    pub why: String,
    pub source: Source,
    /// SHA-256 of the hash before and of this entry's bytes.
    pub hash: [u8; 32],
}

#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    Nothing,
    Value(Value),
    /// Of the JSON without spaces that was longer than [`crate::CONTENT_BYTES_MAX`].
    Digest {
        sha256: [u8; 32],
        bytes: u64,
    },
}

/// The last entry of a trail and its hash, which stands for the whole trail up to there. What was published of it
/// somewhere else is what a later trail can be held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub seq: u64,
    pub hash: [u8; 32],
}

impl Entry {
    pub(crate) fn check(&self) -> Result<(), TrailError> {
        for (field, name) in [("action", &self.action), ("source", &self.source.name)] {
            if !is_name(name) {
                let got = name.chars().take(NAME_BYTES_MAX).collect();
                return Err(TrailError::Name { field, got });
            }
        }
        for (field, text, max) in [
            ("actor", &self.actor, ACTOR_BYTES_MAX),
            ("target", &self.target, TARGET_BYTES_MAX),
            ("why", &self.why, WHY_BYTES_MAX),
        ] {
            if text.len() > max {
                let got = text.len();
                return Err(TrailError::TooLong { field, max, got });
            }
        }
        if self.actor.is_empty() {
            return Err(TrailError::NoActor);
        }
        if jiff::Timestamp::from_millisecond(self.at).is_err() {
            return Err(TrailError::Time { got: self.at });
        }
        Ok(())
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(allowed)
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.seq)
    }
}

impl Source {
    pub(crate) fn parse(text: &str) -> Option<Source> {
        let (name, seq) = text.rsplit_once(':')?;
        let (name, seq) = (name.to_owned(), seq.parse().ok()?);
        is_name(&name).then_some(Source { name, seq })
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, hex(&self.hash))
    }
}

impl FromStr for Head {
    type Err = TrailError;

    /// `1234:` and 64 hex digits.
    fn from_str(text: &str) -> Result<Head, TrailError> {
        let head = text.split_once(':').and_then(|(seq, hash)| {
            let (seq, hash) = (seq.parse().ok()?, unhex(hash)?);
            Some(Head { seq, hash })
        });
        head.ok_or_else(|| TrailError::NoHead {
            got: text.chars().take(100).collect(),
        })
    }
}

pub(crate) fn hex(hash: &[u8; 32]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|it| char::from(DIGITS[usize::from(it)]))
        .collect()
}

/// Lower case only: a hash has one text.
pub(crate) fn unhex(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let bytes = text.as_bytes();
    let mut hash = [0; 32];
    if bytes.len() != 64 {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(bytes.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(hash)
}
