//! Endpoints of a real server: told what is decided, whatever happens to either side.

pub mod receiver;

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cases;
use crate::client::{Answer, Client};
use crate::server::{SOON, Server, minute, payment};
use receiver::{Received, Receiver};

/// Speaks to this machine, and tries again at once.
pub const SETTINGS: &str = "[webhooks]\nallow_http = true\nallow = [\"127.0.0.0/8\"]\n\
first_pause = \"20ms\"\npause_max = \"200ms\"\nattempts_max = 1000\n[webhooks.breaker]\nfailures = 1000\n";

pub fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + SOON;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "not within {SOON:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub fn add(client: &mut Client, url: &str, kinds: &[&str]) -> (String, String) {
    let body = json!({ "url": url, "kinds": kinds }).to_string();
    let made = client.post("/v1/webhooks", &body);
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&made["webhook"]["id"]), text(&made["secret"]))
}

fn put(client: &mut Client, path: &str, body: &Value) -> Answer {
    let body = body.to_string();
    client
        .send("PUT", path, &[], Some(body.as_bytes()))
        .unwrap()
}

/// The command without a server, on what a receiver has got.
fn verify(server: &Server, secret: &str, got: &Received, body: &[u8]) -> Output {
    let folder = tempfile::TempDir::new().unwrap();
    let (secret_file, body_file) = (folder.path().join("secret"), folder.path().join("body"));
    fs::write(&secret_file, secret).unwrap();
    fs::write(&body_file, body).unwrap();
    server
        .command(&["webhooks", "verify", "--tolerance", "3600"])
        .args(["--id", got.header("webhook-id")])
        .args(["--timestamp", got.header("webhook-timestamp")])
        .args(["--signature", got.header("webhook-signature")])
        .arg("--secret-file")
        .arg(secret_file)
        .arg(body_file)
        .output()
        .unwrap()
}

#[test]
fn what_is_decided_is_told_once_and_neither_side_s_failure_loses_it() {
    let receiver = Receiver::start(500);
    let mut server = Server::with(SETTINGS);
    let mut client = server.client();
    // Of before there was an endpoint.
    client.post("/v1/decisions", &payment(0).to_string()).ok();
    let (endpoint, secret) = add(&mut client, &receiver.url(), &["*"]);
    let mut decided = BTreeMap::new();
    for number in 1..=20 {
        let body = payment(number);
        let answer = client.post("/v1/decisions", &body.to_string()).ok();
        decided.insert(body["event_id"].as_str().unwrap().to_owned(), answer);
    }
    let label = json!({
        "event_id": "e3", "label": "fraud", "source": "analyst", "label_timestamp": minute(40 * 24),
    });
    client.post("/v1/labels", &label.to_string()).ok();
    until(|| (receiver.got().len() > 5).then_some(()));
    server.kill();
    server.launch();
    let mut client = server.client();
    for number in 21..=25 {
        let body = payment(number);
        let answer = client.post("/v1/decisions", &body.to_string()).ok();
        decided.insert(body["event_id"].as_str().unwrap().to_owned(), answer);
    }
    // Still refused: killed once more, in the middle of attempts.
    until(|| (receiver.got().len() > 60).then_some(()));
    server.kill();
    receiver.answer_with(200);
    server.launch();
    let mut client = server.client();
    let policy = json!({ "fallback": "review", "thresholds": { "challenge": 300, "review": 600, "decline": 900 } });
    put(&mut client, "/v1/policy", &policy).ok();
    let path = format!("/v1/webhooks/{endpoint}/deliveries?state=delivered&limit=100");
    let delivered = until(|| {
        let page = client.get(&path).ok();
        let rows = page["deliveries"].as_array().unwrap().clone();
        (rows.len() == decided.len() + 2).then_some(rows)
    });
    let mut ids: Vec<&str> = delivered
        .iter()
        .map(|it| it["webhook_id"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), decided.len() + 2, "each of them once");

    let got = receiver.accepted();
    let mut told = BTreeMap::new();
    for it in &got {
        let body: Value = serde_json::from_slice(&it.body).unwrap();
        assert_eq!(it.header("webhook-id"), body["id"].as_str().unwrap());
        told.insert(body["id"].as_str().unwrap().to_owned(), body);
    }
    let of = |kind: &str| -> Vec<&Value> {
        let all = told.values();
        all.filter(|it| it["type"] == kind)
            .map(|it| &it["data"])
            .collect()
    };
    let decisions = of("decision.created");
    assert_eq!(decisions.len(), decided.len());
    for data in decisions {
        let answer = &decided[data["event"]["event_id"].as_str().unwrap()];
        for field in [
            "event_id",
            "decision",
            "score",
            "position",
            "model_version",
            "degraded",
        ] {
            assert_eq!(data["decision"][field], answer[field], "{field}");
        }
        assert_eq!(data["event"]["event_type"], "payment");
    }
    assert_eq!(of("label.recorded")[0]["event_id"], "e3");
    assert_eq!(of("policy.changed")[0]["version"], 2);

    // As a receiver checks it: by the command, which needs no server, and by a program of another author.
    let valid = verify(&server, &secret, &got[0], &got[0].body);
    assert!(valid.status.success(), "{valid:?}");
    let mut altered = got[0].body.clone();
    altered[30] ^= 1;
    let refused = verify(&server, &secret, &got[0], &altered);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let by_openssl = openssl(&secret, &got[0]);
    assert_eq!(got[0].header("webhook-signature"), by_openssl);
    // A decision has the trace of its request, also at an attempt of a later process.
    let first = got.iter().find(|it| {
        let body: Value = serde_json::from_slice(&it.body).unwrap();
        body["data"]["event"]["event_id"] == "e1"
    });
    let trace = first.unwrap().header("traceparent");
    assert_eq!(trace.split('-').nth(1), decided["e1"]["trace_id"].as_str());
    let metrics = server.admin().get("/metrics");
    assert!(
        metrics
            .text()
            .contains("ringfence_webhook_delivered_total ")
    );
}

/// The signature that openssl makes of the same.
fn openssl(secret: &str, got: &Received) -> String {
    let script = r#"key=$(printf %s "$1" | base64 -d | od -An -v -tx1 | tr -d ' \n')
        { printf '%s.%s.' "$2" "$3"; cat "$4"; } |
        openssl dgst -sha256 -mac HMAC -macopt hexkey:$key -binary | base64"#;
    let folder = tempfile::TempDir::new().unwrap();
    let body = folder.path().join("body");
    fs::write(&body, &got.body).unwrap();
    let output = Command::new("sh")
        .args(["-c", script, "sh", secret.strip_prefix("whsec_").unwrap()])
        .args([got.header("webhook-id"), got.header("webhook-timestamp")])
        .arg(body)
        .output()
        .unwrap();
    format!("v1,{}", String::from_utf8(output.stdout).unwrap().trim())
}

#[test]
fn an_alert_and_what_is_done_with_its_case_are_told() {
    let receiver = Receiver::start(200);
    let server = Server::with(SETTINGS);
    let (mut client, mut admin) = (server.client(), cases::admin(&server));
    cases::open(&mut client, &mut admin, 1);
    // Of before there was an endpoint.
    add(
        &mut client,
        &receiver.url(),
        &["alert.created", "case.updated"],
    );
    let mut event = payment(9);
    event["account"] = json!("of-another-case");
    event["device"] = json!("its-phone");
    client.post("/v1/decisions", &event.to_string()).ok();
    let told = |action: &str| -> Value {
        until(|| {
            let got = receiver.accepted();
            let mut bodies = got
                .iter()
                .map(|it| serde_json::from_slice(&it.body).unwrap());
            bodies.find(|it: &Value| it["data"]["action"] == action)
        })
    };
    let body = told("alert.created");
    assert_eq!(body["type"], "alert.created");
    let target = body["data"]["target"].as_str().unwrap();
    assert!(target.starts_with("alert:"), "{body}");
    let case = cases::listed(&mut client, "shelf=open")[0]["id"]
        .as_i64()
        .unwrap();
    let path = format!("/v1/cases/{case}");
    let version = cases::version(&mut client, &path);
    let path = format!("{path}/claim");
    let claimed = client.send("POST", &path, &[("If-Match", &version)], None);
    claimed.unwrap().ok();
    let body = told("case.claimed");
    assert_eq!(body["type"], "case.updated");
    assert_eq!(body["data"]["target"], format!("case:{case}"));
    // The first alert is not among them.
    let got = receiver.accepted();
    let bodies = got.iter().map(|it| String::from_utf8_lossy(&it.body));
    let alerts = bodies.filter(|it| it.contains("\"type\":\"alert.created\""));
    assert_eq!(alerts.count(), 1);
}

#[test]
fn what_is_not_taken_changes_nothing() {
    let server = Server::with("[webhooks]\nendpoints_max = 2\n");
    let mut client = server.client();
    let short = "whsec_c2hvcnQ=";
    let good = "https://hooks.example.org/in";
    for (body, code, field) in [
        (
            json!({ "url": "http://example.org/", "kinds": ["*"] }),
            "webhook_url",
            json!("url"),
        ),
        (
            json!({ "url": "https://127.0.0.1/", "kinds": ["*"] }),
            "webhook_address",
            json!("url"),
        ),
        (
            json!({ "url": "https://[::ffff:10.0.0.1]/", "kinds": ["*"] }),
            "webhook_address",
            json!("url"),
        ),
        (
            json!({ "url": "https://2130706433/", "kinds": ["*"] }),
            "webhook_url",
            json!("url"),
        ),
        (
            json!({ "url": good, "kinds": [] }),
            "webhook_kind",
            json!("kinds"),
        ),
        (
            json!({ "url": good, "kinds": ["decision"] }),
            "webhook_kind",
            json!("kinds"),
        ),
        (
            json!({ "url": good, "kinds": ["*"], "secret": short }),
            "secret_too_short",
            json!("secret"),
        ),
        (
            json!({ "url": good, "kinds": ["*"], "secret": "hunter2" }),
            "secret_format",
            json!("secret"),
        ),
        (
            json!({ "url": good, "kinds": ["*"], "description": "x".repeat(257) }),
            "too_long",
            json!("description"),
        ),
        (
            json!({ "url": good, "kinds": ["*"], "colour": "red" }),
            "not_json",
            json!("colour"),
        ),
        (json!({ "kinds": ["*"] }), "not_json", json!("url")),
    ] {
        let refused = client.post("/v1/webhooks", &body.to_string());
        assert_eq!((refused.status, &*refused.code()), (400, code), "{body}");
        assert_eq!(refused.json()["detail"]["field"], field, "{body}");
    }
    assert_eq!(client.get("/v1/webhooks").ok()["webhooks"], json!([]));
    assert_eq!(client.get("/v1/webhooks/ep_0").code(), "not_found");

    let (one, _) = add(&mut client, good, &["alert.created"]);
    let (other, _) = add(&mut client, good, &["*"]);
    let body = json!({ "url": good, "kinds": ["*"] });
    let refused = client.post("/v1/webhooks", &body.to_string());
    assert_eq!((refused.status, &*refused.code()), (409, "webhooks_max"));
    let secret = client.get(&format!("/v1/webhooks/{one}")).ok()["secrets"][0]["id"].clone();
    let secret = secret.as_str().unwrap();
    let refused = client.post(&format!("/v1/webhooks/{one}/secrets/{secret}/expire"), "{}");
    assert_eq!((refused.status, &*refused.code()), (409, "last_secret"));
    let past = json!({ "expires_at": "2020-01-01T00:00:00Z" }).to_string();
    let refused = client.post(
        &format!("/v1/webhooks/{one}/secrets/{secret}/expire"),
        &past,
    );
    assert_eq!((refused.status, &*refused.code()), (400, "expires_in_past"));
    let off = json!({ "url": good, "kinds": ["*"], "enabled": false });
    put(&mut client, &format!("/v1/webhooks/{one}"), &off).ok();
    let refused = client.post(&format!("/v1/webhooks/{one}/test"), "");
    assert_eq!(
        (refused.status, &*refused.code()),
        (409, "webhook_disabled")
    );
    // One endpoint's delivery is not another's.
    let delivery = client.post(&format!("/v1/webhooks/{other}/test"), "").ok()["delivery"].clone();
    client
        .get(&format!("/v1/webhooks/{other}/deliveries/{delivery}"))
        .ok();
    for path in [
        format!("/v1/webhooks/{one}/deliveries/{delivery}"),
        format!("/v1/webhooks/{other}/deliveries/x"),
        format!("/v1/webhooks/{other}/deliveries/-1"),
    ] {
        assert_eq!(client.get(&path).code(), "not_found", "{path}");
    }
    for query in ["state=lost", "cursor=1", "limit=101", "limit=0"] {
        let path = format!("/v1/webhooks/{other}/deliveries?{query}");
        assert_eq!(client.get(&path).code(), "parameter_format", "{query}");
    }
    let reason = [("X-Change-Reason", &*"x".repeat(513))];
    let path = format!("/v1/webhooks/{one}");
    let refused = client.send("DELETE", &path, &reason, None).unwrap();
    assert_eq!((refused.status, &*refused.code()), (400, "header_format"));
    client.send("DELETE", &path, &[], None).unwrap().ok();
    assert_eq!(client.get(&path).code(), "not_found");
}

#[test]
fn an_erased_tenant_s_webhooks_end_with_it_and_no_other_s() {
    let server = Server::with(SETTINGS);
    let (hanging, quick) = (Receiver::start(0), Receiver::start(200));
    let token = server.new_tenant("acme");
    let mut acme = server.client_of("acme", &token);
    add(&mut acme, &hanging.url(), &["*"]);
    let mut other = server.client();
    let (id, _) = add(&mut other, &quick.url(), &["*"]);
    // The other tenant's endpoint is nobody's here.
    assert_eq!(acme.get(&format!("/v1/webhooks/{id}")).code(), "not_found");
    for number in 0..8 {
        acme.post("/v1/decisions", &payment(number).to_string())
            .ok();
    }
    until(|| (hanging.got().len() == 4).then_some(()));
    other.post("/v1/decisions", &payment(77).to_string()).ok();
    let got = until(|| quick.got().pop());
    assert!(String::from_utf8_lossy(&got.body).contains("\"e77\""));

    let erased = server
        .admin()
        .send("DELETE", "/v1/tenants/acme", &[], None)
        .unwrap()
        .ok();
    assert_eq!(erased["left"], 0);
    assert!(!server.data().join("acme").exists());
    // Whoever has read its log lets go of it.
    until(|| {
        let open = fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap();
        let mut open = open.filter_map(|it| fs::read_link(it.unwrap().path()).ok());
        (!open.any(|it| it.to_string_lossy().contains("acme"))).then_some(())
    });
    // A tenant of the same name begins with nothing.
    let token = server.new_tenant("acme");
    let mut acme = server.client_of("acme", &token);
    assert_eq!(acme.get("/v1/webhooks").ok()["webhooks"], json!([]));
    let (_, _) = add(&mut acme, &quick.url(), &["*"]);
    acme.post("/v1/decisions", &payment(99).to_string()).ok();
    until(|| (quick.got().len() >= 2).then_some(()));
    assert_eq!(hanging.got().len(), 4);
}

#[test]
fn the_command_speaks_to_the_server_from_the_first_endpoint_to_the_last() {
    let server = Server::with(SETTINGS);
    let receiver = Receiver::start(503);
    let (url, token) = (format!("http://{}", server.address), server.token(&[]));
    let run = |args: &[&str]| -> Value {
        let mut command = server.command(&["--json", "webhooks"]);
        let output = command
            .args(args)
            .args(["--to", &url, "--token", &token])
            .output()
            .unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let made = run(&[
        "add",
        &receiver.url(),
        "--kind",
        "model.changed",
        "--why",
        "a first one",
    ]);
    let id = made["webhook"]["id"].as_str().unwrap();
    let first = made["webhook"]["secrets"][0]["id"].as_str().unwrap();
    let listed = run(&["ls"]);
    assert_eq!(listed["webhooks"][0]["id"], id);
    let delivery = run(&["test", id])["delivery"].to_string();
    until(|| (!receiver.got().is_empty()).then_some(()));
    let pending = run(&["deliveries", id, "--state", "pending"]);
    assert_eq!(pending["deliveries"][0]["error"], "status");
    let second = run(&["secret", id]);
    assert!(second["secret"].as_str().unwrap().starts_with("whsec_"));
    run(&["secret", id, "--expire", first]);
    receiver.answer_with(200);
    until(|| {
        let one = run(&["deliveries", id, &delivery]);
        (one["state"] == "delivered").then_some(())
    });
    let last = receiver.accepted().pop().unwrap();
    assert_eq!(last.header("webhook-signature").split(' ').count(), 1);
    let secret = second["secret"].as_str().unwrap();
    assert!(verify(&server, secret, &last, &last.body).status.success());
    run(&["redeliver", id, &delivery]);
    until(|| (receiver.accepted().len() >= 2).then_some(()));
    assert_eq!(run(&["redeliver", id])["deliveries"], 0);
    let set = run(&["set", id, "--enabled", "false", "--kind", "alert.created"]);
    assert_eq!(
        (&set["enabled"], &set["kinds"]),
        (&json!(false), &json!(["alert.created"]))
    );
    assert_eq!(set["url"], receiver.url());
    run(&["rm", id]);
    assert_eq!(run(&["ls"])["webhooks"], json!([]));
    let mut command = server.command(&["webhooks", "test", "../tenants", "--to", &url]);
    let output = command.args(["--token", &token]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("not_found"),
        "{output:?}"
    );
}

/// A fenced block of the page.
fn block(page: &str, language: &str, having: &str) -> String {
    let fence = format!("```{language}\n");
    let blocks = page.split(&fence).skip(1);
    let mut blocks = blocks.filter_map(|it| it.split("```").next());
    blocks.find(|it| it.contains(having)).unwrap().to_owned()
}

#[test]
fn the_page_s_own_example_of_a_signature_is_valid() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/webhooks.md");
    let page = fs::read_to_string(page).unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_ringfence"));
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", binary.parent().unwrap().display());
    let run = |program: &str, script: String| {
        let mut command = Command::new(program);
        let command = command.args(["-c", &script]).current_dir(folder.path());
        let output = command.env("PATH", &path).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let said = run("sh", block(&page, "sh", "webhooks verify"));
    assert_eq!(said.trim(), "the signature is valid");
    let said = run("python3", block(&page, "python", "hmac"));
    assert_eq!(said.trim(), "True");
}
