//! Parquet by record batches: the readers of the mapped columns are resolved once per batch, no cell
//! becomes a string of its own. Column types come from the Parquet schema alone; string columns are read
//! as views into their pages, so a value that a dictionary repeats is held once.
//!
//! A file whose text is not UTF-8 although it says so is corrupt: that ends the import, not a row.

mod canonical;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use ::parquet::errors::ParquetError;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, BooleanArray, PrimitiveArray, RecordBatch, StringViewArray};
use arrow_schema::{ArrowError, DataType, Schema as FileSchema, TimeUnit};

use crate::cell::Cell;
use crate::csv::places;
use crate::error::IngestError;
use crate::mapping::{ColumnUse, Columns, Holds};
use crate::reject::{Reject, RowError};
use crate::row::{Intake, Read, Scratch};

const BATCH_ROWS: usize = 4096;

pub(crate) struct Parquet {
    path: PathBuf,
    batches: ParquetRecordBatchReader,
    /// `None`: canonical, every column is a field of its name.
    columns: Option<Box<Columns>>,
    names: Vec<String>,
    /// Column of a batch for each column that is read.
    places: Vec<usize>,
    batch: Vec<Values>,
    batch_rows: usize,
    next_in_batch: usize,
    scratch: Scratch,
    line: String,
    rows: u64,
    pub rows_total: u64,
}

/// One mapped column of the current batch.
enum Values {
    Bool(BooleanArray),
    Int8(PrimitiveArray<Int8Type>),
    Int16(PrimitiveArray<Int16Type>),
    Int32(PrimitiveArray<Int32Type>),
    Int64(PrimitiveArray<Int64Type>),
    Uint8(PrimitiveArray<UInt8Type>),
    Uint16(PrimitiveArray<UInt16Type>),
    Uint32(PrimitiveArray<UInt32Type>),
    Uint64(PrimitiveArray<UInt64Type>),
    Float32(PrimitiveArray<Float32Type>),
    Float64(PrimitiveArray<Float64Type>),
    Decimal(PrimitiveArray<Decimal128Type>, u8),
    Text(StringViewArray),
    Date(PrimitiveArray<Date32Type>),
    Seconds(PrimitiveArray<TimestampSecondType>, bool),
    Millis(PrimitiveArray<TimestampMillisecondType>, bool),
    Micros(PrimitiveArray<TimestampMicrosecondType>, bool),
    Nanos(PrimitiveArray<TimestampNanosecondType>, bool),
}

impl Parquet {
    pub fn open(
        path: &Path,
        file: File,
        columns: Option<Box<Columns>>,
    ) -> Result<Parquet, IngestError> {
        let failed = |source: ParquetError| IngestError::Parquet {
            path: path.to_owned(),
            rows: 0,
            source,
        };
        let metadata = described(&file).map_err(failed)?;
        let names = names(&metadata);
        check_unique(path, &names)?;
        let in_file = match &columns {
            Some(columns) => places(path, columns, &names)?,
            None => (0..names.len()).collect(),
        };
        let read: Vec<String> = in_file.iter().map(|at| names[*at].to_owned()).collect();
        for used in columns.iter().flat_map(|columns| &columns.uses) {
            let got = metadata.schema().field(in_file[used.column]).data_type();
            check_type(path, &read[used.column], used, got)?;
        }
        if columns.is_none() {
            canonical::check(path, metadata.schema())?;
        }
        let viewed = ArrowReaderOptions::new().with_schema(Arc::new(with_views(metadata.schema())));
        let metadata = ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), viewed)
            .map_err(failed)?;
        let rows_total = metadata.metadata().file_metadata().num_rows();
        let mask = ProjectionMask::roots(metadata.parquet_schema(), in_file.iter().copied());
        // a batch holds the projected columns in the file's order
        let rank = |place: &usize| in_file.iter().filter(|other| *other < place).count();
        let batches = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
            .with_projection(mask)
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(failed)?;
        Ok(Parquet {
            path: path.to_owned(),
            batches,
            places: in_file.iter().map(rank).collect(),
            columns,
            names: read,
            batch: Vec::new(),
            batch_rows: 0,
            next_in_batch: 0,
            scratch: Scratch::default(),
            line: String::new(),
            rows: 0,
            rows_total: u64::try_from(rows_total).unwrap_or(0),
        })
    }

    pub fn rows(&self) -> u64 {
        self.rows
    }

    pub fn next(&mut self, intake: &mut Intake) -> Result<Option<Read>, IngestError> {
        while self.next_in_batch == self.batch_rows {
            if !self.load()? {
                return Ok(None);
            }
        }
        let (ix, row) = (self.next_in_batch, self.rows);
        self.next_in_batch += 1;
        self.rows += 1;
        let batch = &self.batch;
        let mapped = match &self.columns {
            Some(columns) => intake.map(columns, &mut self.scratch, row, |column| {
                batch[column].cell(ix)
            }),
            None => {
                let cells = self.names.iter().zip(batch);
                let cells = cells.map(|(name, values)| (name.as_str(), values.cell(ix)));
                canonical::json_line(cells, &mut self.line);
                intake.canonical(&self.line, row)
            }
        };
        Ok(Some(match mapped {
            Ok(row) => Read::Row(row),
            Err(error) => Read::Reject(self.reject(row, ix, &error)),
        }))
    }

    fn load(&mut self) -> Result<bool, IngestError> {
        let failed = |source: ParquetError| IngestError::Parquet {
            path: self.path.clone(),
            rows: self.rows,
            source,
        };
        let batch: RecordBatch = match self.batches.next() {
            None => return Ok(false),
            Some(batch) => batch.map_err(|e: ArrowError| failed(e.into()))?,
        };
        self.batch_rows = batch.num_rows();
        self.next_in_batch = 0;
        self.batch.clear();
        for place in &self.places {
            let array = batch.column(*place);
            let values = Values::of(array).ok_or_else(|| {
                let got = format!("unexpected column type {}", array.data_type());
                failed(ParquetError::General(got))
            })?;
            self.batch.push(values);
        }
        Ok(true)
    }

    fn reject(&self, row: u64, ix: usize, error: &RowError) -> Reject {
        let mut raw = serde_json::Map::new();
        for (name, values) in self.names.iter().zip(&self.batch) {
            let value = match values.cell(ix) {
                Cell::Absent => serde_json::Value::Null,
                Cell::Int(value) => value.into(),
                Cell::Bool(value) => value.into(),
                other => other.describe().into(),
            };
            raw.insert(name.clone(), value);
        }
        let raw = serde_json::Value::Object(raw).to_string();
        Reject::new(row, None, error, raw.as_bytes())
    }
}

/// What the file says of itself; the types are those of Parquet, whatever wrote it.
fn described(file: &File) -> Result<ArrowReaderMetadata, ParquetError> {
    ArrowReaderMetadata::load(
        file,
        ArrowReaderOptions::new().with_skip_arrow_metadata(true),
    )
}

fn names(metadata: &ArrowReaderMetadata) -> Vec<&str> {
    let fields = metadata.schema().fields().iter();
    fields.map(|field| field.name().as_str()).collect()
}

/// Two columns, see [`crate::pairs()`].
pub(crate) fn pairs(
    path: &Path,
    file: File,
    columns: [&str; 2],
) -> Result<Vec<(String, String)>, IngestError> {
    let failed = |rows: u64, source: ParquetError| IngestError::Parquet {
        path: path.to_owned(),
        rows,
        source,
    };
    let first = |source| failed(0, source);
    let metadata = described(&file).map_err(first)?;
    let names = names(&metadata);
    check_unique(path, &names)?;
    let in_file = [
        crate::pairs::place(path, columns[0], &names)?,
        crate::pairs::place(path, columns[1], &names)?,
    ];
    let viewed = ArrowReaderOptions::new().with_schema(Arc::new(with_views(metadata.schema())));
    let metadata =
        ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), viewed).map_err(first)?;
    let mask = ProjectionMask::roots(metadata.parquet_schema(), in_file);
    let batches = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
        .with_projection(mask)
        .with_batch_size(BATCH_ROWS)
        .build()
        .map_err(first)?;
    let mut pairs = Vec::new();
    let mut rows = 0;
    for batch in batches {
        let batch: RecordBatch = batch.map_err(|e: ArrowError| failed(rows, e.into()))?;
        // A batch holds the projected columns in the file's order, one of them once.
        let column = |which: usize| -> Result<Values, IngestError> {
            let at = usize::from(in_file[which] > in_file[1 - which]);
            let array = batch.column(at);
            Values::of(array).ok_or_else(|| {
                let got = format!("unexpected column type {}", array.data_type());
                failed(rows, ParquetError::General(got))
            })
        };
        let values = [column(0)?, column(1)?];
        for ix in 0..batch.num_rows() {
            pairs.extend(crate::pairs::texts(values[0].cell(ix), values[1].cell(ix)));
        }
        rows += batch.num_rows() as u64;
    }
    Ok(pairs)
}

fn check_unique(path: &Path, names: &[&str]) -> Result<(), IngestError> {
    for (ix, name) in names.iter().enumerate() {
        if let Some(first) = names[..ix].iter().position(|held| held == name) {
            return Err(IngestError::DuplicateColumn {
                path: path.to_owned(),
                column: (*name).to_owned(),
                first: first + 1,
                second: ix + 1,
            });
        }
    }
    Ok(())
}

/// The file's schema with every string column as views.
fn with_views(schema: &FileSchema) -> FileSchema {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Utf8 => field.as_ref().clone().with_data_type(DataType::Utf8View),
        _ => field.as_ref().clone(),
    });
    FileSchema::new(fields.collect::<Vec<_>>())
}

fn check_type(
    path: &Path,
    column: &str,
    used: &ColumnUse,
    got: &DataType,
) -> Result<(), IngestError> {
    use DataType::{Boolean, Date32, Decimal128, Float32, Float64, Timestamp, Utf8};
    let whole = got.is_integer();
    let number = whole || matches!(got, Float32 | Float64 | Decimal128(_, 0..=28) | Utf8);
    let (fits, expected) = match used.holds {
        // tables with gaps often hold whole numbers as doubles
        Holds::Id => (
            whole || matches!(got, Utf8 | Float64 | Decimal128(_, 0)),
            "text or whole numbers",
        ),
        Holds::Choice => (
            whole || matches!(got, Utf8 | Boolean | Float64),
            "text, whole numbers or booleans",
        ),
        Holds::Calendar { offset: true } => (
            matches!(got, Utf8 | Timestamp(..) | Date32),
            "text, a timestamp or a date",
        ),
        Holds::Calendar { offset: false } => (
            matches!(got, Utf8 | Timestamp(_, Some(_))),
            "text or a timestamp in UTC; for local times state offset",
        ),
        Holds::Count | Holds::MinorUnits | Holds::MajorUnits | Holds::Number => {
            (number, "numbers, or text that holds them")
        }
        Holds::Text => (matches!(got, Utf8), "text"),
    };
    if fits {
        return Ok(());
    }
    Err(IngestError::ColumnType {
        path: path.to_owned(),
        column: column.to_owned(),
        field: used.field.clone(),
        expected,
        got: got.to_string(),
    })
}

impl Values {
    fn of(array: &ArrayRef) -> Option<Values> {
        Some(match array.data_type() {
            DataType::Boolean => Values::Bool(array.as_boolean().clone()),
            DataType::Int8 => Values::Int8(array.as_primitive().clone()),
            DataType::Int16 => Values::Int16(array.as_primitive().clone()),
            DataType::Int32 => Values::Int32(array.as_primitive().clone()),
            DataType::Int64 => Values::Int64(array.as_primitive().clone()),
            DataType::UInt8 => Values::Uint8(array.as_primitive().clone()),
            DataType::UInt16 => Values::Uint16(array.as_primitive().clone()),
            DataType::UInt32 => Values::Uint32(array.as_primitive().clone()),
            DataType::UInt64 => Values::Uint64(array.as_primitive().clone()),
            DataType::Float32 => Values::Float32(array.as_primitive().clone()),
            DataType::Float64 => Values::Float64(array.as_primitive().clone()),
            DataType::Decimal128(_, places) => {
                Values::Decimal(array.as_primitive().clone(), u8::try_from(*places).ok()?)
            }
            DataType::Utf8View => Values::Text(array.as_string_view().clone()),
            DataType::Date32 => Values::Date(array.as_primitive().clone()),
            DataType::Timestamp(unit, zone) => {
                let utc = zone.is_some();
                match unit {
                    TimeUnit::Second => Values::Seconds(array.as_primitive().clone(), utc),
                    TimeUnit::Millisecond => Values::Millis(array.as_primitive().clone(), utc),
                    TimeUnit::Microsecond => Values::Micros(array.as_primitive().clone(), utc),
                    TimeUnit::Nanosecond => Values::Nanos(array.as_primitive().clone(), utc),
                }
            }
            _ => return None,
        })
    }

    fn cell(&self, ix: usize) -> Cell<'_> {
        macro_rules! value {
            ($array:expr, $make:expr) => {
                if $array.is_null(ix) {
                    Cell::Absent
                } else {
                    $make($array.value(ix))
                }
            };
        }
        let time = |ms: i64, utc: bool| {
            if utc {
                Cell::Millis(ms)
            } else {
                Cell::LocalMillis(ms)
            }
        };
        match self {
            Values::Bool(array) => value!(array, Cell::Bool),
            Values::Int8(array) => value!(array, |it: i8| Cell::Int(it.into())),
            Values::Int16(array) => value!(array, |it: i16| Cell::Int(it.into())),
            Values::Int32(array) => value!(array, |it: i32| Cell::Int(it.into())),
            Values::Int64(array) => value!(array, Cell::Int),
            Values::Uint8(array) => value!(array, |it: u8| Cell::Int(it.into())),
            Values::Uint16(array) => value!(array, |it: u16| Cell::Int(it.into())),
            Values::Uint32(array) => value!(array, |it: u32| Cell::Int(it.into())),
            Values::Uint64(array) => value!(array, |it: u64| match i64::try_from(it) {
                Ok(small) => Cell::Int(small),
                Err(_) => Cell::Uint(it),
            }),
            Values::Float32(array) => value!(array, |it: f32| Cell::Float(shortest(it))),
            Values::Float64(array) => value!(array, Cell::Float),
            Values::Decimal(array, places) => value!(array, |it| Cell::Decimal(it, *places)),
            Values::Text(array) => value!(array, Cell::Text),
            Values::Date(array) => {
                value!(array, |days: i32| Cell::LocalMillis(
                    i64::from(days) * 86_400_000
                ))
            }
            Values::Seconds(array, utc) => {
                value!(array, |it: i64| time(it.saturating_mul(1000), *utc))
            }
            Values::Millis(array, utc) => value!(array, |it| time(it, *utc)),
            Values::Micros(array, utc) => {
                value!(array, |it: i64| time(it.div_euclid(1000), *utc))
            }
            Values::Nanos(array, utc) => {
                value!(array, |it: i64| time(it.div_euclid(1_000_000), *utc))
            }
        }
    }
}

/// The double nearest to the shortest decimal of a single: 0.1 and not 0.10000000149.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| value.into())
}
