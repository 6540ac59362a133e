//! `simulate` as a user runs it: what it writes can be imported as it is, and what it refuses it refuses
//! before a file is made.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use crate::html;
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

/// This world is too small for its ladder, and so dense with rings that an address tells more than it may.
#[test]
fn the_audit_reads_a_world_and_finds_a_planted_artefact() {
    let bench = Bench::new();
    fs::write(
        bench.path("mine.toml"),
        "days = 28\naccounts = 1500\nprevalence = 0.03\n",
    )
    .unwrap();
    bench.json(&["simulate", "--params", "mine.toml", "--out", "world"]);
    let audit = |bench: &Bench| -> serde_json::Value {
        let output = bench.run(&["simulate", "audit", "--no-ladder", "world"]);
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let artefacts = |told: &serde_json::Value| {
        let found = &told["worlds"][0]["report"]["artefacts"];
        let at = |name: &str| found[name].as_f64().unwrap();
        (at("auc"), at("low"), at("high"))
    };
    let told = audit(&bench);
    let (auc, low, high) = artefacts(&told);
    assert!((low..=high).contains(&auc), "{told:#}");
    let checks = told["worlds"][0]["checks"].as_array().unwrap();
    let holds = |demand: &str| {
        let check = checks
            .iter()
            .find(|it| it["demand"].as_str().unwrap().starts_with(demand))
            .unwrap();
        check["holds"].as_bool().unwrap()
    };
    for demand in [
        "five hard negatives",
        "fraud in every week",
        "first-time payees",
        "no ring",
    ] {
        assert!(holds(demand), "{demand}: {told:#}");
    }
    // the same world with every fraud on a whole second
    let oracle = fs::read_to_string(bench.path("world/oracle.jsonl")).unwrap();
    let frauds: std::collections::BTreeSet<&str> = oracle
        .lines()
        .filter(|line| line.contains("\"role\":\"fraud\""))
        .map(|line| &line[13..22])
        .collect();
    let stream = fs::read_to_string(bench.path("world/stream.jsonl")).unwrap();
    let planted: String = stream
        .lines()
        .map(|line| match line.find("\"event_timestamp\":\"") {
            Some(at) if frauds.contains(&line[13..22]) => {
                let digits = at + 19 + 20;
                format!("{}000{}\n", &line[..digits], &line[digits + 3..])
            }
            _ => format!("{line}\n"),
        })
        .collect();
    fs::write(bench.path("world/stream.jsonl"), planted).unwrap();
    let told = audit_sorted(&bench);
    let (auc, _, high) = artefacts(&told);
    assert!(auc > high, "{told:#}");
    assert_eq!(told["fair"], false);
}

/// Whole seconds lie before their row's place: the audit imports what is in order.
fn audit_sorted(bench: &Bench) -> serde_json::Value {
    let path = bench.path("world/stream.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let time = |line: &str| {
        let at = line.find("_timestamp\":\"").unwrap() + 13;
        line[at..at + 24].to_owned()
    };
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_by_key(|line| time(line));
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    let output = bench.run(&["simulate", "audit", "--no-ladder", "world"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn what_is_no_world_is_not_audited() {
    let bench = Bench::new();
    let output = bench.run(&["simulate", "audit", "nowhere"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("not a simulated world"), "{text}");
    bench.json(&simulate(&["--preset", "three-banks", "--out", "banks"]));
    let output = bench.run(&["simulate", "audit", "banks"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        text.contains("banks must be 1 for an audit, got 3"),
        "{text}"
    );
}

const PROTOCOL: &str = r#"
name = "small-world"
schema = "simulated"
label_delay = "14d"
seeds = [1]
candidates = [{ rounds = [20], leaves = 8 }]
validation = [{ train = ["2026-01-04", "2026-01-14"], test = ["2026-01-28", "2026-02-04"] }]
test = [{ train = ["2026-01-04", "2026-01-21"], test = ["2026-02-04", "2026-02-19"] }]
"#;

/// Counts of the oracle report are those of the oracle file over the test's span.
#[test]
fn evaluation_is_held_against_the_oracle() {
    let bench = Bench::new();
    bench.import();
    fs::write(bench.path("protocol.toml"), PROTOCOL).unwrap();
    let folder = crate::world::stream();
    let oracle = folder.join("oracle.jsonl").display().to_string();
    let told = bench.json(&[
        "evaluate",
        "--protocol",
        "protocol.toml",
        "--oracle",
        &oracle,
        "--html",
        "page.html",
    ]);
    let standing = &told["oracle"]["all features"];
    let stream = fs::read_to_string(folder.join("stream.jsonl")).unwrap();
    let secrets = fs::read_to_string(&oracle).unwrap();
    let frauds: std::collections::BTreeSet<&str> = secrets
        .lines()
        .filter(|line| line.contains("\"role\":\"fraud\""))
        .map(|line| &line[13..22])
        .collect();
    let tested = stream
        .lines()
        .filter(|line| line.contains("\"event_type\""))
        .filter(|line| {
            let at = line.find("_timestamp\":\"").unwrap() + 13;
            ("2026-02-04".."2026-02-19").contains(&&line[at..at + 10])
        });
    let (mut rows, mut known) = (0, 0);
    for line in tested {
        rows += 1;
        known += u64::from(frauds.contains(&line[13..22]));
    }
    assert_eq!(standing["rows"], rows, "{standing:#}");
    assert_eq!(standing["frauds"], known, "{standing:#}");
    let budgets = standing["budgets"].as_array().unwrap();
    assert_eq!(budgets.len(), 2);
    for (budget, share) in budgets.iter().zip([0.001, 0.01]) {
        let number = |name: &str| budget[name].as_f64().unwrap();
        assert_eq!(number("alerts"), (f64::from(rows) * share).floor());
        let by_typology: f64 = budget["typologies"]
            .as_object()
            .unwrap()
            .values()
            .map(|it| it[0].as_f64().unwrap() * it[1].as_f64().unwrap())
            .sum();
        let caught = number("recall") * known as f64;
        assert!((by_typology - caught).abs() < 1e-6, "{budget:#}");
        // no more frauds than alerts
        assert!(caught <= number("alerts") + 1e-6 && number("ceiling") <= 1.0);
        assert!((number("reached") * number("ceiling") - number("recall")).abs() < 1e-9);
    }
    let text = fs::read_to_string(bench.path("page.html")).unwrap();
    let page = html::parse(&text);
    html::check_alone(&page, &text);
    let figures = html::of_class(&page, "figure", "typologies");
    assert_eq!(figures.len(), budgets.len());
    for (figure, budget) in figures.into_iter().zip(budgets) {
        let typologies = budget["typologies"].as_object().unwrap();
        let drawn = html::data(figure).into_iter().map(|it| it.2);
        assert!(drawn.eq(typologies.values().map(|it| it[1].as_f64().unwrap())));
        assert_eq!(html::marks(figure, "rect", "bar"), typologies.len());
    }
    fs::write(bench.path("broken.jsonl"), "{\"event_id\":1}\n").unwrap();
    let broken = bench.run(&[
        "evaluate",
        "--protocol",
        "protocol.toml",
        "--oracle",
        "broken.jsonl",
    ]);
    assert!(String::from_utf8_lossy(&broken.stderr).contains("line 1 of the oracle"));
}
