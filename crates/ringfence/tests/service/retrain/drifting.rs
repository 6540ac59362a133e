//! Retrains and the watch over drift of a running server: drift makes a candidate and nothing more, faulty data none.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{SETTINGS, World, serving, status, until};
use crate::client::Client;
use crate::server::{SOON, Server};

/// Long enough a training for a reference; what comes behind `IMPORTED` is decided, day by day.
const WORLD: World = World {
    days: 75,
    trained_until: "2026-02-05T00:00:00Z",
    imported_until: "2026-03-06T00:00:00Z",
};
/// Fewer than wait for a tenant without one being shed.
const BATCH: usize = 250;

/// The events behind the import, in their order.
struct Later {
    events: Vec<String>,
    decided: usize,
}

impl Later {
    /// With what a test does to each.
    fn changed(server: &Server, change: impl Fn(&mut Value)) -> Later {
        let stream = server.data().parent().unwrap().join("world/stream.jsonl");
        let lines = fs::read_to_string(stream).unwrap();
        let events = lines.lines().filter_map(|line| {
            let mut event: Value = serde_json::from_str(line).unwrap();
            if event["event_timestamp"].as_str()? < WORLD.imported_until {
                return None;
            }
            // A login has none.
            if event["amount"].is_string() {
                change(&mut event);
            }
            Some(event.to_string())
        });
        Later {
            events: events.collect(),
            decided: 0,
        }
    }

    /// Decides until it is so, or all are decided and it comes soon.
    fn until(&mut self, client: &mut Client, mut so: impl FnMut(&mut Client) -> bool) {
        for batch in self.events[self.decided..].chunks(BATCH) {
            let answers = client.post_lines("/v1/decisions:batch", &batch.join("\n"));
            let refused = answers
                .lines()
                .into_iter()
                .find(|it| !it["error"].is_null());
            assert_eq!((answers.status, refused), (200, None));
            self.decided += batch.len();
            if so(client) {
                return;
            }
        }
        let end = Instant::now() + SOON;
        while !so(client) {
            let drift = client.get("/v1/drift");
            assert!(Instant::now() < end, "{}", drift.text());
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A machine that others use answers late.
fn patient() -> String {
    format!("[requests]\ndeadline = \"50s\"\n{SETTINGS}")
}

fn metric(server: &Server, line: &str) {
    let end = Instant::now() + SOON;
    loop {
        let scraped = server.admin().get("/metrics");
        if scraped.text().lines().any(|it| it == line) {
            return;
        }
        assert!(Instant::now() < end, "no {line} in\n{}", scraped.text());
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn drift_makes_a_candidate_that_is_watched_and_does_not_serve() {
    let settings = patient().replace(
        "shadow = \"1s\"",
        "shadow = \"1h\"\npromote = \"automatic\"",
    );
    let server = WORLD.served(&settings);
    let mut client = server.client();
    let champion = serving(&mut client);
    assert_eq!(client.get("/v1/retrain").ok()["retrains"], json!([]));
    // Amounts lose their spread, and nothing that a field of an event is checked for.
    let mut later = Later::changed(&server, |event| event["amount"] = json!("40.00"));
    later.until(&mut client, |client| {
        let drift = client.get("/v1/drift").ok();
        let alerts = drift["alerts"].as_array().unwrap();
        alerts.iter().any(|it| it["data_quality"] == false)
    });
    let told = until(&mut client, &json!(1), "shadowing");
    let trigger = &told["trigger"];
    assert_eq!(
        (&trigger["kind"], &told["by"]),
        (&json!("drift"), &json!("retrain"))
    );
    let alerts = client.get("/v1/drift").ok();
    let alerts = alerts["alerts"].as_array().unwrap().clone();
    let alert = alerts.iter().find(|it| it["number"] == trigger["alert"]);
    let alert = alert.unwrap();
    assert_eq!(alert["data_quality"], false);
    assert_eq!(
        (&alert["feature"], &alert["kind"]),
        (&trigger["feature"], &trigger["rule"])
    );
    // Gates have let it through, and still it only watches.
    assert_ne!(told["verdicts"][0]["verdict"], "refuse");
    assert_eq!(status(&mut client, &told["trained"]["model"]), "shadow");
    assert_eq!(serving(&mut client), champion);
    let begun = "ringfence_retrains_begun_total{tenant=\"default\",trigger=\"drift\"} 1";
    metric(&server, begun);
}

#[test]
fn faulty_data_keep_retrains_from_beginning() {
    let server = WORLD.served(&patient());
    let mut client = server.client();
    // Cents where units are meant.
    let mut later = Later::changed(&server, |event| {
        let amount: f64 = event["amount"].as_str().unwrap().parse().unwrap();
        event["amount"] = json!(format!("{:.2}", amount * 100.0));
    });
    later.until(&mut client, |client| {
        !client.get("/v1/retrain").ok()["blocked"].is_null()
    });
    metric(&server, "ringfence_retrain_blocked{tenant=\"default\"} 1");
    let listed = client.get("/v1/retrain").ok();
    let blocked = &listed["blocked"];
    assert_eq!(blocked["code"], "retrain_blocked");
    let alerts = blocked["alerts"].as_array().unwrap();
    let unit = alerts
        .iter()
        .find(|it| it["rule"] == "unit" && it["feature"] == "amount");
    assert!(unit.is_some(), "{blocked}");
    let says = blocked["says"].as_str().unwrap();
    assert!(says.starts_with("data are at fault: "), "{says}");
    let refused = client.post("/v1/retrain", "");
    let problem = refused.json();
    assert_eq!(
        (refused.status, &problem["code"]),
        (409, &json!("retrain_blocked"))
    );
    assert_eq!(problem["detail"]["alerts"], blocked["alerts"]);
    // Nor does the server begin one itself, as more of them come.
    let more = later.decided + 4 * BATCH;
    while later.decided < more {
        later.until(&mut client, |_| true);
    }
    metric(&server, "ringfence_retrain_blocked{tenant=\"default\"} 1");
    assert_eq!(client.get("/v1/retrain").ok()["retrains"], json!([]));
}
