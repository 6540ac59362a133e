//! The model file: safetensors layout, trees, producer and network as tensors, everything else as JSON metadata.
//!
//! Every file holds trees. A hybrid holds a network beside them: its score may mix both, and when the network
//! fails the trees decide alone, under their own calibration and named so. Normalisation of a network's inputs
//! is folded into its weights when it is exported, so there are no statistics to keep. Either kind may hold the
//! producer of the suspicion that it reads.
//!
//! The container is written by hand: the format is a length, a JSON table and bytes, and the file
//! must be the same bytes for the same model. Its first metadata entry is a digest over all other
//! bytes, so that a damaged file is refused rather than served. The file's own sha256 is the
//! model's identity; its first 12 hex digits are the short model version.
//!
//! Nothing read from a file is trusted: sizes, offsets, indices and numbers are checked before use.

mod check;
mod container;
mod error;
mod sections;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::calibration::Calibration;
use crate::hybrid::Hybrid;
use crate::hybrid::shape::Shape;
use crate::producer::Producer;
use crate::trees::Trees;

pub use container::ContainerError;
pub use error::ArtifactError;
pub(crate) use sections::arrays;

/// The newest version of the file; a file is written in the oldest one that can hold it.
pub const FORMAT_VERSION: u32 = 3;
/// The first version with networks and producers.
const VERSION_PARTS: u32 = 2;
/// The first version with a reference for drift, or with where a model came from.
const VERSION_ORIGIN: u32 = 3;
const KIND_TREES: &str = "trees";
const KIND_HYBRID: &str = "hybrid";
/// Before the names of a producer's tensors.
const PRODUCER: &str = "producer.";

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

/// Where a model came from, beside the header's parent, training window and seed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lineage {
    /// SHA-256 of the samples that it was trained on, with their labels and weights; lower-case hex.
    pub data_digest: String,
    /// How many there were, and how many of them fraud.
    pub samples: u64,
    pub frauds: u64,
    /// Of the program that trained it, with the number of the engine's semantics.
    pub code_version: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Artifact {
    pub header: Header,
    /// `None`: the file is of before it was kept.
    pub lineage: Option<Lineage>,
    pub trees: Trees,
    /// Writes the suspicion that the model reads; the two are one file and serve together.
    pub producer: Option<Producer>,
    pub network: Option<Network>,
    /// What the rows it was trained on looked like, as crate `drift` encodes it; opaque here.
    pub reference: Option<Vec<u8>>,
}

/// What a hybrid holds beside its trees.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    pub hybrid: Hybrid,
    pub blend: Blend,
    /// Of the trees alone, for when the network fails; [`Header::calibration`] is that of the blend.
    pub trees_calibration: Calibration,
}

/// Raw log-odds of a hybrid: `network * its output + trees * theirs + constant`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blend {
    pub network: f64,
    pub trees: f64,
    pub constant: f64,
}

impl Blend {
    /// The network alone.
    pub const NETWORK: Blend = Blend {
        network: 1.0,
        trees: 0.0,
        constant: 0.0,
    };

    pub fn raw(&self, network: f64, trees: f64) -> f64 {
        self.network * network + self.trees * trees + self.constant
    }

    /// Weights must not be negative: more suspicion of a part is never less of the whole.
    fn check(&self) -> Result<(), ArtifactError> {
        let weights = [self.network, self.trees];
        let fits = weights.iter().all(|it| it.is_finite() && *it >= 0.0);
        match fits && self.network + self.trees > 0.0 && self.constant.is_finite() {
            true => Ok(()),
            false => Err(ArtifactError::Blend { got: *self }),
        }
    }
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

/// What goes into the JSON beside the tensors.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format_version: u32,
    kind: String,
    feature_hash: String,
    header: Header,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lineage: Option<Lineage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    producer: Option<ProducerHeader>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    network: Option<NetworkHeader>,
}

/// What of a producer is not in its trees.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProducerHeader {
    calibration: Calibration,
    training_window: TrainingWindow,
}

/// What of a network is not in its tensors.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NetworkHeader {
    shape: Shape,
    blend: Blend,
    trees_calibration: Calibration,
}

impl Artifact {
    /// The file's bytes; equal artifacts give equal bytes.
    pub fn encode(&self) -> Result<Vec<u8>, ArtifactError> {
        self.check()?;
        let content = Content {
            format_version: self.format_version(),
            kind: self.kind().to_owned(),
            feature_hash: feature_hash(&self.header.features),
            header: self.header.clone(),
            lineage: self.lineage.clone(),
            producer: self.producer.as_ref().map(|it| ProducerHeader {
                calibration: it.calibration.clone(),
                training_window: it.training_window,
            }),
            network: self.network.as_ref().map(|it| NetworkHeader {
                shape: *it.hybrid.shape(),
                blend: it.blend,
                trees_calibration: it.trees_calibration.clone(),
            }),
        };
        let mut tensors = Vec::new();
        sections::write_trees("", &self.trees, &mut tensors);
        if let Some(producer) = &self.producer {
            sections::write_trees(PRODUCER, &producer.trees, &mut tensors);
        }
        if let Some(network) = &self.network {
            sections::write_network(&network.hybrid, &mut tensors);
        }
        tensors.extend(self.reference.as_deref().map(sections::reference));
        Ok(container::write(
            &serde_json::to_string(&content)?,
            tensors,
        )?)
    }

    pub fn decode(bytes: &[u8]) -> Result<(Self, Identity), ArtifactError> {
        let (content, mut tensors) = container::read(bytes)?;
        let (content, version) = read_content(&content)?;
        let header = content.header;
        let expected = feature_hash(&header.features);
        if content.feature_hash != expected {
            return Err(ArtifactError::FeatureHash {
                expected,
                got: content.feature_hash,
            });
        }
        let trees = Trees::new(
            header.features.len(),
            &sections::read_trees("", &mut tensors)?,
        )?;
        let producer = read_producer(content.producer, header.features.len(), &mut tensors)?;
        let network = match content.network {
            Some(it) => Some(Network {
                hybrid: sections::read_network(it.shape, &mut tensors)??,
                blend: it.blend,
                trees_calibration: it.trees_calibration,
            }),
            None => None,
        };
        let reference = sections::read_reference(&mut tensors)?;
        tensors.end()?;
        let artifact = Artifact {
            header,
            lineage: content.lineage,
            trees,
            producer,
            network,
            reference,
        };
        if artifact.kind() != content.kind {
            let expected = match artifact.network {
                Some(_) => "not hold",
                None => "hold",
            };
            return Err(ArtifactError::NetworkHeader {
                kind: content.kind,
                expected,
            });
        }
        let (expected, got) = (artifact.format_version(), version);
        if expected != got {
            return Err(ArtifactError::OtherVersion { expected, got });
        }
        artifact.check()?;
        Ok((artifact, Identity::of(bytes)))
    }

    /// `"trees"` or `"hybrid"`.
    pub fn kind(&self) -> &'static str {
        match self.network {
            Some(_) => KIND_HYBRID,
            None => KIND_TREES,
        }
    }

    /// The oldest version of the file that can hold this model.
    fn format_version(&self) -> u32 {
        match (&self.producer, &self.network) {
            _ if self.lineage.is_some() || self.reference.is_some() => VERSION_ORIGIN,
            (None, None) => 1,
            _ => VERSION_PARTS,
        }
    }

    /// Whether a score can depend on one of these features. A network is taken to read them all: its arrays show
    /// what neighbours' features say.
    pub fn reads(&self, is_one: impl Fn(usize) -> bool) -> bool {
        let mut read = self.trees.feature.iter();
        self.network.is_some() || read.any(|feature| is_one(*feature as usize))
    }

    /// SHA-256 of the producer; `None` without one.
    pub fn producer_identity(&self) -> Option<[u8; 32]> {
        let (schema, features) = (&self.header.schema_hash, &self.header.features);
        self.producer
            .as_ref()
            .map(|producer| producer.identity(schema, features))
    }

    /// Refuses a model that was not made for this schema: its hash, features and number of roles.
    pub fn fits(
        &self,
        schema_hash: &str,
        features: &[String],
        roles: usize,
    ) -> Result<(), ArtifactError> {
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
        match &self.network {
            Some(network) if network.hybrid.shape().roles != roles => Err(ArtifactError::Roles {
                expected: roles,
                got: network.hybrid.shape().roles,
            }),
            _ => Ok(()),
        }
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
}

/// The content and its version, which is looked at first: a later format may have other fields.
fn read_content(text: &str) -> Result<(Content, u32), ArtifactError> {
    let loose: serde_json::Value = serde_json::from_str(text)?;
    let version = loose
        .get("format_version")
        .and_then(serde_json::Value::as_u64);
    let version = version.and_then(|v| u32::try_from(v).ok()).unwrap_or(0);
    if !(1..=FORMAT_VERSION).contains(&version) {
        return Err(ArtifactError::Version { got: version });
    }
    match loose.get("kind").and_then(serde_json::Value::as_str) {
        Some(KIND_TREES | KIND_HYBRID) => Ok((serde_json::from_str(text)?, version)),
        other => Err(ArtifactError::Kind {
            got: other.unwrap_or_default().to_owned(),
        }),
    }
}

/// Header and tensors must both hold one, or neither.
fn read_producer(
    header: Option<ProducerHeader>,
    features: usize,
    tensors: &mut container::Tensors<'_>,
) -> Result<Option<Producer>, ArtifactError> {
    match (header, tensors.any(PRODUCER)) {
        (None, false) => Ok(None),
        (Some(header), true) => Ok(Some(Producer {
            trees: Trees::new(features, &sections::read_trees(PRODUCER, tensors)?)?,
            calibration: header.calibration,
            training_window: header.training_window,
        })),
        (header, tensors) => Err(ArtifactError::ProducerHalf {
            header: header.is_some(),
            tensors,
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
