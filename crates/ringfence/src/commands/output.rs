//! A file that a command was asked for: there whole, or as it was before.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::NamedTempFile;

/// Begun before the work, so that a place that cannot be written to is told then.
#[derive(Debug)]
pub struct Output {
    /// As it was named.
    shown: PathBuf,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Written beside, and renamed at the end.
    Beside { draft: NamedTempFile, path: PathBuf },
    /// A pipe or a device has nothing to keep, and is no file to take the place of.
    Direct(File),
}

impl Output {
    pub fn begin(shown: &Path) -> Result<Output> {
        let kind = kind(shown).with_context(|| format!("cannot write {}", shown.display()))?;
        let shown = shown.to_path_buf();
        Ok(Output { shown, kind })
    }

    pub fn finish(self) -> Result<()> {
        let shown = self.shown.display();
        match self.kind {
            Kind::Beside { draft, path } => {
                let synced = draft.as_file().sync_all();
                let kept =
                    synced.and_then(|()| draft.persist(path).map(drop).map_err(|it| it.error));
                kept.with_context(|| format!("cannot write {shown}"))
            }
            Kind::Direct(mut file) => file
                .flush()
                .with_context(|| format!("cannot write {shown}")),
        }
    }

    /// All of it at once.
    pub fn write_whole(mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        let written = self.write_all(bytes.as_ref());
        written.with_context(|| format!("cannot write {}", self.shown.display()))?;
        self.finish()
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.kind {
            Kind::Beside { draft, .. } => draft.write(bytes),
            Kind::Direct(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.kind {
            Kind::Beside { draft, .. } => draft.flush(),
            Kind::Direct(file) => file.flush(),
        }
    }
}

fn kind(shown: &Path) -> io::Result<Kind> {
    // A link goes on pointing to its file, and a file keeps its mode.
    let (path, mode) = match fs::metadata(shown) {
        Ok(held) if !held.is_file() => {
            return File::options().write(true).open(shown).map(Kind::Direct);
        }
        Ok(held) => {
            // One that may not be written to is not replaced either.
            File::options().write(true).open(shown)?;
            (fs::canonicalize(shown)?, Some(held.permissions()))
        }
        Err(_) => (shown.to_path_buf(), None),
    };
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    let mut draft = tempfile::Builder::new();
    // Less what the umask takes, as of any new file.
    draft.permissions(Permissions::from_mode(0o666));
    let draft = draft.tempfile_in(folder.unwrap_or(Path::new(".")))?;
    if let Some(mode) = mode {
        draft.as_file().set_permissions(mode)?;
    }
    Ok(Kind::Beside { draft, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_as_it_was_until_the_new_one_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|name| folder.path().join(name));
        fs::write(&file, "before").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let read = || fs::read_to_string(&file).unwrap();
        let mut given_up = Output::begin(&link).unwrap();
        given_up.write_all(b"half").unwrap();
        drop(given_up);
        assert_eq!(read(), "before");
        let names = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(names, 2, "a draft is left");
        Output::begin(&link).unwrap().write_whole("after").unwrap();
        assert_eq!(read(), "after");
        assert!(link.is_symlink());
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
    }

    #[test]
    fn a_new_file_appears_whole_and_may_be_read_as_any() {
        let folder = tempfile::tempdir().unwrap();
        let [file, plain] = ["file", "plain"].map(|name| folder.path().join(name));
        fs::write(&plain, "").unwrap();
        let begun = Output::begin(&file).unwrap();
        assert!(!file.exists());
        begun.write_whole("all").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&file), mode(&plain));
    }

    #[test]
    fn a_device_is_written_to_and_a_folder_that_is_not_there_is_told() {
        Output::begin(Path::new("/dev/null"))
            .unwrap()
            .write_whole("all")
            .unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        let refused = Output::begin(Path::new("/nowhere/at/all")).unwrap_err();
        assert_eq!(refused.to_string(), "cannot write /nowhere/at/all");
    }
}
