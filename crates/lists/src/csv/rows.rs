//! Rows of RFC 4180 in buffers of a fixed size: quotes, CRLF, a byte order mark, blank lines.

use std::fmt;
use std::io::{self, ErrorKind, Read};

use csv_core::ReadRecordResult;

use super::{ROW_BYTES_MAX, Reject};
use crate::error::shortened;

const INPUT_BYTES: usize = 64 << 10;
/// More columns than any list has.
const COLUMNS_MAX: usize = 16;

pub(super) struct Rows<R> {
    from: R,
    reader: csv_core::Reader,
    input: Box<[u8]>,
    /// What of the input is read, and not used.
    start: usize,
    end: usize,
    ended: bool,
    /// Ends of line so far.
    line: u64,
    output: Box<[u8]>,
    ends: [usize; COLUMNS_MAX],
}

pub(super) enum Row<'a> {
    Fields { line: u64, fields: Vec<&'a str> },
    Reject(Reject),
    End,
}

impl<R> fmt::Debug for Rows<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("line", &self.line).finish()
    }
}

impl<R: Read> Rows<R> {
    pub fn new(from: R) -> Rows<R> {
        Rows {
            from,
            reader: csv_core::Reader::new(),
            input: vec![0; INPUT_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
            ended: false,
            line: 0,
            output: vec![0; ROW_BYTES_MAX].into_boxed_slice(),
            ends: [0; COLUMNS_MAX],
        }
    }

    pub fn next(&mut self) -> io::Result<Row<'_>> {
        if !self.skip_blank()? {
            return Ok(Row::End);
        }
        let line = self.line + 1;
        let (mut bytes, mut fields, mut too_long) = (0, 0, false);
        loop {
            let input = &self.input[self.start..self.end];
            let (result, used, written, ended) =
                self.reader
                    .read_record(input, &mut self.output[bytes..], &mut self.ends[fields..]);
            let lines = input[..used].iter().filter(|byte| **byte == b'\n').count();
            self.line += lines as u64;
            self.start += used;
            bytes += written;
            fields += ended;
            match result {
                ReadRecordResult::InputEmpty => {
                    self.fill()?;
                }
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    // The rest of the row is read over what is kept of it.
                    too_long = true;
                    (bytes, fields) = (0, 0);
                }
                ReadRecordResult::Record => break,
                ReadRecordResult::End => return Ok(Row::End),
            }
        }
        let reject = |value, code, reason| {
            let field = "row";
            Row::Reject(Reject {
                line,
                field,
                value,
                code,
                reason,
            })
        };
        if too_long {
            let last = self.line.max(line);
            let reason = format!(
                "a row has at most {ROW_BYTES_MAX} bytes and {COLUMNS_MAX} columns; lines {line} to {last} were read as \
                 this one: is a quote open?"
            );
            return Ok(reject(String::new(), "row_too_long", reason));
        }
        let Ok(text) = std::str::from_utf8(&self.output[..bytes]) else {
            let value = shortened(&String::from_utf8_lossy(&self.output[..bytes]));
            return Ok(reject(value, "not_utf8", "must be UTF-8".to_owned()));
        };
        let mut from = 0;
        let cells = self.ends[..fields].iter().map(|end| {
            let cell = text.get(from..*end);
            from = *end;
            cell
        });
        // Ends between the bytes of a character would be a fault of csv-core: its delimiters are ASCII.
        let fields: Option<Vec<&str>> = cells.collect();
        Ok(match fields {
            Some(fields) => Row::Fields { line, fields },
            None => reject(shortened(text), "not_utf8", "must be UTF-8".to_owned()),
        })
    }

    /// Ends of line before a row, so that the row's own line is known; `false`: there is no row.
    fn skip_blank(&mut self) -> io::Result<bool> {
        loop {
            let rest = &self.input[self.start..self.end];
            let blank = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
            let blank = blank.count();
            let lines = rest[..blank].iter().filter(|byte| **byte == b'\n').count();
            self.line += lines as u64;
            self.start += blank;
            if self.start < self.end {
                return Ok(true);
            }
            if !self.fill()? {
                return Ok(false);
            }
        }
    }

    /// `false`: there is no more. The first three bytes come together, so that a byte order mark is seen.
    fn fill(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        let least = if self.line == 0 { 3 } else { 1 };
        (self.start, self.end) = (0, 0);
        while self.end < least {
            match self.from.read(&mut self.input[self.end..]) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(read) => self.end += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.end > 0)
    }
}
