//! The whole chain, from the first byte: of a directory, or of an export.

use std::io::Read;
use std::path::Path;

use crate::chain::{Chain, tail_problem};
use crate::entry::Head;
use crate::error::{Fault, Problem, TrailError};
use crate::segment::{self, Line, Lines};

/// What was found, up to the first fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Whose trail it says it is.
    pub tenant: Option<String>,
    pub segments: u64,
    pub entries: u64,
    /// Hold it against one that was published: whoever can write the files can write them all anew.
    pub head: Option<Head>,
    pub broken: Option<Fault>,
    /// Bytes behind the last end of line: a batch that was being written, and never acknowledged.
    pub torn: u64,
}

impl Report {
    /// Every line follows from all before it. A torn end is none of it: `torn` tells.
    pub fn is_sound(&self) -> bool {
        self.broken.is_none()
    }
}

/// Checks every line of a directory; beside a writer the batch that is being written may be told as `torn`. With
/// `published`, also that the trail holds that entry with that hash: nothing else shows a trail that was cut or
/// written anew.
pub fn verify(dir: &Path, published: Option<Head>) -> Result<Report, TrailError> {
    let mut check = Check::new(published);
    let segments = segment::list(dir)?;
    for (ix, segment) in segments.iter().enumerate() {
        check.file = segment.file_name();
        check.line = 1;
        let expected = check.next();
        if segment.first != expected {
            let expected = segment::name(expected);
            check.fault(Problem::FileName { expected });
            break;
        }
        let mut lines = segment.lines()?;
        check.lines(&mut lines, false)?;
        if check.report.broken.is_some() {
            break;
        }
        let tail = segment.rest(lines.at)?;
        if !tail.is_empty() {
            check.tail(&tail, ix + 1 == segments.len());
        }
        if check.report.broken.is_some() {
            break;
        }
    }
    Ok(check.done())
}

/// The same for what [`crate::View::export`] wrote; `name` is for faults.
pub fn verify_export(
    from: impl Read,
    name: &Path,
    published: Option<Head>,
) -> Result<Report, TrailError> {
    let mut check = Check::new(published);
    check.file = name.display().to_string();
    let mut lines = Lines::new(from, name);
    check.lines(&mut lines, true)?;
    // An export is whole: it has no torn end.
    if check.report.broken.is_none() && check.cut {
        check.fault(Problem::NoLine);
    }
    Ok(check.done())
}

struct Check {
    report: Report,
    chain: Option<Chain>,
    published: Option<Head>,
    file: String,
    line: u64,
    /// The lines ended without an end of line.
    cut: bool,
}

impl Check {
    fn new(published: Option<Head>) -> Check {
        Check {
            report: Report::default(),
            chain: None,
            published,
            file: segment::name(1),
            line: 1,
            cut: false,
        }
    }

    fn next(&self) -> u64 {
        self.chain.as_ref().map_or(1, |chain| chain.next)
    }

    fn fault(&mut self, problem: Problem) {
        self.fault_at(self.next(), problem);
    }

    fn fault_at(&mut self, seq: u64, problem: Problem) {
        self.report.broken = Some(Fault {
            file: self.file.clone(),
            line: self.line,
            seq,
            problem,
        });
    }

    /// Lines of one file, up to its end, the first fault, or a line without an end. In an export the first lines of
    /// segments stand between others.
    fn lines<R: Read>(&mut self, lines: &mut Lines<R>, many: bool) -> Result<(), TrailError> {
        let mut first = true;
        loop {
            let line = match lines.next()? {
                Line::Whole(line) => line,
                Line::End => return Ok(()),
                Line::Cut => {
                    self.cut = true;
                    return Ok(());
                }
            };
            let seq = self.next();
            let header = first || many && line.starts_with(b"{\"trail\":");
            let checked = if header {
                self.header(line)
            } else {
                self.entry(line)
            };
            if let Err(problem) = checked {
                self.fault_at(seq, problem);
                return Ok(());
            }
            first = false;
            self.line += 1;
        }
    }

    fn header(&mut self, line: &[u8]) -> Result<(), Problem> {
        match &mut self.chain {
            Some(chain) => chain.header_follows(line)?,
            None => {
                let mut chain = Chain::new(&Chain::begin(line)?.tenant);
                chain.header_follows(line)?;
                self.report.tenant = Some(chain.tenant.clone());
                self.chain = Some(chain);
            }
        }
        self.report.segments += 1;
        Ok(())
    }

    fn entry(&mut self, line: &[u8]) -> Result<(), Problem> {
        let Some(chain) = &mut self.chain else {
            return Err(Problem::Header { what: "trail" });
        };
        let entry = chain.entry(line)?;
        self.report.entries += 1;
        self.report.head = chain.head;
        match self.published {
            Some(head) if head.seq == entry.seq && head.hash != entry.hash => {
                let got = entry.hash;
                Err(Problem::OtherHead { head, got })
            }
            _ => Ok(()),
        }
    }

    /// Bytes without an end of line, or a line that is too long.
    fn tail(&mut self, tail: &[u8], last: bool) {
        match tail_problem(self.chain.as_ref(), tail) {
            Some(problem) => self.fault(problem),
            None if !last => self.fault(Problem::NoLine),
            None => self.report.torn = tail.len() as u64,
        }
    }

    fn done(mut self) -> Report {
        let end = self.report.head.map_or(0, |head| head.seq);
        if let Some(head) = self.published.filter(|it| it.seq > end)
            && self.report.broken.is_none()
        {
            self.fault(Problem::Truncated { end, head });
        }
        self.report
    }
}
