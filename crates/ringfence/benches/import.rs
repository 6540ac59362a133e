//! Import and replay end to end, with the real binary: rows of a file to records on disk, records to state.
//!
//! `cargo bench -p ringfence --bench import -- 500000` names the number of rows. The file is made here: CSV,
//! nine columns, one row in a hundred a fraud whose label comes a week later.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints and may stop"
)]

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const SCHEMA: &str = r#"
schema_version = 1
name = "bench"
base_currency = "EUR"
[time]
windows = ["1h", "24h", "7d", "30d"]
sequence = "30d"
recent = "72h"
idle_expiry = "180d"
dedup_window = "7d"
[labels]
horizon = "180d"
maturity = "7d"
legitimate = "presumed"
[[kinds]]
name = "account"
[[kinds]]
name = "merchant"
[[kinds]]
name = "device"
[[roles]]
name = "account"
kind = "account"
part = "subject"
[[roles]]
name = "merchant"
kind = "merchant"
part = "counterparty"
[[roles]]
name = "device"
kind = "device"
part = "device"
[[event_types]]
name = "payment"
class = "payment"
[[attributes]]
name = "channel"
type = "categorical"
[import]
event_id = { column = "id" }
event_type = { value = "payment" }
timestamp = { column = "at", format = "epoch_s" }
amount = { column = "cents", unit = "minor" }
currency = { value = "EUR" }
[import.roles]
account = { column = "account" }
merchant = { column = "merchant" }
device = { column = "device" }
[import.attributes]
channel = { column = "channel" }
[import.label]
column = "fraud"
fraud = ["1"]
unknown = ["0"]
delay = "7d"
"#;

fn write_rows(path: &Path, rows: u64) {
    let mut out = BufWriter::new(File::create(path).unwrap());
    writeln!(out, "id,at,cents,account,merchant,device,channel,fraud").unwrap();
    let mut state = 7_u64;
    for row in 0..rows {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let draw = state >> 33;
        let at = 1_767_225_600 + row * 86_400 * 60 / rows;
        let account = draw % (rows / 20 + 10);
        let (cents, merchant, device) = (draw % 20_000, draw % 3_001, account * 2 + draw % 2);
        let (channel, fraud) = (
            ["app", "web", "pos"][(draw % 3) as usize],
            u8::from(draw.is_multiple_of(100)),
        );
        writeln!(
            out,
            "t{row},{at},{cents},a{account},m{merchant},d{device},{channel},{fraud}"
        )
        .unwrap();
    }
    out.flush().unwrap();
}

fn run(root: &Path, args: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringfence"));
    command
        .current_dir(root)
        .args(["--data", "data", "--json", "--quiet"])
        .args(args);
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn main() {
    let rows: u64 = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(500_000);
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("import");
    fs::create_dir_all(&root).unwrap();
    fs::write(root.join("schema.toml"), SCHEMA).unwrap();
    write_rows(&root.join("rows.csv"), rows);
    for round in 1..=3 {
        if root.join("data").exists() {
            fs::remove_dir_all(root.join("data")).unwrap();
        }
        let done = run(&root, &["import", "--schema", "schema.toml", "rows.csv"]);
        let again = run(&root, &["import", "--schema", "schema.toml", "rows.csv"]);
        println!(
            "round {round}: {rows} rows and {} labels, {:.0} rows/s to disk; the same again, all known: {:.0} rows/s",
            done["labels"],
            done["rows_per_second"].as_f64().unwrap(),
            again["rows_per_second"].as_f64().unwrap(),
        );
    }
    let replay = run(&root, &["replay"]);
    let records = replay["records"].as_f64().unwrap();
    let seconds = replay["seconds"].as_f64().unwrap();
    println!(
        "replay: {records:.0} records in {seconds:.2} s = {:.0} records/s",
        records / seconds
    );
    fs::remove_dir_all(&root).unwrap();
}
