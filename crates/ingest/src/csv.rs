//! CSV after RFC 4180: a header, quoted fields that may span lines, LF or CRLF. A quote inside an unquoted
//! field is itself. A quote that is never closed costs its own line, not the rest of the file.

use std::path::{Path, PathBuf};

use crate::cell::Cell;
use crate::error::IngestError;
use crate::lines::{Advance, LINE_BYTES_MAX, Lines};
use crate::mapping::Columns;
use crate::reject::{Reject, RowError};
use crate::row::{Intake, Read, Scratch};

pub(crate) struct Csv {
    path: PathBuf,
    lines: Lines,
    columns: Box<Columns>,
    /// Column of the file for each mapped column.
    places: Vec<usize>,
    width: usize,
    fields: Fields,
    scratch: Scratch,
    rows: u64,
}

/// The fields of one record.
#[derive(Default)]
struct Fields {
    ends: Vec<(usize, usize)>,
    /// The record's fields without quotes; used when it has any, else `ends` are places in the line.
    unquoted: Vec<u8>,
    has_quotes: bool,
    state: State,
    field_start: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Start,
    Plain,
    Quoted,
    /// After a quote inside a quoted field: its end, or the first half of an escaped quote.
    Quote,
}

impl Csv {
    pub fn open(path: &Path, lines: Lines, columns: Box<Columns>) -> Result<Csv, IngestError> {
        let mut csv = Csv {
            path: path.to_owned(),
            lines,
            columns,
            places: Vec::new(),
            width: 0,
            fields: Fields::default(),
            scratch: Scratch::default(),
            rows: 0,
        };
        let names = csv.header()?;
        csv.width = names.len();
        for (ix, name) in names.iter().enumerate() {
            if let Some(first) = names[..ix]
                .iter()
                .position(|held| held == name && !name.is_empty())
            {
                return Err(IngestError::DuplicateColumn {
                    path: path.to_owned(),
                    column: name.clone(),
                    first: first + 1,
                    second: ix + 1,
                });
            }
        }
        let present: Vec<&str> = names.iter().map(String::as_str).collect();
        csv.places = places(path, &csv.columns, &present)?;
        Ok(csv)
    }

    pub fn rows(&self) -> u64 {
        self.rows
    }

    fn header(&mut self) -> Result<Vec<String>, IngestError> {
        let refused = |detail: String| IngestError::Header {
            path: self.path.clone(),
            max: LINE_BYTES_MAX,
            detail,
        };
        let advanced = self.lines.advance();
        match advanced.map_err(|e| IngestError::read(&self.path, 0, e))? {
            Advance::End => {
                return Err(IngestError::Empty {
                    path: self.path.clone(),
                });
            }
            Advance::TooLong => return Err(refused("too long".to_owned())),
            Advance::Line => {}
        }
        self.fields.clear();
        if !self
            .fields
            .split(self.lines.raw(), 0, self.columns.delimiter)
        {
            return Err(refused("a quote is not closed".to_owned()));
        }
        let text = self.fields.text(self.lines.raw());
        let text = text.map_err(|at| refused(format!("invalid byte at {at}")))?;
        let names = self.fields.ends.iter();
        Ok(names
            .map(|(start, end)| text[*start..*end].to_owned())
            .collect())
    }

    pub fn next(&mut self, intake: &mut Intake) -> Result<Option<Read>, IngestError> {
        loop {
            let rows = self.rows;
            let failed = |e| IngestError::read(&self.path, rows, e);
            match self.lines.advance().map_err(failed)? {
                Advance::End => return Ok(None),
                Advance::TooLong => {
                    let error = RowError::LineTooLong {
                        max: LINE_BYTES_MAX,
                    };
                    return Ok(Some(self.reject(&error)));
                }
                Advance::Line if self.lines.text().is_empty() => {}
                Advance::Line => break,
            }
        }
        if !self.split()? {
            let error = RowError::UnclosedQuote {
                max: LINE_BYTES_MAX,
            };
            return Ok(Some(self.reject(&error)));
        }
        match self.row(intake) {
            Ok(row) => {
                self.rows += 1;
                Ok(Some(Read::Row(row)))
            }
            Err(error) => Ok(Some(self.reject(&error))),
        }
    }

    /// Splits the current line, with as many following lines as an open quote needs. `false`: the quote
    /// is not closed, and the current line is again the first of them.
    fn split(&mut self) -> Result<bool, IngestError> {
        let first_len = self.lines.raw().len();
        let mut from = 0;
        self.fields.clear();
        while !self
            .fields
            .split(self.lines.raw(), from, self.columns.delimiter)
        {
            from = self.lines.raw().len();
            let joined = self.lines.join();
            if !joined.map_err(|e| IngestError::read(&self.path, self.rows, e))? {
                self.lines.split_off(first_len);
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn row(&mut self, intake: &mut Intake) -> Result<crate::row::Row, RowError> {
        let text = self.fields.text(self.lines.raw());
        let text = text.map_err(|at| RowError::NotUtf8 { at })?;
        let ends = &self.fields.ends;
        if ends.len() != self.width {
            return Err(RowError::FieldCount {
                expected: self.width,
                got: ends.len(),
            });
        }
        let places = &self.places;
        intake.map(&self.columns, &mut self.scratch, self.rows, |column| {
            let (start, end) = ends[places[column]];
            match &text[start..end] {
                "" => Cell::Absent,
                field => Cell::Text(field),
            }
        })
    }

    fn reject(&mut self, error: &RowError) -> Read {
        let line = Some(self.lines.number());
        let reject = Reject::new(self.rows, line, error, self.lines.text());
        self.rows += 1;
        Read::Reject(reject)
    }
}

/// Two columns of a file with commas, see [`crate::pairs`].
pub(crate) fn pairs(
    path: &Path,
    mut lines: Lines,
    columns: [&str; 2],
) -> Result<Vec<(String, String)>, IngestError> {
    const DELIMITER: u8 = b',';
    let mut fields = Fields::default();
    let mut places: Option<[usize; 2]> = None;
    let mut pairs = Vec::new();
    let mut rows = 0;
    loop {
        let failed = |e| IngestError::read(path, rows, e);
        match lines.advance().map_err(failed)? {
            Advance::End => break,
            Advance::Line if lines.text().is_empty() => continue,
            Advance::Line | Advance::TooLong => {}
        }
        let refused = |detail: &str| IngestError::Line {
            path: path.to_owned(),
            line: lines.number(),
            detail: detail.to_owned(),
        };
        fields.clear();
        // An id or a group with a line break in it is a mistake of the file.
        if !fields.split(lines.raw(), 0, DELIMITER) {
            return Err(refused("a quote is not closed"));
        }
        let text = fields.text(lines.raw());
        let text = text.map_err(|_| refused("not UTF-8"))?;
        let field = |at: usize| fields.ends.get(at).map(|(start, end)| &text[*start..*end]);
        match places {
            None => {
                let names: Vec<&str> = (0..fields.ends.len()).filter_map(field).collect();
                let place = |column| crate::pairs::place(path, column, &names);
                places = Some([place(columns[0])?, place(columns[1])?]);
            }
            Some([first, second]) => {
                let (Some(first), Some(second)) = (field(first), field(second)) else {
                    return Err(refused("too few fields"));
                };
                pairs.extend(crate::pairs::texts(Cell::Text(first), Cell::Text(second)));
                rows += 1;
            }
        }
    }
    match places {
        Some(_) => Ok(pairs),
        None => Err(IngestError::Empty {
            path: path.to_owned(),
        }),
    }
}

/// The place of every mapped column among those present.
pub(crate) fn places(
    path: &Path,
    columns: &Columns,
    present: &[&str],
) -> Result<Vec<usize>, IngestError> {
    let place = |(ix, name): (usize, &String)| {
        let found = present.iter().position(|held| held == name);
        found.ok_or_else(|| {
            let fields = columns.uses.iter().filter(|it| it.column == ix);
            IngestError::MissingColumn {
                path: path.to_owned(),
                column: name.clone(),
                field: fields
                    .map(|it| it.field.as_str())
                    .collect::<Vec<_>>()
                    .join(", "),
                present: present.join(", "),
            }
        })
    };
    columns.names.iter().enumerate().map(place).collect()
}

impl Fields {
    fn clear(&mut self) {
        self.ends.clear();
        self.unquoted.clear();
        self.has_quotes = false;
        self.state = State::Start;
        self.field_start = 0;
    }

    /// Splits `record[from..]`, the record's next physical line with its end. `false`: a quote is open,
    /// and the record goes on in the following line.
    fn split(&mut self, record: &[u8], from: usize, delimiter: u8) -> bool {
        let end = record.len();
        let text_end = record
            .strip_suffix(b"\n")
            .map_or(end, |cut| cut.strip_suffix(b"\r").unwrap_or(cut).len());
        if from == 0 && memchr::memchr(b'"', record).is_none() {
            let mut start = 0;
            for at in memchr::memchr_iter(delimiter, &record[..text_end]) {
                self.ends.push((start, at));
                start = at + 1;
            }
            self.ends.push((start, text_end));
            return true;
        }
        self.has_quotes = true;
        for (at, byte) in record.iter().enumerate().skip(from) {
            if at >= text_end && self.state != State::Quoted {
                break;
            }
            self.push(*byte, delimiter);
        }
        if self.state == State::Quoted {
            return false;
        }
        self.end_field();
        true
    }

    fn push(&mut self, byte: u8, delimiter: u8) {
        match (self.state, byte) {
            (State::Start, b'"') => self.state = State::Quoted,
            (State::Quoted, b'"') => self.state = State::Quote,
            (State::Quoted, _) => self.unquoted.push(byte),
            (State::Quote, b'"') => {
                self.unquoted.push(b'"');
                self.state = State::Quoted;
            }
            (_, _) if byte == delimiter => {
                self.end_field();
                self.state = State::Start;
            }
            (_, _) => {
                self.unquoted.push(byte);
                self.state = State::Plain;
            }
        }
    }

    fn end_field(&mut self) {
        self.ends.push((self.field_start, self.unquoted.len()));
        self.field_start = self.unquoted.len();
    }

    /// The text that `ends` are places in, or where it is not UTF-8.
    fn text<'a>(&'a self, record: &'a [u8]) -> Result<&'a str, usize> {
        let bytes = if self.has_quotes {
            &self.unquoted
        } else {
            record
        };
        std::str::from_utf8(bytes).map_err(|e| e.valid_up_to())
    }
}
