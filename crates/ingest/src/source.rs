//! The stream: rows of one file, and their labels at the time they became known.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use event::json::{LabelLine, OutcomeLine};
use event::{Event, EventTime, Schema, Span};

use crate::csv::Csv;
use crate::decompress;
use crate::error::IngestError;
use crate::jsonl::Jsonl;
use crate::lines::Lines;
use crate::mapping::{Layout, Mapping};
use crate::order::Order;
use crate::parquet::Parquet;
use crate::pending::Pending;
use crate::reject::Reject;
use crate::row::{Intake, Read, Row};
use crate::sorted::Sorted;

/// One thing the file says, in time order. At equal times labels stand before events, in the order of
/// their events' rows; no label stands before its own event.
#[derive(Clone, Debug, PartialEq)]
// Events are nearly all items, so the large variant is the usual one and stays unboxed.
#[allow(clippy::large_enum_variant)]
pub enum Item {
    Event {
        /// Data rows before this one in the file.
        row: u64,
        event: Event,
    },
    Label(LabelLine),
    Outcome(OutcomeLine),
    /// In the place of its row; a sorted import yields rejects first.
    Reject(Reject),
}

#[derive(Clone, Debug)]
pub struct Options {
    /// Sort the whole file by time first, in memory; rows of equal time keep their order.
    pub sort: bool,
    /// One more ends the import.
    pub max_rejects: u64,
    /// How much older than the latest row so far an event may be; its `received_at` is then that row's.
    pub late: Span,
    /// Labels that became known later are withheld, as if the file had been taken then.
    pub labels_until: Option<EventTime>,
    /// For sorting, and for labels that are not yet due.
    pub memory_bytes_max: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            sort: false,
            max_rejects: 1000,
            late: Span::ZERO,
            labels_until: None,
            memory_bytes_max: 2 << 30,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Csv,
    Jsonl,
    Parquet,
}

/// How far the reading is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Data rows read, refused ones included.
    pub rows: u64,
    /// Of the file as it lies on disk.
    pub bytes_read: u64,
    pub bytes_total: u64,
    pub rejects: u64,
    /// Labels yielded.
    pub labels: u64,
    /// Labels past [`Options::labels_until`].
    pub labels_withheld: u64,
}

pub struct Source {
    reader: Reader,
    intake: Intake,
    options: Options,
    sorted: Option<Sorted>,
    sorting: bool,
    held: Option<Row>,
    ended: bool,
    failed: bool,
    pending: Pending,
    progress: Progress,
    bytes_read: Option<Arc<AtomicU64>>,
}

enum Reader {
    Csv(Box<Csv>),
    Jsonl(Box<Jsonl>),
    Parquet(Box<Parquet>),
}

impl Source {
    /// Opens a file and checks its columns against the mapping. Without a format the name tells it; CSV
    /// and JSONL may be compressed with gzip or zstd.
    pub fn open(
        path: &Path,
        format: Option<Format>,
        schema: &Schema,
        mapping: &Mapping,
        options: Options,
    ) -> Result<Source, IngestError> {
        let unknown = || IngestError::UnknownFormat {
            path: path.to_owned(),
        };
        let format = format.or_else(|| Format::of(path)).ok_or_else(unknown)?;
        let (reader, bytes_total, bytes_read) = open_reader(path, format, mapping)?;
        Ok(Source {
            reader,
            intake: Intake {
                schema: schema.clone(),
                order: Order::new(options.late, options.sort),
            },
            sorted: options.sort.then(Sorted::default),
            sorting: options.sort,
            options,
            held: None,
            ended: false,
            failed: false,
            pending: Pending::default(),
            progress: Progress {
                bytes_total,
                ..Progress::default()
            },
            bytes_read,
        })
    }

    /// The next item; `None` after the last one, and after an error.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<Result<Item, IngestError>> {
        if self.failed {
            return None;
        }
        let item = self.advance();
        self.failed = item.is_err();
        item.transpose()
    }

    pub fn progress(&self) -> Progress {
        let bytes_read = match (&self.bytes_read, &self.reader) {
            (Some(read), _) => read.load(Ordering::Relaxed),
            (None, Reader::Parquet(parquet)) if parquet.rows_total > 0 => {
                let share = u128::from(parquet.rows()) * u128::from(self.progress.bytes_total);
                (share / u128::from(parquet.rows_total)) as u64
            }
            _ => 0,
        };
        Progress {
            rows: self.reader.rows(),
            bytes_read,
            ..self.progress
        }
    }

    /// Mapped columns that no row so far had: a name mistyped in the mapping, or a field that JSON lines
    /// leave out. Files with a header are checked when they are opened.
    pub fn unseen_columns(&self) -> Vec<&str> {
        match &self.reader {
            Reader::Jsonl(jsonl) => jsonl.unseen(),
            _ => Vec::new(),
        }
    }

    fn advance(&mut self) -> Result<Option<Item>, IngestError> {
        loop {
            if self.held.is_none() && !self.ended {
                match self.read()? {
                    Some(Read::Row(row)) => self.held = Some(row),
                    Some(Read::Reject(reject)) => return Ok(Some(Item::Reject(reject))),
                    None => self.ended = true,
                }
            }
            let until = self.held.as_ref().map(Row::time);
            if let Some(label) = self.pending.pop(until) {
                if self
                    .options
                    .labels_until
                    .is_some_and(|end| label.label_timestamp > end)
                {
                    self.progress.labels_withheld += 1;
                    continue;
                }
                self.progress.labels += 1;
                return Ok(Some(Item::Label(label)));
            }
            return self.held.take().map(|row| self.emit(row)).transpose();
        }
    }

    fn emit(&mut self, row: Row) -> Result<Item, IngestError> {
        match row {
            Row::Event { row, event, label } => {
                if let Some((time, verdict)) = label {
                    self.pending.push(time, row, verdict, &event.event_id);
                    if self.pending.bytes() > self.options.memory_bytes_max {
                        let max = self.options.memory_bytes_max;
                        return Err(IngestError::PendingMemory { rows: row, max });
                    }
                }
                Ok(Item::Event { row, event })
            }
            Row::Label(label) => {
                self.progress.labels += 1;
                Ok(Item::Label(label))
            }
            Row::Outcome(outcome) => Ok(Item::Outcome(outcome)),
        }
    }

    /// The next row in order.
    fn read(&mut self) -> Result<Option<Read>, IngestError> {
        while self.sorting {
            match self.read_file()? {
                Some(Read::Reject(reject)) => return Ok(Some(Read::Reject(reject))),
                Some(Read::Row(row)) => self.keep(row)?,
                None => {
                    self.sorting = false;
                    if let Some(sorted) = &mut self.sorted {
                        sorted.sort();
                    }
                }
            }
        }
        match &mut self.sorted {
            None => self.read_file(),
            Some(sorted) => Ok(sorted.next()?.map(Read::Row)),
        }
    }

    fn keep(&mut self, row: Row) -> Result<(), IngestError> {
        let Some(sorted) = &mut self.sorted else {
            return Ok(());
        };
        sorted.push(row);
        if sorted.memory() > self.options.memory_bytes_max {
            return Err(IngestError::SortMemory {
                rows: self.reader.rows(),
                max: self.options.memory_bytes_max,
            });
        }
        Ok(())
    }

    /// The next row of the file; counts what was refused.
    fn read_file(&mut self) -> Result<Option<Read>, IngestError> {
        let read = match &mut self.reader {
            Reader::Csv(csv) => csv.next(&mut self.intake),
            Reader::Jsonl(jsonl) => jsonl.next(&mut self.intake),
            Reader::Parquet(parquet) => parquet.next(&mut self.intake),
        }?;
        if let Some(Read::Reject(reject)) = &read {
            if self.progress.rejects == self.options.max_rejects {
                return Err(IngestError::TooManyRejects {
                    max: self.options.max_rejects,
                    row: reject.row,
                    reason: reject.reason.clone(),
                });
            }
            self.progress.rejects += 1;
        }
        Ok(read)
    }
}

impl Reader {
    fn rows(&self) -> u64 {
        match self {
            Reader::Csv(csv) => csv.rows(),
            Reader::Jsonl(jsonl) => jsonl.rows(),
            Reader::Parquet(parquet) => parquet.rows(),
        }
    }
}

/// The reader, the size of its file, and what counts the bytes read.
type Opened = (Reader, u64, Option<Arc<AtomicU64>>);

fn open_reader(path: &Path, format: Format, mapping: &Mapping) -> Result<Opened, IngestError> {
    let owned = || path.to_owned();
    let opened = |source| IngestError::Open {
        path: owned(),
        source,
    };
    let columns = match &mapping.layout {
        Layout::Columns(columns) => Some(columns.clone()),
        Layout::Canonical if format == Format::Csv => {
            let path = owned();
            return Err(IngestError::CanonicalCsv { path, format });
        }
        Layout::Canonical => None,
    };
    if format == Format::Parquet {
        let file = File::open(path).map_err(opened)?;
        let total = file.metadata().map_err(opened)?.len();
        if total == 0 {
            return Err(IngestError::Empty { path: owned() });
        }
        let parquet = Parquet::open(path, file, columns)?;
        return Ok((Reader::Parquet(Box::new(parquet)), total, None));
    }
    let bytes = decompress::open(path).map_err(opened)?;
    let mut lines = Lines::new(bytes.reader);
    check_encoding(path, &mut lines)?;
    let reader = match (format, columns) {
        (Format::Csv, Some(columns)) => Reader::Csv(Box::new(Csv::open(path, lines, columns)?)),
        (_, columns) => Reader::Jsonl(Box::new(Jsonl::new(path, lines, columns))),
    };
    Ok((reader, bytes.total, Some(bytes.read)))
}

/// UTF-8, with or without a byte order mark. UTF-16 would otherwise be a thousand rows of odd bytes.
pub(crate) fn check_encoding(path: &Path, lines: &mut Lines) -> Result<(), IngestError> {
    let first = lines.peek(4);
    let first = first.map_err(|e| IngestError::read(path, 0, e))?;
    let found = match first {
        [] => {
            return Err(IngestError::Empty {
                path: path.to_owned(),
            });
        }
        [0xef, 0xbb, 0xbf, ..] => {
            lines.skip(3);
            return Ok(());
        }
        [0xff, 0xfe, 0, 0] | [0, 0, 0xfe, 0xff] => "UTF-32",
        [0xff, 0xfe, ..] | [_, 0, _, 0] => "UTF-16 (little-endian)",
        [0xfe, 0xff, ..] | [0, _, 0, _] => "UTF-16 (big-endian)",
        _ => return Ok(()),
    };
    Err(IngestError::Encoding {
        path: path.to_owned(),
        found,
    })
}

impl Format {
    /// By the name: `.csv`, `.jsonl`, `.ndjson`, `.parquet`; a final `.gz` or `.zst` is looked past.
    pub fn of(path: &Path) -> Option<Format> {
        let extension = |path: &Path| path.extension()?.to_str().map(str::to_ascii_lowercase);
        let mut named: PathBuf = path.to_owned();
        if matches!(extension(&named)?.as_str(), "gz" | "zst") {
            named.set_extension("");
        }
        match extension(&named)?.as_str() {
            "csv" => Some(Format::Csv),
            "jsonl" | "ndjson" => Some(Format::Jsonl),
            "parquet" => Some(Format::Parquet),
            _ => None,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Csv => "csv",
            Format::Jsonl => "jsonl",
            Format::Parquet => "parquet",
        })
    }
}
