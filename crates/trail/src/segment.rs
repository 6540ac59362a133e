//! Names of segment files, and their lines.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Take};
use std::path::{Path, PathBuf};

use crate::error::TrailError;
use crate::{BATCH_BYTES_MAX, LINE_BYTES_MAX};

const ENDING: &str = ".jsonl";

pub(crate) struct Segment {
    /// The entry that its name says it begins with.
    pub first: u64,
    pub path: PathBuf,
}

pub(crate) fn name(first: u64) -> String {
    format!("{first:020}{ENDING}")
}

/// In the order of their first entries. What has another name is not the trail's.
pub(crate) fn list(dir: &Path) -> Result<Vec<Segment>, TrailError> {
    let mut segments = Vec::new();
    for item in fs::read_dir(dir).map_err(TrailError::io("list", dir))? {
        let path = item.map_err(TrailError::io("list", dir))?.path();
        let held = path.file_name().and_then(|it| it.to_str()).unwrap_or("");
        let digits = held.strip_suffix(ENDING).filter(|it| it.len() == 20);
        if let Some(first) = digits.and_then(|it| it.parse().ok()) {
            segments.push(Segment { first, path });
        }
    }
    segments.sort_unstable_by_key(|it| it.first);
    Ok(segments)
}

impl Segment {
    pub fn file_name(&self) -> String {
        name(self.first)
    }

    pub fn lines(&self) -> Result<Lines<File>, TrailError> {
        let file = File::open(&self.path).map_err(TrailError::io("open", &self.path))?;
        Ok(Lines::new(file, &self.path))
    }

    /// Bytes from `at` on: all of them, or more than a batch has.
    pub fn rest(&self, at: u64) -> Result<Vec<u8>, TrailError> {
        let mut file = File::open(&self.path).map_err(TrailError::io("open", &self.path))?;
        let mut rest = Vec::new();
        let read = file
            .seek(SeekFrom::Start(at))
            .and_then(|_| file.take(BATCH_BYTES_MAX as u64 + 1).read_to_end(&mut rest));
        read.map_err(TrailError::io("read", &self.path))?;
        Ok(rest)
    }
}

/// Lines of at most [`LINE_BYTES_MAX`], read one after the other into one buffer.
pub(crate) struct Lines<R> {
    from: BufReader<R>,
    path: PathBuf,
    line: Vec<u8>,
    /// Bytes before the line that was read last.
    pub at: u64,
    next: u64,
}

pub(crate) enum Line<'a> {
    /// Without its end.
    Whole(&'a [u8]),
    /// The last one has no end, or a line is too long.
    Cut,
    End,
}

impl<R: Read> Lines<R> {
    pub fn new(from: R, path: &Path) -> Lines<R> {
        Lines {
            from: BufReader::with_capacity(1 << 16, from),
            path: path.to_path_buf(),
            line: Vec::new(),
            at: 0,
            next: 0,
        }
    }

    pub fn next(&mut self) -> Result<Line<'_>, TrailError> {
        self.line.clear();
        let mut limited: Take<&mut BufReader<R>> =
            self.from.by_ref().take(LINE_BYTES_MAX as u64 + 1);
        let read = limited.read_until(b'\n', &mut self.line);
        let read = read.map_err(TrailError::io("read", &self.path))?;
        self.at = self.next;
        self.next += read as u64;
        Ok(match self.line.split_last() {
            None => Line::End,
            Some((b'\n', line)) => Line::Whole(line),
            Some(_) => Line::Cut,
        })
    }
}
