//! The model file: safetensors layout, the trees as tensors, everything else as JSON metadata.
//!
//! The container is written by hand: the format is a length, a JSON table and bytes, and the file
//! must be the same bytes for the same model. Its first metadata entry is a digest over all other
//! bytes, so that a damaged file is refused rather than served. The file's own sha256 is the
//! model's identity; its first 12 hex digits are the short model version.
//!
//! Nothing read from a file is trusted: sizes, offsets, indices and numbers are checked before use.

mod container;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::calibration::{Calibration, CalibrationError};
use crate::producer::Producer;
use crate::score::SCORE_MAX;
use crate::trees::{Trees, TreesError};

pub use container::ContainerError;
pub(crate) use container::arrays;

/// The newest version of the file; a file is written in the oldest one that can hold it.
pub const FORMAT_VERSION: u32 = 2;
/// The first version with producers.
const VERSION_PRODUCER: u32 = 2;
const KIND_TREES: &str = "trees";

/// Lowest scores at which an event of one type is challenged, reviewed, declined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    pub challenge: u16,
    pub review: u16,
    pub decline: u16,
}

/// Half-open, in the time unit of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingWindow {
    pub from: i64,
    pub until: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Hex digest of the tenant schema the features were computed under.
    pub schema_hash: String,
    pub features: Vec<String>,
    pub calibration: Calibration,
    /// By event type.
    pub thresholds: BTreeMap<String, Thresholds>,
    pub training_window: TrainingWindow,
    pub metrics: BTreeMap<String, f64>,
    /// Identity of the model this one was derived from.
    pub parent: Option<String>,
    pub seed: u64,
    /// Program and version that wrote the file.
    pub created_by: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Artifact {
    pub header: Header,
    pub trees: Trees,
    /// Writes the suspicion that `trees` read; the two are one file and serve together.
    pub producer: Option<Producer>,
}

/// The sha256 of a model file, lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity(String);

impl Identity {
    fn of(bytes: &[u8]) -> Self {
        Identity(hex(&Sha256::digest(bytes)))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digest itself.
    pub fn bytes(&self) -> [u8; 32] {
        let nibble = |digit: u8| (digit as char).to_digit(16).unwrap_or(0) as u8;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(self.0.as_bytes().chunks_exact(2)) {
            *byte = nibble(pair[0]) << 4 | nibble(pair[1]);
        }
        bytes
    }

    /// The short model version.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

#[derive(Debug, Error)]
pub enum ArtifactError {
    #[error("model file {path}: {source}")]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("model file: {0}")]
    Container(#[from] ContainerError),
    #[error("model format version must be 1 to {FORMAT_VERSION}, got {got}")]
    Version { got: u32 },
    #[error("model kind must be \"trees\", got {got:?}")]
    Kind { got: String },
    #[error("model header: {0}")]
    Header(#[from] serde_json::Error),
    #[error("model was trained for schema {got}, this tenant runs {expected}: retrain it")]
    Schema { expected: String, got: String },
    #[error("model has {got} features, the schema gives {expected}")]
    FeatureCount { expected: usize, got: usize },
    #[error("model feature {index} must be {expected:?}, got {got:?}")]
    Feature {
        index: usize,
        expected: String,
        got: String,
    },
    #[error("feature list hash must be {expected}, got {got}")]
    FeatureHash { expected: String, got: String },
    #[error("model header names {header} features, its trees use {trees}")]
    HeaderFeatures { header: usize, trees: usize },
    #[error("thresholds of {event_type:?} must rise up to 1000, got {thresholds:?}")]
    Thresholds {
        event_type: String,
        thresholds: Thresholds,
    },
    /// A file is written in the oldest version that can hold it.
    #[error("model format version is {got}, it must be {expected} for what the file holds")]
    OtherVersion { expected: u32, got: u32 },
    #[error(
        "producer of suspicion: the header and the tensors must both hold one, or neither: header {header}, tensors {tensors}"
    )]
    ProducerHalf { header: bool, tensors: bool },
    #[error("producer of suspicion: its trees use {producer} features, the model's {model}")]
    ProducerFeatures { model: usize, producer: usize },
    #[error(
        "producer of suspicion: it trained on events until {producer}, its model from {model} on: scores of events that it had seen would teach the model to trust it"
    )]
    ProducerWindow { producer: i64, model: i64 },
    #[error("metric {name:?} must be finite, got {value}")]
    Metric { name: String, value: f64 },
    #[error(transparent)]
    Calibration(#[from] CalibrationError),
    #[error(transparent)]
    Trees(#[from] TreesError),
}

/// What goes into the JSON beside the tensors.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format_version: u32,
    kind: String,
    feature_hash: String,
    header: Header,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    producer: Option<ProducerHeader>,
}

/// What of a producer is not in its trees.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProducerHeader {
    calibration: Calibration,
    training_window: TrainingWindow,
}

impl Artifact {
    /// The file's bytes; equal artifacts give equal bytes.
    pub fn encode(&self) -> Result<Vec<u8>, ArtifactError> {
        self.check()?;
        let content = Content {
            format_version: self.format_version(),
            kind: KIND_TREES.to_owned(),
            feature_hash: feature_hash(&self.header.features),
            header: self.header.clone(),
            producer: self.producer.as_ref().map(|it| ProducerHeader {
                calibration: it.calibration.clone(),
                training_window: it.training_window,
            }),
        };
        let content = serde_json::to_string(&content)?;
        let producer = self.producer.as_ref().map(|it| &it.trees);
        Ok(container::write(&content, &self.trees, producer)?)
    }

    pub fn decode(bytes: &[u8]) -> Result<(Self, Identity), ArtifactError> {
        let (content, tensors) = container::read(bytes)?;
        // The version first: a later format may have other fields.
        let loose: serde_json::Value = serde_json::from_str(content.as_str())?;
        let version = loose
            .get("format_version")
            .and_then(serde_json::Value::as_u64);
        let version = version.and_then(|v| u32::try_from(v).ok()).unwrap_or(0);
        if !(1..=FORMAT_VERSION).contains(&version) {
            return Err(ArtifactError::Version { got: version });
        }
        match loose.get("kind").and_then(serde_json::Value::as_str) {
            Some(KIND_TREES) => {}
            other => {
                return Err(ArtifactError::Kind {
                    got: other.unwrap_or_default().to_owned(),
                });
            }
        }
        let content: Content = serde_json::from_str(&content)?;
        let header = content.header;
        let expected = feature_hash(&header.features);
        if content.feature_hash != expected {
            return Err(ArtifactError::FeatureHash {
                expected,
                got: content.feature_hash,
            });
        }
        let trees = Trees::new(header.features.len(), &tensors.trees()?)?;
        let producer = producer(content.producer, &tensors, header.features.len())?;
        let artifact = Artifact {
            header,
            trees,
            producer,
        };
        let (expected, got) = (artifact.format_version(), version);
        if expected != got {
            return Err(ArtifactError::OtherVersion { expected, got });
        }
        artifact.check()?;
        Ok((artifact, Identity::of(bytes)))
    }

    /// Refuses a model that was not made for this schema and feature list.
    pub fn fits(&self, schema_hash: &str, features: &[String]) -> Result<(), ArtifactError> {
        if self.header.schema_hash != schema_hash {
            return Err(ArtifactError::Schema {
                expected: schema_hash.to_owned(),
                got: self.header.schema_hash.clone(),
            });
        }
        let pairs = features.iter().zip(&self.header.features);
        if let Some((index, (expected, got))) = pairs.enumerate().find(|(_, (a, b))| a != b) {
            let (expected, got) = (expected.clone(), got.clone());
            return Err(ArtifactError::Feature {
                index,
                expected,
                got,
            });
        }
        let (expected, got) = (features.len(), self.header.features.len());
        if expected != got {
            return Err(ArtifactError::FeatureCount { expected, got });
        }
        Ok(())
    }

    /// Writes beside `path`, syncs, renames: a reader sees the old file or the new one, whole.
    pub fn save(&self, path: &Path) -> Result<Identity, ArtifactError> {
        let bytes = self.encode()?;
        let io = |source| ArtifactError::Io {
            path: path.to_owned(),
            source,
        };
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".tmp");
        let mut file = std::fs::File::create(&temporary).map_err(io)?;
        file.write_all(&bytes)
            .and_then(|()| file.sync_all())
            .map_err(io)?;
        std::fs::rename(&temporary, path).map_err(io)?;
        if let Some(directory) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            std::fs::File::open(directory)
                .and_then(|d| d.sync_all())
                .map_err(io)?;
        }
        Ok(Identity::of(&bytes))
    }

    pub fn load(path: &Path) -> Result<(Self, Identity), ArtifactError> {
        let io = |source| ArtifactError::Io {
            path: path.to_owned(),
            source,
        };
        let len = std::fs::metadata(path).map_err(io)?.len();
        container::check_size(len)?;
        Artifact::decode(&std::fs::read(path).map_err(io)?)
    }

    /// The oldest version of the file that can hold this model.
    fn format_version(&self) -> u32 {
        match &self.producer {
            Some(_) => VERSION_PRODUCER,
            None => 1,
        }
    }

    /// SHA-256 of the producer; `None` without one.
    pub fn producer_identity(&self) -> Option<[u8; 32]> {
        let (schema, features) = (&self.header.schema_hash, &self.header.features);
        self.producer
            .as_ref()
            .map(|producer| producer.identity(schema, features))
    }

    fn check_producer(&self) -> Result<(), ArtifactError> {
        let Some(producer) = &self.producer else {
            return Ok(());
        };
        producer.calibration.check()?;
        let (own, producers) = (self.trees.feature_count(), producer.trees.feature_count());
        if own != producers {
            return Err(ArtifactError::ProducerFeatures {
                model: own,
                producer: producers,
            });
        }
        let (until, from) = (
            producer.training_window.until,
            self.header.training_window.from,
        );
        if until > from {
            return Err(ArtifactError::ProducerWindow {
                producer: until,
                model: from,
            });
        }
        Ok(())
    }

    fn check(&self) -> Result<(), ArtifactError> {
        let (header, trees) = (self.header.features.len(), self.trees.feature_count());
        if header != trees {
            return Err(ArtifactError::HeaderFeatures { header, trees });
        }
        self.header.calibration.check()?;
        self.check_producer()?;
        for (event_type, &t) in &self.header.thresholds {
            if t.challenge > t.review || t.review > t.decline || t.decline > SCORE_MAX + 1 {
                let (event_type, thresholds) = (event_type.clone(), t);
                return Err(ArtifactError::Thresholds {
                    event_type,
                    thresholds,
                });
            }
        }
        // JSON has no NaN: it would come back as null and the file would not load.
        match self
            .header
            .metrics
            .iter()
            .find(|(_, value)| !value.is_finite())
        {
            Some((name, &value)) => Err(ArtifactError::Metric {
                name: name.clone(),
                value,
            }),
            None => Ok(()),
        }
    }
}

fn producer(
    header: Option<ProducerHeader>,
    tensors: &container::Tensors<'_>,
    features: usize,
) -> Result<Option<Producer>, ArtifactError> {
    match (header, tensors.producer()?) {
        (None, None) => Ok(None),
        (Some(header), Some(trees)) => Ok(Some(Producer {
            trees: Trees::new(features, &trees)?,
            calibration: header.calibration,
            training_window: header.training_window,
        })),
        (header, tensors) => Err(ArtifactError::ProducerHalf {
            header: header.is_some(),
            tensors: tensors.is_some(),
        }),
    }
}

/// sha256 over the names, each ended by a zero byte.
pub fn feature_hash(features: &[String]) -> String {
    let mut hash = Sha256::new();
    for name in features {
        hash.update(name.as_bytes());
        hash.update([0]);
    }
    hex(&hash.finalize())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        })
}
