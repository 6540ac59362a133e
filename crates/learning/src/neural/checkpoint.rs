//! A training on disk: killed at any point, it goes on from its last whole epoch and ends with the same bits.
//!
//! The file is a JSON header, the weights as little-endian f32, and a sha256 over both; it is written beside
//! its name, synced and renamed.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use graph::sample::{NEIGHBOUR_WIDTH, NODE_WIDTH, STEP_WIDTH};
use model::hybrid::knots::Knots;
use model::hybrid::shape::{Layout, Shape};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::adam::Adam;
use super::config::NeuralConfig;
use super::network::Network;
use super::scale::{Affine, Scale};
use super::train::Trainer;

const VERSION: u32 = 1;
const DIGEST: usize = 32;
/// Arrays of the size of the network: parameters, averages, both moments, and the best averages so far.
const PARTS: usize = 5;

/// The best epoch by validation so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Best {
    pub epoch: usize,
    pub ap: f64,
    pub weights: Vec<f32>,
}

#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// What is learnt from: tenant schema, feature list, rows and labels. Another one is another training.
    pub lesson: String,
    pub trainer: Trainer,
    pub best: Best,
}

#[derive(Debug, Error)]
pub enum CheckpointError {
    #[error("checkpoint {path}: {source}")]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("checkpoint {path} is damaged: {what}; remove it to train from the start")]
    Damaged { path: PathBuf, what: String },
    #[error(
        "checkpoint {path} belongs to another training ({what} differs): remove it, or give the settings it was begun with"
    )]
    Other { path: PathBuf, what: &'static str },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    version: u32,
    lesson: String,
    config: NeuralConfig,
    shape: Shape,
    knot_start: Vec<u32>,
    knots: Vec<f32>,
    step: Vec<[f32; 2]>,
    neighbour: Vec<Vec<[f32; 2]>>,
    entity: Vec<Vec<[f32; 2]>>,
    adam_steps: u64,
    epoch: usize,
    best_epoch: usize,
    best_ap: f64,
}

impl Checkpoint {
    pub fn save(&self, path: &Path) -> Result<(), CheckpointError> {
        let bytes = self.encode();
        let io = |source| CheckpointError::Io {
            path: path.to_owned(),
            source,
        };
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".tmp");
        let mut file = File::create(&temporary).map_err(io)?;
        file.write_all(&bytes).map_err(io)?;
        file.sync_all().map_err(io)?;
        fs::rename(&temporary, path).map_err(io)?;
        match path.parent().filter(|it| !it.as_os_str().is_empty()) {
            Some(parent) => File::open(parent).and_then(|it| it.sync_all()).map_err(io),
            None => Ok(()),
        }
    }

    /// `None` where there is none; refuses one of another lesson or other settings.
    pub fn load(
        path: &Path,
        lesson: &str,
        config: &NeuralConfig,
    ) -> Result<Option<Checkpoint>, CheckpointError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(CheckpointError::Io {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        let damaged = |what: String| CheckpointError::Damaged {
            path: path.to_owned(),
            what,
        };
        let checkpoint = decode(&bytes).map_err(damaged)?;
        let other = |what| CheckpointError::Other {
            path: path.to_owned(),
            what,
        };
        if checkpoint.lesson != lesson {
            return Err(other("the history, its labels or its schema"));
        }
        // More epochs than before is the same training, carried on.
        let same = NeuralConfig {
            epochs: config.epochs,
            ..checkpoint.trainer.config.clone()
        };
        if same != *config {
            return Err(other("a setting"));
        }
        Ok(Some(checkpoint))
    }

    fn encode(&self) -> Vec<u8> {
        let network = &self.trainer.network;
        let header = Header {
            version: VERSION,
            lesson: self.lesson.clone(),
            config: self.trainer.config.clone(),
            shape: network.shape,
            knot_start: network.scale.knots.start.clone(),
            knots: network.scale.knots.at.clone(),
            step: pairs(&network.scale.step),
            neighbour: network.scale.neighbour.iter().map(|it| pairs(it)).collect(),
            entity: network.scale.entity.iter().map(|it| pairs(it)).collect(),
            adam_steps: self.trainer.adam.steps,
            epoch: self.trainer.epoch,
            best_epoch: self.best.epoch,
            best_ap: self.best.ap,
        };
        // Numbers and strings only: nothing in it can fail to be written.
        let header = serde_json::to_vec(&header).unwrap_or_default();
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header);
        let trainer = &self.trainer;
        let parts: [&Vec<f32>; PARTS] = [
            &trainer.parameters,
            &trainer.average,
            &trainer.adam.first,
            &trainer.adam.second,
            &self.best.weights,
        ];
        for value in parts.into_iter().flatten() {
            bytes.extend(value.to_le_bytes());
        }
        let digest = Sha256::digest(&bytes);
        bytes.extend(digest);
        bytes
    }
}

fn pairs(affine: &[Affine]) -> Vec<[f32; 2]> {
    affine.iter().map(|it| [it.mean, it.inverse]).collect()
}

fn affine<const N: usize>(pairs: &[[f32; 2]]) -> Result<[Affine; N], String> {
    let pairs: &[[f32; 2]; N] = pairs
        .try_into()
        .map_err(|_| format!("{N} columns expected, got {}", pairs.len()))?;
    Ok(pairs.map(|[mean, inverse]| Affine { mean, inverse }))
}

fn decode(bytes: &[u8]) -> Result<Checkpoint, String> {
    let early = || "it ends early".to_owned();
    let (body, digest) = bytes.split_last_chunk::<DIGEST>().ok_or_else(early)?;
    if Sha256::digest(body).as_slice() != digest {
        return Err("its digest does not match".to_owned());
    }
    let (length, rest) = body.split_first_chunk::<8>().ok_or_else(early)?;
    let length = u64::from_le_bytes(*length) as usize;
    let (header, rest) = rest.split_at_checked(length).ok_or_else(early)?;
    let header: Header = serde_json::from_slice(header).map_err(|error| error.to_string())?;
    if header.version != VERSION {
        return Err(format!("version {} is not {VERSION}", header.version));
    }
    header.shape.check().map_err(|error| error.to_string())?;
    let knots = Knots {
        start: header.knot_start,
        at: header.knots,
    };
    knots
        .check(header.shape.features)
        .map_err(|error| error.to_string())?;
    let layout = Layout::new(&header.shape, knots.total());
    let values: Vec<f32> = rest
        .as_chunks::<4>()
        .0
        .iter()
        .map(|it| f32::from_le_bytes(*it))
        .collect();
    if rest.len() != 4 * PARTS * layout.total {
        return Err(format!("{} bytes of weights", rest.len()));
    }
    let part = |at: usize| values[at * layout.total..(at + 1) * layout.total].to_vec();
    let scale = Scale {
        knots,
        step: affine::<STEP_WIDTH>(&header.step)?,
        neighbour: header
            .neighbour
            .iter()
            .map(|it| affine::<NEIGHBOUR_WIDTH>(it))
            .collect::<Result<_, _>>()?,
        entity: header
            .entity
            .iter()
            .map(|it| affine::<NODE_WIDTH>(it))
            .collect::<Result<_, _>>()?,
    };
    let adam = Adam {
        first: part(2),
        second: part(3),
        steps: header.adam_steps,
    };
    let mut network = Network {
        weights: vec![0.0; layout.total],
        shape: header.shape,
        layout: layout.clone(),
        scale,
    };
    network.set_parameters(&part(0));
    Ok(Checkpoint {
        lesson: header.lesson,
        best: Best {
            epoch: header.best_epoch,
            ap: header.best_ap,
            weights: part(4),
        },
        trainer: Trainer {
            config: header.config,
            average: part(1),
            adam,
            epoch: header.epoch,
            parameters: part(0),
            network,
        },
    })
}
