//! Two columns of a table, row by row: what somebody knows of events beside the log.

use std::fs::File;
use std::path::Path;

use crate::cell::Cell;
use crate::csv;
use crate::decompress;
use crate::error::IngestError;
use crate::lines::Lines;
use crate::parquet;
use crate::source::{Format, check_encoding};

/// The values of two columns of a CSV (with commas) or Parquet file; rows in which one is empty are
/// left out.
pub fn pairs(path: &Path, columns: [&str; 2]) -> Result<Vec<(String, String)>, IngestError> {
    let opened = |source| IngestError::Open {
        path: path.to_owned(),
        source,
    };
    match Format::of(path) {
        Some(Format::Parquet) => {
            let file = File::open(path).map_err(opened)?;
            parquet::pairs(path, file, columns)
        }
        Some(Format::Csv) => {
            let mut lines = Lines::new(decompress::open(path).map_err(opened)?.reader);
            check_encoding(path, &mut lines)?;
            csv::pairs(path, lines, columns)
        }
        _ => Err(IngestError::UnknownFormat {
            path: path.to_owned(),
        }),
    }
}

/// The place of a column among those of the file.
pub(crate) fn place(path: &Path, column: &str, present: &[&str]) -> Result<usize, IngestError> {
    let found = present.iter().position(|held| *held == column);
    found.ok_or_else(|| IngestError::MissingColumn {
        path: path.to_owned(),
        column: column.to_owned(),
        field: "the two columns asked for".to_owned(),
        present: present.join(", "),
    })
}

/// Both as text, unless one is absent.
pub(crate) fn texts(first: Cell<'_>, second: Cell<'_>) -> Option<(String, String)> {
    let text = |cell: Cell<'_>| {
        if cell.is_absent(&[]) {
            return None;
        }
        cell.text(&mut itoa::Buffer::new()).map(str::to_owned)
    };
    Some((text(first)?, text(second)?))
}
