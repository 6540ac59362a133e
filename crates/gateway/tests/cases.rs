//! Alerts and cases as analysts meet them: over a socket, with a node that decides beside them.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

#[path = "support/edge.rs"]
mod edge;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use casework::Casework;
use event::{Currency, Position};
use node::clock::Clock;
use ringfence_gateway::token::Role;
use serde_json::{Value, json};
use tempfile::TempDir;

use edge::{Edge, SOON, send, token};

struct Answer {
    status: u16,
    etag: Option<i64>,
    body: Value,
}

/// Somebody with a token for the tenant.
#[derive(Clone)]
struct Person {
    address: SocketAddr,
    head: String,
}

/// What a server has told its operator.
type Told = Arc<Mutex<Vec<String>>>;

/// No model is in service: every decision is a review by fallback, which opens an alert.
fn serve(dir: &Path) -> (Edge, Told) {
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

fn person(edge: &Edge, name: &str) -> Person {
    let roles = [Role::Decide, Role::Label, Role::Analyst];
    of_roles(edge, name, "acme", &roles)
}

fn of_roles(edge: &Edge, name: &str, tenant: &str, roles: &[Role]) -> Person {
    let token = token(name, tenant, roles);
    Person {
        address: edge.address,
        head: format!("X-Tenant-Id: acme\r\nAuthorization: Bearer {token}"),
    }
}

impl Person {
    fn send(&self, method: &str, path: &str, version: Option<i64>, body: Value) -> Answer {
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

    fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None, Value::Null)
    }

    fn ok(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }

    /// At the version that the case has.
    fn act(&self, case: i64, action: &str, body: Value) -> Answer {
        let version = self.ok(&format!("/v1/cases/{case}"))["version"].as_i64();
        self.send("POST", &format!("/v1/cases/{case}/{action}"), version, body)
    }

    fn decide(&self, number: u32, account: &str) {
        let at = node::clock::now().unwrap();
        let event = json!({
            "event_id": format!("e{number}"), "event_type": "payment", "event_timestamp": at.to_string(),
            "account": account, "merchant": "m", "device": format!("d-{account}"), "amount": "200.00",
        });
        let decided = self.send("POST", "/v1/decisions", None, event);
        assert_eq!(decided.body["decision"], "review", "{}", decided.body);
    }

    fn alerts(&self) -> Vec<Value> {
        let page = self.ok("/v1/alerts?limit=200");
        page["alerts"].as_array().unwrap().clone()
    }

    /// The cases of so many alerts, once they are there.
    fn cases(&self, alerts: usize) -> Vec<i64> {
        wait(|| self.alerts().len() == alerts);
        let page = self.ok("/v1/cases?limit=200");
        let cases = page["cases"].as_array().unwrap().iter();
        cases.map(|case| case["id"].as_i64().unwrap()).collect()
    }
}

fn wait(mut true_soon: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !true_soon() {
        assert!(Instant::now() < end, "waited for {SOON:?} in vain");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_decision_becomes_an_alert_a_case_a_disposition_and_a_label_that_the_graph_knows() {
    let dir = TempDir::new().unwrap();
    let (edge, told) = serve(dir.path());
    let ann = person(&edge, "ann");
    ann.decide(1, "mule");
    ann.decide(2, "mule");
    ann.decide(3, "honest");
    let cases = ann.cases(3);
    assert_eq!(cases.len(), 2);
    let view = ann.ok(&format!("/v1/cases/{}", cases[0]));
    assert_eq!(
        view["alerts_total"], 2,
        "two of one account are one case, and it comes first"
    );
    // 5 % of 200.00 stand for the loss of an event that no model has scored.
    assert_eq!(
        (&view["priority"], &view["alerts"][0]["loss_minor"]),
        (&json!(2000), &json!(1000))
    );
    assert_eq!(view["alerts"][0]["assumed"], json!(["probability"]));

    let claimed = ann.send("POST", "/v1/cases:claim-next", None, json!({}));
    assert_eq!(
        (claimed.status, &claimed.body["case"]["id"]),
        (200, &json!(cases[0]))
    );
    assert_eq!(claimed.body["case"]["holder"], "ann");
    assert_eq!(claimed.etag, claimed.body["case"]["version"].as_i64());
    let path = format!("/v1/cases/{}/disposition", cases[0]);
    let body = json!({ "fraud_type": "mule", "note": "money on its way" });
    let disposed = ann.send("POST", &path, claimed.etag, body.clone());
    assert_eq!(
        (disposed.status, &disposed.body["status"]),
        (200, &json!("closed"))
    );
    // The tenant has both labels, and the account's features count them.
    let fraud =
        |account: &str| ann.ok(&format!("/v1/entities/account/{account}"))["frauds_known"].clone();
    wait(|| fraud("mule") == 2);
    assert_eq!(fraud("honest"), 0);
    let found = ann.ok("/v1/decisions/e1");
    let label = &found["labels"][0];
    assert_eq!(
        (&label["source"], &label["reason"]),
        (&json!("analyst"), &json!("mule"))
    );
    let labels = || ann.ok(&format!("/v1/cases/{}", cases[0]))["labels"].clone();
    wait(|| {
        labels()
            .as_array()
            .unwrap()
            .iter()
            .all(|it| it["status"] == "accepted")
    });
    wait(|| ann.ok(&format!("/v1/alerts/{}", view["alerts"][0]["id"]))["label"] == "fraud");
    let again = ann.send("POST", &path, disposed.etag, body);
    assert_eq!(
        (again.status, &again.body["code"]),
        (409, &json!("case_closed"))
    );
    assert_eq!(*told.lock().unwrap(), Vec::<String>::new());
    edge.stop();
}

#[test]
fn a_label_that_the_tenant_refuses_is_seen_on_the_case() {
    let dir = TempDir::new().unwrap();
    let (edge, _) = serve(dir.path());
    let ann = person(&edge, "ann");
    let body = json!({
        "event_id": "old", "event_type": "payment", "event_timestamp": "2024-01-05T10:00:00Z",
        "account": "a", "merchant": "m", "amount": "200.00",
    });
    assert_eq!(ann.send("POST", "/v1/decisions", None, body).status, 200);
    let case = ann.cases(1)[0];
    assert_eq!(ann.act(case, "claim", Value::Null).status, 200);
    assert_eq!(
        ann.act(case, "disposition", json!({ "fraud_type": "mule" }))
            .status,
        200
    );
    let label = || ann.ok(&format!("/v1/cases/{case}"))["labels"][0].clone();
    wait(|| label()["status"] == "refused");
    assert_eq!(label()["refusal"], "too_late");
    edge.stop();
}

#[test]
fn of_two_analysts_who_claim_one_case_exactly_one_gets_it() {
    let dir = TempDir::new().unwrap();
    let (edge, _) = serve(dir.path());
    let people = [person(&edge, "ann"), person(&edge, "bob")];
    for number in 0..12 {
        people[0].decide(number, &format!("a{number}"));
    }
    let cases = people[0].cases(12);
    assert_eq!(cases.len(), 12);
    for case in cases {
        let start = Barrier::new(2);
        let answers: Vec<Answer> = thread::scope(|scope| {
            let claims = people.each_ref().map(|person| {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    person.send(
                        "POST",
                        &format!("/v1/cases/{case}/claim"),
                        Some(1),
                        Value::Null,
                    )
                })
            });
            claims.into_iter().map(|it| it.join().unwrap()).collect()
        });
        let mut status: Vec<u16> = answers.iter().map(|it| it.status).collect();
        status.sort_unstable();
        assert_eq!(status, [200, 412]);
        let won = answers.iter().find(|it| it.status == 200).unwrap();
        let held = people[0].get(&format!("/v1/cases/{case}"));
        assert_eq!(
            (held.etag, &held.body["holder"]),
            (won.etag, &won.body["holder"])
        );
    }
    edge.stop();
}

#[test]
fn a_change_names_the_version_it_has_seen_and_refusals_name_their_field() {
    let dir = TempDir::new().unwrap();
    let (edge, _) = serve(dir.path());
    let (ann, bob) = (person(&edge, "ann"), person(&edge, "bob"));
    ann.decide(1, "a");
    let case = ann.cases(1)[0];
    let path = |action: &str| format!("/v1/cases/{case}/{action}");
    assert_eq!(ann.act(case, "claim", Value::Null).status, 200);
    let version = ann.get(&format!("/v1/cases/{case}")).etag;
    let long = "x".repeat(5000);
    let rows = [
        (
            &ann,
            "note",
            None,
            json!({ "text": "x" }),
            428,
            "precondition_required",
            json!(null),
        ),
        (
            &ann,
            "note",
            Some(1),
            json!({ "text": "x" }),
            412,
            "version_moved",
            json!({ "version": 2 }),
        ),
        (
            &ann,
            "note",
            version,
            json!({ "text": long }),
            400,
            "field_too_long",
            json!({ "field": "text" }),
        ),
        (
            &ann,
            "note",
            version,
            json!({ "words": "x" }),
            400,
            "not_json",
            json!({ "field": "words" }),
        ),
        (
            &ann,
            "disposition",
            version,
            json!({ "fraud_type": "theft" }),
            400,
            "unknown_value",
            json!({ "field": "fraud_type" }),
        ),
        (
            &ann,
            "snooze",
            version,
            json!({ "until": "soon" }),
            400,
            "time_format",
            json!({ "field": "until" }),
        ),
        (
            &ann,
            "checklist",
            version,
            json!({ "item": 1, "done": true }),
            400,
            "unknown_value",
            json!({ "field": "item" }),
        ),
        (
            &ann,
            "reopen",
            version,
            json!({ "reason": "x" }),
            409,
            "case_not_closed",
            json!(null),
        ),
        (
            &bob,
            "claim",
            version,
            json!(null),
            409,
            "case_held",
            json!("held"),
        ),
    ];
    for (person, action, version, body, status, code, detail) in rows {
        let answer = person.send("POST", &path(action), version, body);
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (status, &json!(code)),
            "{action}"
        );
        if detail == "held" {
            assert_eq!(answer.body["detail"]["holder"], "ann");
        } else {
            assert_eq!(answer.body["detail"], detail, "{action}");
        }
    }
    let unknown = ann.send("POST", "/v1/cases/77/claim", Some(1), Value::Null);
    assert_eq!(
        (unknown.status, &unknown.body["code"]),
        (404, &json!("unknown_case"))
    );
    let cases = json!([{ "id": case, "version": version }, { "id": 77, "version": 1 }]);
    let body = json!({ "action": "note", "with": { "text": "both" }, "cases": cases });
    let bulk = ann.send("POST", "/v1/cases:bulk", None, body);
    let results = &bulk.body["results"];
    assert_eq!((bulk.status, &results[0]["error"]), (200, &json!(null)));
    assert_eq!(results[1]["error"]["code"], "unknown_case");
    assert_eq!(
        ann.ok(&format!("/v1/cases/{case}"))["notes"][0]["text"],
        "both"
    );
    edge.stop();
}

#[test]
fn settings_are_changed_by_an_administrator_and_say_what_becomes_an_alert() {
    let dir = TempDir::new().unwrap();
    let (edge, _) = serve(dir.path());
    let (ann, chief) = (
        person(&edge, "ann"),
        of_roles(&edge, "chief", "*", &[Role::Admin]),
    );
    let mut settings = ann.ok("/v1/casework");
    settings["alerts"]["decisions"] = json!(["decline"]);
    let refused = ann.send("PUT", "/v1/casework", Some(0), settings.clone());
    assert_eq!(
        (refused.status, &refused.body["code"]),
        (403, &json!("role_missing"))
    );
    let set = chief.send("PUT", "/v1/casework", Some(0), settings);
    assert_eq!((set.status, set.etag), (200, Some(1)), "{}", set.body);
    ann.decide(1, "a");
    let tenant = edge.app.node.tenant("acme").unwrap();
    let seat = edge.app.desk.seat(&tenant).unwrap();
    wait(|| seat.counters.behind.get() == 0 && ann.ok("/v1/alerts")["behind"] == 0);
    assert_eq!(ann.alerts(), Vec::<Value>::new());
    edge.stop();
}

#[test]
fn a_server_that_starts_again_goes_on_where_casework_was() {
    let dir = TempDir::new().unwrap();
    let (edge, _) = serve(dir.path());
    let ann = person(&edge, "ann");
    ann.decide(1, "a");
    let case = ann.cases(1)[0];
    ann.act(case, "claim", Value::Null);
    // Decided, and perhaps not followed any more.
    ann.decide(2, "a");
    ann.decide(3, "b");
    edge.stop();
    let (edge, _) = serve(dir.path());
    let ann = person(&edge, "ann");
    assert_eq!(ann.cases(3).len(), 2);
    let held = ann.ok(&format!("/v1/cases/{case}"));
    assert_eq!(
        (&held["holder"], &held["alerts_total"]),
        (&json!("ann"), &json!(2))
    );
    edge.stop();
}

#[test]
fn casework_that_cannot_be_used_holds_up_no_decision_and_says_so() {
    let dir = TempDir::new().unwrap();
    let (edge, _) = serve(dir.path());
    person(&edge, "ann").decide(1, "a");
    person(&edge, "ann").cases(1);
    edge.stop();
    let file = dir.path().join("acme/casework.db");
    let kept = fs::read(&file).unwrap();
    let _ = fs::remove_file(dir.path().join("acme/casework.db-wal"));
    fs::write(&file, b"this was a database once, and is one no more").unwrap();
    let (edge, told) = serve(dir.path());
    let ann = person(&edge, "ann");
    ann.decide(2, "a");
    wait(|| ann.get("/v1/alerts").status == 503);
    for path in ["/v1/alerts", "/v1/cases", "/v1/cases/1", "/v1/casework"] {
        let refused = ann.get(path);
        assert_eq!(
            (refused.status, &refused.body["code"]),
            (503, &json!("casework_unavailable"))
        );
        assert!(
            !refused.body.to_string().contains("database"),
            "{}",
            refused.body
        );
    }
    for number in 3..20 {
        ann.decide(number, "a");
    }
    // Requests see the file for themselves; the thread that follows the log comes to it a moment later.
    wait(|| !told.lock().unwrap().is_empty());
    let chief = of_roles(&edge, "chief", "*", &[Role::Admin]);
    let metrics = send(
        chief.address,
        &format!("GET /metrics HTTP/1.1\r\n{}", chief.head),
        "",
    )
    .1;
    let failures = metrics
        .lines()
        .find(|it| it.starts_with("ringfence_casework_failures_total{"));
    let failures = failures.and_then(|it| it.split(' ').next_back()?.parse::<u64>().ok());
    assert!(failures.unwrap() > 0);
    assert!(
        told.lock().unwrap()[0].contains("casework of tenant acme"),
        "{told:?}"
    );
    // Told once, however often it was tried.
    assert_eq!(told.lock().unwrap().len(), 1);
    fs::write(&file, kept).unwrap();
    wait(|| ann.get("/v1/alerts").status == 200);
    assert_eq!(ann.cases(19).len(), 1, "what was missed is made up for");
    wait(|| told.lock().unwrap().last().unwrap().ends_with("goes on"));
    edge.stop();
}

#[test]
fn an_erased_tenant_leaves_no_casework_to_the_next_of_its_name() {
    let dir = TempDir::new().unwrap();
    let (edge, told) = serve(dir.path());
    let (ann, chief) = (
        person(&edge, "ann"),
        of_roles(&edge, "chief", "*", &[Role::Admin]),
    );
    for round in 0..3 {
        ann.decide(1, "a");
        let case = ann.cases(1)[0];
        assert_eq!(ann.act(case, "claim", Value::Null).status, 200);
        let erased = chief.send("DELETE", "/v1/tenants/acme", None, Value::Null);
        assert_eq!(
            (erased.status, &erased.body["left"]),
            (200, &json!(0)),
            "{}",
            erased.body
        );
        assert!(!dir.path().join("acme").exists(), "round {round}");
        let made = chief.send("POST", "/v1/tenants", None, json!({ "name": "acme" }));
        assert_eq!(made.status, 201, "{}", made.body);
        assert_eq!(ann.ok("/v1/alerts")["alerts"], json!([]));
    }
    assert_eq!(*told.lock().unwrap(), Vec::<String>::new());
    edge.stop();
}

#[test]
fn casework_that_has_seen_more_than_the_log_holds_says_so_until_its_file_is_moved_away() {
    let dir = TempDir::new().unwrap();
    let (edge, _) = serve(dir.path());
    person(&edge, "ann").decide(1, "a");
    person(&edge, "ann").cases(1);
    edge.stop();
    // As after a log that was cut: what comes next would be taken for what was seen.
    let file = dir.path().join("acme/casework.db");
    let mut casework = Casework::open(&file, Currency::EUR).unwrap();
    casework.skip_to(Position(1_000)).unwrap();
    drop(casework);
    let (edge, told) = serve(dir.path());
    let ann = person(&edge, "ann");
    wait(|| ann.get("/v1/cases").status == 503);
    ann.decide(2, "b");
    assert!(
        told.lock().unwrap()[0].contains("the log was cut"),
        "{told:?}"
    );
    for name in ["casework.db", "casework.db-wal", "casework.db-shm"] {
        // Those beside it are there only while somebody has it open.
        let _ = fs::remove_file(dir.path().join("acme").join(name));
    }
    wait(|| ann.get("/v1/cases").status == 200);
    assert_eq!(ann.cases(2).len(), 2, "made again from the log");
    edge.stop();
}
