//! The stream as a Parquet table: a column per field, empty where a row has none. It lives beside the
//! command because the simulator has no business with table formats and `ingest` only reads.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::builder::{
    Decimal128Builder, Float64Builder, StringBuilder, TimestampMillisecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use simulator::{Column, Draft, Form, Names, Row, Value, WriteError, for_each_field};

use super::at;

const BATCH_ROWS: usize = 8_192;
/// Bounds what the writer holds before it reaches the disk.
const GROUP_ROWS: usize = 131_072;
/// Digits of an amount, two of them after the point.
const DIGITS: u8 = 18;
const ZONE: &str = "UTC";

pub struct ParquetRows {
    writer: ArrowWriter<Draft>,
    schema: SchemaRef,
    cells: Vec<Cells>,
    rows: usize,
    bank: u8,
    path: PathBuf,
    scratch: Vec<u8>,
}

/// The cells of one column since the last batch.
enum Cells {
    Text(StringBuilder),
    Time(TimestampMillisecondBuilder),
    Money(Decimal128Builder),
    Number(Float64Builder),
}

impl ParquetRows {
    pub fn new(draft: Draft, bank: u8) -> Result<ParquetRows, WriteError> {
        let path = draft.path().to_owned();
        let fields = Column::ALL
            .iter()
            .map(|column| Field::new(column.name(), data_type(column.form()), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .set_created_by(concat!("ringfence ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let writer = ArrowWriter::try_new(draft, Arc::clone(&schema), Some(properties));
        Ok(ParquetRows {
            writer: writer.map_err(at(&path))?,
            schema,
            cells: Column::ALL.iter().map(|it| Cells::new(it.form())).collect(),
            rows: 0,
            bank,
            path,
            scratch: Vec::new(),
        })
    }

    pub fn push(&mut self, names: &Names, row: &Row) -> Result<(), WriteError> {
        let cells = &mut self.cells;
        let mut unfit = false;
        let seen = for_each_field(names, row, self.bank, &mut self.scratch, |column, value| {
            unfit |= !cells[column as usize].push(value);
        });
        if unfit {
            let source = ParquetError::General(format!("a field of another form in {row:?}"));
            return Err(at(&self.path)(source));
        }
        if !seen {
            return Ok(());
        }
        self.rows += 1;
        for cells in &mut self.cells {
            cells.pad(self.rows);
        }
        if self.rows == BATCH_ROWS {
            self.write_batch()?;
        }
        Ok(())
    }

    pub fn finish(mut self) -> Result<(), WriteError> {
        self.write_batch()?;
        self.writer.into_inner().map_err(at(&self.path))?.finish()
    }

    fn write_batch(&mut self) -> Result<(), WriteError> {
        if self.rows == 0 {
            return Ok(());
        }
        self.rows = 0;
        let arrays = self.cells.iter_mut().map(Cells::finish);
        let batch = arrays
            .collect::<Result<Vec<ArrayRef>, ArrowError>>()
            .and_then(|arrays| RecordBatch::try_new(Arc::clone(&self.schema), arrays));
        let batch = batch.map_err(|e| at(&self.path)(e.into()))?;
        self.writer.write(&batch).map_err(at(&self.path))
    }
}

fn data_type(form: Form) -> DataType {
    match form {
        Form::Text => DataType::Utf8,
        Form::Time => DataType::Timestamp(TimeUnit::Millisecond, Some(ZONE.into())),
        Form::Money => DataType::Decimal128(DIGITS, 2),
        Form::Number => DataType::Float64,
    }
}

impl Cells {
    fn new(form: Form) -> Cells {
        match form {
            Form::Text => Cells::Text(StringBuilder::new()),
            Form::Time => Cells::Time(TimestampMillisecondBuilder::new()),
            Form::Money => Cells::Money(Decimal128Builder::new()),
            Form::Number => Cells::Number(Float64Builder::new()),
        }
    }

    /// False where the value is not of the column's form.
    fn push(&mut self, value: Value<'_>) -> bool {
        match (self, value) {
            (Cells::Text(cells), Value::Text(text)) => match std::str::from_utf8(text) {
                Ok(text) => cells.append_value(text),
                Err(_) => return false,
            },
            (Cells::Time(cells), Value::Time(time)) => cells.append_value(time.0),
            (Cells::Money(cells), Value::Money(amount)) => cells.append_value(amount.0.into()),
            // one correctly rounded division gives the double nearest to the decimal
            (Cells::Number(cells), Value::Number { value, places }) => {
                cells.append_value(value as f64 / 10_f64.powi(places as i32));
            }
            _ => return false,
        }
        true
    }

    /// An empty cell where the row gave none.
    fn pad(&mut self, rows: usize) {
        use arrow_array::builder::ArrayBuilder;
        match self {
            Cells::Text(cells) if cells.len() < rows => cells.append_null(),
            Cells::Time(cells) if cells.len() < rows => cells.append_null(),
            Cells::Money(cells) if cells.len() < rows => cells.append_null(),
            Cells::Number(cells) if cells.len() < rows => cells.append_null(),
            _ => {}
        }
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Cells::Text(cells) => Arc::new(cells.finish()),
            Cells::Time(cells) => Arc::new(cells.finish().with_timezone(ZONE)),
            Cells::Money(cells) => Arc::new(cells.finish().with_precision_and_scale(DIGITS, 2)?),
            Cells::Number(cells) => Arc::new(cells.finish()),
        })
    }
}
