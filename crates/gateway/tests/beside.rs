//! What is done beside the threads of tenants: rules that are read.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

#[path = "support/edge.rs"]
mod edge;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use node::clock::Clock;
use ringfence_gateway::token::Role;
use serde_json::{Value, json};
use tempfile::TempDir;

use edge::{Edge, SCHEMA, SOON, send, token};

const TWO: [&str; 2] = ["acme", "globex"];

fn serve(home: &TempDir) -> Edge {
    let node = Arc::new(edge::node(home.path(), Clock::default()));
    node.create(TWO[1], SCHEMA, |_| Ok(())).unwrap();
    let edge = Edge::serve(edge::app(node, Box::new(|_| {}), |_| {}));
    let end = Instant::now() + SOON;
    let opened = |name: &str| edge.app.node.tenant(name).unwrap().status().is_none();
    while !TWO.iter().all(|name| opened(name)) {
        assert!(Instant::now() < end);
        thread::sleep(Duration::from_millis(5));
    }
    edge
}

/// Status, head and body of an engineer's request.
fn post(edge: &Edge, tenant: &str, path: &str, body: &str) -> (u16, String, Value) {
    let token = token("eve", tenant, &[Role::Engineer]);
    let head =
        format!("POST {path} HTTP/1.1\r\nX-Tenant-Id: {tenant}\r\nAuthorization: Bearer {token}");
    let (status, answer) = send(edge.address, &head, body);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let body = serde_json::from_str(body).unwrap();
    (status, head.to_ascii_lowercase(), body)
}

#[test]
fn rules_are_read_one_set_of_a_tenant_at_a_time_and_hold_up_no_other() {
    let home = TempDir::new().unwrap();
    let edge = serve(&home);
    let rules = json!({ "rules": [{ "id": "a", "when": "amount > 1_00", "status": "draft" }] });
    let validate = |tenant: &str| {
        let answer = post(&edge, tenant, "/v1/rules/validate", &rules.to_string());
        (answer.0, answer.1, answer.2["code"].clone())
    };
    let reading = edge.app.readers.begin(TWO[0]).unwrap();
    let (status, head, code) = validate(TWO[0]);
    assert_eq!((status, code), (503, json!("rules_busy")));
    assert!(head.contains("retry-after: 1"), "{head}");
    assert_eq!(validate(TWO[1]).0, 200);
    drop(reading);
    // Each gives its turn back.
    assert_eq!(validate(TWO[0]).0, 200);
    assert_eq!(validate(TWO[0]).0, 200);
    edge.stop();
}
