//! The end of the process: graceful by the first signal, at once by the second, losing nothing either way.

use std::thread;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::server::{Server, payment};

/// Decides events in a row until the server does not answer any more; returns what was acknowledged.
fn decide_until_the_end(mut client: Client, start: u32) -> Vec<(u32, serde_json::Value)> {
    let mut acknowledged = Vec::new();
    for number in start..start + 100_000 {
        let body = payment(number).to_string();
        match client.send("POST", "/v1/decisions", &[], Some(body.as_bytes())) {
            Ok(answer) if answer.status == 200 => acknowledged.push((number, answer.json())),
            Ok(answer) => {
                assert_eq!(answer.code(), "draining");
                break;
            }
            Err(_) => break,
        }
    }
    acknowledged
}

fn stopped_by(signals: usize) {
    let mut server = Server::start();
    let senders: Vec<_> = (0..4)
        .map(|sender| {
            let client = server.client();
            thread::spawn(move || decide_until_the_end(client, sender * 100_000))
        })
        .collect();
    thread::sleep(Duration::from_millis(400));
    let started = Instant::now();
    for signal in 0..signals {
        if signal > 0 {
            thread::sleep(Duration::from_millis(5));
        }
        // The process may have ended by itself between the two.
        let pid = server.pid().to_string();
        let _ = std::process::Command::new("kill")
            .args(["-s", "TERM", &pid])
            .status();
    }
    let status = server.wait();
    assert!(started.elapsed() < Duration::from_secs(30));
    if signals == 1 {
        assert!(status.success(), "{status}");
    }
    let acknowledged: Vec<_> = senders
        .into_iter()
        .flat_map(|it| it.join().unwrap())
        .collect();
    assert!(
        acknowledged.len() > 20,
        "{} acknowledged",
        acknowledged.len()
    );
    server.launch();
    let mut client = server.client();
    for (number, first) in acknowledged {
        let again = client
            .post("/v1/decisions", &payment(number).to_string())
            .ok();
        assert_eq!(again["duplicate"], true, "lost: {first}");
        assert_eq!(again["position"], first["position"]);
    }
}

#[test]
fn the_first_signal_ends_gracefully() {
    stopped_by(1);
}

#[test]
fn the_second_signal_ends_at_once_and_loses_nothing_acknowledged() {
    stopped_by(2);
}

#[test]
fn with_an_interval_the_loss_window_is_said_and_a_graceful_stop_loses_nothing() {
    let mut server = Server::with("[commit]\nfsync = \"interval\"\ninterval = \"80ms\"\n");
    let mut client = server.client();
    for number in 0..100 {
        let answer = client.post("/v1/decisions", &payment(number).to_string());
        assert_eq!(answer.header("x-ringfence-loss-window"), Some("80ms"));
        answer.ok();
    }
    server.stop();
    server.launch();
    let mut client = server.client();
    for number in 0..100 {
        let again = client
            .post("/v1/decisions", &payment(number).to_string())
            .ok();
        assert_eq!(again["duplicate"], true);
    }
}
