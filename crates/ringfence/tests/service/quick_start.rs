//! What the README promises: start on an empty machine, decide, report, look around, start again.

use serde_json::{Value, json};

use crate::server::{Server, minute, payment};

#[test]
fn from_an_empty_machine_to_the_risk_of_a_device_change() {
    let mut server = Server::start();
    let mut client = server.client();
    let first = client.post("/v1/decisions?timings=true", &payment(1).to_string());
    let traceparent = first.header("traceparent").unwrap().to_owned();
    let first = first.ok();
    assert_eq!(first["source"], "model");
    assert_eq!(first["duplicate"], false);
    let version = first["model_version"].as_str().unwrap();
    assert!(version.starts_with("starter-"), "{version}");
    assert_eq!(first["degraded"], json!(["starter_model"]));
    assert!(traceparent.contains(first["trace_id"].as_str().unwrap()));
    assert!(first["timings"]["decided_us"].as_u64().unwrap() > 0);

    let change = json!({
        "event_id": "change-1", "event_type": "profile_change",
        "event_timestamp": minute(2), "account": "a1", "device": "new-phone",
    });
    let change = client
        .post("/v1/decisions?explain=true", &change.to_string())
        .ok();
    let reasons = change["reasons"].as_array().unwrap();
    assert!(!reasons.is_empty(), "{change}");
    let told = |reason: &Value| {
        reason["code"].as_str().is_some_and(|it| !it.is_empty())
            && reason["text"].as_str().is_some_and(|it| !it.is_empty())
            && reason["contribution"].as_f64().is_some_and(|it| it != 0.0)
    };
    assert!(reasons.iter().all(told), "{change}");

    let label = json!({
        "event_id": "e1", "label": "fraud", "source": "chargeback",
        "label_timestamp": minute(20 * 1440),
    });
    let recorded = client.post("/v1/labels", &label.to_string()).ok();
    assert_eq!(recorded["status"], "recorded");
    let again = client.post("/v1/labels", &label.to_string()).ok();
    assert_eq!(again["status"], "duplicate");

    let found = client.get("/v1/decisions/e1").ok();
    assert_eq!(found["labels"][0]["label"], "fraud");
    assert_eq!(found["decision"]["score"], first["score"]);
    let account = client.get("/v1/entities/account/a1").ok();
    assert_eq!(account["frauds_known"], 1);
    let around = client
        .get("/v1/entities/account/a1/neighbours?depth=2")
        .ok();
    let nodes = around["nodes"].as_array().unwrap();
    assert!(
        nodes.iter().any(|node| node["id"] == "new-phone"),
        "{around}"
    );

    server.stop();
    server.launch();
    let again = server
        .client()
        .post("/v1/decisions", &payment(1).to_string())
        .ok();
    for field in [
        "decision",
        "score",
        "probability",
        "reasons",
        "position",
        "model_version",
    ] {
        assert_eq!(again[field], first[field], "{field}");
    }
    assert_eq!(again["duplicate"], true);
}

#[test]
fn one_body_under_one_id_and_every_line_of_a_batch_has_its_answer() {
    let server = Server::start();
    let mut client = server.client();
    client.post("/v1/decisions", &payment(1).to_string()).ok();
    let mut changed = payment(1);
    changed["amount"] = json!("99.99");
    let refused = client.post("/v1/decisions", &changed.to_string());
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (409, "event_id_conflict")
    );

    let unfinished = json!({ "event_id": "bare", "event_type": "payment" });
    let lines = [payment(1), payment(2), changed, unfinished, payment(3)];
    let mut body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    body.push_str("\n{\"event_id\":\n");
    let answers = client.post_lines("/v1/decisions:batch", &body).lines();
    assert_eq!(answers.len(), 6);
    assert_eq!(answers[0]["duplicate"], true);
    assert_eq!(answers[1]["event_id"], "e2");
    assert_eq!(answers[1]["duplicate"], false);
    assert_eq!(answers[2]["error"]["code"], "event_id_conflict");
    assert_eq!(answers[3]["event_id"], "bare");
    assert_eq!(answers[3]["error"]["code"], "field_missing");
    assert_eq!(answers[4]["event_id"], "e3");
    assert_eq!(answers[5]["error"]["code"], "not_json");
}

#[test]
fn a_text_is_stored_and_given_back_and_a_non_approval_tells_whom_it_saw() {
    let server = Server::start();
    let mut client = server.client();
    // Everything is at least challenged, so that evidence is kept.
    let policy = json!({ "thresholds": { "challenge": 0, "review": 1001, "decline": 1001 } });
    let set = client.send(
        "PUT",
        "/v1/policy",
        &[],
        Some(policy.to_string().as_bytes()),
    );
    assert_eq!(set.unwrap().ok()["policy"], policy);
    let event = |id: &str, account: &str, at: i64| {
        json!({
            "event_id": id, "event_type": "payment", "account": account, "merchant": "m",
            "event_timestamp": minute(at), "device": "shared",
            "amount": "10", "text": "urgent, call \u{2764} me",
        })
    };
    client
        .post("/v1/decisions", &event("one", "ann", 1).to_string())
        .ok();
    let label = json!({
        "event_id": "one", "label": "fraud", "source": "analyst",
        "label_timestamp": minute(2),
    });
    client.post("/v1/labels", &label.to_string()).ok();
    let second = client
        .post("/v1/decisions", &event("two", "bob", 3).to_string())
        .ok();
    assert_eq!(second["decision"], "challenge");
    let link = |answer: &Value| {
        let links = answer["links"].as_array().unwrap().clone();
        links
            .into_iter()
            .find(|link| link["role"] == "device")
            .unwrap()
    };
    let told = "shares device shared with 1 account, 1 with known fraud";
    assert_eq!(link(&second)["text"], told);
    // What is learned later does not change what was seen.
    let correction = json!({
        "event_id": "one", "label": "legitimate", "source": "analyst",
        "label_timestamp": minute(1440),
    });
    client.post("/v1/labels", &correction.to_string()).ok();
    let found = client.get("/v1/decisions/two").ok();
    assert_eq!(link(&found["decision"])["text"], told);
    assert_eq!(found["event"]["text"], "urgent, call \u{2764} me");
    let evidence = found["evidence"].as_array().unwrap();
    assert!(
        evidence.iter().any(|seen| seen["event_id"] == "one"),
        "{found}"
    );
    let labels = client.get("/v1/decisions/one").ok()["labels"].clone();
    let verdicts: Vec<_> = labels
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["label"].clone())
        .collect();
    assert_eq!(verdicts, ["legitimate", "fraud"]);
}
