//! A small schema, files made on the spot, and what came out of them as text.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use event::Schema;
use expect_test::Expect;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use ringfence_ingest::{IngestError, Item, Mapping, MappingError, Options, Source};

pub const SCHEMA: &str = r#"
schema_version = 1
name = "small"
base_currency = "EUR"
[time]
windows = ["1h", "24h", "7d", "30d"]
sequence = "30d"
recent = "72h"
idle_expiry = "180d"
dedup_window = "7d"
[labels]
horizon = "180d"
maturity = "14d"
legitimate = "presumed"
[[kinds]]
name = "account"
[[kinds]]
name = "device"
[[roles]]
name = "account"
kind = "account"
part = "subject"
[[roles]]
name = "payee"
kind = "account"
part = "counterparty"
[[roles]]
name = "device"
kind = "device"
part = "device"
[[event_types]]
name = "payment"
class = "payment"
[[event_types]]
name = "login"
class = "login"
amount = "absent"
[[attributes]]
name = "channel"
type = "categorical"
[[attributes]]
name = "balance"
type = "numeric"
min = -1e9
max = 1e9
[[attributes]]
name = "note"
type = "text"
max_bytes = 64
"#;

/// Columns id, time, account, amount, and a label with a delay of one day.
pub const IMPORT: &str = r#"
[import]
event_id = { column = "id" }
event_type = { value = "payment" }
timestamp = { column = "time", format = "epoch_s" }
amount = { column = "amount", unit = "major" }
[import.roles]
account = { column = "account" }
[import.label]
column = "fraud"
fraud = ["1"]
legitimate = ["0"]
unknown = ["?"]
delay = "1d"
"#;

pub fn schema() -> Schema {
    Schema::parse(SCHEMA).unwrap()
}

pub fn mapping(import: &str) -> Result<Mapping, MappingError> {
    Mapping::parse(&format!("{SCHEMA}{import}"), &schema())
}

/// A file in its own folder, gone with it.
pub struct TestFile {
    _folder: tempfile::TempDir,
    pub path: PathBuf,
}

pub fn file(name: &str, content: &[u8]) -> TestFile {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    TestFile {
        _folder: folder,
        path,
    }
}

pub fn parquet(batch: &arrow_array::RecordBatch, compression: Compression) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_max_row_group_row_count(Some(7))
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    bytes
}

pub fn batch(columns: Vec<(&str, arrow_array::ArrayRef)>) -> arrow_array::RecordBatch {
    let fields: Vec<_> = columns
        .iter()
        .map(|(name, array)| arrow_schema::Field::new(*name, array.data_type().clone(), true))
        .collect();
    let schema = Arc::new(arrow_schema::Schema::new(fields));
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    arrow_array::RecordBatch::try_new(schema, arrays).unwrap()
}

pub fn open(path: &Path, import: &str, options: Options) -> Result<Source, IngestError> {
    Source::open(path, None, &schema(), &mapping(import).unwrap(), options)
}

pub fn items(path: &Path, import: &str, options: Options) -> Vec<Item> {
    let mut source = open(path, import, options).unwrap();
    let mut items = Vec::new();
    while let Some(item) = source.next() {
        items.push(item.unwrap());
    }
    items
}

/// The whole import as text, one line per item; an error is the last line. The file's folder is cut.
pub fn told(name: &str, content: &[u8], import: &str, options: Options) -> String {
    let file = file(name, content);
    let folder = format!("{}/", file.path.parent().unwrap().display());
    let mut out = String::new();
    match open(&file.path, import, options) {
        Err(error) => writeln!(out, "refused: {error}").unwrap(),
        Ok(mut source) => {
            while let Some(item) = source.next() {
                match item {
                    Ok(item) => tell(&mut out, &item),
                    Err(error) => writeln!(out, "stopped: {error}").unwrap(),
                }
            }
        }
    }
    out.replace(&folder, "")
}

fn tell(out: &mut String, item: &Item) {
    match item {
        Item::Event { row, event } => {
            let value = event::json::event_value(event, &schema());
            let fields = value.as_object().unwrap();
            write!(out, "event {row}:").unwrap();
            for (name, value) in fields {
                // equal unless the event came late
                let same = name == "received_at" && value == &fields["event_timestamp"];
                match value.as_str() {
                    _ if same || name == "event_type" => {}
                    Some(text) => write!(out, " {text}").unwrap(),
                    None => write!(out, " {value}").unwrap(),
                }
            }
            writeln!(out).unwrap();
        }
        Item::Label(label) => writeln!(
            out,
            "label {} {} {}",
            label.event_id.as_str(),
            label.verdict.name(),
            label.label_timestamp
        )
        .unwrap(),
        Item::Outcome(outcome) => {
            writeln!(out, "outcome {}", outcome.event_id.as_str()).unwrap();
        }
        Item::Reject(reject) => {
            let mut value = serde_json::to_value(reject).unwrap();
            if reject.raw.len() > 80 {
                value["raw"] = format!("({} bytes)", reject.raw.len()).into();
            }
            writeln!(out, "reject {value}").unwrap();
        }
    }
}

/// Compares everything the import says.
pub fn check_with(name: &str, content: &[u8], import: &str, options: Options, expected: Expect) {
    expected.assert_eq(&told(name, content, import, options));
}

pub fn check(name: &str, content: impl AsRef<[u8]>, expected: Expect) {
    check_with(name, content.as_ref(), IMPORT, Options::default(), expected);
}

/// Of a CSV file that [`IMPORT`] maps.
pub const HEADER: &str = "id,time,account,amount,fraud\n";
