//! What becomes of a model while it serves, as webhooks tell it: an alert of drift, once, whatever happens to the server.

use std::collections::BTreeSet;

use drift::Builder;
use event::{EventTime, Schema, Span};
use graph::FeatureList;
use node::Place;
use serde_json::{Value, json};
use steward::job::{self, Ended, Job, Order, Outcome, Shadow, Trigger, Verdict};

use crate::client::{Answer, Client};
use crate::collector::Collector;
use crate::models::{activate, identity, upload, variant};
use crate::server::{Server, payment};
use crate::traces;
use crate::webhooks::receiver::Receiver;
use crate::webhooks::{SETTINGS, add, until};

const SCHEMA: &str = include_str!("../../../../schemas/default.toml");
const REFERENCE_DAYS: i64 = 29;
const STEP_MINUTES: i64 = 20;
const COUNT: u32 = 700;

/// The starter model with a reference of a month in which amounts went from ten to two hundred and nothing else moved.
fn watched() -> Vec<u8> {
    let schema = Schema::parse(SCHEMA).unwrap();
    let features = FeatureList::new(&schema);
    let (columns, sources, by) = learning::reference::columns(&schema, &features);
    let amount = columns.iter().position(|it| it.name == "amount").unwrap();
    let mut row = vec![1.0; columns.len() - 1];
    let mut builder = Builder::new(columns, sources, by);
    let end = node::clock::now().unwrap().minus(Span::days(40)).millis();
    let steps = REFERENCE_DAYS * 24 * 60 / STEP_MINUTES;
    for step in 0..steps {
        row[amount] = amount_of(step as u32);
        builder.push(end - (steps - step) * STEP_MINUTES * 60_000, &row, -8.0);
    }
    let reference = builder.build(|_| "payments".to_owned()).unwrap();
    variant(|it| it.reference = Some(reference.encode().unwrap()))
}

fn amount_of(step: u32) -> f32 {
    10.0 * 1.35_f32.powi((step * 7 % 11) as i32)
}

/// A watched model in service, and what it makes of cents where its reference has euros: half a day of payments from
/// the `first` on, as a rule over shares needs its hundreds.
pub fn drift(client: &mut Client, first: u32) -> (Vec<u8>, Answer) {
    let model = watched();
    assert_eq!(upload(client, &model).status, 201);
    assert_eq!(activate(client, &identity(&model)).status, 200);
    let lines: Vec<String> = (first..first + COUNT)
        .map(|number| {
            let mut event = payment(number);
            event["amount"] = json!(format!("{:.2}", 100.0 * amount_of(number)));
            event.to_string()
        })
        .collect();
    let answers = client.post_lines("/v1/decisions:batch", &lines.join("\n"));
    assert_eq!(answers.lines().len(), COUNT as usize);
    (model, answers)
}

#[test]
fn an_alert_of_drift_is_told_once_with_feature_window_values_and_events() {
    let receiver = Receiver::start(200);
    let collector = Collector::start(&[200]);
    let traced = traces::settings(&collector, 0.0);
    let mut server = Server::with(&format!("{SETTINGS}{traced}"));
    let mut client = server.client();
    add(
        &mut client,
        &receiver.url(),
        &["drift.alert", "decision.created"],
    );
    let (model, answers) = drift(&mut client, 0);
    let decided = answers.lines();
    let told = || -> Vec<Value> {
        let got = receiver.got();
        let bodies = got
            .iter()
            .map(|it| serde_json::from_slice(&it.body).unwrap());
        bodies
            .filter(|it: &Value| it["type"] == "drift.alert")
            .collect()
    };
    let unit = until(|| told().into_iter().find(|it| it["data"]["kind"] == "unit"));
    let data = &unit["data"];
    assert_eq!(data["feature"], "amount", "{unit}");
    assert_eq!(data["data_quality"], true);
    assert_eq!(data["model"], identity(&model));
    let of = |name: &str| data[name].as_f64().unwrap();
    let times = of("value") / of("baseline");
    assert!((90.0..110.0).contains(&times), "{unit}");
    let at = |name: &str| EventTime::parse_iso(data[name].as_str().unwrap()).unwrap();
    let hours = (at("until").millis() - at("from").millis()) / 3_600_000;
    assert!((1..12).contains(&hours), "{unit}");
    let events = data["example_events"].as_array().unwrap();
    assert!((1..=5).contains(&events.len()), "{unit}");
    for (event, position) in events.iter().zip(data["examples"].as_array().unwrap()) {
        let decision = decided.iter().find(|it| it["event_id"] == *event);
        assert_eq!(decision.unwrap()["position"], *position, "{unit}");
    }
    let shown = client.get("/v1/drift").ok();
    let mut shown = shown["alerts"].as_array().unwrap().iter();
    let same = shown.find(|it| it["number"] == data["number"]).unwrap();
    for name in [
        "kind",
        "feature",
        "segment",
        "from",
        "until",
        "baseline",
        "value",
        "examples",
        "example_events",
    ] {
        assert_eq!(same[name], data[name], "{name}");
    }

    told_from_its_commit_on(&server, &collector);
    let audited = audited(&mut client);
    let entry = audited.iter().find(|it| it["after"]["kind"] == "unit");
    let entry = entry.unwrap();
    assert_eq!(
        (&entry["actor_kind"], &entry["target"]),
        (&json!("system"), &json!("amount"))
    );
    assert_eq!(entry["at"], data["until"]);
    for name in ["number", "baseline", "value", "examples", "model"] {
        assert_eq!(entry["after"][name], data[name], "{name}");
    }

    // The watch comes back with what it knew, and nobody hears it again.
    let ids = || -> BTreeSet<String> { told().iter().map(|it| it["id"].to_string()).collect() };
    let before = ids();
    server.kill();
    server.launch();
    let mut client = server.client();
    let last = format!("\"e{}\"", COUNT + 1);
    client
        .post("/v1/decisions", &payment(COUNT + 1).to_string())
        .ok();
    until(|| {
        let got = receiver.got();
        let mut bodies = got
            .iter()
            .map(|it| String::from_utf8_lossy(&it.body).into_owned());
        bodies.any(|it| it.contains(&last)).then_some(())
    });
    assert_eq!(ids(), before);
    assert_eq!(self::audited(&mut client), audited);
}

/// Alerts of drift in the trail, once there are some and nothing is behind.
fn audited(client: &mut Client) -> Vec<Value> {
    until(|| {
        let page = client.get("/v1/audit?limit=500").ok();
        let entries = page["entries"].as_array()?.iter();
        let alerts: Vec<Value> = entries
            .filter(|it| it["action"] == "drift.alert")
            .cloned()
            .collect();
        (page["behind"] == 0 && !alerts.is_empty()).then_some(alerts)
    })
}

/// How long it took is told, and a span says the same of the alert.
fn told_from_its_commit_on(server: &Server, collector: &Collector) {
    let span = until(|| {
        let all = traces::spans(collector).into_iter();
        let mut alerts = all.filter(|it| it.name == "drift.alert");
        alerts.find(|it| traces::attributes(it)["drift.kind"] == "unit")
    });
    let of = traces::attributes(&span);
    assert_eq!(
        (&*of["drift.feature"], &*of["tenant.id"]),
        ("amount", "default")
    );
    let took = span.end_time_unix_nano - span.start_time_unix_nano;
    let text = server.admin().get("/metrics").text().to_owned();
    let value = |name: &str| -> f64 {
        let name = format!("ringfence_drift_alert_response_seconds_{name}{{tenant=\"default\"}} ");
        let line = text.lines().find_map(|it| it.strip_prefix(&name));
        line.unwrap_or_else(|| panic!("no {name} in\n{text}"))
            .parse()
            .unwrap()
    };
    let (count, sum) = (value("count"), value("sum"));
    assert!(count >= 1.0 && took > 0, "{count} alerts, {took} ns");
    assert!(
        sum < 60.0 && took as f64 <= sum * 1e9 + 1e3,
        "{sum} s, {took} ns"
    );
}

/// As a server's steward and its child leave them.
fn begin(server: &Server, attended: bool) -> Job {
    let place = Place::new(&server.data(), "default").unwrap();
    let order = Order {
        at: node::clock::now().unwrap().millis(),
        by: "ann".to_owned(),
        why: String::new(),
        trigger: Trigger::Command,
        seen: 0,
        attended,
        request: Value::Null,
    };
    job::begin(&place, &order).unwrap()
}

fn end(job: &Job, ended: Ended, at: EventTime) {
    let (says, at) = (String::new(), at.millis());
    job.record_outcome(&Outcome { ended, says, at }).unwrap();
}

#[test]
fn a_candidate_that_waits_and_the_end_of_a_retrain_are_told() {
    let receiver = Receiver::start(200);
    let mut server = Server::with(SETTINGS);
    let mut client = server.client();
    let now = || node::clock::now().unwrap();
    // Of before there was an endpoint.
    end(
        &begin(&server, true),
        Ended::Failed,
        now().minus(Span::days(1)),
    );
    add(&mut client, &receiver.url(), &["retrain.changed"]);
    let told = || -> BTreeSet<(u64, String)> {
        let got = receiver.got();
        let bodies = got
            .iter()
            .map(|it| serde_json::from_slice(&it.body).unwrap());
        let of = |it: Value| {
            (
                it["data"]["id"].as_u64().unwrap(),
                it["data"]["status"].clone(),
            )
        };
        let all = bodies.map(of);
        all.map(|(id, status)| (id, status.as_str().unwrap().to_owned()))
            .collect()
    };
    let is_told = |id: u64, status: &str| told().contains(&(id, status.to_owned())).then_some(());
    let waits = begin(&server, true);
    let passed = |exam: usize| {
        let verdict = Verdict {
            verdict: "pass".to_owned(),
            reasons: Vec::new(),
            log_end: 1,
            report: Value::Null,
        };
        waits.record_verdict(exam, &verdict).unwrap();
    };
    passed(0);
    waits.record_shadow(&Shadow { since: 0 }).unwrap();
    passed(1);
    until(|| is_told(2, "waiting_for_approval"));
    // Meanwhile somebody makes one by hand, which is theirs to look at.
    end(&begin(&server, false), Ended::Judged, now());
    end(&waits, Ended::Promoted, now());
    until(|| is_told(2, "promoted"));
    server.kill();
    server.launch();
    end(&begin(&server, true), Ended::Refused, now());
    until(|| is_told(4, "refused"));
    let all = [(2, "promoted"), (2, "waiting_for_approval"), (4, "refused")];
    let all = all.map(|(id, status)| (id, status.to_owned()));
    assert_eq!(told(), BTreeSet::from(all));
    // The data are what the route shows. What was on its way at the kill may have come behind it once more.
    let got = receiver.got();
    let mut bodies = got
        .iter()
        .map(|it| serde_json::from_slice::<Value>(&it.body).unwrap());
    let last = bodies.find(|it| it["data"]["id"] == 4).unwrap();
    assert_eq!(last["data"], server.client().get("/v1/retrain/4").ok());
}
