//! `simulate` as a user runs it: what it writes can be imported as it is, and what it refuses it refuses
//! before a file is made.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use crate::world::Bench;

const WORLD: [&str; 7] = [
    "simulate",
    "--days",
    "8",
    "--accounts",
    "500",
    "--seed",
    "5",
];

fn simulate<'a>(more: &[&'a str]) -> Vec<&'a str> {
    WORLD.iter().chain(more).copied().collect()
}

/// The state is the same through JSON lines, through Parquet and through a pipe.
#[test]
fn lines_table_and_pipe_import_to_the_same_state() {
    let bench = Bench::new();
    let told = bench.json(&simulate(&["--out", "world"]));
    assert!(told["events"].as_u64().unwrap() > 2_000, "{told}");
    let mut digests = Vec::new();
    for (data, file) in [("a", "world/stream.jsonl"), ("b", "world/stream.parquet")] {
        let imported = bench.json(&[
            "--tenant",
            data,
            "import",
            "--schema",
            "world/schema.toml",
            file,
        ]);
        for what in ["events", "labels", "outcomes"] {
            assert_eq!(imported[what], told[what], "{what} of {file}");
        }
        digests.push(bench.json(&["--tenant", data, "replay", "--samples"]));
    }
    let mut writer = bench
        .command(&simulate(&["--format", "jsonl", "--out", "-"]))
        .spawn()
        .unwrap();
    let mut reader = bench.command(&[
        "--tenant",
        "c",
        "import",
        "--schema",
        "world/schema.toml",
        "-",
    ]);
    let imported = reader
        .stdin(writer.stdout.take().unwrap())
        .output()
        .unwrap();
    assert!(writer.wait().unwrap().success());
    assert!(imported.status.success(), "{imported:?}");
    digests.push(bench.json(&["--tenant", "c", "replay", "--samples"]));
    for digest in &digests[1..] {
        assert_eq!(digest["digest"], digests[0]["digest"]);
        assert_eq!(digest["samples_digest"], digests[0]["samples_digest"]);
    }
}

#[test]
fn three_banks_have_a_stream_each_and_one_oracle() {
    let bench = Bench::new();
    bench.json(&simulate(&["--preset", "three-banks", "--out", "banks"]));
    for bank in ["bank-0", "bank-1", "bank-2"] {
        for form in ["stream.jsonl", "stream.parquet"] {
            let (schema, file) = (
                format!("banks/{bank}/schema.toml"),
                format!("banks/{bank}/{form}"),
            );
            let data = format!("{bank}-{}", form.replace('.', "-"));
            let imported = bench.json(&["--tenant", &data, "import", "--schema", &schema, &file]);
            assert!(
                imported["events"].as_u64().unwrap() > 500,
                "{file}: {imported}"
            );
            assert_eq!(imported["rejects"], 0);
        }
    }
    assert!(bench.path("banks/oracle.jsonl").exists());
    assert!(!bench.path("banks/bank-0/oracle.jsonl").exists());
}

#[test]
fn impossible_parameters_are_refused_before_anything_is_written() {
    let bench = Bench::new();
    fs::write(bench.path("mine.toml"), "[fraud]\nrecurrent_mules = 2\n").unwrap();
    for (args, expected) in [
        (vec!["--days", "-3"], "days must be in 1..=3660, got -3"),
        (
            vec!["--accounts", "0"],
            "accounts must be in 200..=50000000, got 0",
        ),
        (vec!["--accounts", "300"], "accounts must be >= 410"),
        (
            vec!["--params", "mine.toml"],
            "fraud.recurrent_mules must be in 0..=1, got 2",
        ),
        (
            vec!["--preset", "big"],
            "unknown preset \\\"big\\\", expected one of demo",
        ),
        (vec!["--params", "absent.toml"], "cannot read absent.toml"),
    ] {
        let args: Vec<&str> = ["simulate", "--out", "world"]
            .iter()
            .chain(&args)
            .copied()
            .collect();
        let output = bench.run(&args);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {text}");
        assert!(text.contains(expected), "{args:?}: {text}");
        assert!(!bench.path("world").exists(), "{args:?} left files");
    }
}

#[test]
fn a_killed_run_leaves_no_half_file_and_a_world_is_not_overwritten() {
    let bench = Bench::new();
    let mut run = bench
        .command(&[
            "simulate",
            "--days",
            "60",
            "--accounts",
            "20000",
            "--out",
            "world",
        ])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let draft = bench.path("world/stream.jsonl.partial");
    // ten seconds are enough to begin
    for _ in 0..1_000 {
        if fs::metadata(&draft).is_ok_and(|it| it.len() > 0) {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    run.kill().unwrap();
    run.wait().unwrap();
    assert!(draft.exists());
    for name in ["stream.jsonl", "stream.parquet", "oracle.jsonl"] {
        assert!(!bench.path("world").join(name).exists(), "{name}");
    }
    bench.json(&simulate(&["--out", "world"]));
    let before = fs::read(bench.path("world/stream.jsonl")).unwrap();
    let again = bench.run(&[
        "simulate",
        "--days",
        "9",
        "--accounts",
        "500",
        "--out",
        "world",
    ]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("exists already"));
    assert!(fs::read(bench.path("world/stream.jsonl")).unwrap() == before);
}
