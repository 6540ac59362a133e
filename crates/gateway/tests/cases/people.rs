//! A node behind an edge, and analysts at its socket.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use node::clock::Clock;
use ringfence_gateway::token::Role;
use serde_json::{Value, json};

use crate::edge::{self, Edge, SOON, send, token};

pub struct Answer {
    pub status: u16,
    pub etag: Option<i64>,
    pub body: Value,
}

/// Somebody with a token for the tenant.
#[derive(Clone)]
pub struct Person {
    pub address: SocketAddr,
    pub head: String,
}

/// What a server has told its operator.
pub type Told = Arc<Mutex<Vec<String>>>;

/// No model is in service: every decision is a review by fallback, which opens an alert.
pub fn serve(dir: &Path) -> (Edge, Told) {
    let told = Told::default();
    let tell = {
        let told = told.clone();
        Box::new(move |text: &str| told.lock().unwrap().push(text.to_owned()))
    };
    let node = Arc::new(edge::node(dir, Clock::default()));
    let edge = Edge::serve(edge::app(node, tell, |_| {}));
    wait(|| edge.app.node.tenant("acme").unwrap().status().is_none());
    (edge, told)
}

pub fn person(edge: &Edge, name: &str) -> Person {
    let roles = [Role::Decide, Role::Label, Role::Analyst];
    of_roles(edge, name, "acme", &roles)
}

pub fn of_roles(edge: &Edge, name: &str, tenant: &str, roles: &[Role]) -> Person {
    let token = token(name, tenant, roles);
    Person {
        address: edge.address,
        head: format!("X-Tenant-Id: acme\r\nAuthorization: Bearer {token}"),
    }
}

impl Person {
    pub fn send(&self, method: &str, path: &str, version: Option<i64>, body: Value) -> Answer {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let matches = version
            .map(|it| format!("\r\nIf-Match: \"{it}\""))
            .unwrap_or_default();
        let head = format!("{method} {path} HTTP/1.1\r\n{}{matches}", self.head);
        let (status, text) = send(self.address, &head, &body);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let etag = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            let value = name.eq_ignore_ascii_case("etag").then_some(value)?;
            value.trim_matches('"').parse().ok()
        });
        Answer {
            status,
            etag,
            body: serde_json::from_str(body).unwrap_or(Value::Null),
        }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None, Value::Null)
    }

    pub fn ok(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }

    /// At the version that the case has.
    pub fn act(&self, case: i64, action: &str, body: Value) -> Answer {
        let version = self.ok(&format!("/v1/cases/{case}"))["version"].as_i64();
        self.send("POST", &format!("/v1/cases/{case}/{action}"), version, body)
    }

    pub fn decide(&self, number: u32, account: &str) {
        let at = node::clock::now().unwrap();
        let event = json!({
            "event_id": format!("e{number}"), "event_type": "payment", "event_timestamp": at.to_string(),
            "account": account, "merchant": "m", "device": format!("d-{account}"), "amount": "200.00",
        });
        let decided = self.send("POST", "/v1/decisions", None, event);
        assert_eq!(decided.body["decision"], "review", "{}", decided.body);
    }

    pub fn alerts(&self) -> Vec<Value> {
        let page = self.ok("/v1/alerts?limit=200");
        page["alerts"].as_array().unwrap().clone()
    }

    /// The cases of so many alerts, once they are there.
    pub fn cases(&self, alerts: usize) -> Vec<i64> {
        wait(|| self.alerts().len() == alerts);
        let page = self.ok("/v1/cases?limit=200");
        let cases = page["cases"].as_array().unwrap().iter();
        cases.map(|case| case["id"].as_i64().unwrap()).collect()
    }
}

pub fn wait(mut true_soon: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !true_soon() {
        assert!(Instant::now() < end, "waited for {SOON:?} in vain");
        thread::sleep(Duration::from_millis(5));
    }
}
