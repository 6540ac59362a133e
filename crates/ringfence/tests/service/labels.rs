//! Labels that come before their events, how long labels take, and what they say of rules.

use std::time::{Duration, Instant};

use casework::Casework;
use event::json::LabelLine;
use event::record::{LabelSource, Verdict};
use event::{Currency, EventId, Span};
use node::Place;
use serde_json::{Value, json};

use crate::client::Client;
use crate::server::{Server, minute};

const RULES: &str = "[[rules]]\nid = \"large\"\nwhen = 'amount > 500_00'\nstatus = \"shadow\"\ndecision = \"decline\"\n";

fn event(id: &str, amount: &str) -> String {
    json!({
        "event_id": id, "event_type": "payment", "event_timestamp": minute(1),
        "account": "ann", "merchant": "m1", "device": "d1", "amount": amount,
    })
    .to_string()
}

fn label(id: &str, verdict: &str, at: i64) -> String {
    json!({
        "event_id": id, "label": verdict, "source": "chargeback", "label_timestamp": minute(at),
    })
    .to_string()
}

/// Asks until it is so; the log is followed a moment behind.
fn until(client: &mut Client, target: &str, so: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let told = client.get(target).json();
        if so(&told) {
            return told;
        }
        assert!(Instant::now() < end, "{target}: {told}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_label_waits_for_its_event_over_a_kill_and_then_counts() {
    let mut server = Server::start();
    let mut client = server.client();
    let kept = client
        .post("/v1/labels", &label("later", "fraud", 120))
        .ok();
    assert_eq!(
        (&kept["status"], &kept["position"]),
        (&json!("pending"), &Value::Null)
    );
    let again = client
        .post("/v1/labels", &label("later", "fraud", 120))
        .ok();
    assert_eq!(again["status"], "pending");
    let waiting = client.get("/v1/labels/waiting").json();
    assert_eq!(waiting["labels"].as_array().unwrap().len(), 1);
    assert_eq!(waiting["labels"][0]["status"], "waiting");
    server.kill();
    server.launch();
    let mut client = server.client();
    client.post("/v1/decisions", &event("later", "5.00")).ok();
    let told = until(&mut client, "/v1/labels/waiting", |it| {
        it["labels"][0]["status"] == "accepted"
    });
    assert_eq!(told["labels"][0]["event_id"], "later");
    let found = client.get("/v1/decisions/later").json();
    assert_eq!(found["labels"][0]["label"], "fraud", "{found}");
    let none = client.get("/v1/labels/waiting?status=waiting").json();
    assert_eq!(none["labels"], json!([]));
    assert_eq!(client.get("/v1/labels/waiting?status=what").status, 400);
    // An outcome has nowhere to wait.
    let outcome =
        json!({ "event_id": "nobody", "outcome": "authorised", "outcome_timestamp": minute(2) });
    let refused = client.post("/v1/outcomes", &outcome.to_string());
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (404, "unknown_event")
    );
}

#[test]
fn delays_by_source_and_the_precision_of_a_rule_in_shadow_follow_the_labels() {
    let server = Server::start();
    let mut client = server.client();
    let toml = [("Content-Type", "application/toml")];
    assert_eq!(
        client
            .send("PUT", "/v1/rules", &toml, Some(RULES.as_bytes()))
            .unwrap()
            .status,
        200
    );
    for number in 0..8 {
        let amount = if number < 6 { "900.00" } else { "9.00" };
        client
            .post("/v1/decisions", &event(&format!("e{number}"), amount))
            .ok();
    }
    // Ten hours for the first three, a hundred for the fourth; a correction takes one back.
    for (number, verdict, hours) in [
        (0, "fraud", 10),
        (1, "fraud", 10),
        (2, "legitimate", 10),
        (7, "fraud", 100),
    ] {
        client
            .post(
                "/v1/labels",
                &label(&format!("e{number}"), verdict, 1 + hours * 60),
            )
            .ok();
    }
    client
        .post("/v1/labels", &label("e1", "legitimate", 1 + 10 * 60))
        .ok();
    let rules = until(&mut client, "/v1/rules", |it| {
        it["rules"][0]["live"]["legitimate"] == 2
    });
    let live = &rules["rules"][0]["live"];
    assert_eq!(
        (&live["shadow"], &live["matched"], &live["frauds"]),
        (&json!(6), &json!(0), &json!(1))
    );
    assert_eq!(live["precision"], json!(1.0 / 3.0));
    let delays = client.get("/v1/labels/delays").json();
    let source = &delays["sources"][0];
    assert_eq!(
        (&source["source"], &source["labels"], &source["frauds"]),
        (&json!("chargeback"), &json!(5), &json!(3))
    );
    assert_eq!(
        (&source["hours_p50"], &source["hours_p99"]),
        (&json!(10), &json!(100))
    );
}

#[test]
fn of_several_labels_that_wait_the_last_one_counts() {
    let server = Server::start();
    let mut client = server.client();
    for (at, verdict) in [(120, "fraud"), (121, "legitimate"), (122, "fraud")] {
        let kept = client
            .post("/v1/labels", &label("thrice", verdict, at))
            .ok();
        assert_eq!(kept["status"], "pending");
    }
    client.post("/v1/decisions", &event("thrice", "5.00")).ok();
    let found = until(&mut client, "/v1/decisions/thrice", |it| {
        it["labels"]
            .as_array()
            .is_some_and(|labels| labels.len() == 3)
    });
    let last = found["labels"]
        .as_array()
        .unwrap()
        .iter()
        .max_by_key(|it| it["position"].as_u64());
    assert_eq!(last.unwrap()["label"], "fraud", "{found}");
}

/// What the tenant would not have taken at once it does not take later, and says why in the same word.
#[test]
fn a_label_that_waited_and_is_refused_says_why() {
    let server = Server::start();
    let mut client = server.client();
    client.post("/v1/decisions", &event("here", "5.00")).ok();
    // Before its event, which is a minute later.
    let refused = client.post("/v1/labels", &label("here", "fraud", 0));
    let code = refused.code();
    assert_eq!(refused.status, 400);
    let kept = client.post("/v1/labels", &label("late", "fraud", 0)).ok();
    assert_eq!(kept["status"], "pending");
    client.post("/v1/decisions", &event("late", "5.00")).ok();
    let told = until(&mut client, "/v1/labels/waiting?status=refused", |it| {
        it["labels"] != json!([])
    });
    let waited = &told["labels"][0];
    assert_eq!(
        (&waited["event_id"], &waited["refusal"]),
        (&json!("late"), &json!(code))
    );
    assert_eq!(client.get("/v1/decisions/late").ok()["labels"], json!([]));
    let metrics = server.admin().get("/metrics").text().to_owned();
    let counted = "ringfence_case_labels_refused_total{tenant=\"default\"} 1\n";
    assert!(metrics.contains(counted), "{metrics}");
}

/// As old as no label may be: whoever follows the log gives it up, and its event that comes after all changes nothing.
#[test]
fn a_label_that_waited_longer_than_one_may_is_given_up() {
    let mut server = Server::start();
    server
        .client()
        .post("/v1/labels", &label("young", "fraud", 120))
        .ok();
    server.stop();
    let path = Place::new(&server.data(), "default").unwrap().casework();
    let mut casework = Casework::open(&path, Currency::EUR).unwrap();
    let now = node::clock::now().unwrap();
    let old = LabelLine {
        event_id: EventId::parse("event_id", "old").unwrap(),
        verdict: Verdict::Fraud,
        source: LabelSource::Chargeback,
        reason: String::new(),
        confidence_percent: 100,
        label_timestamp: now.minus(Span::days(200)),
    };
    let kept = casework.keep_label(&old, now.minus(Span::days(181)));
    assert!(kept.unwrap());
    drop(casework);
    server.launch();
    let mut client = server.client();
    let told = until(&mut client, "/v1/labels/waiting?status=expired", |it| {
        it["labels"] != json!([])
    });
    assert_eq!(told["labels"][0]["event_id"], "old");
    client.post("/v1/decisions", &event("old", "5.00")).ok();
    client.post("/v1/decisions", &event("young", "5.00")).ok();
    // Of the same batch of the log, or a later one.
    let told = until(&mut client, "/v1/labels/waiting?status=accepted", |it| {
        it["labels"] != json!([])
    });
    assert_eq!(told["labels"][0]["event_id"], "young");
    assert_eq!(client.get("/v1/decisions/old").ok()["labels"], json!([]));
}
