//! The engine's state as bytes, and its digest.

use std::io::{self, Read, Write};

use event::{Position, Schema};
use graph::{FeatureList, Graph, SnapshotError};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::ENGINE_SEMANTICS;
use crate::apply::Engine;
use crate::policy::Policy;
use crate::rates::RateTable;

#[derive(Debug, Error)]
pub enum RestoreError {
    #[error(transparent)]
    Graph(#[from] SnapshotError),
    #[error("snapshot of the engine cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("snapshot was taken under engine semantics {got}, this build has {expected}")]
    Semantics { got: u32, expected: u32 },
    #[error("snapshot of the engine is inconsistent: {what}")]
    Malformed { what: &'static str },
}

const TEXT_MAX: u32 = 1 << 20;

impl Engine {
    pub fn write_snapshot(&self, to: &mut dyn Write) -> io::Result<()> {
        self.expect_whole();
        to.write_all(&ENGINE_SEMANTICS.to_le_bytes())?;
        to.write_all(&self.next.0.to_le_bytes())?;
        to.write_all(&self.policy_version.to_le_bytes())?;
        for text in [self.policy_body.as_str(), self.rates.body()] {
            to.write_all(&(text.len() as u32).to_le_bytes())?;
            to.write_all(text.as_bytes())?;
        }
        to.write_all(&[u8::from(self.champion.is_some())])?;
        to.write_all(&self.champion.unwrap_or_default())?;
        to.write_all(&[u8::from(self.channel.is_some())])?;
        to.write_all(&self.channel.unwrap_or_default())?;
        to.write_all(&self.silent_before.to_le_bytes())?;
        self.graph.write_snapshot(to)
    }

    pub fn read_snapshot(schema: &Schema, from: &mut dyn Read) -> Result<Engine, RestoreError> {
        let got = u32::from_le_bytes(array(from)?);
        if got != ENGINE_SEMANTICS {
            let expected = ENGINE_SEMANTICS;
            return Err(RestoreError::Semantics { got, expected });
        }
        let next = Position(u64::from_le_bytes(array(from)?));
        let policy_version = u32::from_le_bytes(array(from)?);
        let policy_body = text(from)?;
        let rates_body = text(from)?;
        let [has_champion] = array(from)?;
        let champion: [u8; 32] = array(from)?;
        let [has_channel] = array(from)?;
        let channel: [u8; 32] = array(from)?;
        let silent_before = u64::from_le_bytes(array(from)?);
        let malformed = |what| RestoreError::Malformed { what };
        let policy = if policy_body.is_empty() {
            Policy::default()
        } else {
            Policy::parse(&policy_body, schema).map_err(|_| malformed("policy"))?
        };
        let rates = RateTable::parse(&rates_body).map_err(|_| malformed("rates"))?;
        Ok(Engine {
            graph: Graph::read_snapshot(schema, from)?,
            features: FeatureList::new(schema),
            policy,
            policy_body,
            policy_version,
            rates,
            champion: (has_champion != 0).then_some(champion),
            channel: (has_channel != 0).then_some(channel),
            silent_before,
            awaits_channel: false,
            next,
        })
    }

    /// SHA-256 of the snapshot: equal digests mean equal states, down to the layout in memory.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        let mut buffered = io::BufWriter::with_capacity(1 << 16, &mut hasher);
        // Writing into a hasher cannot fail.
        let written = self
            .write_snapshot(&mut buffered)
            .and_then(|()| buffered.flush());
        debug_assert!(written.is_ok());
        drop(buffered);
        hasher.finalize().into()
    }
}

fn array<const N: usize>(from: &mut dyn Read) -> io::Result<[u8; N]> {
    let mut array = [0; N];
    from.read_exact(&mut array)?;
    Ok(array)
}

fn text(from: &mut dyn Read) -> Result<String, RestoreError> {
    let len = u32::from_le_bytes(array(from)?);
    if len > TEXT_MAX {
        return Err(RestoreError::Malformed {
            what: "text length",
        });
    }
    let mut bytes = vec![0; len as usize];
    from.read_exact(&mut bytes)?;
    String::from_utf8(bytes).map_err(|_| RestoreError::Malformed { what: "text" })
}
