//! Reading: pages of entries by a filter, and the whole as it lies there.
//!
//! A view shows entries as they are written and does not check the chain: [`crate::verify()`] does.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::entry::Recorded;
use crate::error::{Fault, Problem, TrailError};
use crate::line::EntryLine;
use crate::segment::{self, Line, Segment};
use crate::{PAGE_ENTRIES_MAX, PAGE_SEEN_MAX};

/// The trail up to the entry that was the last durable one, or as it lies there.
#[derive(Clone, Debug)]
pub struct View {
    dir: PathBuf,
    end: u64,
}

/// What a page is made of: everything that is stated holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pub actor: Option<String>,
    pub action: Option<String>,
    pub target: Option<String>,
    /// Times in ms since 1970; the first is in, the second is not.
    pub since: Option<i64>,
    pub until: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    pub entries: Vec<Recorded>,
    /// Where to go on; `None`: that was all.
    pub next: Option<u64>,
}

impl View {
    /// Of a directory that another process may write: a batch that it is writing may show in part.
    pub fn open(dir: &Path) -> View {
        View::new(dir, u64::MAX)
    }

    pub(crate) fn new(dir: &Path, end: u64) -> View {
        let dir = dir.to_path_buf();
        View { dir, end }
    }

    /// Entries from `from` on that the query is about, in their order: at most `limit` and [`PAGE_ENTRIES_MAX`], of
    /// at most [`PAGE_SEEN_MAX`] that were looked at.
    pub fn read(&self, from: u64, query: &Query, limit: usize) -> Result<Page, TrailError> {
        let mut page = Page::default();
        let (from, limit) = (from.max(1), limit.clamp(1, PAGE_ENTRIES_MAX));
        let stop = from.saturating_add(PAGE_SEEN_MAX);
        self.walk(from, |seq, line| {
            if page.entries.len() == limit || seq >= stop {
                page.next = Some(seq);
                return Ok(false);
            }
            let entry: EntryLine = serde_json::from_slice(line).map_err(|it| it.to_string())?;
            let entry = entry.recorded()?;
            if entry.seq != seq {
                return Err(format!("entry {} stands in its place", entry.seq));
            }
            if query.takes(&entry) {
                page.entries.push(entry);
            }
            Ok(true)
        })?;
        Ok(page)
    }

    /// Every line as it is, the first lines of segments too: what [`crate::verify_export`] and anyone else can check.
    /// Returns the number of entries.
    pub fn export(&self, to: impl Write) -> Result<u64, TrailError> {
        let mut to = BufWriter::new(to);
        let mut entries = 0;
        let failed = || TrailError::io("write the export of", &self.dir);
        for segment in self.segments(1)? {
            self.lines_of(&segment, |seq, line| {
                to.write_all(line).map_err(failed())?;
                to.write_all(b"\n").map_err(failed())?;
                entries += u64::from(seq.is_some());
                Ok(true)
            })?;
        }
        to.flush().map_err(failed())?;
        Ok(entries)
    }

    /// Segments that hold entries from `from` to the end.
    fn segments(&self, from: u64) -> Result<Vec<Segment>, TrailError> {
        let mut segments = segment::list(&self.dir)?;
        segments.retain(|it| it.first <= self.end);
        let behind = segments.partition_point(|it| it.first <= from);
        Ok(segments.split_off(behind.saturating_sub(1)))
    }

    fn walk(
        &self,
        from: u64,
        mut visit: impl FnMut(u64, &[u8]) -> Result<bool, String>,
    ) -> Result<(), TrailError> {
        for segment in self.segments(from)? {
            let mut number = 0;
            let more = self.lines_of(&segment, |seq, line| {
                number += 1;
                match seq.filter(|seq| *seq >= from) {
                    None => Ok(true),
                    Some(seq) => visit(seq, line).map_err(|message| {
                        TrailError::Damaged(Fault {
                            file: segment.file_name(),
                            line: number,
                            seq,
                            problem: Problem::Text { message },
                        })
                    }),
                }
            })?;
            if !more {
                break;
            }
        }
        Ok(())
    }

    /// Lines of a segment up to the view's end; the first belongs to no entry. `false`: the visitor had enough.
    fn lines_of(
        &self,
        segment: &Segment,
        mut visit: impl FnMut(Option<u64>, &[u8]) -> Result<bool, TrailError>,
    ) -> Result<bool, TrailError> {
        let mut lines = segment.lines()?;
        let mut seq = None;
        loop {
            let next = seq.map_or(segment.first, |seq: u64| seq + 1);
            let line = match lines.next()? {
                Line::Whole(line) => line,
                Line::End | Line::Cut => return Ok(true),
            };
            if !visit(seq, line)? {
                return Ok(false);
            }
            if next > self.end {
                return Ok(true);
            }
            seq = Some(next);
        }
    }
}

impl Query {
    fn takes(&self, entry: &Recorded) -> bool {
        let same = |wanted: &Option<String>, held: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == held)
        };
        same(&self.actor, &entry.actor)
            && same(&self.action, &entry.action)
            && same(&self.target, &entry.target)
            && self.since.is_none_or(|since| entry.at >= since)
            && self.until.is_none_or(|until| entry.at < until)
    }
}
