//! Bad input gets an error that names what is wrong, an exit code of its own, and changes nothing that
//! was acknowledged. (Row by row refusals are tested where rows are read; here is what the user sees.)

use std::fs;

use crate::world::{Bench, world_files};

const SCHEMA: &str = r#"
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
maturity = "7d"
legitimate = "presumed"
[[kinds]]
name = "account"
[[kinds]]
name = "shop"
[[roles]]
name = "account"
kind = "account"
part = "subject"
[[roles]]
name = "shop"
kind = "shop"
part = "counterparty"
[[event_types]]
name = "payment"
class = "payment"
[import]
event_id = { column = "id" }
event_type = { value = "payment" }
timestamp = { column = "at", format = "iso" }
amount = { column = "amount", unit = "major" }
currency = { column = "currency" }
[import.roles]
account = { column = "account" }
shop = { column = "shop" }
"#;

const HEADER: &str = "id,at,amount,currency,account,shop\n";

fn bench() -> Bench {
    let bench = Bench::new();
    fs::write(bench.path("schema.toml"), SCHEMA).unwrap();
    bench
}

/// Runs an import of `content` and returns exit code and standard error.
fn import(bench: &Bench, name: &str, content: &str) -> (i32, String) {
    fs::write(bench.path(name), content).unwrap();
    let output = bench.run(&bench.import_args("schema.toml", name));
    (
        output.status.code().unwrap(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn a_file_that_cannot_be_read_leaves_no_tenant_behind() {
    let cases = [
        ("empty.csv", "", "empty"),
        ("column.csv", "id,at,currency,account,shop\n", "amount"),
        ("twice.csv", "id,id,at,amount,currency,account,shop\n", "id"),
        ("unknown.xyz", "x", "unknown.xyz"),
    ];
    for (name, content, told) in cases {
        let bench = bench();
        let (code, error) = import(&bench, name, content);
        assert_eq!(code, 1, "{name}: {error}");
        assert!(error.contains(told), "{name}: {error}");
        assert!(!bench.path("data").exists(), "{name} left a tenant");
    }
}

#[test]
fn bad_rows_are_written_down_and_the_good_ones_stay() {
    let bench = bench();
    let rows = [
        "1,2026-01-01T00:00:00Z,10.00,EUR,a,s",
        "2,2026-01-01T00:00:01Z,-10.00,EUR,a,s",
        "3,2026-01-01T00:00:02Z,99999999999999999999,EUR,a,s",
        "4,2026-01-01T00:00:03Z,NaN,EUR,a,s",
        "5,2026-01-01T00:00:04Z,inf,EUR,a,s",
        "6,2026-01-01T00:00:05Z,1.00,EUX,a,s",
        "7,0001-01-01T00:00:00Z,1.00,EUR,a,s",
        "8,2025-12-31T00:00:00Z,1.00,EUR,a,s",
        "1,2026-01-01T00:00:06Z,11.00,EUR,a,s",
        "9,2026-01-01T00:00:07Z,1.00,EUR,,s",
        "10,2026-01-01T00:00:08Z,1.005,EUR,a,s",
        "11,2026-01-01T00:00:09Z,2.00,EUR,a,s",
        "12,2199-01-01T00:00:00Z,2.00,EUR,a,s",
    ];
    let (code, error) = import(
        &bench,
        "rows.csv",
        &(HEADER.to_owned() + &rows.join("\n") + "\n"),
    );
    assert_eq!(code, 3, "{error}");
    let rejects = fs::read_to_string(bench.path("rejects.jsonl")).unwrap();
    let codes: Vec<(String, String)> = rejects
        .lines()
        .map(|line| {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| value[name].as_str().unwrap_or("").to_owned();
            (text("code"), text("field"))
        })
        .collect();
    let wanted = [
        ("amount_range", "amount"),
        ("amount_range", "amount"),
        ("not_finite", "amount"),
        ("not_finite", "amount"),
        ("unknown_currency", "currency"),
        ("time_range", "event_timestamp"),
        ("out_of_order", "event_timestamp"),
        ("event_id_conflict", "event_id"),
        ("field_missing", "account"),
        ("amount_precision", "amount"),
        ("time_in_future", "event_timestamp"),
    ];
    let wanted: Vec<(String, String)> = wanted
        .iter()
        .map(|(code, field)| ((*code).to_owned(), (*field).to_owned()))
        .collect();
    assert_eq!(codes, wanted, "{rejects}");
    let log = bench.json(&["inspect", "log"]);
    assert_eq!(log["by_kind"]["event"], 2);
}

#[test]
fn too_many_rejects_stop_the_import_and_nothing_acknowledged_is_lost() {
    let bench = bench();
    let (code, _) = import(
        &bench,
        "good.csv",
        &format!("{HEADER}1,2026-01-01T00:00:00Z,1,EUR,a,s\n"),
    );
    assert_eq!(code, 0);
    let digest = bench.digest();
    fs::write(
        bench.path("bad.csv"),
        format!("{HEADER}2,x,1,EUR,a,s\n3,y,1,EUR,a,s\n"),
    )
    .unwrap();
    let args = [
        "import",
        "--schema",
        "schema.toml",
        "bad.csv",
        "--max-rejects",
        "1",
    ];
    let output = bench.run(&args);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(bench.digest(), digest);
}

#[test]
fn another_schema_over_the_same_log_is_refused() {
    let bench = bench();
    import(
        &bench,
        "good.csv",
        &format!("{HEADER}1,2026-01-01T00:00:00Z,1,EUR,a,s\n"),
    );
    let digest = bench.digest();
    fs::write(
        bench.path("schema.toml"),
        SCHEMA.replace("maturity = \"7d\"", "maturity = \"8d\""),
    )
    .unwrap();
    let (code, error) = import(&bench, "good.csv", HEADER);
    assert_eq!(code, 1);
    assert!(error.contains("one log has one schema"), "{error}");
    assert_eq!(bench.digest(), digest);
}

#[test]
fn decide_refuses_a_bad_line_and_goes_on() {
    let bench = bench();
    let good = |id: &str, at: &str| {
        format!(
            r#"{{"event_id":"{id}","event_type":"payment","event_timestamp":"{at}","received_at":"2026-01-01T00:00:00Z","account":"a","shop":"s","amount":"5"}}"#
        )
    };
    bench.json(&["init", "--schema", "schema.toml"]);
    let lines = [
        good("1", "2026-01-01T00:00:00Z"),
        "{".to_owned(),
        good("2", "2026-01-01T00:05:00.001Z"),
        good("3", "2026-01-01T00:05:00Z"),
        r#"{"label":"fraud","event_id":"nobody","label_timestamp":"2026-01-02T00:00:00Z","source":"analyst"}"#.to_owned(),
        r#"{"label":"fraud","event_id":"1","label_timestamp":"2025-12-31T00:00:00Z","source":"analyst"}"#.to_owned(),
        r#"{"label":"fraud","event_id":"1","label_timestamp":"2026-01-02T00:00:00Z","source":"analyst"}"#.to_owned(),
        format!(r#"{{"event_id":"4","event_type":"payment","note":"{}"}}"#, "x".repeat(10 << 20)),
        good("5", "2026-01-02T00:00:01Z").replace("2026-01-01T00:00:00Z\",\"account", "2026-01-02T00:00:01Z\",\"account"),
    ];
    let answers = bench.decide(&lines);
    let code = |ix: usize| {
        answers[ix]["error"]["code"]
            .as_str()
            .unwrap_or("none")
            .to_owned()
    };
    assert_eq!(answers[0]["decision"], "review");
    assert_eq!(code(1), "not_json");
    assert_eq!(answers[1]["error"]["detail"]["line"], 2);
    assert_eq!(code(2), "time_in_future");
    assert_eq!(answers[2]["event_id"], "2");
    assert_eq!(answers[2]["error"]["detail"]["field"], "event_timestamp");
    assert_eq!(answers[3]["decision"], "review");
    assert_eq!(code(4), "unknown_event");
    assert_eq!(code(5), "before_event");
    assert_eq!(answers[6]["label"], "taken");
    assert_eq!(code(7), "not_json");
    assert_eq!(answers[8]["decision"], "review");
}

/// Three payments and a label half a year and a day after the second.
fn dated(id: &str, time: &str) -> String {
    format!(
        r#"{{"event_id":"{id}","event_type":"payment","event_timestamp":"{time}","account":"a","shop":"s","amount":"5"}}"#
    )
}

#[test]
fn a_label_past_the_horizon_is_too_late_and_changes_nothing() {
    let bench = bench();
    bench.json(&["init", "--schema", "schema.toml"]);
    let label = |id: &str, at: &str| {
        format!(
            r#"{{"label":"fraud","event_id":"{id}","label_timestamp":"{at}","source":"chargeback"}}"#
        )
    };
    let before = bench.decide(&[dated("1", "2026-01-01T00:00:00Z")]);
    assert_eq!(before[0]["decision"], "review");
    let digest = bench.digest();
    // The default horizon is 180 days: the last moment counts, the next one does not.
    let late = bench.decide(&[label("1", "2026-06-30T00:00:00.001Z")]);
    assert_eq!(late[0]["error"]["code"], "too_late", "{}", late[0]);
    assert_eq!(late[0]["error"]["detail"]["field"], "label_timestamp");
    assert_eq!(bench.digest(), digest);
    let taken = bench.decide(&[label("1", "2026-06-30T00:00:00Z")]);
    assert_eq!(taken[0]["label"], "taken");
    assert_ne!(bench.digest(), digest);
}

#[test]
fn an_older_file_after_a_newer_one_is_taken_and_told() {
    let bench = bench();
    let rows = |id: &str, day: u32| format!("{HEADER}{id},2026-01-{day:02}T00:00:00Z,5,EUR,a,s\n");
    fs::write(bench.path("newer.csv"), rows("2", 20)).unwrap();
    fs::write(bench.path("older.csv"), rows("1", 3)).unwrap();
    let newer = bench.json(&bench.import_args("schema.toml", "newer.csv"));
    assert_eq!(newer["late"], 0, "{newer}");
    let output = bench.run(&bench.import_args("schema.toml", "older.csv"));
    let older: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&older["events"], &older["late"]), (&1.into(), &1.into()));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("older than 2026-01-20"), "{told}");
}

#[test]
fn a_quiet_live_tenant_ticks() {
    let bench = bench();
    bench.json(&["init", "--schema", "schema.toml"]);
    let mut command = bench.command(&["decide", "--live", "--tick-seconds", "1"]);
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    let ticks = || {
        let log = bench.json(&["inspect", "log"]);
        log["by_kind"]["tick"].as_u64().unwrap_or(0)
    };
    let since = std::time::Instant::now();
    while ticks() < 2 {
        assert!(since.elapsed().as_secs() < 60, "no tick came");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_listener_that_left_before_the_end_is_an_error() {
    let bench = bench();
    bench.json(&["init", "--schema", "schema.toml"]);
    let mut command = bench.command(&["decide"]);
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut input = child.stdin.take().unwrap();
    let line = dated("1", "2026-01-01T00:00:00Z") + "\n";
    std::io::Write::write_all(&mut input, line.as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["code"], "failed", "{error}");
    let told = error["error"]["message"].as_str().unwrap();
    assert!(told.contains("up to line 1 is on disk"), "{told}");
    // It was decided and is repeated.
    let again = bench.decide(&[line.trim().to_owned()]);
    assert_eq!(again[0]["duplicate"], true);
}

#[test]
fn usage_and_missing_tenants_have_their_own_words() {
    let bench = Bench::new();
    assert_eq!(bench.run(&["frobnicate"]).status.code(), Some(2));
    let (_, file) = world_files();
    for args in [
        vec!["replay"],
        vec!["train"],
        vec!["decide"],
        vec!["import", file.as_str()],
    ] {
        let output = bench.run(&args);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(error.contains("holds no tenant"), "{args:?}: {error}");
    }
    assert!(!bench.path("data").exists());
    let output = bench.run(&["--tenant", "../x", "init"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("tenant name"));
}

#[test]
fn looking_at_more_records_than_there_are_shows_all() {
    let bench = bench();
    bench.json(&["init", "--schema", "schema.toml"]);
    let log = bench.json(&["inspect", "log", "--last", "18446744073709551615"]);
    assert_eq!(log["last"].as_array().unwrap().len(), 1);
}
