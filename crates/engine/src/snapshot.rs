//! The engine's state as bytes, and its digest.

use std::io::{self, Read, Write};

use event::rates::RateTable;
use event::{EventTime, Position, Schema};
use graph::{FeatureList, Graph, SnapshotError};
use lists::Lists;
use rules::RuleSet;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::apply::Engine;
use crate::config::currency_places;
use crate::decide::Judge;
use crate::inputs::Inputs;
use crate::lineup::{Lineup, read_artifact, write_artifact};
use crate::policy::Policy;
use crate::{ENGINE_SEMANTICS, ENGINE_SEMANTICS_OLDEST, WITH_DRIFT};

#[derive(Debug, Error)]
pub enum RestoreError {
    #[error(transparent)]
    Graph(#[from] SnapshotError),
    #[error(transparent)]
    Lists(#[from] lists::RestoreError),
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
        self.lineup.write(to)?;
        for (version, text) in [
            (self.judge.policy_version, self.policy_body.as_str()),
            (self.rates_version, self.rates.body()),
            (self.judge.rules_version, self.rules_body.as_str()),
            (self.drift_version, self.drift_body.as_str()),
        ] {
            to.write_all(&version.to_le_bytes())?;
            to.write_all(&(text.len() as u32).to_le_bytes())?;
            to.write_all(text.as_bytes())?;
        }
        to.write_all(&self.lists_version.to_le_bytes())?;
        to.write_all(&[u8::from(self.newest_event.is_some())])?;
        let newest = self.newest_event.map_or(0, EventTime::millis);
        to.write_all(&newest.to_le_bytes())?;
        self.judge.lists.write_snapshot(to)?;
        write_artifact(self.lineup.champion, to)?;
        write_artifact(self.channel, to)?;
        to.write_all(&self.silent_before.to_le_bytes())?;
        self.graph.write_snapshot(to)
    }

    pub fn read_snapshot(schema: &Schema, from: &mut dyn Read) -> Result<Engine, RestoreError> {
        let got = u32::from_le_bytes(array(from)?);
        if !(ENGINE_SEMANTICS_OLDEST..=ENGINE_SEMANTICS).contains(&got) {
            let expected = ENGINE_SEMANTICS;
            return Err(RestoreError::Semantics { got, expected });
        }
        let next = Position(u64::from_le_bytes(array(from)?));
        let mut lineup = match got {
            ENGINE_SEMANTICS_OLDEST => Lineup::default(),
            _ => Lineup::read(from)?,
        };
        let [policy, rates, rules] = [document(from)?, document(from)?, document(from)?];
        let drift = match got < WITH_DRIFT {
            true => Document::default(),
            false => document(from)?,
        };
        let lists_version = u32::from_le_bytes(array(from)?);
        let [has_event] = array(from)?;
        let newest = EventTime::from_millis(i64::from_le_bytes(array(from)?));
        let lists = Lists::read_snapshot(currency_places, from)?;
        lineup.champion = read_artifact(from)?;
        let channel = read_artifact(from)?;
        let silent_before = u64::from_le_bytes(array(from)?);
        let malformed = |what| RestoreError::Malformed { what };
        let features = FeatureList::new(schema);
        let inputs = Inputs::new(schema, &features);
        let held_policy = match policy.body.as_str() {
            "" => Policy::default(),
            body => Policy::parse(body, schema).map_err(|_| malformed("policy"))?,
        };
        let held_rules = match rules.body.as_str() {
            "" => RuleSet::default(),
            body => RuleSet::parse(body, &inputs.vocabulary).map_err(|_| malformed("rules"))?,
        };
        let mut judge = Judge::of(inputs);
        judge.set_policy(held_policy);
        judge.policy_version = policy.version;
        judge.set_rules(held_rules);
        judge.rules_version = rules.version;
        judge.lists = lists;
        Ok(Engine {
            graph: Graph::read_snapshot(schema, from)?,
            features,
            policy_body: policy.body,
            rates: RateTable::parse(&rates.body).map_err(|_| malformed("rates"))?,
            rates_version: rates.version,
            rules_body: rules.body,
            drift_version: drift.version,
            drift_body: drift.body,
            read_rules: None,
            rules_read: 0,
            lists_version,
            newest_event: (has_event != 0).then_some(newest),
            judge,
            lineup,
            channel,
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

pub(crate) fn array<const N: usize>(from: &mut dyn Read) -> io::Result<[u8; N]> {
    let mut array = [0; N];
    from.read_exact(&mut array)?;
    Ok(array)
}

#[derive(Default)]
struct Document {
    version: u32,
    body: String,
}

fn document(from: &mut dyn Read) -> Result<Document, RestoreError> {
    Ok(Document {
        version: u32::from_le_bytes(array(from)?),
        body: text(from)?,
    })
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
