//! Invariant I4 with the real process: SIGKILL under load, again and again, on one data directory. Nothing
//! acknowledged is lost, nothing that a reader was shown goes away, and the log replays to one state.
//! `make soak` does it a thousand times (`RINGFENCE_KILLS`).

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::client::Client;
use crate::server::{Server, payment};

const SENDERS: u32 = 4;

/// What was seen before a kill: decisions by number, acknowledged or read.
type Seen = BTreeMap<u32, Value>;

/// Sends new events and the ones before again; keeps what was answered.
fn send(mut client: Client, numbers: std::ops::Range<u32>) -> Seen {
    let mut seen = Seen::new();
    for number in numbers {
        let body = payment(number).to_string();
        let answer = client.send("POST", "/v1/decisions", &[], Some(body.as_bytes()));
        let Ok(answer) = answer else { break };
        seen.insert(number, answer.ok());
    }
    seen
}

/// Reads ahead of what the senders were told: whatever a reader is shown must be durable too.
fn read(mut client: Client, numbers: std::ops::Range<u32>) -> Seen {
    let mut seen = Seen::new();
    let mut number = numbers.start;
    while number < numbers.end {
        let answer = client.send("GET", &format!("/v1/decisions/e{number}"), &[], None);
        match answer {
            Ok(answer) if answer.status == 200 => {
                seen.insert(number, answer.json()["decision"].clone());
                number += 1;
            }
            Ok(answer) => assert_eq!(answer.status, 404, "{}", answer.text()),
            Err(_) => break,
        }
    }
    seen
}

#[test]
fn nothing_acknowledged_and_nothing_shown_is_lost_by_a_kill() {
    let kills: u32 = std::env::var("RINGFENCE_KILLS").map_or(20, |it| it.parse().unwrap());
    // Few records between snapshots: kills fall into them too.
    let mut server = Server::with("[snapshot]\nrecords = 400\n");
    let mut all = Seen::new();
    let mut state: u64 = 0x5eed_0006;
    eprintln!("seed {state}");
    for round in 0..kills {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let delay = Duration::from_millis(30 + (state >> 33) % 200);
        let mut workers = Vec::new();
        for sender in 0..SENDERS {
            let start = (round * SENDERS + sender) * 1_000;
            let (one, two) = (server.client(), server.client());
            workers.push(thread::spawn(move || send(one, start..start + 1_000)));
            workers.push(thread::spawn(move || read(two, start..start + 1_000)));
        }
        thread::sleep(delay);
        server.kill();
        for worker in workers {
            for (number, decision) in worker.join().unwrap() {
                let held = all.entry(number).or_insert_with(|| decision.clone());
                assert_eq!(held["position"], decision["position"], "event e{number}");
                assert_eq!(held["score"], decision["score"], "event e{number}");
            }
        }
        server.launch();
    }
    assert!(
        all.len() as u32 > kills * 10,
        "{} events in {kills} rounds",
        all.len()
    );
    let mut client = server.client();
    for (number, first) in &all {
        let again = client
            .post("/v1/decisions", &payment(*number).to_string())
            .ok();
        assert_eq!(again["duplicate"], true, "lost: {first}");
        for field in [
            "position",
            "decision",
            "score",
            "probability",
            "reasons",
            "degraded",
        ] {
            assert_eq!(again[field], first[field], "e{number} {field}");
        }
    }
    server.stop();
    // From the first record, and from the newest snapshot: one state.
    let digest = server.digest();
    let snapshots: Vec<_> = std::fs::read_dir(server.data().join("default/log"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "snap"))
        .collect();
    assert!(!snapshots.is_empty());
    server.launch();
    server.stop();
    assert_eq!(
        server.digest(),
        digest,
        "a start and a stop changed the state"
    );
}
