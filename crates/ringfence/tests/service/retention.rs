//! Old segments go under load and under SIGKILL: what is young enough is never lost, and what is left opens.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use node::{History, Place, Tenant};
use serde_json::{Value, json};

use crate::client::Client;
use crate::models;
use crate::server::{SOON, Server, minute};

const SETTINGS: &str = "[snapshot]\nrecords = 60\n[commit]\nsegment_bytes = \"8KiB\"\n[retention.tenants.default]\nkeep = \"2d\"\n";
/// Minutes between events: 24 a day.
const STEP: i64 = 60;

fn payment(number: i64) -> Value {
    json!({
        "event_id": format!("e{number}"),
        "event_type": "payment",
        "event_timestamp": minute(number * STEP),
        "account": format!("a{}", number % 7),
        "merchant": format!("m{}", number % 3),
        "amount": "10.50",
    })
}

/// Events without a decision: that would be stamped with today, and its segment be as young.
fn send(mut client: Client, from: i64) -> i64 {
    let mut next = from;
    while next < 24 * 29 {
        let body = payment(next).to_string();
        let answer = client.send("POST", "/v1/events", &[], Some(body.as_bytes()));
        let Ok(answer) = answer else { break };
        answer.ok();
        next += 1;
    }
    next
}

#[test]
fn kills_while_segments_go_lose_nothing_that_is_kept() {
    let mut server = Server::set_up(SETTINGS);
    let schema = include_str!("../../../../schemas/default.toml")
        .replace("horizon = \"180d\"", "horizon = \"2d\"")
        .replace("maturity = \"14d\"", "maturity = \"1d\"")
        .replace("dedup_window = \"7d\"", "dedup_window = \"1d\"");
    fs::create_dir_all(server.data()).unwrap();
    let file = server.data().join("schema.toml");
    fs::write(&file, schema).unwrap();
    let made = server
        .command(&["init", "--schema", file.to_str().unwrap()])
        .output();
    assert!(made.unwrap().status.success());
    server.launch();
    let (mut next, mut kills) = (0, 0);
    while next < 24 * 29 {
        let client = server.client();
        let sender = thread::spawn(move || send(client, next));
        thread::sleep(Duration::from_millis(20 + kills * 37 % 130));
        server.kill();
        // One may have been recorded without its answer: it is sent again.
        next = sender.join().unwrap();
        kills += 1;
        server.launch();
        let mut client = server.client();
        for number in (next - 24).max(0)..next {
            let again = client.post("/v1/events", &payment(number).to_string()).ok();
            assert_eq!(
                again["status"], "duplicate",
                "e{number} after {kills} kills"
            );
        }
    }
    assert!(kills >= 3, "{kills}");
    // How soon snapshots come, which let old segments go, a busy machine decides.
    let mut client = server.client();
    let place = Place::new(&server.data(), "default").unwrap();
    let end = Instant::now() + SOON;
    // A reader that opens while its first segment goes says so.
    let first = || History::open(&place).map(|it| it.first().0);
    while !first().is_ok_and(|it| it > 100) {
        assert!(Instant::now() < end, "nothing goes");
        client.post("/v1/events", &payment(next).to_string()).ok();
        next += 1;
    }
    // A model whose channel would need what is gone says so, and nothing is changed.
    let hash = client.get("/v1/schema").ok()["hash"]
        .as_str()
        .unwrap()
        .to_owned();
    let model = models::speaking(&hash);
    assert_eq!(models::upload(&mut client, &model).status, 201);
    let refused = models::activate(&mut client, &models::identity(&model));
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (409, "history_removed")
    );
    assert!(client.get("/v1/models").ok()["activation"].is_null());
    server.stop();
    let said = server
        .command(&["--json", "log", "verify"])
        .output()
        .unwrap();
    assert!(said.status.success(), "{said:?}");
    let (tenant, _) = Tenant::open(&place, Default::default(), |_, _| {}).unwrap();
    let digest: String = tenant
        .engine()
        .digest()
        .iter()
        .map(|it| format!("{it:02x}"))
        .collect();
    drop(tenant);
    assert_eq!(
        server.digest(),
        digest,
        "from the oldest snapshot, and from the newest"
    );
    let refused = server.command(&["train"]).output().unwrap();
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        said.contains("retention removed what came before"),
        "{said}"
    );
}
