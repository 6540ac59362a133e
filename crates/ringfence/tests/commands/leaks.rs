//! The leak audit by the real binary: exit code, table and JSON, and a leak that lies in the data.

use std::fmt::Write;
use std::fs;

use crate::world::Bench;

pub const SCHEMA: &str = r#"
schema_version = 1
name = "batches"
base_currency = "EUR"
[time]
windows = ["1h", "24h", "7d", "30d"]
sequence = "30d"
recent = "72h"
idle_expiry = "180d"
dedup_window = "7d"
[labels]
horizon = "180d"
maturity = "1d"
legitimate = "presumed"
[[kinds]]
name = "account"
[[kinds]]
name = "batch"
[[roles]]
name = "account"
kind = "account"
part = "subject"
[[roles]]
name = "batch"
kind = "batch"
part = "counterparty"
[[event_types]]
name = "payment"
class = "payment"
[import]
event_id = { row = "r" }
event_type = { value = "payment" }
timestamp = { column = "at", format = "iso" }
amount = { column = "amount", unit = "minor" }
currency = { value = "EUR" }
[import.roles]
account = { column = "account" }
batch = { column = "batch" }
[import.label]
column = "fraud"
fraud = ["1"]
legitimate = []
unknown = ["0"]
delay = "1d"
"#;

pub const PROTOCOL: &str = r#"
name = "batches"
schema = "batches"
label_delay = "1d"
seeds = [1]
candidates = [{ rounds = [10], leaves = 6 }]
validation = [{ train = ["2026-01-01", "2026-01-05"], test = ["2026-01-06", "2026-01-10"] }]
test = [{ train = ["2026-01-06", "2026-01-10"], test = ["2026-01-11", "2026-01-12"] }]
"#;

/// A batch of 24 payments an hour, all with one time stamp. About every other batch holds a fraud: its
/// last row where `closing`, else any.
fn rows(closing: bool) -> String {
    let mut text = String::from("at,amount,account,batch,fraud\n");
    let mixed = |n: u64| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as usize;
    for hour in 0..24 * 15 {
        let fraud = match mixed(hour) % 4 {
            0 => None,
            _ if closing => Some(23),
            _ => Some(mixed(hour + 999) % 24),
        };
        for row in 0..24 {
            let draw = mixed(hour * 24 + row as u64 + 7);
            writeln!(
                text,
                "2026-01-{:02}T{:02}:00:00Z,{},a{},b{},{}",
                1 + hour / 24,
                hour % 24,
                100 + draw % 5_000,
                draw % 300,
                // all of an hour meet at one counterparty
                hour % 5,
                u8::from(fraud == Some(row)),
            )
            .unwrap();
        }
    }
    text
}

pub fn bench(closing: bool, simultaneous: &str) -> Bench {
    let bench = Bench::new();
    let schema = SCHEMA.replacen(
        "[time]",
        &format!("[time]\nsimultaneous = {simultaneous:?}"),
        1,
    );
    fs::write(bench.path("schema.toml"), schema).unwrap();
    fs::write(bench.path("rows.csv"), rows(closing)).unwrap();
    fs::write(bench.path("protocol.toml"), PROTOCOL).unwrap();
    bench.json(&bench.import_args("schema.toml", "rows.csv"));
    bench
}

const LEAKS: [&str; 3] = ["leaks", "--protocol", "protocol.toml"];

#[test]
fn rows_that_close_their_instant_are_a_leak_until_instants_are_hidden() {
    let order = ["--part", "order"];
    let leaking = bench(true, "ordered");
    let digest = leaking.digest();
    let done = leaking.run(&[&LEAKS[..], &order].concat());
    assert_eq!(done.status.code(), Some(4), "{done:?}");
    let report: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(report["clean"], false);
    let finding = &report["findings"][0];
    assert_eq!(
        (&finding["check"], &finding["verdict"]),
        (&"order".into(), &"leak".into())
    );
    assert!(
        report["ap"].as_f64().unwrap() > 2.0 * finding["ap"].as_f64().unwrap(),
        "{report}"
    );
    assert_eq!(leaking.digest(), digest, "the audit changed the tenant");

    for (closing, simultaneous) in [(true, "hidden"), (false, "ordered")] {
        let report = bench(closing, simultaneous).json(&[&LEAKS[..], &order].concat());
        assert_eq!(report["clean"], true, "{report}");
        assert!(report["findings"][0]["rows"].as_u64().unwrap() > 1_000);
    }
}

#[test]
fn parts_are_chosen_and_the_test_is_read_on_demand_only() {
    let bench = bench(false, "ordered");
    let done = bench.run(&[&LEAKS[..], &["--part", "delay", "--part", "labels"]].concat());
    let report: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert!(done.status.success(), "{report:#}");
    let checks: Vec<&str> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["check"].as_str().unwrap())
        .collect();
    assert_eq!(checks, ["labels", "delay"]);
    assert_eq!(report["folds"], "validation");
    // The test of this protocol holds too few frauds, which is noticed only when it is read.
    let done = bench.run(&[&LEAKS[..], &["--test", "--part", "labels"]].concat());
    let error = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{error}");
    assert!(error.contains("test: all tests holds"), "{error}");

    let other = PROTOCOL.replace("schema = \"batches\"", "schema = \"other\"");
    fs::write(bench.path("protocol.toml"), other).unwrap();
    let done = bench.run(&LEAKS);
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(error.contains("the protocol is for schema"), "{error}");
}
