//! A tenant's schema is replaced while the server runs, and while it is killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use event::Schema;
use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::server::{SOON, Server, minute, payment};

const DEFAULT: &str = include_str!("../../../../schemas/default.toml");
const HANDBOOK: &str = include_str!("../../../../schemas/handbook.toml");

fn put(client: &mut Client, schema: &str) -> std::io::Result<Answer> {
    let body = json!({ "schema": schema }).to_string();
    client.send("PUT", "/v1/schema", &[], Some(body.as_bytes()))
}

fn hash(schema: &str) -> String {
    Schema::parse(schema).unwrap().hash().hex()
}

#[test]
fn the_schema_is_free_until_the_first_event_and_fixed_from_then_on() {
    let mut server = Server::start();
    let mut client = server.client();
    let broken = DEFAULT.replacen("[labels]", "[labels", 1);
    let line = 1 + DEFAULT[..DEFAULT.find("[labels]").unwrap()]
        .matches('\n')
        .count();
    for (text, detail) in [
        (broken, json!({ "field": null, "line": line })),
        (
            DEFAULT.replacen("maturity = \"14d\"", "maturity = \"31d\"", 1),
            json!({ "field": "labels.maturity", "line": null }),
        ),
    ] {
        let refused = put(&mut client, &text).unwrap();
        assert_eq!((refused.status, refused.code().as_str()), (400, "schema"));
        assert_eq!(refused.json()["detail"], detail, "{}", refused.text());
    }
    // The starter's model does not fit, and its policy has an event type that is not there any more.
    let done = put(&mut client, HANDBOOK).unwrap().ok();
    assert_eq!(done["hash"], hash(HANDBOOK));
    assert_eq!(
        (&done["changed"], &done["policy"]),
        (&json!(true), &json!("reset"))
    );
    let reason = done["policy_reason"].as_str().unwrap();
    assert!(reason.contains("cash_withdrawal"), "{done}");
    assert_eq!(client.get("/v1/policy").ok()["policy"], Value::Null);
    assert_eq!(client.get("/v1/schema").ok()["name"], "handbook");
    assert_eq!(client.get("/v1/models").ok()["models"], json!([]));
    let event = json!({
        "event_id": "h1", "event_type": "payment", "event_timestamp": minute(1),
        "account": "a", "terminal": "t", "amount": "5.00",
    });
    let old = client.post("/v1/decisions", &payment(1).to_string());
    assert_eq!((old.status, old.code().as_str()), (400, "unknown_value"));
    assert!(old.text().contains("merchant"), "{}", old.text());
    // Back: the starter serves again, with its own policy, as nobody had set one.
    let done = put(&mut client, DEFAULT).unwrap().ok();
    assert_eq!(
        (&done["changed"], &done["policy"]),
        (&json!(true), &json!("reset"))
    );
    let refused = client.post("/v1/decisions", &event.to_string());
    assert_eq!(refused.status, 400, "{}", refused.text());
    let decided = client.post("/v1/decisions", &payment(1).to_string()).ok();
    assert_eq!(decided["source"], "model");

    let refused = put(&mut client, HANDBOOK).unwrap();
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (409, "schema_fixed")
    );
    let told = refused.json();
    let differences = told["detail"]["differences"].as_array().unwrap();
    assert!(
        differences.contains(&json!("kinds.card is missing")),
        "{told}"
    );
    let message = told["message"].as_str().unwrap();
    assert!(
        message.contains("kinds.card is missing") && message.contains("import"),
        "{message}"
    );
    let same = json!({
        "hash": hash(DEFAULT), "changed": false, "policy": "kept", "policy_reason": null,
        "rates": "kept", "rates_reason": null, "rules": "kept", "rules_reason": null, "drift": "kept",
        "drift_reason": null, "lists_dropped": [],
    });
    assert_eq!(put(&mut client, DEFAULT).unwrap().ok(), same);
    server.kill();
    server.launch();
    let again = server
        .client()
        .post("/v1/decisions", &payment(1).to_string());
    assert_eq!(again.ok()["duplicate"], true);
}

/// Asks for one schema after the other; what was answered last, and what was asked for after it.
fn change(mut client: Client, answered: &AtomicU32) -> (Option<Value>, String) {
    let mut last = None;
    for schema in [HANDBOOK, DEFAULT].into_iter().cycle() {
        match put(&mut client, schema) {
            Ok(answer) => {
                last = Some(answer.ok()["hash"].clone());
                answered.fetch_add(1, Ordering::SeqCst);
            }
            Err(_) => return (last, hash(schema)),
        }
    }
    unreachable!("it asks until the server is gone")
}

#[test]
fn a_kill_in_the_middle_leaves_one_schema_or_the_other() {
    let mut server = Server::start();
    let mut held = json!(hash(DEFAULT));
    let mut state: u64 = 0x5eed_0016;
    eprintln!("seed {state}");
    for round in 0..12 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let client = server.client();
        let answered = Arc::new(AtomicU32::new(0));
        let counted = answered.clone();
        let asking = thread::spawn(move || change(client, &counted));
        // In the first change, or somewhere behind it.
        let end = Instant::now() + SOON;
        while answered.load(Ordering::SeqCst) < round % 3 {
            assert!(Instant::now() < end, "no change within {SOON:?}");
            thread::yield_now();
        }
        thread::sleep(Duration::from_millis((state >> 33) % 60));
        server.kill();
        let (answered, asked) = asking.join().unwrap();
        server.launch();
        let now = server.client().get("/v1/schema").ok()["hash"].clone();
        let before = answered.unwrap_or(held);
        assert!(
            now == before || now == json!(asked),
            "{now}: after {before}, asked for {asked}"
        );
        let left: Vec<_> = std::fs::read_dir(server.data())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with(".schema"))
            .collect();
        assert_eq!(left, Vec::<String>::new());
        held = now;
    }
    put(&mut server.client(), DEFAULT).unwrap().ok();
    server
        .client()
        .post("/v1/decisions", &payment(1).to_string())
        .ok();
}
