//! A model that takes longer than it may, and clients that do not wait.

use std::time::Instant;

use serde_json::{Value, json};

use crate::client::Client;
use crate::server::{SOON, Server, payment};

/// The value of a metric with these labels.
pub fn metric(admin: &mut Client, name: &str, labels: &str) -> u64 {
    let text = admin.get("/metrics").text().to_owned();
    let line = text
        .lines()
        .find(|line| line.starts_with(name) && line.contains(labels));
    let line = line.unwrap_or_else(|| panic!("no {name} with {labels}"));
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

#[test]
fn a_model_without_time_decides_nothing_and_every_answer_says_so() {
    let model = "[model]\ndeadline = \"1us\"\n[model.breaker]\npause = \"1h\"\n\
                 failures = { L1 = 5, L2 = 3, L3 = 1 }\n";
    let mut server = Server::with(model);
    let mut client = server.client();
    let mut answers: Vec<Value> = Vec::new();
    for number in 0..8 {
        let answer = client.post("/v1/decisions", &payment(number).to_string());
        answers.push(answer.ok());
    }
    for (number, answer) in answers.iter().enumerate() {
        assert_eq!(
            (answer["source"].as_str(), answer["decision"].as_str()),
            (Some("fallback"), Some("review")),
            "{answer}"
        );
        assert_eq!(answer["risk_level"], "unknown");
        let why = match number < 5 {
            true => "model_timeout",
            false => "model_breaker_open",
        };
        assert_eq!(answer["degraded"], json!([why]), "{number}");
    }
    let mut admin = server.admin();
    let mut count = |name: &str, labels: &str| metric(&mut admin, name, labels);
    let degraded = "ringfence_degraded_total";
    assert_eq!(count(degraded, "cause=\"model_timeout\""), 5);
    assert_eq!(count(degraded, "cause=\"model_breaker_open\""), 3);
    let fallback = "decision=\"review\",source=\"fallback\"";
    assert_eq!(count("ringfence_decisions_total", fallback), 8);
    for level in ["L1", "L2", "L3"] {
        let labels = format!("model=\"champion\",part=\"trees\",level=\"{level}\"");
        assert_eq!(count("ringfence_breaker_open", &labels), 1, "{level}");
        assert_eq!(count("ringfence_breaker_opened_total", &labels), 1);
    }
    // What was logged is what was answered, also after a restart.
    server.kill();
    server.launch();
    let mut client = server.client();
    for (number, first) in answers.iter().enumerate() {
        let again = client.post("/v1/decisions", &payment(number as u32).to_string());
        let again = again.ok();
        assert_eq!(again["duplicate"], true);
        for field in ["decision", "source", "degraded", "score", "position"] {
            assert_eq!(again[field], first[field], "{field}");
        }
    }
}

#[test]
fn what_a_client_asked_for_that_went_away_is_not_decided() {
    let server = Server::start();
    let mut busy = server.client();
    let token = server.token(&[]);
    let (end, mut number) = (Instant::now() + SOON, 0);
    let abandoned = || {
        let (name, labels) = ("ringfence_abandoned_total", "tenant=\"default\"");
        metric(&mut server.admin(), name, labels)
    };
    loop {
        let before = abandoned();
        // Enough for the owner to be busy with while clients come, ask, and go.
        let lines: Vec<String> = (0..500)
            .map(|at| payment(number + at).to_string())
            .collect();
        let lines = lines.join("\n");
        let head = format!(
            "POST /v1/decisions:batch HTTP/1.1\r\nHost: x\r\nX-Tenant-Id: default\r\n\
             Authorization: Bearer {token}\r\nContent-Type: application/x-ndjson\r\n\
             Content-Length: {}\r\n\r\n{lines}",
            lines.len()
        );
        let mut sender = server.plain();
        sender.raw(head.as_bytes()).unwrap();
        let gone = number + 500..number + 520;
        for at in gone.clone() {
            let event = payment(at).to_string();
            let head = format!(
                "POST /v1/decisions HTTP/1.1\r\nHost: x\r\nX-Tenant-Id: default\r\n\
                 Authorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n{event}",
                event.len()
            );
            server.plain().raw(head.as_bytes()).unwrap();
        }
        assert_eq!(sender.answer().unwrap().status, 200);
        // Behind everything that was asked before.
        let last = payment(number + 520).to_string();
        busy.post("/v1/decisions", &last).ok();
        let decided = gone
            .filter(|at| busy.get(&format!("/v1/decisions/e{at}")).status == 200)
            .count() as u64;
        // An answer that finds nobody is counted too: what is beyond those was dropped undecided.
        let left = abandoned() - before;
        if left > decided {
            return;
        }
        assert!(Instant::now() < end, "{left} went away, {decided} decided");
        number += 600;
    }
}
