//! The few operations that change files, in one place, so that a test can make any of them fail.
//! Nothing here retries: a failed write or fsync is reported once, and the caller poisons itself.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::LogError;

/// Makes the n-th write or fsync from now fail, once each. For tests here and downstream.
#[derive(Debug, Default)]
pub struct Faults {
    syncs_until_failure: AtomicU32,
    writes_until_failure: AtomicU32,
    bytes_kept_of_failed_write: AtomicU32,
}

impl Faults {
    /// `nth` counts from 1; directory fsyncs count too.
    pub fn fail_sync(&self, nth: u32) {
        self.syncs_until_failure.store(nth, Ordering::SeqCst);
    }

    /// The failing write leaves its first `kept` bytes in the file, as a full disk would.
    pub fn fail_write(&self, nth: u32, kept: u32) {
        self.bytes_kept_of_failed_write
            .store(kept, Ordering::SeqCst);
        self.writes_until_failure.store(nth, Ordering::SeqCst);
    }

    fn due(counter: &AtomicU32) -> bool {
        let step = |left: u32| left.checked_sub(1);
        counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, step) == Ok(1)
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    faults: Option<Arc<Faults>>,
}

impl Disk {
    pub(crate) fn new(faults: Option<Arc<Faults>>) -> Self {
        Self { faults }
    }

    pub(crate) fn write_at(
        &self,
        file: &File,
        path: &Path,
        bytes: &[u8],
        at: u64,
    ) -> Result<(), LogError> {
        if let Some(faults) = &self.faults
            && Faults::due(&faults.writes_until_failure)
        {
            let kept = faults.bytes_kept_of_failed_write.load(Ordering::SeqCst) as usize;
            let kept = &bytes[..kept.min(bytes.len())];
            file.write_all_at(kept, at)
                .map_err(LogError::io("write", path))?;
            return Err(LogError::io("write", path)(io::Error::other(
                "injected write failure",
            )));
        }
        file.write_all_at(bytes, at)
            .map_err(LogError::io("write", path))
    }

    /// fdatasync: data and, when it changed, the length.
    pub(crate) fn sync(&self, file: &File, path: &Path) -> Result<(), LogError> {
        if let Some(faults) = &self.faults
            && Faults::due(&faults.syncs_until_failure)
        {
            return Err(LogError::io("fsync", path)(io::Error::other(
                "injected fsync failure",
            )));
        }
        file.sync_data().map_err(LogError::io("fsync", path))
    }

    /// Makes created, renamed and removed names in `dir` durable.
    pub(crate) fn sync_dir(&self, dir: &Path) -> Result<(), LogError> {
        let handle = File::open(dir).map_err(LogError::io("open", dir))?;
        self.sync(&handle, dir)
    }

    pub(crate) fn truncate(&self, file: &File, path: &Path, len: u64) -> Result<(), LogError> {
        file.set_len(len).map_err(LogError::io("truncate", path))
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> Result<(), LogError> {
        fs::rename(from, to).map_err(LogError::io("rename", from))
    }

    pub(crate) fn remove(&self, path: &Path) -> Result<(), LogError> {
        fs::remove_file(path).map_err(LogError::io("remove", path))
    }
}

/// Opens for reading and writing, creating the file when missing and keeping its content.
pub(crate) fn open_writable(path: &Path) -> Result<File, LogError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(LogError::io("open", path))
}

pub(crate) fn open_readable(path: &Path) -> Result<File, LogError> {
    File::open(path).map_err(LogError::io("open", path))
}

pub(crate) fn len(file: &File, path: &Path) -> Result<u64, LogError> {
    Ok(file.metadata().map_err(LogError::io("stat", path))?.len())
}

/// Fills as much of `buf` as the file has from `at`; returns the count.
pub(crate) fn read_up_to(
    file: &File,
    path: &Path,
    buf: &mut [u8],
    at: u64,
) -> Result<usize, LogError> {
    let mut filled = 0;
    while filled < buf.len() {
        match file.read_at(&mut buf[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(LogError::io("read", path)(error)),
        }
    }
    Ok(filled)
}
