//! Rows per second from file to events, one thread. `cargo bench -p ringfence-ingest`; the shared data is
//! read too when it is there.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use event::Schema;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use ringfence_ingest::{Item, Mapping, Options, Source};

const ROWS: usize = 1_000_000;

const IMPORT: &str = r#"
[import]
event_id = { column = "id" }
event_type = { value = "payment" }
timestamp = { column = "time", format = "epoch_ms" }
amount = { column = "amount", unit = "major" }
currency = { value = "EUR" }
[import.roles]
account = { column = "account" }
merchant = { column = "merchant" }
device = { column = "device" }
[import.attributes]
channel = { column = "channel" }
balance_before = { column = "balance", scale = 0.01 }
[import.label]
column = "fraud"
fraud = ["1"]
legitimate = ["0"]
delay = "7d"
"#;

struct Table {
    names: [&'static str; 9],
    rows: Vec<[String; 9]>,
}

fn table() -> Table {
    let mut state = 1_u64;
    let mut random = |end: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % end
    };
    let rows = (0..ROWS).map(|row| {
        let cents = random(100_000);
        [
            format!("tx-{row:09}"),
            (1_700_000_000_000 + row as u64 * 250).to_string(),
            format!("{}.{:02}", cents / 100, cents % 100),
            format!("acct-{:07}", random(50_000)),
            format!("m-{:05}", random(5_000)),
            format!("dev-{:07}", random(80_000)),
            ["web", "app", "pos"][random(3) as usize].to_owned(),
            random(10_000_000).to_string(),
            u8::from(random(200) == 0).to_string(),
        ]
    });
    Table {
        names: [
            "id", "time", "amount", "account", "merchant", "device", "channel", "balance", "fraud",
        ],
        rows: rows.collect(),
    }
}

fn write_csv(table: &Table, path: &Path) {
    let mut text = table.names.join(",") + "\n";
    for row in &table.rows {
        text += &row.join(",");
        text += "\n";
    }
    std::fs::write(path, text).expect("the bench folder is writable");
}

fn write_jsonl(table: &Table, path: &Path) {
    let mut text = String::new();
    for row in &table.rows {
        for (ix, (name, value)) in table.names.iter().zip(row).enumerate() {
            let open = if ix == 0 { "{" } else { "," };
            let written = if [1, 2, 7, 8].contains(&ix) {
                write!(text, "{open}\"{name}\":{value}")
            } else {
                write!(text, "{open}\"{name}\":\"{value}\"")
            };
            written.expect("a string takes any text");
        }
        text += "}\n";
    }
    std::fs::write(path, text).expect("the bench folder is writable");
}

fn write_parquet(table: &Table, path: &Path) {
    let column = |ix: usize| -> ArrayRef {
        let cells = table.rows.iter().map(|row| row[ix].as_str());
        if [1, 7, 8].contains(&ix) {
            Arc::new(
                cells
                    .map(|it| it.parse::<i64>().ok())
                    .collect::<Int64Array>(),
            )
        } else {
            Arc::new(cells.map(Some).collect::<StringArray>())
        }
    };
    let columns = table.names.iter().enumerate();
    let batch = RecordBatch::try_from_iter(columns.map(|(ix, name)| (*name, column(ix))))
        .expect("columns of one length");
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .build();
    let file = std::fs::File::create(path).expect("the bench folder is writable");
    let mut writer =
        ArrowWriter::try_new(file, batch.schema(), Some(properties)).expect("a schema");
    writer.write(&batch).expect("a batch of that schema");
    writer.close().expect("the bench folder is writable");
}

/// CPU time of this process in microseconds, where the kernel tells it.
fn cpu_us() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    let ns: f64 = text.split_ascii_whitespace().next()?.parse().ok()?;
    Some(ns / 1000.0)
}

#[allow(clippy::print_stdout)]
fn measure(path: &Path, schema_text: &str, sort: bool) {
    let schema = Schema::parse(schema_text).expect("a good schema");
    let mapping = Mapping::parse(schema_text, &schema).expect("a good mapping");
    // best of three: the machine is shared
    let mut best: Option<(f64, f64, u64)> = None;
    for _ in 0..3 {
        let options = Options {
            sort,
            ..Options::default()
        };
        let (began, cpu) = (Instant::now(), cpu_us());
        let mut source = Source::open(path, None, &schema, &mapping, options).expect("a good file");
        let mut sum = 0;
        while let Some(item) = source.next() {
            if let Item::Event { event, .. } = item.expect("good rows") {
                sum += event.amount.map_or(0, |money| money.minor);
            }
        }
        std::hint::black_box(sum);
        let cpu = cpu_us()
            .zip(cpu)
            .map_or(f64::NAN, |(after, before)| after - before);
        let wall = began.elapsed().as_secs_f64();
        let rows = source.progress().rows;
        if best.is_none_or(|(held, ..)| wall < held) {
            best = Some((wall, cpu, rows));
        }
    }
    let Some((wall, cpu, rows)) = best else {
        return;
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    println!(
        "{name}{}: {rows} rows, {:.0} rows/s, {:.3} us CPU per row",
        if sort { " (sorted)" } else { "" },
        rows as f64 / wall,
        cpu / rows as f64
    );
}

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read = |name: &str| {
        std::fs::read_to_string(root.join("schemas").join(name)).expect("a committed schema")
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    let made = table();
    write_csv(&made, &at("made.csv"));
    write_jsonl(&made, &at("made.jsonl"));
    write_parquet(&made, &at("made.parquet"));
    drop(made);
    let default = read("default.toml");
    let (tables, _) = default.split_once("[import]").expect("an import table");
    let schema = format!("{tables}{IMPORT}");
    for name in ["made.csv", "made.jsonl", "made.parquet"] {
        measure(&at(name), &schema, false);
    }
    measure(&at("made.parquet"), &schema, true);
    let shared = match std::env::var_os("RINGFENCE_SHARED_DATA") {
        Some(folder) => PathBuf::from(folder),
        None => root.join("../shared/data"),
    };
    for (name, schema) in [
        ("handbook_transactions.parquet", "handbook.toml"),
        ("s-ffsd.csv", "s_ffsd.toml"),
        ("amlgentex_0.parquet", "amlgentex.toml"),
    ] {
        let path = shared.join(name);
        if path.exists() {
            measure(&path, &read(schema), false);
        }
    }
}
