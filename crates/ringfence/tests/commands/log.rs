//! `ringfence log`: what is there, whether it is sound, and the cut where it is not.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;

use crate::world::{Bench, split, world_files};

fn dump(bench: &Bench, args: &[&str]) -> Vec<Value> {
    let mut all = vec!["log", "dump"];
    all.extend(args);
    let output = bench.run(&all);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A history, and events decided one by one in groups of their own.
fn tenant(decided: usize) -> (Bench, Vec<String>) {
    let bench = Bench::new();
    let (schema, _) = world_files();
    let (history, later) = split(&bench, 0.5);
    bench.json(&bench.import_args(&schema, &history));
    for part in later[..decided].chunks(decided / 4) {
        bench.decide(part);
    }
    (bench, later)
}

fn segment(bench: &Bench) -> PathBuf {
    let files = fs::read_dir(bench.path("data/default/log")).unwrap();
    let mut segments: Vec<_> = files
        .map(|it| it.unwrap().path())
        .filter(|it| it.extension().is_some_and(|it| it == "seg"))
        .collect();
    segments.sort();
    segments.pop().unwrap()
}

#[test]
fn the_dump_is_the_log_in_order() {
    let (bench, later) = tenant(40);
    let all = dump(&bench, &[]);
    let log = bench.json(&["inspect", "log"]);
    assert_eq!(all.len() as u64, log["records"].as_u64().unwrap());
    for (at, record) in all.iter().enumerate() {
        assert_eq!(record["position"], at);
    }
    assert_eq!(all[0]["kind"], "config");
    let decisions = dump(&bench, &["--kind", "decision"]);
    assert_eq!(decisions.len(), 40);
    for (line, decision) in later.iter().zip(&decisions) {
        let sent: Value = serde_json::from_str(line).unwrap();
        let at = decision["event_position"].as_u64().unwrap() as usize;
        assert_eq!(all[at]["event"]["event_id"], sent["event_id"]);
        assert_eq!(all[at]["event"]["amount"], sent["amount"]);
    }
    let labels = dump(&bench, &["--kind", "label", "--kind", "tick"]).len() as u64;
    let count = |kind: &str| log["by_kind"][kind].as_u64().unwrap_or(0);
    assert_eq!(labels, count("label") + count("tick"));
    let part = dump(&bench, &["--from", "100", "--until", "150"]);
    assert_eq!(part, all[100..150]);
}

#[test]
fn a_damaged_log_is_cut_when_told_to_and_what_is_lost_is_named() {
    let (bench, later) = tenant(40);
    let before = dump(&bench, &[]);
    let path = segment(&bench);
    let whole = fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    // In the id of a decided event, with acknowledged groups behind it.
    let sent: Value = serde_json::from_str(&later[15]).unwrap();
    let id = sent["event_id"].as_str().unwrap().as_bytes();
    let mut windows = whole.windows(id.len());
    let at = windows.rposition(|it| it == id).unwrap();
    damaged[at] ^= 0x40;
    fs::write(&path, &damaged).unwrap();

    assert_eq!(bench.run(&["log", "verify"]).status.code(), Some(1));
    let told = bench.run(&["log", "repair"]);
    assert_eq!(told.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(
        (told["cut"].as_bool(), told["kept_in"].is_null()),
        (Some(false), true)
    );
    assert_eq!(fs::read(&path).unwrap(), damaged, "nothing was changed");

    // What is known of days may know of what is cut.
    let days = path.parent().unwrap().with_file_name("decay.state");
    fs::write(&days, "of what is cut").unwrap();
    let done = bench.json(&["log", "repair", "--cut"]);
    assert_eq!(done["lost"], told["lost"]);
    let end = done["end"].as_u64().unwrap() as usize;
    let lost = &done["lost"];
    assert_eq!(lost["until"], before.len());
    assert!(!days.exists());
    assert_eq!(lost["records"], before.len() - end);
    // The damaged record alone cannot be read.
    assert_eq!(lost["readable"], before.len() - end - 1);
    let kept = PathBuf::from(done["kept_in"].as_str().unwrap());
    let list = fs::read_to_string(bench.path(kept.join("lost.jsonl").to_str().unwrap())).unwrap();
    let listed: Vec<Value> = list
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(listed.len(), before.len() - end - 1);
    for line in &listed {
        let was = &before[line["position"].as_u64().unwrap() as usize];
        assert_eq!(line["kind"], was["kind"]);
        assert_eq!(line["time"], was["time"]);
        if line["kind"] == "event" {
            assert_eq!(line["event_id"], was["event"]["event_id"]);
        }
    }
    // What stays is what was there, and the tenant goes on: what was lost can be sent again.
    assert_eq!(bench.json(&["log", "verify"])["end"], end);
    assert_eq!(dump(&bench, &[]), before[..end]);
    assert_eq!(bench.json(&["log", "repair"])["sound"], true);
    let held: BTreeSet<u64> = before[..end]
        .iter()
        .filter(|it| it["kind"] == "decision")
        .map(|it| it["event_position"].as_u64().unwrap())
        .collect();
    let again = bench.decide(&later[..40]);
    let duplicates = again.iter().filter(|it| it["duplicate"] == true).count();
    assert_eq!(duplicates, held.len());
    assert!(held.len() < 40);
}

#[test]
fn a_log_that_is_written_is_not_repaired() {
    let (bench, later) = tenant(4);
    let mut writer = bench
        .command(&["decide"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = writer.stdin.take().unwrap();
    writeln!(input, "{}", later[5]).unwrap();
    // An answer: it holds the lock.
    let mut answer = String::new();
    let mut output = BufReader::new(writer.stdout.take().unwrap());
    output.read_line(&mut answer).unwrap();
    let refused = bench.run(&["log", "repair", "--cut"]);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("another process"), "{said}");
    drop(input);
    assert!(writer.wait().unwrap().success());
}
