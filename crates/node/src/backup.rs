//! A copy of one tenant, taken while it is served, and the way back.
//!
//! Log, models and side files are copied as they lie in the tenant's directory. What the log held when the copy
//! began is in it; the models and side files that it names are older than it. The manifest is written last, so a
//! copy without one, or with one that does not check out, is torn and refused.

mod manifest;

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use event::hex;
use log::LogOptions;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::history::History;
use crate::place::{CASEWORK, TRAIL, WATCH, WEBHOOKS};
use crate::{NodeError, Place, Recovered, Tenant};

pub use manifest::{Entry, Manifest};

/// Why a copy cannot be taken, or cannot be used.
#[derive(Debug, Error)]
pub enum Fault {
    #[error("is torn: it has no manifest, so it was not finished")]
    NoManifest,
    #[error("has a manifest that does not check out in line {line}")]
    Manifest { line: usize },
    #[error("lacks {name}")]
    Missing { name: String },
    #[error("is altered: {name} has SHA-256 {got}, the manifest says {expected}")]
    Altered {
        name: String,
        expected: String,
        got: String,
    },
    #[error("is not empty")]
    NotEmpty,
    #[error("holds a damaged log: {0}")]
    Damaged(String),
    #[error("could not be finished: the tenant's files changed {0} times while they were copied")]
    Restless(u32),
}

/// A snapshot or a segment may be removed while it is copied; then all is copied again.
const TRIES: u32 = 5;
const MANIFEST: &str = "MANIFEST";
const CONFIG: &str = "config.toml";

/// What became of a restore.
#[derive(Clone, Debug)]
pub struct Restored {
    pub manifest: Manifest,
    pub recovered: Recovered,
    /// Of the state at `manifest.end`.
    pub digest: [u8; 32],
}

/// What goes into a copy beside what lies in the tenant's directory as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// A file to keep with it, which does not come back.
    pub config: Option<&'a Path>,
    /// A copy of the tenant's casework that was finished before this begins: what it has seen of the log is in
    /// the log that is copied then.
    pub casework: Option<&'a Path>,
    /// The same of its webhooks.
    pub webhooks: Option<&'a Path>,
    /// Of the audit trail, as [`trail_files`] told them before those two were copied.
    pub trail: &'a [(PathBuf, u64)],
}

/// Segments of the audit trail and how long they are by now: up to there they do not change any more, and what they
/// tell of is in log, casework and webhooks that are copied later.
pub fn trail_files(place: &Place) -> Result<Vec<(PathBuf, u64)>, NodeError> {
    let folder = place.trail();
    let mut files = Vec::new();
    for path in files_in(&folder)? {
        let bytes = fs::metadata(&path).map_err(io("read", &path))?.len();
        files.push((path, bytes));
    }
    Ok(files)
}

/// Copies a tenant into a directory that is empty or does not exist.
pub fn take(
    place: &Place,
    tenant: &str,
    to: &Path,
    beside: Beside,
    mut progress: impl FnMut(u64, u64),
) -> Result<Manifest, NodeError> {
    fs::create_dir_all(to).map_err(io("create", to))?;
    if fs::read_dir(to).map_err(io("read", to))?.next().is_some() {
        return Err(fault(to, Fault::NotEmpty));
    }
    for _ in 0..TRIES {
        match copy(place, tenant, to, beside, &mut progress) {
            Err(error) if has_vanished(&error, place) => {
                // Nothing else was here when this began.
                fs::remove_dir_all(to).map_err(io("clear", to))?;
                fs::create_dir(to).map_err(io("create", to))?;
            }
            other => return other,
        }
    }
    Err(fault(to, Fault::Restless(TRIES)))
}

/// Whether a file of the tenant was there when it was listed and is not any more.
fn has_vanished(error: &NodeError, place: &Place) -> bool {
    let (path, source) = match error {
        NodeError::Io { path, source, .. } => (path, source),
        NodeError::Log(log::LogError::Io { path, source, .. }) => (path, source),
        _ => return false,
    };
    source.kind() == ErrorKind::NotFound && path.starts_with(place.root()) && place.exists()
}

fn copy(
    place: &Place,
    tenant: &str,
    to: &Path,
    beside: Beside,
    progress: &mut impl FnMut(u64, u64),
) -> Result<Manifest, NodeError> {
    // First: what it knows of must be in the log that is copied.
    let watched = copy_watched(place, to)?;
    let history = History::open(place)?;
    let mut sources: Vec<(PathBuf, String, u64)> = Vec::new();
    for file in history.reader().files()? {
        sources.push((file.path.clone(), named("log", &file.path), file.bytes));
    }
    // Whatever the log names up to here is older than it.
    for (folder, name) in [(place.models(), "models"), (place.channels(), "channels")] {
        for path in files_in(&folder)? {
            let bytes = fs::metadata(&path).map_err(io("read", &path))?.len();
            sources.push((path.clone(), named(name, &path), bytes));
        }
    }
    for (path, bytes) in beside.trail {
        sources.push((path.clone(), named(TRAIL, path), *bytes));
    }
    let schema = place.schema();
    let kept = [(schema.as_path(), "schema.toml")];
    let kept = kept.into_iter().filter(|(path, _)| path.exists());
    let config = beside.config.map(|path| (path, CONFIG));
    let casework = beside.casework.map(|path| (path, CASEWORK));
    let webhooks = beside.webhooks.map(|path| (path, WEBHOOKS));
    for (path, name) in kept.chain(config).chain(casework).chain(webhooks) {
        let bytes = fs::metadata(path).map_err(io("read", path))?.len();
        sources.push((path.to_path_buf(), name.to_owned(), bytes));
    }
    let mut files = Vec::from_iter(watched);
    let mut done = files.iter().map(|it| it.bytes).sum();
    let total = done + sources.iter().map(|(_, _, bytes)| bytes).sum::<u64>();
    for (path, name, bytes) in sources {
        let target = to.join(&name);
        let sha256 = copy_file(&path, &target, bytes)?;
        files.push(Entry {
            name,
            bytes,
            sha256,
        });
        done += bytes;
        progress(done, total);
    }
    let report = log::verify(&to.join("log"))?;
    if let Some(problem) = report.problems.first() {
        return Err(fault(to, Fault::Damaged(problem.to_string())));
    }
    sync_folders(to)?;
    let manifest = Manifest {
        tenant: tenant.to_owned(),
        taken_at: crate::clock::now()?,
        first: history.first(),
        end: history.end(),
        files,
    };
    let draft = to.join("MANIFEST.tmp");
    write_durably(&draft, manifest.encode().as_bytes())?;
    let path = to.join(MANIFEST);
    fs::rename(&draft, &path).map_err(io("write", &path))?;
    sync(to)?;
    Ok(manifest)
}

/// What the watch over drift knew when it was written down last; `None`: there is no such file.
fn copy_watched(place: &Place, to: &Path) -> Result<Option<Entry>, NodeError> {
    let path = place.watch();
    // Read at once: another may take its place at any time.
    let bytes = match fs::read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        read => read.map_err(io("read", &path))?,
    };
    write_durably(&to.join(WATCH), &bytes)?;
    Ok(Some(Entry {
        name: WATCH.to_owned(),
        bytes: bytes.len() as u64,
        sha256: Sha256::digest(&bytes).into(),
    }))
}

fn named(folder: &str, path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!("{folder}/{name}")
}

/// Finished files only: what is being written has another ending.
fn files_in(folder: &Path) -> Result<Vec<PathBuf>, NodeError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(io("read", folder))?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(io("read", folder))?.path();
        let finished = ["model", "channel", "jsonl"];
        if path
            .extension()
            .is_some_and(|it| finished.iter().any(|ending| it == *ending))
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Copies the first `bytes` of a file, durably and for those who may read it; their SHA-256.
fn copy_file(from: &Path, to: &Path, bytes: u64) -> Result<[u8; 32], NodeError> {
    let source = File::open(from).map_err(io("read", from))?;
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(io("create", folder))?;
    }
    let mode = source.metadata().map_err(io("read", from))?.mode();
    let mut target = File::options();
    let target = target
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode & 0o777);
    let mut target = target.open(to).map_err(io("create", to))?;
    let mut source = source.take(bytes);
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut copied = 0;
    loop {
        let filled = source.read(&mut buffer).map_err(io("read", from))?;
        if filled == 0 {
            break;
        }
        hasher.update(&buffer[..filled]);
        target
            .write_all(&buffer[..filled])
            .map_err(io("write", to))?;
        copied += filled as u64;
    }
    if copied < bytes {
        let short = std::io::Error::from(ErrorKind::UnexpectedEof);
        return Err(io("read", from)(short));
    }
    target.sync_all().map_err(io("sync", to))?;
    Ok(hasher.finalize().into())
}

/// Reads and checks the manifest of a copy.
pub fn read_manifest(from: &Path) -> Result<Manifest, NodeError> {
    let path = from.join(MANIFEST);
    let text = match fs::read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(fault(from, Fault::NoManifest));
        }
        text => text.map_err(io("read", &path))?,
    };
    Manifest::decode(&text).map_err(|line| fault(from, Fault::Manifest { line }))
}

/// Copies a tenant back, checking every byte against the manifest, and opens it before it appears under its
/// name. No server may have the tenant.
pub fn restore(
    from: &Path,
    data: &Path,
    tenant: &str,
    options: LogOptions,
    mut progress: impl FnMut(u64, u64),
) -> Result<Restored, NodeError> {
    let place = Place::new(data, tenant)?;
    if place.root().exists() {
        let path = place.root().to_path_buf();
        return Err(NodeError::TenantExists { path });
    }
    let manifest = read_manifest(from)?;
    let staging = data.join(format!(".restore-{tenant}"));
    if staging.exists() {
        // Of a restore that was cut short.
        fs::remove_dir_all(&staging).map_err(io("clear", &staging))?;
    }
    let staged = Place::new(&staging, tenant)?;
    let restored = fill(from, &manifest, &staged, options, &mut progress);
    let restored = restored.and_then(|(recovered, digest)| {
        fs::rename(staged.root(), place.root()).map_err(io("rename", staged.root()))?;
        sync(data)?;
        Ok(Restored {
            manifest,
            recovered,
            digest,
        })
    });
    // Empty by now, or half of a tenant.
    fs::remove_dir_all(&staging).map_err(io("clear", &staging))?;
    restored
}

fn fill(
    from: &Path,
    manifest: &Manifest,
    staged: &Place,
    options: LogOptions,
    progress: &mut impl FnMut(u64, u64),
) -> Result<(Recovered, [u8; 32]), NodeError> {
    fs::create_dir_all(staged.root()).map_err(io("create", staged.root()))?;
    let total = manifest.files.iter().map(|it| it.bytes).sum();
    let mut done = 0;
    for entry in manifest.files.iter().filter(|it| it.name != CONFIG) {
        let source = from.join(&entry.name);
        let got = match copy_file(&source, &staged.root().join(&entry.name), entry.bytes) {
            Err(NodeError::Io { source, .. })
                if matches!(
                    source.kind(),
                    ErrorKind::NotFound | ErrorKind::UnexpectedEof
                ) =>
            {
                let name = entry.name.clone();
                return Err(fault(from, Fault::Missing { name }));
            }
            copied => copied?,
        };
        if got != entry.sha256 {
            return Err(fault(
                from,
                Fault::Altered {
                    name: entry.name.clone(),
                    expected: hex(&entry.sha256),
                    got: hex(&got),
                },
            ));
        }
        done += entry.bytes;
        progress(done, total);
    }
    sync_folders(staged.root())?;
    let (mut tenant, recovered) = Tenant::open(staged, options, |_, _| {})?;
    if tenant.journal().committed() != manifest.end {
        let end = tenant.journal().committed().0;
        let what = format!("it ends at {end}, the manifest says {}", manifest.end.0);
        return Err(fault(from, Fault::Damaged(what)));
    }
    Ok((recovered, tenant.engine().digest()))
}

fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), NodeError> {
    File::create(path)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .map_err(io("write", path))
}

/// A directory and those in it: their files can be found again after a power loss.
fn sync_folders(root: &Path) -> Result<(), NodeError> {
    for entry in fs::read_dir(root).map_err(io("read", root))? {
        let path = entry.map_err(io("read", root))?.path();
        if path.is_dir() {
            sync(&path)?;
        }
    }
    sync(root)
}

fn sync(folder: &Path) -> Result<(), NodeError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(io("sync", folder))
}

fn fault(path: &Path, fault: Fault) -> NodeError {
    let path = path.to_path_buf();
    NodeError::Backup { path, fault }
}

fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> NodeError {
    let path = path.to_path_buf();
    move |source| NodeError::Io { what, path, source }
}
