//! Invariant I4 with the real process: SIGKILL at random moments loses nothing acknowledged, and what is
//! done again ends in the same state.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::world::{Bench, split, world_files};

/// Delays drawn from a printed seed.
fn delays(seed: u64) -> impl Iterator<Item = Duration> {
    eprintln!("seed {seed}");
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        Duration::from_micros(2_000 + (state >> 33) % 90_000)
    })
}

#[test]
fn a_killed_import_resumes_to_the_same_state() {
    let undisturbed = Bench::new();
    let whole = undisturbed.import();
    let wanted = undisturbed.digest();

    let bench = Bench::new();
    let (schema, file) = world_files();
    let mut killed = 0;
    for delay in delays(0x5eed).take(12) {
        let mut child = bench
            .command(&bench.import_args(&schema, &file))
            .spawn()
            .unwrap();
        thread::sleep(delay);
        killed += u32::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(
        killed >= 3,
        "only {killed} of 12 imports were still running when killed"
    );
    let last = bench.json(&bench.import_args(&schema, &file));
    let kinds = ["events", "labels", "outcomes", "duplicates"];
    let all = |value: &Value| {
        kinds
            .iter()
            .map(|kind| value[*kind].as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!(all(&last), all(&whole));
    assert_eq!(bench.digest(), wanted);
}

#[test]
fn decisions_that_were_shown_survive_a_kill() {
    let bench = Bench::new();
    let (schema, _) = world_files();
    let (history, later) = split(&bench, 0.8);
    bench.json(&bench.import_args(&schema, &history));
    bench.json(&["train", "--rounds", "20"]);
    let mut shown: Vec<Value> = Vec::new();
    let mut lines = later.iter();
    for (round, delay) in delays(0xfeed).take(5).enumerate() {
        let mut child = bench
            .command(&["decide"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let fed: Vec<String> = lines.by_ref().take(600).cloned().collect();
        let feeder = thread::spawn(move || {
            for line in fed {
                // The process is killed while this writes: a broken pipe is expected.
                if writeln!(input, "{line}").is_err() {
                    return;
                }
            }
        });
        let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = 0;
        while seen < 20 * (round + 1) {
            let Some(line) = answers.next() else { break };
            shown.push(serde_json::from_str(&line.unwrap()).unwrap());
            seen += 1;
        }
        thread::sleep(delay / 8);
        child.kill().unwrap();
        // Whatever still arrives was shown too.
        for line in answers.map_while(Result::ok) {
            if let Ok(answer) = serde_json::from_str(&line) {
                shown.push(answer);
            }
        }
        child.wait().unwrap();
        feeder.join().unwrap();
    }
    assert!(shown.len() >= 100);
    let by_id: Vec<String> = shown
        .iter()
        .map(|answer| {
            let id = answer["event_id"].as_str().unwrap();
            later.iter().find(|line| line.contains(id)).unwrap().clone()
        })
        .collect();
    let again = bench.decide(&by_id);
    for (shown, again) in shown.iter().zip(&again) {
        assert_eq!(again["duplicate"], true, "lost: {shown}");
        assert_eq!(shown["score"], again["score"]);
        assert_eq!(shown["position"], again["position"]);
    }
    fs::remove_file(bench.path("events.jsonl")).unwrap();
}

/// Invariant I1 with a producer in the loop: killed at random moments and started again, from snapshot and
/// tail, the log ends as if nothing had happened, and so does every state and sample made from it.
#[test]
fn a_channel_survives_kills_bit_for_bit() {
    let (schema, _) = world_files();
    let train = ["train", "--producer", "--rounds", "20", "--leaves", "7"];
    let prepared = || {
        let bench = Bench::new();
        let (history, later) = split(&bench, 0.8);
        bench.json(&bench.import_args(&schema, &history));
        let trained = bench.json(&train);
        (bench, later, trained)
    };
    let (undisturbed, later, trained) = prepared();
    let later = &later[..later.len().min(2_000)];
    let answers = undisturbed.decide(later);
    let heard = |answer: &&Value| answer["suspicion"].as_u64().is_some_and(|it| it > 0);
    assert_eq!(answers.iter().filter(heard).count(), later.len());
    let wanted = undisturbed.json(&["replay", "--samples"]);

    let (bench, _, again) = prepared();
    assert_eq!(
        trained["model"], again["model"],
        "training is deterministic"
    );
    let mut killed = 0;
    for (round, delay) in delays(0xcafe).take(6).enumerate() {
        let mut child = bench
            .command(&["decide"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let fed = later.to_vec();
        // All lines from the start: what is on disk already is answered again, not decided again.
        let feeder = thread::spawn(move || {
            for line in fed {
                if writeln!(input, "{line}").is_err() {
                    return;
                }
            }
        });
        let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
        let seen = answers.by_ref().take(150 * (round + 1)).count();
        thread::sleep(delay / 8);
        killed += u32::from(child.try_wait().unwrap().is_none() && seen > 0);
        child.kill().unwrap();
        for _ in answers.map_while(Result::ok) {}
        child.wait().unwrap();
        feeder.join().unwrap();
        if round == 2 {
            // An orderly end writes a snapshot: what follows starts from it.
            bench.decide(&later[..500]);
        }
    }
    assert!(killed >= 3, "only {killed} of 6 were still deciding");
    bench.decide(later);
    let got = bench.json(&["replay", "--samples"]);
    for field in ["records", "digest", "samples_digest"] {
        assert_eq!(got[field], wanted[field], "{field}");
    }
}
