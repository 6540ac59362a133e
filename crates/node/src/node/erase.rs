//! The end of a tenant: its files are destroyed, and what was destroyed is written down.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use event::EventTime;

use crate::{NodeError, Place, clock};

/// Proof of a deletion. It also stands as a line in `<data>/.erased.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased {
    pub tenant: String,
    pub at: EventTime,
    pub files: u64,
    pub bytes: u64,
    /// Directories of the tenant found afterwards: nothing but 0 is a success.
    pub left: u64,
}

const PROOFS: &str = ".erased.jsonl";
/// What a directory is called while its files go; no tenant's name starts so.
pub const DOOMED: &str = ".erasing-";

fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> NodeError {
    let path = path.to_path_buf();
    move |source| NodeError::Io { what, path, source }
}

/// The directory is renamed first: a crash in between leaves no tenant that looks whole.
pub fn erase(data: &Path, name: &str) -> Result<Erased, NodeError> {
    let place = Place::new(data, name)?;
    let doomed = data.join(format!("{DOOMED}{name}"));
    fs::rename(place.root(), &doomed).map_err(io("rename", place.root()))?;
    sync_dir(data).map_err(io("sync", data))?;
    finish(data, name)
}

/// Destroys what has been renamed; also what a crash left of it.
pub fn finish(data: &Path, name: &str) -> Result<Erased, NodeError> {
    let place = Place::new(data, name)?;
    let doomed = data.join(format!("{DOOMED}{name}"));
    let (mut files, mut bytes) = (0, 0);
    for path in files_below(&doomed).map_err(io("read", &doomed))? {
        bytes += fs::metadata(&path).map_err(io("stat", &path))?.len();
        files += 1;
        fs::remove_file(&path).map_err(io("remove", &path))?;
    }
    fs::remove_dir_all(&doomed).map_err(io("remove", &doomed))?;
    sync_dir(data).map_err(io("sync", data))?;
    let left = [place.root(), doomed.as_path()]
        .iter()
        .filter(|it| it.exists())
        .count() as u64;
    let erased = Erased {
        tenant: name.to_owned(),
        at: clock::now()?,
        files,
        bytes,
        left,
    };
    let proofs = data.join(PROOFS);
    note(&proofs, &erased).map_err(io("write", &proofs))?;
    Ok(erased)
}

fn note(path: &Path, erased: &Erased) -> io::Result<()> {
    let Erased {
        tenant,
        at,
        files,
        bytes,
        left,
    } = erased;
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    // A tenant's name needs no escaping: it is a-z, 0-9, _ and -.
    writeln!(
        file,
        r#"{{"tenant":"{tenant}","at":"{at}","files":{files},"bytes":{bytes},"left":{left}}}"#
    )?;
    file.sync_all()
}

fn files_below(root: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut todo, mut files) = (vec![root.to_path_buf()], Vec::new());
    while let Some(directory) = todo.pop() {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if path.is_dir() && !path.is_symlink() {
                todo.push(path);
            } else {
                files.push(path);
            }
        }
    }
    Ok(files)
}

fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
