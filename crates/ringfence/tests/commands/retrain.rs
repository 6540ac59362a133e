//! A retrain by the real binary: frozen windows, gates, and what is left when it is killed at each of its steps.

use std::fs;
use std::path::PathBuf;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use event::{EventTime, Schema};
use serde_json::Value;

use crate::world::{Bench, world_files};

const SOON: Duration = Duration::from_secs(120);
/// Tests share the machine with each other.
const RETRAIN: [&str; 9] = [
    "retrain",
    "--priority",
    "low",
    "--rounds",
    "30",
    "--seed",
    "7",
    "--memory-mib",
    "1024",
];

/// A tenant with a model.
fn prepared() -> (Bench, Value) {
    let bench = Bench::new();
    bench.import();
    let early = ["--until", "2026-01-10T00:00:00Z"];
    let train = [
        "train", "--rounds", "30", "--leaves", "7", early[0], early[1],
    ];
    let trained = bench.json(&train);
    (bench, trained)
}

fn job(bench: &Bench, id: u64) -> PathBuf {
    bench.path(&format!("data/default/retrain/{id:06}"))
}

/// Runs, whatever the gates say, and returns exit code and what was printed.
fn judged(bench: &Bench, args: &[&str]) -> (i32, Value) {
    let output = bench.run(args);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let code = output.status.code().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(code == 0 || code == 5, "{args:?}: {code} {told} {said}");
    (code, serde_json::from_slice(&output.stdout).unwrap())
}

fn time(value: &Value) -> EventTime {
    EventTime::parse_iso(value.as_str().unwrap()).unwrap()
}

fn finding<'a>(told: &'a Value, gate: &str) -> &'a Value {
    let findings = told["verdicts"][0]["report"]["findings"].as_array();
    let found = findings.unwrap().iter().find(|it| it["gate"] == gate);
    found.unwrap()
}

#[test]
fn a_candidate_is_judged_on_later_events_and_survives_kills_at_every_step() {
    let (undisturbed, trained) = prepared();
    let (code, told) = judged(&undisturbed, &RETRAIN);
    let schema = fs::read_to_string(world_files().0).unwrap();
    let maturity = Schema::parse(&schema).unwrap().labels.maturity;
    let (train, exam) = (&told["plan"]["train"], &told["plan"]["exam"]);
    assert!(time(&exam["from"]).since(time(&train["until"])) >= maturity);
    assert!(time(&exam["from"]) >= EventTime::parse_iso("2026-01-10T00:00:00Z").unwrap());
    assert_eq!(told["plan"]["champion"], trained["model"]);
    let verdict = &told["verdicts"][0];
    let passes = verdict["verdict"] == "pass";
    assert_eq!(code, if passes { 0 } else { 5 });
    assert_eq!(verdict["report"]["frauds"], told["plan"]["exam_frauds"]);
    // Judged beside the model that serves, which still does.
    assert_ne!(told["trained"]["model"], trained["model"]);
    let models = undisturbed.json(&["models", "list"]);
    let serving = |row: &&Value| row["serving"] == true;
    let serves = models.as_array().unwrap().iter().find(serving).unwrap();
    assert_eq!(serves["model"], trained["model"]);

    // A model that hardly learned is not let through.
    let weak = [
        "retrain",
        "--rounds",
        "1",
        "--memory-mib",
        "1024",
        "--priority",
        "low",
    ];
    let (code, weak) = judged(&undisturbed, &weak);
    assert_eq!((code, &weak["id"]), (5, &Value::from(2)));
    let ranking = finding(&weak, "ranking");
    assert!(ranking["outcome"] != "pass", "{ranking}");
    assert!(ranking["by"].as_f64().unwrap() > 0.0, "{ranking}");

    let args = ["retrain", "--memory-mib", "1024"];
    let mut idle = undisturbed.command(&args).spawn().unwrap();
    let until = Instant::now() + SOON;
    let child = loop {
        if let Some(child) = child_of(&idle) {
            break child;
        }
        assert!(Instant::now() < until, "no child");
        thread::sleep(Duration::from_millis(1));
    };
    assert!(bounded(child, SCHED_IDLE), "it ended without");
    idle.kill().unwrap();
    idle.wait().unwrap();

    let (bench, again) = prepared();
    assert_eq!(
        again["model"], trained["model"],
        "training is deterministic"
    );
    // The second has counted an attempt for certain. Whoever comes further does not run out of them.
    for step in ["order.json", "attempt.json", "plan.json", "trained.json"] {
        kill_after(&bench, step);
    }
    let (_, resumed) = judged(&bench, &RETRAIN);
    assert_eq!(resumed["id"], 1, "each went on with the first");
    for field in ["plan", "trained"] {
        assert_eq!(resumed[field], told[field], "{field}");
    }
    // Times of a score are the machine's.
    let without_times = |told: &Value| {
        let mut report = told["verdicts"][0]["report"].clone();
        for side in ["champion", "candidate"] {
            report[side]["score_us"] = Value::Null;
            report[side]["score_us_p99"] = Value::Null;
        }
        let findings = report["findings"].as_array_mut().unwrap();
        findings.retain(|it| it["gate"] != "latency");
        report
    };
    assert_eq!(without_times(&resumed), without_times(&told));
    let drafts = fs::read_dir(bench.path("data/default/models")).unwrap();
    let names = drafts.map(|it| it.unwrap().file_name().into_string().unwrap());
    assert!(
        names
            .into_iter()
            .all(|name| name.len() == 64 + ".model".len())
    );
}

/// Starts a retrain, and kills it, and with it its child, once a step is on disk.
fn kill_after(bench: &Bench, step: &str) {
    let mut parent = bench.command(&RETRAIN).spawn().unwrap();
    let path = job(bench, 1).join(step);
    let until = Instant::now() + SOON;
    while !path.exists() {
        assert!(Instant::now() < until, "{step} does not come");
        assert!(parent.try_wait().unwrap().is_none(), "over before {step}");
        thread::sleep(Duration::from_millis(1));
    }
    let child = child_of(&parent);
    if let Some(child) = child {
        // It may have done its step and ended, which is for others to tell.
        let _seen = bounded(child, SCHED_OTHER);
    }
    parent.kill().unwrap();
    parent.wait().unwrap();
    let Some(child) = child else {
        return;
    };
    while fs::metadata(format!("/proc/{child}/exe")).is_ok_and(|_| !is_over(child)) {
        assert!(Instant::now() < until, "the child outlives its parent");
        thread::sleep(Duration::from_millis(1));
    }
}

/// `None`: it has none yet, or none any more.
fn child_of(parent: &Child) -> Option<u32> {
    let pid = parent.id();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

/// The third word behind the name is the state: Z of one that nobody waits for.
fn is_over(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(')')
        .next()
        .and_then(|it| it.trim().chars().next());
    matches!(state, None | Some('Z' | 'X'))
}

/// As sched(7) numbers them.
const SCHED_OTHER: &str = "0";
const SCHED_IDLE: &str = "5";

/// By the lowest niceness, or on cores that nobody else wants, and within its memory, from the first step on. `false`: it
/// has ended and was not seen to be.
fn bounded(child: u32, sched: &str) -> bool {
    let until = Instant::now() + SOON;
    loop {
        let limits = fs::read_to_string(format!("/proc/{child}/limits")).unwrap_or_default();
        let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        if limits.is_empty() || stat.is_empty() {
            return false;
        }
        // Fields 19 and 41 of proc_pid_stat(5); the third follows the name.
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        let (nice, policy) = (fields[19 - 3], fields[41 - 3]);
        // The idle policy does not look at the niceness.
        let behind = policy == sched && (nice == "19" || sched == SCHED_IDLE);
        let data = limits
            .lines()
            .find(|line| line.starts_with("Max data size"));
        let bound = (1_u64 << 30).to_string();
        if behind && data.is_some_and(|it| it.contains(&bound)) {
            return true;
        }
        assert!(
            Instant::now() < until,
            "nice {nice}, policy {policy}, {data:?}"
        );
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn what_cannot_begin_is_told() {
    let bench = Bench::new();
    let refused = |args: &[&str], says: &str| {
        let output = bench.run(args);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {told}{shown}");
        assert!(format!("{told}{shown}").contains(says), "{told}{shown}");
    };
    refused(&["retrain"], "there is no tenant");
    bench.json(&["init"]);
    refused(&["retrain", "--memory-mib", "1"], "at least 128 MiB");
    refused(&["retrain", "--threads", "0"], "needs a thread");
    refused(&["retrain", "show", "3"], "there is no retrain 3");
    assert!(!bench.path("data/default/retrain").exists());
    // Without a model there is nothing to be judged beside: told by the child, and not tried again.
    refused(&["retrain"], "no model serves");
    let outcome = fs::read_to_string(job(&bench, 1).join("outcome.json")).unwrap();
    assert!(outcome.contains("\"failed\""), "{outcome}");
}
