//! What labels say of the model that decided: told of a day once it is old enough, and the same after a restart.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::Client;
use crate::server::Server;

const EVENTS: usize = 20;

fn decide(client: &mut Client, id: &str, at: &str) -> Value {
    let event = json!({
        "event_id": id, "event_type": "payment", "event_timestamp": at,
        "account": format!("ann-{id}"), "merchant": "shop", "device": "phone", "amount": "12.50",
    });
    client.post("/v1/decisions", &event.to_string()).ok()
}

fn decay(client: &mut Client) -> Vec<Value> {
    let told = client.get("/v1/drift").ok();
    told["decay"].as_array().unwrap().clone()
}

/// The log is followed a moment behind.
fn told(client: &mut Client) -> Vec<Value> {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let told = decay(client);
        if !told.is_empty() {
            return told;
        }
        assert!(Instant::now() < end, "no day is told");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_day_of_the_model_that_decided_is_told_when_its_labels_are_mature() {
    let mut server = Server::start();
    let mut client = server.client();
    let ids: Vec<String> = (0..EVENTS).map(|at| format!("e{at}")).collect();
    let answers: Vec<Value> = (ids.iter().zip(0..))
        .map(|(id, minute)| {
            let at = format!("2026-01-05T10:{minute:02}:00Z");
            decide(&mut client, id, &at)
        })
        .collect();
    let known = ids.iter().zip(&answers);
    let known: Vec<&String> = known
        .filter(|(_, answer)| answer["decision"] != "decline")
        .map(|(id, _)| id)
        .collect();
    assert!(known.len() > 3, "{answers:?}");
    for id in &known[..3] {
        let label = json!({
            "event_id": id, "label": "fraud", "source": "chargeback",
            "label_timestamp": "2026-01-07T00:00:00Z",
        });
        client.post("/v1/labels", &label.to_string()).ok();
    }
    // A minute before the day's labels are mature, and the minute itself: maturity is 14 days.
    decide(&mut client, "young", "2026-01-19T23:59:00Z");
    let young = decay(&mut client);
    decide(&mut client, "old", "2026-01-20T00:00:00Z");
    let days = told(&mut client);
    assert_eq!(young, [Value::Null; 0]);
    let [day] = &days[..] else { panic!("{days:?}") };
    assert_eq!(day["day"], "2026-01-05T00:00:00.000Z");
    // Decisions say of the starter model that it is one.
    let version = answers[0]["model_version"].as_str().unwrap();
    assert!(version.starts_with("starter-"), "{version}");
    assert_eq!(day["model_version"], version);
    assert_eq!(
        (&day["decided"], &day["known"], &day["frauds"]),
        (&json!(EVENTS), &json!(known.len()), &json!(3))
    );
    assert_eq!(day["frauds_came"], 3.0);
    let ap = day["ap"]["value"].as_f64().unwrap();
    let metrics = server.admin().get("/metrics").text().to_owned();
    let gauge = |name: &str| -> f64 {
        let all = metrics.lines();
        let line = all
            .filter(|it| it.starts_with(name))
            .find(|it| it.contains("tenant=\"default\""));
        let line = line.unwrap_or_else(|| panic!("no {name}"));
        line.rsplit_once(' ').unwrap().1.parse().unwrap()
    };
    assert!((gauge("ringfence_model_ap{") - ap).abs() < 1e-9);
    let error = day["calibration_error"].as_f64().unwrap();
    assert!((gauge("ringfence_model_calibration_error{") - error).abs() < 1e-9);
    assert_eq!(gauge("ringfence_model_matured_frauds{"), 3.0);
    server.kill();
    server.launch();
    assert_eq!(told(&mut server.client()), days);
}
