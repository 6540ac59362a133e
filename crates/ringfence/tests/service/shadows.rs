//! Shadows beside a server that decides: shed before anybody waits, there again after a kill, and compared by numbers
//! that the log gives.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use event::record::{Decision, DecisionKind, Event, Record, Verdict};
use event::{EventTime, Position};
use model::artifact::Artifact;
use model::trees::Trees;
use node::shadow::store::{Entry, check_of, read};
use node::{History, Place};
use serde_json::{Value, json};

use crate::client::Client;
use crate::models::{PATIENT, STARTER, activate, identity, sharper, speaking, upload, variant};
use crate::server::{SOON, Server, minute, payment};

pub fn shadow(client: &mut Client, model: &str) -> Value {
    client.post(&format!("/v1/models/{model}/shadow"), "").ok()
}

/// A comparison that is over, however long it took.
pub fn compared(client: &mut Client, query: &str) -> Value {
    let mut job = client.get(&format!("/v1/models/compare?{query}")).ok();
    let path = format!("/v1/backtests/{}", job["id"]);
    until("a comparison", || {
        if job["status"] == "running" || job["status"] == "waiting" {
            job = client.get(&path).ok();
        }
        job["status"] == "done"
    });
    job
}

fn digest(hash: &str) -> [u8; 32] {
    let byte = |at: usize| u8::from_str_radix(&hash[2 * at..2 * at + 2], 16).unwrap();
    std::array::from_fn(byte)
}

pub fn held(server: &Server, hash: &str) -> Vec<Entry> {
    let place = Place::new(&server.data(), "default").unwrap();
    let held = read(&place, &digest(hash), EventTime::MIN..EventTime::END).unwrap();
    assert!(!held.damaged);
    held.entries
}

pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !so() {
        assert!(Instant::now() < end, "{what}: waited in vain");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Decided events by position, and what is known of them.
fn log(server: &Server) -> BTreeMap<u64, (Event, Decision, Option<Verdict>)> {
    let place = Place::new(&server.data(), "default").unwrap();
    let history = History::open(&place).unwrap();
    let mut records = history.iter_from(Position(0)).unwrap();
    let (mut all, mut waiting) = (BTreeMap::new(), None);
    while let Some((position, record)) = records.next_record().unwrap() {
        match record {
            Record::Event(event) => waiting = Some((position.0, event)),
            Record::Decision(decision) => {
                let (position, event) = waiting.take().unwrap();
                all.insert(position, (event, decision, None));
            }
            Record::Label(label) => {
                all.get_mut(&label.subject.position.0).unwrap().2 = Some(label.verdict);
            }
            _ => {}
        }
    }
    all
}

/// So many trees that a score takes its time.
fn slow() -> Vec<u8> {
    variant(|it| {
        let held: Vec<_> = (0..it.trees.tree_count())
            .map(|at| it.trees.tree(at))
            .collect();
        let many: Vec<_> = held.iter().cycle().take(10_000).cloned().collect();
        it.trees = Trees::new(it.header.features.len(), &many).unwrap();
        it.header.created_by = "slow".to_owned();
    })
}

#[test]
fn a_slow_shadow_is_shed_and_no_answer_waits_for_it() {
    let server = Server::with(&format!("{PATIENT}[shadow]\nqueue = 2\n"));
    let mut client = server.client();
    let model = slow();
    assert_eq!(upload(&mut client, &model).status, 201);
    let hash = identity(&model);
    let told = shadow(&mut client, &hash);
    assert_eq!(told["model_version"], hash[..12]);
    let lines: Vec<String> = (0..1000).map(|at| payment(at).to_string()).collect();
    let answers = client.post_lines("/v1/decisions:batch", &lines.join("\n"));
    for answer in answers.lines() {
        assert_eq!(answer["source"], "model", "{answer}");
    }
    let told = shadow(&mut client, &hash);
    let count = |name: &str| told[name].as_u64().unwrap();
    assert_eq!(count("handed") + count("dropped"), 1000, "{told}");
    assert!(count("dropped") > 500, "{told}");
    assert!(count("handed") > 0, "{told}");
    // At most what the queue holds is on its way, and the coverage is what came through.
    assert!(count("lag") <= 3, "{told}");
    until("scores", || {
        held(&server, &hash).len() as u64 >= count("handed")
    });
    let table = compared(&mut client, "maturity=1d");
    let side = &table["report"]["models"][1];
    assert_eq!(side["scored"], held(&server, &hash).len());
    assert!(side["coverage"].as_f64().unwrap() < 0.5, "{side}");
    assert!(
        side["latency_us"]["mean"].as_f64().unwrap() > 10.0,
        "{side}"
    );
    let metrics = server.admin().get("/metrics");
    let dropped = format!(
        "ringfence_shadow_dropped_total{{tenant=\"default\"}} {}",
        count("dropped")
    );
    assert!(metrics.text().contains(&dropped), "{}", metrics.text());
    // What it takes to put a model into service stands beside what it is worth.
    assert_eq!(side["hot_update_ms"], Value::Null, "{side}");
    let took_us = activate(&mut client, &hash).ok()["took_us"]
        .as_f64()
        .unwrap();
    // What is promised of a model whose file is there; it takes a few milliseconds.
    assert!(took_us < 1e6, "{took_us} us");
    let table = compared(&mut client, "maturity=1d&samples=1");
    let models = table["report"]["models"].as_array().unwrap();
    let of = |model: &str| {
        let found = models.iter().find(|it| it["model"] == model);
        found.unwrap()["hot_update_ms"].as_f64()
    };
    let told = of(&hash).unwrap();
    assert!(
        (told * 1e3 - took_us).abs() <= 1.0 && told > 0.0,
        "{told}, {took_us}"
    );
}

/// Labels every sixth payment as fraud.
fn label(client: &mut Client, numbers: std::ops::Range<u32>) {
    let lines = numbers
        .filter(|number| number.is_multiple_of(6))
        .map(|number| {
            json!({
                "event_id": format!("e{number}"), "label": "fraud", "source": "chargeback",
                "label_timestamp": minute(i64::from(number) + 60),
            })
            .to_string()
        });
    let lines: Vec<String> = lines.collect();
    for answer in client.post_lines("/v1/labels", &lines.join("\n")).lines() {
        assert_eq!(answer["status"], "recorded", "{answer}");
    }
}

/// What counting says of alerts, by row: whether it alerts, and whether it is fraud.
fn counted(rows: impl Iterator<Item = (bool, bool)>) -> (f64, f64) {
    let (mut caught, mut alerts, mut frauds) = (0.0, 0.0, 0.0);
    for (alert, fraud) in rows {
        caught += f64::from(u8::from(alert && fraud));
        alerts += f64::from(u8::from(alert));
        frauds += f64::from(u8::from(fraud));
    }
    (caught / alerts, caught / frauds)
}

fn close(side: &Value, precision_and_recall: (f64, f64)) {
    for (name, wanted) in [
        ("precision", precision_and_recall.0),
        ("recall", precision_and_recall.1),
    ] {
        let got = side[name]["value"].as_f64().unwrap();
        assert!(
            (got - wanted).abs() < 1e-9,
            "{name}: {got}, not {wanted}: {side}"
        );
        let (low, high) = (&side[name]["low"], &side[name]["high"]);
        assert!(
            low.as_f64().unwrap() <= got && high.as_f64().unwrap() >= got,
            "{side}"
        );
    }
}

#[test]
fn a_comparison_says_what_counting_log_and_labels_says() {
    let mut server = Server::with(&format!("{PATIENT}[shadow]\nqueue = 2000\n"));
    let mut client = server.client();
    let decide = |client: &mut Client, numbers: std::ops::Range<u32>| {
        let lines: Vec<String> = numbers.map(|at| payment(at).to_string()).collect();
        client.post_lines("/v1/decisions:batch", &lines.join("\n"));
    };
    // Thresholds in the middle of what the champion says of these payments, and lower for its shadow: with both in the
    // middle two models of one order would never disagree at some hours of the day.
    let probe = sharper();
    assert_eq!(upload(&mut client, &probe).status, 201);
    shadow(&mut client, &identity(&probe));
    decide(&mut client, 0..100);
    until("scores", || held(&server, &identity(&probe)).len() == 100);
    let part_below = |mut scores: Vec<u16>, part: usize| {
        scores.sort_unstable();
        scores[scores.len() / part]
    };
    let of_champion = part_below(log(&server).values().map(|it| it.1.score).collect(), 2);
    let probed = held(&server, &identity(&probe));
    let of_shadow = part_below(probed.iter().map(|it| it.score).collect(), 4);
    let ended = format!("/v1/models/{}/shadow", identity(&probe));
    client.send("DELETE", &ended, &[], None).unwrap().ok();
    let sharp = variant(|it| {
        let (other, _) = Artifact::decode(&probe).unwrap();
        *it = other;
        for thresholds in it.header.thresholds.values_mut() {
            (thresholds.challenge, thresholds.review) = (of_shadow, of_shadow);
            thresholds.decline = 1001;
        }
    });
    let policy = format!(
        "[thresholds]\nchallenge = {of_champion}\nreview = {of_champion}\ndecline = 1001\n"
    );
    let toml = [("Content-Type", "application/toml")];
    let set = client.send("PUT", "/v1/policy", &toml, Some(policy.as_bytes()));
    set.unwrap().ok();
    assert_eq!(upload(&mut client, &sharp).status, 201);
    let hash = identity(&sharp);
    shadow(&mut client, &hash);
    decide(&mut client, 100..700);
    label(&mut client, 0..700);
    until("scores", || held(&server, &hash).len() == 600);

    let mut log = log(&server);
    // Those of the probe come before the window of its successor.
    log.retain(|position, _| *position >= held(&server, &hash)[0].position.0);
    let entries: BTreeMap<u64, Entry> = held(&server, &hash)
        .into_iter()
        .map(|it| (it.position.0, it))
        .collect();
    assert_eq!(log.len(), 600);
    for (position, (event, ..)) in &log {
        assert_eq!(entries[position].check, check_of(&event.event_id));
    }
    let fraud = |label: &Option<Verdict>| *label == Some(Verdict::Fraud);
    let champion = counted(
        log.values()
            .map(|(_, decision, label)| (decision.verdict == DecisionKind::Review, fraud(label))),
    );
    let shadows = counted(
        log.iter()
            .map(|(position, (.., label))| (entries[position].score >= of_shadow, fraud(label))),
    );

    let job = compared(&mut client, "maturity=1d&samples=4");
    assert_eq!(
        (&job["kind"], &job["status"]),
        (&json!("comparison"), &json!("done")),
        "{job}"
    );
    let table = &job["report"];
    assert_eq!(table["decisions"], 600);
    assert_eq!(table["truth"]["frauds"], 100);
    let sides = table["models"].as_array().unwrap();
    assert_eq!(
        (&sides[0]["part"], &sides[1]["part"]),
        (&json!("champion"), &json!("shadow"))
    );
    assert_eq!(
        (&sides[0]["model"], &sides[1]["model"]),
        (&json!(identity(STARTER)), &json!(hash))
    );
    close(&sides[0], champion);
    close(&sides[1], shadows);
    assert_eq!(sides[1]["beside"]["paired"], true);
    // Both were measured.
    assert_eq!(sides[0]["latency_us"]["scores"], 600);
    assert_eq!(sides[1]["latency_us"]["scores"], 600);
    let samples = sides[1]["beside"]["disagreements"]["samples"]
        .as_array()
        .unwrap();
    assert!(!samples.is_empty() && samples.len() <= 4, "{table}");
    for sample in samples {
        let event = &log[&sample["position"].as_u64().unwrap()].0;
        assert_eq!(sample["event_id"], event.event_id.as_str());
    }

    // The command line, from the server and from the files that it left.
    let url = format!("http://{}", server.address);
    let token = server.token(&[]);
    let told = |args: &[&str]| {
        let mut all = vec!["models", "compare", "--maturity", "1d", "--samples", "4"];
        all.extend(args);
        let output = server.command(&all).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let remote = told(&["--json", "--to", &url, "--token", &token]);
    assert_eq!(&serde_json::from_str::<Value>(&remote).unwrap(), table);
    let shown = told(&["--to", &url, "--token", &token]);
    assert!(
        shown.contains("frauds caught a day") && shown.contains(&hash[..12]),
        "{shown}"
    );
    server.stop();
    let local = server
        .command(&[
            "--json",
            "models",
            "compare",
            "--maturity",
            "1d",
            "--samples",
            "4",
        ])
        .output()
        .unwrap();
    assert!(local.status.success(), "{local:?}");
    let local: Value = serde_json::from_slice(&local.stdout).unwrap();
    assert_eq!(local["models"][1]["ap"], sides[1]["ap"]);
    assert_eq!(local["models"][1]["beside"]["ap"], sides[1]["beside"]["ap"]);
}

#[test]
fn a_kill_leaves_scores_that_can_be_read_and_shadows_go_on() {
    let mut server = Server::with(PATIENT);
    let mut client = server.client();
    let model = sharper();
    upload(&mut client, &model);
    let hash = identity(&model);
    shadow(&mut client, &hash);
    for round in 0..4_u32 {
        let senders: Vec<_> = (0..2)
            .map(|sender| {
                let mut client = server.client();
                thread::spawn(move || {
                    for number in 0..100_000 {
                        let body = payment((round * 2 + sender) * 100_000 + number).to_string();
                        let sent = client.send("POST", "/v1/decisions", &[], Some(body.as_bytes()));
                        if sent.is_err() {
                            return;
                        }
                    }
                })
            })
            .collect();
        let before = held(&server, &hash).len();
        until("scores", || held(&server, &hash).len() > before + 20);
        thread::sleep(Duration::from_millis(37 * u64::from(round)));
        server.kill();
        for sender in senders {
            sender.join().unwrap();
        }
        // Cut short or not, what is there is read; and each score is of a decision, or of an event that was never
        // acknowledged.
        let entries = held(&server, &hash);
        assert!(entries.len() > before + 20);
        let log = log(&server);
        let end = log.last_key_value().unwrap().0;
        let known = entries.iter().filter(|it| it.position.0 <= *end);
        for entry in known {
            let (event, ..) = &log[&entry.position.0];
            assert_eq!(entry.check, check_of(&event.event_id));
        }
        server.launch();
    }
    let mut client = server.client();
    let told = shadow(&mut client, &hash);
    assert_eq!(told["shadows"][0]["trouble"], Value::Null);
    let ended = client
        .send("DELETE", &format!("/v1/models/{hash}/shadow"), &[], None)
        .unwrap()
        .ok();
    assert_eq!(ended["shadows"], json!([]));
}

#[test]
fn what_cannot_be_a_shadow_is_refused_with_its_code() {
    let mut server = Server::with(PATIENT);
    let mut client = server.client();
    let schema = client.get("/v1/schema").ok()["hash"]
        .as_str()
        .unwrap()
        .to_owned();
    let (other, speaking) = (sharper(), speaking(&schema));
    upload(&mut client, &other);
    upload(&mut client, &speaking);
    let path = |hash: &str| format!("/v1/models/{hash}/shadow");
    for (method, hash, status, code) in [
        ("POST", "0".repeat(64), 404, "not_found"),
        ("POST", "0".repeat(63), 400, "parameter_format"),
        ("POST", identity(STARTER), 409, "model_is_champion"),
        ("POST", identity(&speaking), 409, "other_channel"),
        ("DELETE", identity(&other), 409, "model_not_in_place"),
    ] {
        let refused = client.send(method, &path(&hash), &[], None).unwrap();
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (status, code),
            "{hash}"
        );
    }
    for (query, code) in [
        ("from=yesterday", "window"),
        ("maturity=soon", "parameter_format"),
        ("samples=0", "parameter_format"),
        ("models=xyz", "parameter_format"),
        ("colour=red", "parameter_unknown"),
        (
            "from=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z",
            "window",
        ),
    ] {
        let refused = client.get(&format!("/v1/models/compare?{query}"));
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (400, code),
            "{query}"
        );
    }
    let analyst = server.token(&["--role", "analyst"]);
    let refused = server
        .client_of("default", &analyst)
        .post(&path(&identity(&other)), "");
    assert_eq!(refused.status, 403);
    // Nothing was decided yet.
    let empty = client.get("/v1/models/compare").ok();
    assert_eq!(
        (&empty["status"], &empty["error"]["code"]),
        (&json!("failed"), &json!("window_empty"))
    );

    // By the command line, with the server and without it.
    let url = format!("http://{}", server.address);
    let token = server.token(&[]);
    let run = |args: &[&str]| {
        let mut all = vec!["--json", "models", "shadow"];
        all.extend(args);
        let output = server.command(&all).output().unwrap();
        let told = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        (output.status.success(), told)
    };
    let short = &identity(&other)[..8];
    let (well, told) = run(&[short, "--to", &url, "--token", &token, "--why", "a try"]);
    assert!(well && told.contains("\"shadow\": true"), "{told}");
    let (well, told) = run(&[short, "--stop", "--to", &url, "--token", &token]);
    assert!(well && told.contains("\"shadow\": false"), "{told}");
    let (well, told) = run(&[short, "--stop", "--to", &url, "--token", &token]);
    assert!(!well && told.contains("model_not_in_place"), "{told}");
    // A shadow that becomes champion scores no more.
    shadow(&mut client, &identity(&other));
    activate(&mut client, &identity(&other)).ok();
    let refused = client.post(&path(&identity(&other)), "");
    assert_eq!(refused.code(), "model_is_champion");
    server.stop();
    let run = |args: &[&str]| {
        let mut all = vec!["models", "shadow"];
        all.extend(args);
        server.command(&all).output().unwrap()
    };
    let starter = &identity(STARTER)[..8];
    assert!(run(&[starter]).status.success());
    assert!(run(&[starter, "--stop"]).status.success());
    let refused = run(&[starter, "--stop"]);
    assert!(!refused.status.success());
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("is not shadow"),
        "{refused:?}"
    );
}
