//! Errors that end an import. What was yielded before stays valid; none is cured by trying again with
//! the same file and options, except a failing disk.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::source::Format;

#[derive(Debug, Error)]
pub enum IngestError {
    #[error("cannot open {}: {source}", path.display())]
    Open {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("cannot tell the format of {} by its name; state csv, jsonl or parquet", path.display())]
    UnknownFormat { path: PathBuf },
    #[error("{} is empty", path.display())]
    Empty { path: PathBuf },
    #[error("{} is encoded as {found}, expected UTF-8; convert it first, for example with iconv", path.display())]
    Encoding { path: PathBuf, found: &'static str },
    #[error("{}: the header must be one line of UTF-8 text of at most {max} bytes: {detail}", path.display())]
    Header {
        path: PathBuf,
        max: usize,
        detail: String,
    },
    #[error("{}, line {line}: {detail}", path.display())]
    Line {
        path: PathBuf,
        line: u64,
        detail: String,
    },
    #[error("{}: columns {first} and {second} are both named {column:?}", path.display())]
    DuplicateColumn {
        path: PathBuf,
        column: String,
        first: usize,
        second: usize,
    },
    #[error("{}: column {column:?} for {field} is missing; present: {present}", path.display())]
    MissingColumn {
        path: PathBuf,
        column: String,
        field: String,
        present: String,
    },
    #[error("{}: column {column:?} for {field} must be {expected}, got {got}", path.display())]
    ColumnType {
        path: PathBuf,
        column: String,
        field: String,
        expected: &'static str,
        got: String,
    },
    #[error("{} is {format}; a canonical import needs jsonl or parquet: map its columns in [import]", path.display())]
    CanonicalCsv { path: PathBuf, format: Format },
    #[error("{}: column {column:?} holds {got}, which has no canonical form", path.display())]
    CanonicalType {
        path: PathBuf,
        column: String,
        got: String,
    },
    #[error("{} ends in the middle of compressed data after {rows} rows", path.display())]
    Truncated { path: PathBuf, rows: u64 },
    #[error("cannot read {} after {rows} rows: {source}", path.display())]
    Read {
        path: PathBuf,
        rows: u64,
        source: std::io::Error,
    },
    #[error("{} is not a readable Parquet file (after {rows} rows): {source}", path.display())]
    Parquet {
        path: PathBuf,
        rows: u64,
        source: ::parquet::errors::ParquetError,
    },
    #[error(
        "sorting needs more than {max} bytes at row {rows}; sort the file first or raise the limit"
    )]
    SortMemory { rows: u64, max: u64 },
    /// The sort's memory no longer holds what was put there.
    #[error("a sorted row does not read back: {0}")]
    SortCorrupt(#[from] event::codec::CodecError),
    #[error("labels not yet due need more than {max} bytes at row {rows}; raise the limit")]
    PendingMemory { rows: u64, max: u64 },
    #[error("more than {max} rows were refused; the last: {reason} (row {row})")]
    TooManyRejects { max: u64, row: u64, reason: String },
}

impl IngestError {
    /// An I/O error while data was read; decoders report a cut stream as an unexpected end.
    pub(crate) fn read(path: &Path, rows: u64, source: std::io::Error) -> IngestError {
        let path = path.to_owned();
        if source.kind() == std::io::ErrorKind::UnexpectedEof {
            IngestError::Truncated { path, rows }
        } else {
            IngestError::Read { path, rows, source }
        }
    }
}
