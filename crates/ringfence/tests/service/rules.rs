//! Rules and lists over HTTP: in force for the next event, refused as a whole with every problem.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::server::{SOON, Server, minute};

const RULES: &str = r#"
[[rules]]
id = "large"
when = 'amount > 500_00'
status = "active"
decision = "review"
tags = ["large"]
reason = "a large amount"
"#;

fn event(id: &str, amount: &str) -> String {
    json!({
        "event_id": id, "event_type": "payment", "event_timestamp": minute(1),
        "account": "ann", "merchant": "m1", "device": "d1", "amount": amount,
    })
    .to_string()
}

#[test]
fn rules_are_in_force_for_the_next_event_and_after_a_restart() {
    let mut server = Server::start();
    let mut client = server.client();
    let toml = [
        ("Content-Type", "application/toml"),
        ("X-Change-Reason", "large ones"),
    ];
    let set = client
        .send("PUT", "/v1/rules", &toml, Some(RULES.as_bytes()))
        .unwrap();
    assert_eq!(set.status, 200, "{}", set.text());
    assert_eq!(set.json()["version"], 1);
    assert_eq!(set.json()["text"], RULES);
    let etag = set.header("etag").unwrap().to_owned();
    let decided = client.post("/v1/decisions", &event("r1", "600.00")).json();
    assert_eq!(decided["source"], "rule");
    assert_eq!(decided["decision"], "review");
    assert_eq!(decided["rules_version"], 1);
    assert_eq!(decided["findings"]["rules"][0]["rule"], "large");
    assert_eq!(decided["findings"]["rules"][0]["reason"], "a large amount");
    assert_eq!(decided["findings"]["tags"], json!(["large"]));
    let small = client.post("/v1/decisions", &event("r2", "5.00")).json();
    assert_eq!(small["findings"], Value::Null);
    let shown = client.send("GET", "/v1/rules", &[], None).unwrap().json();
    assert_eq!(shown["rules"][0]["counts"]["matched"], 1);

    // Made for another version: nothing changes.
    let json_body = [("Content-Type", "application/json"), ("If-Match", "\"0\"")];
    let none = json!({ "rules": [] }).to_string();
    let moved = client
        .send("PUT", "/v1/rules", &json_body, Some(none.as_bytes()))
        .unwrap();
    assert_eq!(
        (moved.status, &moved.json()["code"]),
        (412, &json!("version_moved"))
    );
    server.stop();
    server.launch();
    let mut client = server.client();
    let again = client.post("/v1/decisions", &event("r1", "600.00")).json();
    assert_eq!(
        (&again["duplicate"], &again["findings"]),
        (&json!(true), &decided["findings"])
    );
    let decided = client.post("/v1/decisions", &event("r3", "700.00")).json();
    assert_eq!(decided["source"], "rule");
    let emptied = [
        ("Content-Type", "application/json"),
        ("If-Match", etag.as_str()),
    ];
    let emptied = client
        .send("PUT", "/v1/rules", &emptied, Some(none.as_bytes()))
        .unwrap();
    assert_eq!(
        (emptied.status, &emptied.json()["version"]),
        (200, &json!(2))
    );
    let free = client.post("/v1/decisions", &event("r4", "700.00")).json();
    assert_eq!(free["source"], "model");
}

#[test]
fn every_problem_of_a_document_is_told_and_nothing_is_changed() {
    let server = Server::start();
    let mut client = server.client();
    let broken = "[[rules]]\nid = \"a\"\nwhen = 'amout > 1'\nstatus = \"active\"\n[[rules]]\nid = \"a\"\nwhen = 'amount > \"x\"'\nstatus = \"on\"\n";
    let toml = [("Content-Type", "application/toml")];
    for path in ["/v1/rules", "/v1/rules/validate"] {
        let method = if path == "/v1/rules" { "PUT" } else { "POST" };
        let refused = client
            .send(method, path, &toml, Some(broken.as_bytes()))
            .unwrap();
        let told = refused.json();
        assert_eq!(
            (refused.status, &told["code"]),
            (400, &json!("rules")),
            "{told}"
        );
        let problems = told["detail"]["problems"].as_array().unwrap();
        assert!(problems.len() >= 4, "{told}");
        assert_eq!(problems[0]["line"], 3);
        assert!(
            problems[0]["message"].as_str().unwrap().contains("amount"),
            "{told}"
        );
    }
    let shown = client.send("GET", "/v1/rules", &[], None).unwrap().json();
    assert_eq!(shown, json!({ "version": 0, "text": "", "rules": [] }));
    let long = "w".repeat(513);
    let headers = [
        ("Content-Type", "application/toml"),
        ("X-Change-Reason", long.as_str()),
    ];
    let refused = client
        .send("PUT", "/v1/rules", &headers, Some(RULES.as_bytes()))
        .unwrap();
    assert_eq!(
        (refused.status, &refused.json()["code"]),
        (400, &json!("header_format"))
    );
}

#[test]
fn a_list_decides_from_its_item_on_and_refuses_what_it_cannot_hold() {
    let server = Server::start();
    let mut client = server.client();
    let json_body = [("Content-Type", "application/json")];
    let mut put = |method: &str, path: &str, body: Value| {
        let body = body.to_string();
        client
            .send(method, path, &json_body, Some(body.as_bytes()))
            .unwrap()
    };
    let list = json!({ "on": "device", "form": "text", "effect": "block" });
    assert_eq!(put("PUT", "/v1/lists/stolen", list.clone()).status, 200);
    let items = json!({ "items": [{ "value": "d1", "reason": "reported" }] });
    let done = put("POST", "/v1/lists/stolen/items", items.clone());
    assert_eq!((done.status, done.json()), (200, json!({ "put": 1 })));
    let decided = put(
        "POST",
        "/v1/decisions",
        serde_json::from_str(&event("l1", "5.00")).unwrap(),
    )
    .json();
    assert_eq!(
        (&decided["decision"], &decided["source"]),
        (&json!("decline"), &json!("list"))
    );
    assert_eq!(
        decided["findings"]["lists"],
        json!([{ "list": "stolen", "effect": "block" }])
    );
    for (path, body, status, code) in [
        ("/v1/lists/none/items", items.clone(), 404, "unknown_list"),
        (
            "/v1/lists/stolen/items",
            json!({ "items": [{ "value": "" }] }),
            400,
            "list_items_refused",
        ),
        (
            "/v1/lists/stolen/items",
            json!({ "items": [{ "value": "x", "expires": "2020-01-01T00:00:00Z" }] }),
            400,
            "list_items_refused",
        ),
        (
            "/v1/lists/stolen/items",
            json!({ "items": [{ "from": 1, "to": 2, "currency": "EUR" }] }),
            400,
            "list_items_refused",
        ),
        (
            "/v1/lists/stolen/items",
            json!({ "items": [] }),
            400,
            "list_change",
        ),
    ] {
        let refused = put("POST", path, body);
        assert_eq!(
            (refused.status, &refused.json()["code"]),
            (status, &json!(code)),
            "{}",
            refused.text()
        );
    }
    let other = json!({ "on": "device", "form": "cidr", "effect": "block" });
    assert_eq!(
        put("PUT", "/v1/lists/stolen", other).json()["code"],
        "list_form_fixed"
    );
    let removed = put(
        "POST",
        "/v1/lists/stolen/remove",
        json!({ "items": [{ "value": "d1" }] }),
    );
    assert_eq!(removed.status, 200);
    let free = put(
        "POST",
        "/v1/decisions",
        serde_json::from_str(&event("l2", "5.00")).unwrap(),
    )
    .json();
    assert_eq!(free["source"], "model");
}

/// Not like a rule that does not hold: whoever reads the decision or the rule sees that it failed.
#[test]
fn a_rule_that_errs_is_told_with_the_decision_and_counted_by_the_log() {
    let server = Server::start();
    let mut client = server.client();
    let rules = r#"
[[rules]]
id = "ratio"
when = '1 / (amount - 640_00) > 0'
status = "active"
decision = "decline"
alert = true
"#;
    let toml = [("Content-Type", "application/toml")];
    let set = client.send("PUT", "/v1/rules", &toml, Some(rules.as_bytes()));
    set.unwrap().ok();
    let mut decide = |id: &str, amount: &str| client.post("/v1/decisions", &event(id, amount)).ok();
    let held = decide("e1", "641.00");
    assert_eq!(held["source"], "rule");
    for id in ["e2", "e3"] {
        let erred = decide(id, "640.00");
        assert_eq!(erred["source"], "model", "{erred}");
        let told = &erred["findings"]["rules"];
        assert_eq!(told.as_array().unwrap().len(), 1, "{erred}");
        assert_eq!(
            (&told[0]["rule"], &told[0]["outcome"]),
            (&json!("ratio"), &json!("error"))
        );
    }
    assert_eq!(decide("e4", "639.00")["findings"], Value::Null);
    let end = Instant::now() + SOON;
    let rule = loop {
        let rule = client.get("/v1/rules").ok()["rules"][0].take();
        if rule["live"]["errors"] == 2 {
            break rule;
        }
        assert!(Instant::now() < end, "{rule}");
        thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(
        (&rule["live"]["matched"], &rule["live"]["shadow"]),
        (&json!(1), &json!(0))
    );
    let counts = &rule["counts"];
    assert_eq!(
        (&counts["matched"], &counts["errors"]),
        (&json!(1), &json!(2))
    );
    // An error is no hit: a label of its event says nothing of the rule.
    let label = json!({
        "event_id": "e2", "label": "fraud", "source": "analyst", "label_timestamp": minute(60),
    });
    client.post("/v1/labels", &label.to_string()).ok();
    let label = json!({
        "event_id": "e1", "label": "fraud", "source": "analyst", "label_timestamp": minute(60),
    });
    client.post("/v1/labels", &label.to_string()).ok();
    let known = loop {
        let live = client.get("/v1/rules").ok()["rules"][0]["live"].take();
        if live["frauds"] != 0 {
            break live;
        }
        assert!(Instant::now() < end, "{live}");
        thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(known["frauds"], 1, "{known}");
}

/// Odd versions review everything, even ones have no rule. Whatever is decided meanwhile follows the version that it
/// names, nothing fails, and what is asked after the change's answer has it.
#[test]
fn rules_change_under_load_at_one_position_and_nothing_fails() {
    let server = Server::start();
    let stop = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = (0..4)
        .map(|sender| {
            let (mut client, stop) = (server.client(), stop.clone());
            thread::spawn(move || {
                let mut seen = Vec::new();
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let id = format!("s{sender}-{number}");
                    let decided = client.post("/v1/decisions", &event(&id, "5.00")).ok();
                    seen.push((decided["position"].as_u64().unwrap(), decided));
                }
                seen
            })
        })
        .collect();
    let all =
        "[[rules]]\nid = \"all\"\nwhen = 'true'\nstatus = \"active\"\ndecision = \"review\"\n";
    let toml = [("Content-Type", "application/toml")];
    let mut client = server.client();
    for change in 1..=20_u64 {
        let body = if change % 2 == 1 { all } else { "rules = []\n" };
        let set = client
            .send("PUT", "/v1/rules", &toml, Some(body.as_bytes()))
            .unwrap();
        assert_eq!(set.ok()["version"], change);
        let next = client
            .post("/v1/decisions", &event(&format!("after{change}"), "5.00"))
            .ok();
        assert_eq!(next["rules_version"], change);
    }
    stop.store(true, Ordering::Relaxed);
    let mut seen: Vec<_> = senders
        .into_iter()
        .flat_map(|it| it.join().unwrap())
        .collect();
    seen.sort_by_key(|(position, _)| *position);
    let versions: Vec<u64> = seen
        .iter()
        .map(|(_, it)| it["rules_version"].as_u64().unwrap())
        .collect();
    assert!(versions.is_sorted(), "{versions:?}");
    assert!(
        versions.last() > versions.first(),
        "{} decisions",
        seen.len()
    );
    for (_, decided) in &seen {
        let odd = decided["rules_version"].as_u64().unwrap() % 2 == 1;
        assert_eq!(decided["source"] == "rule", odd, "{decided}");
    }
}
