//! Documents over HTTP: what is told of them to whom, and what is told of what is wrong.

use std::time::Instant;

use serde_json::{Value, json};

use crate::client::Client;
use crate::server::{SOON, Server, payment};

/// Of one tenant, with the right to its policy.
const ADMIN: [&str; 4] = ["--role", "engineer", "--role", "admin"];
const POLICY: &str = "# ours\n[thresholds]\nchallenge = 300\nreview = 600\ndecline = 900\n\n[random_approve]\n\
                      share = 0.01\namount_max = 50.0\nsecret = \"only-the-risk-team-knows\"\n";

/// Whoever trains on what was decided weighs by it.
#[test]
fn who_looks_a_decision_up_is_told_the_chance_with_which_it_was_taken() {
    let server = Server::start();
    let mut client = server.client();
    let policy = "[thresholds]\nchallenge = 1\nreview = 2\ndecline = 3\n[random_approve]\n\
                  share = 0.1\namount_max = 50.0\nsecret = \"only-the-risk-team-knows\"\n";
    let toml = [("Content-Type", "application/toml")];
    let set = client.send("PUT", "/v1/policy", &toml, Some(policy.as_bytes()));
    set.unwrap().ok();
    let mut seen = Vec::new();
    for number in 0..60 {
        let mut event = payment(number);
        event["amount"] = json!(if number % 2 == 0 { "20.00" } else { "80.00" });
        let taken = client.post("/v1/decisions", &event.to_string()).ok();
        assert_eq!(taken["propensity"], Value::Null, "{taken}");
        let found = client.get(&format!("/v1/decisions/e{number}")).ok();
        let told = &found["decision"];
        // Of what would be declined one in ten passes; what is large never does.
        let wanted = match (told["decision"].as_str().unwrap(), number % 2) {
            ("decline", 0) => 0.9,
            ("approve", 0) if told["score"].as_i64() >= Some(3) => 0.1,
            _ => 1.0,
        };
        assert_eq!(told["propensity"], json!(wanted), "{told}");
        seen.push(wanted);
    }
    assert!(seen.contains(&0.9) && seen.contains(&1.0), "{seen:?}");
}

#[test]
fn the_secret_of_the_draw_is_shown_to_administrators_alone_and_survives_a_change_by_others() {
    let server = Server::start();
    let mut client = server.client();
    let mut admin = server.client_of("default", &server.token(&ADMIN));
    let secret = "only-the-risk-team-knows";
    let toml = [("Content-Type", "application/toml")];
    let set = client.send("PUT", "/v1/policy", &toml, Some(POLICY.as_bytes()));
    let set = set.unwrap();
    assert_eq!(set.status, 200, "{}", set.text());
    assert!(!set.text().contains(secret), "{}", set.text());
    let shown = client.get("/v1/policy").ok();
    let text = shown["text"].as_str().unwrap();
    assert_eq!(text, POLICY.replace(secret, "(hidden)"));
    assert_eq!(shown["policy"]["random_approve"]["secret"], "(hidden)");
    let text_of = |client: &mut Client| client.get("/v1/policy").ok()["text"].clone();
    assert_eq!(text_of(&mut admin), POLICY);

    // What was shown comes back with another threshold, as TOML and as JSON.
    let changed = text.replace("600", "650");
    client
        .send("PUT", "/v1/policy", &toml, Some(changed.as_bytes()))
        .unwrap()
        .ok();
    let whole = POLICY.replace("600", "650");
    assert_eq!(text_of(&mut admin), whole);
    let mut policy = client.get("/v1/policy").ok()["policy"].clone();
    policy["thresholds"]["review"] = json!(700);
    let json_body = [("Content-Type", "application/json")];
    let body = policy.to_string();
    client
        .send("PUT", "/v1/policy", &json_body, Some(body.as_bytes()))
        .unwrap()
        .ok();
    let held = admin.get("/v1/policy").ok()["policy"].clone();
    assert_eq!(held["random_approve"]["secret"], secret);
    assert_eq!(held["thresholds"]["review"], 700);
    // There is none to keep once there was none.
    let plain = "[thresholds]\nchallenge = 1\nreview = 2\ndecline = 3\n";
    client
        .send("PUT", "/v1/policy", &toml, Some(plain.as_bytes()))
        .unwrap()
        .ok();
    let refused = client
        .send("PUT", "/v1/policy", &toml, Some(changed.as_bytes()))
        .unwrap();
    assert_eq!(refused.code(), "policy");
    assert_eq!(refused.json()["detail"]["field"], "random_approve.secret");

    let end = Instant::now() + SOON;
    loop {
        let trail = client.get("/v1/audit?action=policy.set&limit=500");
        let entries = trail.json()["entries"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        if entries
            .iter()
            .filter(|it| it["actor"] == "development")
            .count()
            == 4
        {
            assert!(trail.text().contains("(hidden)") && !trail.text().contains(secret));
            break;
        }
        assert!(Instant::now() < end, "{}", trail.text());
    }
    for args in [
        vec!["audit", "export"],
        vec!["log", "dump", "--kind", "config"],
    ] {
        let output = server.command(&args).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(
            said.contains("(hidden)") && !said.contains(secret),
            "{args:?} {said}"
        );
    }
}

#[test]
fn what_is_wrong_is_told_with_its_field_and_what_cannot_be_checked_as_a_warning() {
    let server = Server::start();
    let mut client = server.client();
    let mut tried = |method: &str, path: &str, body: Value| {
        let headers = [("Content-Type", "application/json")];
        let body = body.to_string();
        client
            .send(method, path, &headers, Some(body.as_bytes()))
            .unwrap()
    };
    let thresholds = json!({ "challenge": 1, "review": 2, "decline": 3 });
    let policy = |key: &str, value: Value| {
        let mut policy = json!({ "thresholds": thresholds });
        policy[key] = value;
        policy
    };
    let draw = json!({ "share": 0.5, "amount_max": 9, "secret": "0123456789abcdef" });
    let list = json!({ "on": "shoe", "form": "text", "effect": "block" });
    for (method, path, body, code, field) in [
        (
            "PUT",
            "/v1/policy",
            policy("fallback", json!("pass")),
            "policy",
            "fallback",
        ),
        (
            "PUT",
            "/v1/policy",
            policy("random_approve", draw),
            "policy",
            "random_approve.share",
        ),
        (
            "PUT",
            "/v1/policy",
            policy("thresholds", json!({ "review": "x" })),
            "policy",
            "thresholds.review",
        ),
        (
            "PUT",
            "/v1/rates",
            json!({ "USD": "one" }),
            "rates",
            "rates.USD",
        ),
        (
            "PUT",
            "/v1/rates",
            json!({ "XYZW": 1.0 }),
            "rates",
            "rates.XYZW",
        ),
        ("PUT", "/v1/lists/a", list, "list_field", "on"),
        (
            "POST",
            "/v1/backtests",
            json!({ "costs": { "review": -1 } }),
            "cost",
            "costs.review",
        ),
        (
            "POST",
            "/v1/backtests",
            json!({ "costs": { "fraud_loss": 2 } }),
            "cost",
            "costs.fraud_loss",
        ),
        (
            "POST",
            "/v1/backtests",
            json!({ "costs": { "review": "x" } }),
            "not_json",
            "costs.review",
        ),
        (
            "POST",
            "/v1/backtests",
            json!({ "costs": { "reviews": 1 } }),
            "not_json",
            "costs.reviews",
        ),
        (
            "POST",
            "/v1/backtests",
            json!({ "samples": 5000 }),
            "samples",
            "samples",
        ),
        (
            "POST",
            "/v1/backtests",
            json!({ "from": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z" }),
            "window",
            "from",
        ),
        (
            "POST",
            "/v1/advice",
            json!({ "alerts_per_day": -1 }),
            "alert_budget",
            "alerts_per_day",
        ),
    ] {
        let refused = tried(method, path, body);
        assert_eq!(refused.code(), code, "{path} {}", refused.text());
        assert_eq!(
            refused.json()["detail"]["field"],
            field,
            "{path} {}",
            refused.text()
        );
    }
    let rules = |when: &str| {
        let rule = json!({ "id": "a", "status": "active", "decision": "review", "when": when });
        json!({ "rules": [rule] })
    };
    let unknown = tried(
        "POST",
        "/v1/rules/validate",
        rules("event_type == 'paymet'"),
    );
    assert_eq!(unknown.code(), "rules");
    let problem = &unknown.json()["detail"]["problems"][0];
    assert_eq!(problem["code"], "unknown_value", "{problem}");
    assert!(
        problem["message"]
            .as_str()
            .unwrap()
            .contains("did you mean \"payment\""),
        "{problem}"
    );
    let open = tried("POST", "/v1/rules/validate", rules("channel == 'mobil'")).ok();
    assert_eq!(open["valid"], true);
    assert_eq!(open["warnings"][0]["code"], "unchecked_value", "{open}");
    let clear = tried(
        "POST",
        "/v1/rules/validate",
        rules("event_type == 'payment'"),
    )
    .ok();
    assert_eq!(clear, json!({ "valid": true, "warnings": [] }));
    let shelf = client.get("/v1/cases?shelf=xx");
    assert_eq!(shelf.code(), "parameter_format");
    assert!(
        shelf.text().contains("queue, snoozed, closed, open"),
        "{}",
        shelf.text()
    );
}
