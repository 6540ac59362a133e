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
use crate::score::SCORE_MAX;
use crate::trees::{Trees, TreesError};

pub use container::ContainerError;

pub const FORMAT_VERSION: u32 = 1;
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
    #[error("model format version must be {FORMAT_VERSION}, got {got}")]
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
}

impl Artifact {
    /// The file's bytes; equal artifacts give equal bytes.
    pub fn encode(&self) -> Result<Vec<u8>, ArtifactError> {
        self.check()?;
        let content = Content {
            format_version: FORMAT_VERSION,
            kind: KIND_TREES.to_owned(),
            feature_hash: feature_hash(&self.header.features),
            header: self.header.clone(),
        };
        Ok(container::write(
            &serde_json::to_string(&content)?,
            &self.trees,
        )?)
    }

    pub fn decode(bytes: &[u8]) -> Result<(Self, Identity), ArtifactError> {
        let (content, tensors) = container::read(bytes)?;
        // The version first: a later format may have other fields.
        let loose: serde_json::Value = serde_json::from_str(content.as_str())?;
        let version = loose
            .get("format_version")
            .and_then(serde_json::Value::as_u64);
        if version != Some(u64::from(FORMAT_VERSION)) {
            let got = version.and_then(|v| u32::try_from(v).ok()).unwrap_or(0);
            return Err(ArtifactError::Version { got });
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
        let artifact = Artifact { header, trees };
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

    fn check(&self) -> Result<(), ArtifactError> {
        let (header, trees) = (self.header.features.len(), self.trees.feature_count());
        if header != trees {
            return Err(ArtifactError::HeaderFeatures { header, trees });
        }
        self.header.calibration.check()?;
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
