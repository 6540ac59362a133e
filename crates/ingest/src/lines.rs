//! Physical lines out of a byte stream, in one buffer and within a bound.

use std::io::{self, Read};

/// A longer line, or a longer quoted record, is refused without being held.
pub(crate) const LINE_BYTES_MAX: usize = 1 << 20;
const READ_BYTES: usize = 1 << 18;
/// What is kept of a line that is too long, for the reject.
const PREFIX_BYTES: usize = crate::reject::Reject::RAW_BYTES_MAX;

pub(crate) struct Lines {
    reader: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// Bytes of `buffer` that hold data.
    filled: usize,
    /// The current line with its line end: `start..end`.
    start: usize,
    end: usize,
    ended: bool,
    /// Number of the current line's first physical line, counted from 1.
    number: u64,
    /// Physical lines in the current line.
    span: u64,
    prefix: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Advance {
    Line,
    /// The line was skipped; [`Lines::text`] holds its first bytes.
    TooLong,
    End,
}

impl Lines {
    pub fn new(reader: Box<dyn Read + Send>) -> Lines {
        Lines {
            reader,
            buffer: vec![0; READ_BYTES],
            filled: 0,
            start: 0,
            end: 0,
            ended: false,
            number: 0,
            span: 1,
            prefix: Vec::new(),
        }
    }

    pub fn number(&self) -> u64 {
        self.number
    }

    /// The first bytes of the stream, at most `len`, without moving on.
    pub fn peek(&mut self, len: usize) -> io::Result<&[u8]> {
        while self.filled < len && !self.ended {
            self.fill()?;
        }
        Ok(&self.buffer[..self.filled.min(len)])
    }

    /// Skips bytes at the start of the stream that belong to no line.
    pub fn skip(&mut self, len: usize) {
        self.end += len;
    }

    /// Moves to the next line.
    pub fn advance(&mut self) -> io::Result<Advance> {
        self.start = self.end;
        self.number += self.span;
        self.span = 1;
        self.prefix.clear();
        let mut searched = self.start;
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.buffer[searched..self.filled]) {
                self.end = searched + at + 1;
                return Ok(self.bounded());
            }
            if self.filled - self.start > LINE_BYTES_MAX {
                return self.skip_line();
            }
            if self.ended {
                self.end = self.filled;
                let none = self.start == self.end;
                return Ok(if none { Advance::End } else { self.bounded() });
            }
            searched = self.filled - self.start;
            self.fill()?;
        }
    }

    /// Joins the next physical line to the current one. `false`: there is none, or the joined line would
    /// pass the bound.
    pub fn join(&mut self) -> io::Result<bool> {
        let mut searched = self.end;
        loop {
            let found = memchr::memchr(b'\n', &self.buffer[searched..self.filled]);
            let end = found.map_or(self.filled, |at| searched + at + 1);
            if end - self.start > LINE_BYTES_MAX {
                return Ok(false);
            }
            if found.is_some() || (self.ended && end > self.end) {
                self.end = end;
                self.span += 1;
                return Ok(true);
            }
            if self.ended {
                return Ok(false);
            }
            searched = self.filled - self.start;
            self.fill()?;
        }
    }

    /// Takes the current line back to its first physical line, of `len` bytes with its end.
    pub fn split_off(&mut self, len: usize) {
        self.end = self.start + len;
        self.span = 1;
    }

    /// The current line with its end.
    pub fn raw(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// The current line without its end; of a line that was too long, its first bytes.
    pub fn text(&self) -> &[u8] {
        if !self.prefix.is_empty() {
            return &self.prefix;
        }
        without_end(self.raw())
    }

    fn bounded(&mut self) -> Advance {
        if self.end - self.start <= LINE_BYTES_MAX {
            return Advance::Line;
        }
        self.keep_prefix();
        Advance::TooLong
    }

    fn keep_prefix(&mut self) {
        let kept = (self.start + PREFIX_BYTES).min(self.filled);
        self.prefix
            .extend_from_slice(&self.buffer[self.start..kept]);
    }

    fn skip_line(&mut self) -> io::Result<Advance> {
        self.keep_prefix();
        loop {
            self.start = self.filled;
            self.end = self.filled;
            if self.ended {
                return Ok(Advance::TooLong);
            }
            self.fill()?;
            if let Some(at) = memchr::memchr(b'\n', &self.buffer[self.start..self.filled]) {
                self.end = self.start + at + 1;
                self.start = self.end;
                return Ok(Advance::TooLong);
            }
        }
    }

    /// Reads more; moves the data from `start` on to the front of the buffer.
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.filled, 0);
        self.filled -= self.start;
        self.end -= self.start;
        self.start = 0;
        if self.buffer.len() - self.filled < READ_BYTES {
            self.buffer.resize(self.filled + READ_BYTES, 0);
        }
        loop {
            match self.reader.read(&mut self.buffer[self.filled..]) {
                Ok(0) => {
                    self.ended = true;
                    return Ok(());
                }
                Ok(got) => {
                    self.filled += got;
                    return Ok(());
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
