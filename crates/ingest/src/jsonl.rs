//! JSON lines, in the canonical form or with top-level fields as columns.

use std::fmt;
use std::path::{Path, PathBuf};

use event::draft::Invalid;
use serde::de::{DeserializeSeed, Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::cell::{Cell, shortened};
use crate::error::IngestError;
use crate::lines::{Advance, LINE_BYTES_MAX, Lines};
use crate::mapping::Columns;
use crate::reject::{Reject, RowError};
use crate::row::{Intake, Read, Row, Scratch};

pub(crate) struct Jsonl {
    path: PathBuf,
    lines: Lines,
    /// `None`: canonical.
    columns: Option<Box<Columns>>,
    /// Whether any line so far had the column.
    seen: Vec<bool>,
    scratch: Scratch,
    rows: u64,
}

/// A mapped field of one line.
enum Field<'a> {
    Raw(&'a str),
    /// A string with escapes.
    Unescaped(String),
}

impl Jsonl {
    pub fn new(path: &Path, lines: Lines, columns: Option<Box<Columns>>) -> Jsonl {
        let width = columns.as_ref().map_or(0, |columns| columns.names.len());
        Jsonl {
            path: path.to_owned(),
            lines,
            columns,
            seen: vec![false; width],
            scratch: Scratch::default(),
            rows: 0,
        }
    }

    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Mapped columns that no line so far had.
    pub fn unseen(&self) -> Vec<&str> {
        let names = self.columns.iter().flat_map(|columns| &columns.names);
        let unseen = names.zip(&self.seen).filter(|(_, seen)| !**seen);
        unseen.map(|(name, _)| name.as_str()).collect()
    }

    pub fn next(&mut self, intake: &mut Intake) -> Result<Option<Read>, IngestError> {
        loop {
            let advanced = self.lines.advance();
            match advanced.map_err(|e| IngestError::read(&self.path, self.rows, e))? {
                Advance::End => return Ok(None),
                Advance::TooLong => {
                    let error = RowError::LineTooLong {
                        max: LINE_BYTES_MAX,
                    };
                    return Ok(Some(self.reject(&error)));
                }
                Advance::Line if self.lines.text().trim_ascii().is_empty() => {}
                Advance::Line => break,
            }
        }
        match self.row(intake) {
            Ok(row) => {
                self.rows += 1;
                Ok(Some(Read::Row(row)))
            }
            Err(error) => Ok(Some(self.reject(&error))),
        }
    }

    fn row(&mut self, intake: &mut Intake) -> Result<Row, RowError> {
        let text = std::str::from_utf8(self.lines.text());
        let text = text.map_err(|e| RowError::NotUtf8 {
            at: e.valid_up_to(),
        })?;
        let Some(columns) = &self.columns else {
            return intake.canonical(text, self.rows);
        };
        let fields = fields(text, &columns.names)?;
        for (seen, field) in self.seen.iter_mut().zip(&fields) {
            *seen |= field.is_some();
        }
        intake.map(columns, &mut self.scratch, self.rows, |column| {
            fields[column].as_ref().map_or(Cell::Absent, Field::cell)
        })
    }

    fn reject(&mut self, error: &RowError) -> Read {
        let line = Some(self.lines.number());
        let reject = Reject::new(self.rows, line, error, self.lines.text());
        self.rows += 1;
        Read::Reject(reject)
    }
}

impl Field<'_> {
    fn cell(&self) -> Cell<'_> {
        let raw = match self {
            Field::Raw(raw) => *raw,
            Field::Unescaped(text) => return Cell::Text(text),
        };
        match raw.as_bytes().first() {
            Some(b'"') => Cell::Text(&raw[1..raw.len() - 1]),
            Some(b't') => Cell::Bool(true),
            Some(b'f') => Cell::Bool(false),
            Some(b'{' | b'[') => Cell::Nested(raw),
            Some(b'n') | None => Cell::Absent,
            Some(_) => Cell::Number(raw),
        }
    }
}

/// The mapped fields of one line, by column.
fn fields<'a>(text: &'a str, names: &[String]) -> Result<Vec<Option<Field<'a>>>, Invalid> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let not_json = |e: serde_json::Error| Invalid::NotJson {
        detail: shortened(&e.to_string()),
    };
    let found = deserializer.deserialize_map(FieldsVisitor { names });
    let (fields, twice) = found.map_err(not_json)?;
    deserializer.end().map_err(not_json)?;
    match twice {
        Some(column) => Err(Invalid::Twice {
            field: names[column].clone(),
        }),
        None => Ok(fields),
    }
}

struct FieldsVisitor<'n> {
    names: &'n [String],
}

impl<'de> Visitor<'de> for FieldsVisitor<'_> {
    /// The fields, and a column that came twice.
    type Value = (Vec<Option<Field<'de>>>, Option<usize>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields: Vec<Option<Field<'de>>> = Vec::new();
        fields.resize_with(self.names.len(), || None);
        let mut twice = None;
        while let Some(column) = map.next_key_seed(Key { names: self.names })? {
            let Some(column) = column else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let raw = map.next_value::<&'de RawValue>()?.get();
            let field = if raw.starts_with('"') && raw.contains('\\') {
                let text = serde_json::from_str(raw).map_err(serde::de::Error::custom)?;
                Field::Unescaped(text)
            } else {
                Field::Raw(raw)
            };
            if fields[column].replace(field).is_some() {
                twice = Some(column);
            }
        }
        Ok((fields, twice))
    }
}

/// Reads a key as the number of its column.
struct Key<'n> {
    names: &'n [String],
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Option<usize>;

    fn deserialize<D: serde::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Option<usize>, E> {
        Ok(self.names.iter().position(|held| held == name))
    }
}
