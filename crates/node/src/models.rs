//! A tenant's model files: listed, taken in, made ready to serve. Files are read and checked on the caller's
//! thread, never on the one that decides.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use model::artifact::{Artifact, ArtifactError, Header, Identity, Lineage};

use crate::champion::policy_of;
use crate::owner::Shape;
use crate::tenant::activation::ReadyModel;
use crate::tenant::documents::Author;
use crate::{Champion, NodeError, Place};

/// What a model file holds.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFile {
    /// SHA-256 of the file.
    pub artifact: [u8; 32],
    pub kind: &'static str,
    pub trees: usize,
    pub bytes: u64,
    pub producer: Option<[u8; 32]>,
    pub header: Header,
    pub lineage: Option<Lineage>,
    /// Why it cannot serve this tenant.
    pub unfit: Option<String>,
}

/// A file of the folder that is no model, by its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Unreadable {
    pub name: String,
    pub reason: String,
}

/// What became of a file that was handed in.
#[derive(Clone, Debug, PartialEq)]
pub enum Stored {
    New(ModelFile),
    Held(ModelFile),
    /// The folder holds as many as it may.
    Full,
}

const EXTENSION: &str = "model";

/// Every model file of the tenant, by hash, and what else lies there under a model's name.
pub fn list(place: &Place, shape: &Shape) -> Result<(Vec<ModelFile>, Vec<Unreadable>), NodeError> {
    let (mut models, mut unreadable) = (Vec::new(), Vec::new());
    for name in names(place)? {
        let path = place.models().join(&name);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            // It was removed, or renamed to its final name, after the folder was read.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(source) => return Err(io("read", &path, source)),
        };
        match Artifact::decode(&bytes) {
            Ok((artifact, identity)) => {
                if path == place.model(&identity.bytes()) {
                    models.push(describe(&artifact, &identity, bytes.len(), shape));
                } else {
                    let reason = format!("holds model {}", identity.as_str());
                    unreadable.push(Unreadable { name, reason });
                }
            }
            Err(error) => unreadable.push(Unreadable {
                name,
                reason: error.to_string(),
            }),
        }
    }
    models.sort_by_key(|it| it.artifact);
    Ok((models, unreadable))
}

fn names(place: &Place) -> Result<Vec<String>, NodeError> {
    let folder = place.models();
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(io("read", &folder, source)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let path = entry.map_err(|source| io("read", &folder, source))?.path();
        if path.extension().is_some_and(|it| it == EXTENSION)
            && let Some(name) = path.file_name()
        {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn describe(artifact: &Artifact, identity: &Identity, bytes: usize, shape: &Shape) -> ModelFile {
    let unfit = Champion::of(artifact, identity, &shape.schema, &shape.features).err();
    ModelFile {
        artifact: identity.bytes(),
        kind: artifact.kind(),
        trees: artifact.trees.tree_count(),
        bytes: bytes as u64,
        producer: artifact.producer_identity(),
        header: artifact.header.clone(),
        lineage: artifact.lineage.clone(),
        unfit: unfit.map(|error| error.to_string()),
    }
}

/// Takes a model file in, under its hash, durably. What cannot serve the tenant is refused and not kept.
pub fn store(
    place: &Place,
    bytes: &[u8],
    shape: &Shape,
    files_max: usize,
) -> Result<Stored, NodeError> {
    let (artifact, identity) = Artifact::decode(bytes)?;
    Champion::of(&artifact, &identity, &shape.schema, &shape.features)?;
    let file = describe(&artifact, &identity, bytes.len(), shape);
    let path = place.model(&identity.bytes());
    if path.exists() {
        return Ok(Stored::Held(file));
    }
    if names(place)?.len() >= files_max {
        return Ok(Stored::Full);
    }
    write(place, &path, bytes)?;
    Ok(Stored::New(file))
}

fn write(place: &Place, path: &Path, bytes: &[u8]) -> Result<(), NodeError> {
    let folder = place.models();
    fs::create_dir_all(&folder).map_err(|source| io("make", &folder, source))?;
    let draft = path.with_extension("draft");
    let written = File::create(&draft)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        // It may not even exist; what matters is told below.
        let _ = fs::remove_file(&draft);
    }
    written.map_err(|source| io("write", path, source))?;
    for folder in [folder.as_path(), place.root()] {
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|source| io("sync", folder, source))?;
    }
    Ok(())
}

/// The bytes of a model file, as they were taken in; `None`: there is none of this hash.
pub fn bytes(place: &Place, artifact: &[u8; 32]) -> Result<Option<Vec<u8>>, NodeError> {
    let held = held(place, artifact)?;
    Ok(held.map(|(bytes, ..)| bytes))
}

/// What a model file holds; `None`: there is none of this hash.
pub fn describe_one(
    place: &Place,
    artifact: &[u8; 32],
    shape: &Shape,
) -> Result<Option<ModelFile>, NodeError> {
    let held = held(place, artifact)?;
    Ok(held.map(|(bytes, held, identity)| describe(&held, &identity, bytes.len(), shape)))
}

fn held(
    place: &Place,
    artifact: &[u8; 32],
) -> Result<Option<(Vec<u8>, Artifact, Identity)>, NodeError> {
    let path = place.model(artifact);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(io("read", &path, source)),
    };
    let (held, identity) = Artifact::decode(&bytes)?;
    check_name(path, &identity, artifact)?;
    Ok(Some((bytes, held, identity)))
}

/// Removes a model file, durably; false: there is none of this hash. That it serves nowhere, the caller knows.
pub fn remove(place: &Place, artifact: &[u8; 32]) -> Result<bool, NodeError> {
    let path = place.model(artifact);
    match fs::remove_file(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(io("remove", &path, source)),
    }
    let folder = place.models();
    let synced = File::open(&folder).and_then(|folder| folder.sync_all());
    synced.map_err(|source| io("sync", &folder, source))?;
    Ok(true)
}

fn check_name(path: PathBuf, identity: &Identity, artifact: &[u8; 32]) -> Result<(), NodeError> {
    if identity.bytes() == *artifact {
        return Ok(());
    }
    let held = identity.as_str().to_owned();
    Err(NodeError::OtherModel { path, held })
}

/// A model that can serve a tenant.
pub struct Fitting {
    pub model: Champion,
    /// See [`policy_of`].
    policy: Option<String>,
}

impl Fitting {
    /// Warm, so that its first scores are as fast as later ones.
    pub fn ready(self, author: Author) -> ReadyModel {
        let mut champion = self.model;
        champion.warm();
        ReadyModel {
            champion,
            policy: self.policy,
            author,
            rebuilt: None,
        }
    }
}

/// Reads a model of the folder and checks that it can serve; `None`: there is none of this hash.
pub fn fitting(
    place: &Place,
    artifact: [u8; 32],
    shape: &Shape,
) -> Result<Option<Fitting>, NodeError> {
    let path = place.model(&artifact);
    let (held, identity) = match Artifact::load(&path) {
        Err(ArtifactError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
            return Ok(None);
        }
        Err(ArtifactError::Io { source, .. }) => return Err(io("read", &path, source)),
        loaded => loaded?,
    };
    check_name(path, &identity, &artifact)?;
    Ok(Some(Fitting {
        model: Champion::of(&held, &identity, &shape.schema, &shape.features)?,
        policy: policy_of(&held.header),
    }))
}

/// The policy that a model of the folder asks for; see [`policy_of`].
pub fn policy_in(place: &Place, artifact: [u8; 32]) -> Result<Option<String>, NodeError> {
    let (held, _) = Artifact::load(&place.model(&artifact))?;
    Ok(policy_of(&held.header))
}

fn io(what: &'static str, path: &Path, source: std::io::Error) -> NodeError {
    let path = path.to_path_buf();
    NodeError::Io { what, path, source }
}
