//! What a producer says of the events before an activation, one file per activation:
//! `channels/<producer>-<position>.channel`.
//!
//! Its SHA-256 stands in the activation record, so no other file can take its place. It appears whole
//! (written beside, synced, renamed) before that record does; what a crash leaves of it is written over.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

use event::Position;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::{NodeError, Place};

const MAGIC: [u8; 8] = *b"RINGFCHN";
const VERSION: u32 = 1;
/// Magic, version, producer, first position, end.
const HEAD: usize = 8 + 4 + 32 + 8 + 8;

/// One score per position from `first` up to the activation; 0 where nothing was said.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    pub first: Position,
    pub scores: Vec<u16>,
}

/// Why a side file cannot be used.
#[derive(Debug, Error)]
pub enum Fault {
    #[error("is missing")]
    Missing,
    #[error("is damaged: its SHA-256 is {got}, the activation names {expected}")]
    Digest { expected: String, got: String },
    #[error("is of another kind or version")]
    Kind,
    #[error("cannot be read: {0}")]
    Io(std::io::Error),
}

impl Scores {
    fn encode(&self, producer: &[u8; 32], end: Position) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD + 2 * self.scores.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(producer);
        bytes.extend_from_slice(&self.first.0.to_le_bytes());
        bytes.extend_from_slice(&end.0.to_le_bytes());
        bytes.extend(self.scores.iter().flat_map(|score| score.to_le_bytes()));
        bytes
    }

    fn decode(bytes: &[u8], producer: &[u8; 32], end: Position) -> Option<Scores> {
        let (head, scores) = bytes.split_at_checked(HEAD)?;
        let first = u64::from_le_bytes(*head[44..].first_chunk()?);
        let scores = Scores {
            first: Position(first),
            scores: scores
                .as_chunks()
                .0
                .iter()
                .map(|score| u16::from_le_bytes(*score))
                .collect(),
        };
        (scores.encode(producer, end) == bytes).then_some(scores)
    }

    /// Durable under its name before it returns; its SHA-256.
    pub fn write(
        &self,
        place: &Place,
        producer: [u8; 32],
        end: Position,
    ) -> Result<[u8; 32], NodeError> {
        let bytes = self.encode(&producer, end);
        let path = place.channel(&producer, end);
        let folder = place.channels();
        let io = |what, path: &Path| {
            let path = path.to_path_buf();
            move |source| NodeError::Io { what, path, source }
        };
        fs::create_dir_all(&folder).map_err(io("make", &folder))?;
        let draft = path.with_extension("draft");
        let written = File::create(&draft)
            .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&draft, &path));
        if written.is_err() {
            // It may not even exist; what matters is told below.
            let _ = fs::remove_file(&draft);
        }
        written.map_err(io("write", &path))?;
        for folder in [folder.as_path(), place.root()] {
            let synced = File::open(folder).and_then(|folder| folder.sync_all());
            synced.map_err(io("sync", folder))?;
        }
        Ok(Sha256::digest(&bytes).into())
    }

    /// The file of the activation at `end`, which names its SHA-256.
    pub fn read(
        place: &Place,
        producer: [u8; 32],
        end: Position,
        sha256: [u8; 32],
    ) -> Result<Scores, NodeError> {
        let path = place.channel(&producer, end);
        read(&path, producer, end, sha256).map_err(|fault| NodeError::Channel { path, fault })
    }
}

fn read(path: &Path, producer: [u8; 32], end: Position, sha256: [u8; 32]) -> Result<Scores, Fault> {
    let bytes = fs::read(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Fault::Missing,
        _ => Fault::Io(error),
    })?;
    let got: [u8; 32] = Sha256::digest(&bytes).into();
    if got != sha256 {
        let hex = event::hex;
        return Err(Fault::Digest {
            expected: hex(&sha256),
            got: hex(&got),
        });
    }
    Scores::decode(&bytes, &producer, end).ok_or(Fault::Kind)
}
