//! The writer: opens a directory, cuts a torn last line, appends batches.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::chain::{Chain, tail_problem};
use crate::entry::{Entry, Head};
use crate::error::{Fault, Problem, TrailError};
use crate::line::{EntryLine, put};
use crate::segment::{self, Line, Segment};
use crate::view::View;
use crate::{BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, NAME_BYTES_MAX, SOURCES_MAX};

#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// A segment is followed by another one when it has reached this size. An open reads the last one whole.
    pub segment_bytes: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            segment_bytes: 16 << 20,
        }
    }
}

/// The only writer of a trail; holds the directory's lock until dropped.
#[derive(Debug)]
pub struct Trail {
    dir: PathBuf,
    options: Options,
    chain: Chain,
    active: Option<Active>,
    repaired: Option<Repaired>,
    poisoned: bool,
    _lock: File,
}

#[derive(Debug)]
struct Active {
    file: File,
    path: PathBuf,
    len: u64,
}

/// A batch that was being written when the machine stopped: it was never acknowledged, and its source has it still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    pub file: String,
    pub bytes: u64,
}

impl Trail {
    /// Opens or begins the trail of `tenant`. Checks the last segment; [`crate::verify()`] checks all.
    pub fn open(dir: &Path, tenant: &str, options: Options) -> Result<Trail, TrailError> {
        let plain = (1..=NAME_BYTES_MAX).contains(&tenant.len());
        if !plain || tenant.chars().any(char::is_control) {
            return Err(TrailError::Tenant);
        }
        if !dir.is_dir() {
            fs::create_dir_all(dir).map_err(TrailError::io("create", dir))?;
            if let Some(parent) = dir.parent().filter(|it| !it.as_os_str().is_empty()) {
                sync_dir(parent)?;
            }
        }
        let mut trail = Trail {
            dir: dir.to_path_buf(),
            options,
            chain: Chain::new(tenant),
            active: None,
            repaired: None,
            poisoned: false,
            _lock: lock(dir)?,
        };
        let mut segments = segment::list(dir)?;
        while let Some(last) = segments.pop() {
            if trail.resume(&last, &segments)? {
                break;
            }
        }
        if trail.chain.tenant == tenant {
            return Ok(trail);
        }
        Err(TrailError::OtherTenant {
            held: trail.chain.tenant,
            wanted: tenant.to_owned(),
        })
    }

    /// Takes up the last segment; `false`: nothing of it was ever written, and it is gone.
    fn resume(&mut self, last: &Segment, before: &[Segment]) -> Result<bool, TrailError> {
        let read = read_whole(last)?;
        if read.torn > 0 {
            let file = OpenOptions::new().write(true).open(&last.path);
            let file = file.map_err(TrailError::io("open", &last.path))?;
            let cut = file.set_len(read.end).and_then(|()| file.sync_all());
            cut.map_err(TrailError::io("truncate", &last.path))?;
            self.repaired = Some(Repaired {
                file: last.file_name(),
                bytes: read.torn,
            });
        }
        match read.chain {
            Some(chain) => {
                let file = OpenOptions::new().append(true).open(&last.path);
                self.chain = chain;
                self.active = Some(Active {
                    file: file.map_err(TrailError::io("open", &last.path))?,
                    path: last.path.clone(),
                    len: read.end,
                });
                Ok(true)
            }
            None if before.is_empty() && last.first != 1 => Err(TrailError::Damaged(Fault {
                file: last.file_name(),
                line: 1,
                seq: 1,
                problem: Problem::Empty,
            })),
            None => {
                fs::remove_file(&last.path).map_err(TrailError::io("remove", &last.path))?;
                sync_dir(&self.dir)?;
                Ok(false)
            }
        }
    }

    /// What opening has cut, for the log of the process.
    pub fn repaired(&self) -> Option<&Repaired> {
        self.repaired.as_ref()
    }

    /// Last place of a source that is in the trail: its reader goes on behind it.
    pub fn last(&self, source: &str) -> Option<u64> {
        self.chain.sources.get(source).copied()
    }

    /// Of the last durable entry. Publish it where whoever can write here cannot.
    pub fn head(&self) -> Option<Head> {
        self.chain.head
    }

    /// What is durable now, for a reader on any thread.
    pub fn view(&self) -> View {
        View::new(&self.dir, self.chain.next - 1)
    }

    /// Appends the entries with one fsync, or none of them. What is refused changes nothing; a failed write leaves
    /// the trail poisoned.
    pub fn append(&mut self, entries: &[Entry]) -> Result<(), TrailError> {
        if self.poisoned {
            return Err(TrailError::Poisoned);
        }
        if entries.is_empty() {
            return Ok(());
        }
        let mut chain = self.chain.clone();
        let full = |active: &Active| active.len >= self.options.segment_bytes;
        let begins = self.active.as_ref().is_none_or(full);
        let bytes = lines(&mut chain, entries, begins)?;
        self.poisoned = true;
        if begins {
            self.active = Some(self.create()?);
        }
        if let Some(active) = &mut self.active {
            let written = active.file.write_all(&bytes);
            written.map_err(TrailError::io("write", &active.path))?;
            let synced = active.file.sync_data();
            synced.map_err(TrailError::io("fsync", &active.path))?;
            active.len += bytes.len() as u64;
        }
        if begins {
            sync_dir(&self.dir)?;
        }
        self.poisoned = false;
        self.chain = chain;
        Ok(())
    }

    fn create(&self) -> Result<Active, TrailError> {
        let path = self.dir.join(segment::name(self.chain.next));
        let file = OpenOptions::new().append(true).create_new(true).open(&path);
        let file = file.map_err(TrailError::io("create", &path))?;
        Ok(Active { file, path, len: 0 })
    }
}

/// The lines of a batch, checked; `chain` ends behind them.
fn lines(chain: &mut Chain, entries: &[Entry], begins: bool) -> Result<Vec<u8>, TrailError> {
    let mut bytes = Vec::new();
    let too_large = |bytes: usize| TrailError::BatchTooLarge {
        entries: entries.len(),
        bytes,
    };
    if entries.len() > BATCH_ENTRIES_MAX {
        return Err(too_large(0));
    }
    if begins {
        chain.previous = put(&mut bytes, &chain.previous, &chain.header());
    }
    for entry in entries {
        entry.check()?;
        let source = &entry.source;
        let last = chain.sources.get(&source.name).copied();
        if let Some(last) = last.filter(|last| *last >= source.seq) {
            return Err(TrailError::SourceOrder {
                source_name: source.name.clone(),
                last,
                got: source.seq,
            });
        }
        if last.is_none() && chain.sources.len() >= SOURCES_MAX {
            return Err(TrailError::TooManySources);
        }
        let line = EntryLine::new(chain.next, entry);
        chain.wrote(
            &source.name,
            source.seq,
            put(&mut bytes, &chain.previous, &line),
        );
        if bytes.len() > BATCH_BYTES_MAX {
            return Err(too_large(bytes.len()));
        }
    }
    Ok(bytes)
}

/// How far a segment goes.
struct Whole {
    /// `None`: not even the first line is whole.
    chain: Option<Chain>,
    /// Bytes up to the last end of line, and behind it.
    end: u64,
    torn: u64,
}

fn read_whole(segment: &Segment) -> Result<Whole, TrailError> {
    let mut lines = segment.lines()?;
    let mut chain: Option<Chain> = None;
    let mut number = 1;
    loop {
        match lines.next()? {
            Line::End => {
                let (end, torn) = (lines.at, 0);
                return Ok(Whole { chain, end, torn });
            }
            Line::Cut => break,
            Line::Whole(line) => {
                let checked = match &mut chain {
                    None => begin(segment, line).map(|begun| chain = Some(begun)),
                    Some(chain) => chain.entry(line).map(|_| ()),
                };
                checked.map_err(|problem| damaged(segment, number, chain.as_ref(), problem))?;
                number += 1;
            }
        }
    }
    let tail = segment.rest(lines.at)?;
    match tail_problem(chain.as_ref(), &tail) {
        Some(problem) => Err(damaged(segment, number, chain.as_ref(), problem)),
        None => Ok(Whole {
            chain,
            end: lines.at,
            torn: tail.len() as u64,
        }),
    }
}

fn begin(segment: &Segment, line: &[u8]) -> Result<Chain, Problem> {
    let chain = Chain::begin(line)?;
    if chain.next == segment.first {
        return Ok(chain);
    }
    let expected = segment::name(chain.next);
    Err(Problem::FileName { expected })
}

fn damaged(segment: &Segment, line: u64, chain: Option<&Chain>, problem: Problem) -> TrailError {
    TrailError::Damaged(Fault {
        file: segment.file_name(),
        line,
        seq: chain.map_or(segment.first, |it| it.next),
        problem,
    })
}

fn lock(dir: &Path) -> Result<File, TrailError> {
    let path = dir.join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(TrailError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(TrailError::Locked { path }),
        Err(TryLockError::Error(source)) => Err(TrailError::io("lock", &path)(source)),
    }
}

/// Makes created and removed names durable.
fn sync_dir(dir: &Path) -> Result<(), TrailError> {
    let handle = File::open(dir).map_err(TrailError::io("open", dir))?;
    handle.sync_all().map_err(TrailError::io("fsync", dir))
}
