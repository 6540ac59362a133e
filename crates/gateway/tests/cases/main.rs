//! Alerts and cases as analysts meet them: over a socket, with a node that decides beside them.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

#[path = "../support/edge.rs"]
mod edge;
mod kept;
mod people;

use std::sync::Barrier;
use std::thread;

use ringfence_gateway::token::Role;
use serde_json::{Value, json};
use tempfile::TempDir;

use people::{Answer, of_roles, person, serve, wait};

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
