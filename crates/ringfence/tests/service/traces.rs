//! Spans of a running server, as a collector gets them: which requests, what their steps are called, and that a stop
//! loses none.

use std::collections::BTreeMap;

use prost::Message;
use serde_json::Value;
use traces::proto::{Any, ExportRequest, Span};

use crate::client::Client;
use crate::collector::Collector;
use crate::server::{Server, payment};
use crate::webhooks::receiver::{Received, Receiver};
use crate::webhooks::{self, until};

/// Nothing by chance.
pub fn settings(collector: &Collector, share: f64) -> String {
    let endpoint = &collector.endpoint;
    format!(
        "[traces]\nendpoint = \"{endpoint}\"\nshare = {{ L1 = {share}, L2 = {share}, L3 = {share} }}\n"
    )
}

pub fn spans(collector: &Collector) -> Vec<Span> {
    let messages = collector.got();
    let messages = messages
        .iter()
        .map(|it| ExportRequest::decode(&**it).unwrap());
    let scopes = messages
        .flat_map(|it| it.resource_spans)
        .flat_map(|it| it.scope_spans);
    scopes.flat_map(|it| it.spans).collect()
}

pub fn attributes(span: &Span) -> BTreeMap<String, String> {
    let shown = |any: Any| match any {
        Any::Text(text) => text,
        Any::Number(number) => number.to_string(),
    };
    let all = span.attributes.iter();
    all.map(|it| {
        (
            it.key.clone(),
            shown(it.value.clone().unwrap().value.unwrap()),
        )
    })
    .collect()
}

/// The answer's body, and its trace, span and flags.
fn decide(client: &mut Client, number: u32, traceparent: Option<&str>) -> (Value, Vec<String>) {
    let headers = traceparent.map(|it| ("traceparent", it));
    let body = payment(number).to_string();
    let answer = client.send(
        "POST",
        "/v1/decisions",
        headers.as_slice(),
        Some(body.as_bytes()),
    );
    let answer = answer.unwrap();
    let told = answer.header("traceparent").unwrap().split('-').skip(1);
    (answer.ok(), told.map(str::to_owned).collect())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_decision_is_a_request_and_its_steps_within_the_callers_trace() {
    let collector = Collector::start(&[200]);
    let mut server = Server::with(&settings(&collector, 0.0));
    let mut client = server.client();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let (_, untold) = decide(&mut client, 1, None);
    assert_eq!(
        untold[2], "00",
        "an approval that nobody asked for is not told"
    );
    let (decided, told) = decide(
        &mut client,
        2,
        Some(&format!("00-{trace}-00f067aa0ba902b7-01")),
    );
    assert_eq!((&*told[0], &*told[2]), (trace, "01"));
    // What waits is sent before the process ends.
    server.stop();
    let spans = spans(&collector);
    let names: Vec<&str> = spans.iter().map(|it| &*it.name).collect();
    let expected = [
        "POST /v1/decisions",
        "decision.read",
        "decision.queue",
        "decision.sample",
        "decision.apply",
        "decision.score",
        "decision.policy",
        "decision.record",
        "decision.commit",
    ];
    assert_eq!(names, expected);
    assert!(spans.iter().all(|it| hex(&it.trace_id) == trace));
    let root = &spans[0];
    assert_eq!(
        (root.kind, hex(&root.parent_span_id)),
        (2, "00f067aa0ba902b7".to_owned())
    );
    assert_eq!(hex(&root.span_id), told[1], "the answer names the span");
    assert!(
        spans[1..]
            .iter()
            .all(|it| it.parent_span_id == root.span_id && it.kind == 1)
    );
    // One after the other, within the request.
    let ends: Vec<u64> = spans[1..]
        .iter()
        .flat_map(|it| [it.start_time_unix_nano, it.end_time_unix_nano])
        .collect();
    assert!(ends.is_sorted(), "{ends:?}");
    assert_eq!(root.start_time_unix_nano, ends[0]);
    assert!(*ends.last().unwrap() <= root.end_time_unix_nano);
    let of = attributes(root);
    let text = |key: &str| {
        of.get(key)
            .unwrap_or_else(|| panic!("no {key} in {of:?}"))
            .as_str()
    };
    assert_eq!(text("decision.verdict"), decided["decision"]);
    assert_eq!(text("decision.source"), decided["source"]);
    let version = decided["model_version"].as_str().unwrap();
    assert_eq!(
        text("model.version"),
        version.trim_start_matches("starter-")
    );
    assert_eq!(text("http.response.status_code"), "200");
    for span in &spans {
        let of = attributes(span);
        assert_eq!((&*of["tenant.id"], &*of["biz.level"]), ("default", "L1"));
        // Nothing of the event.
        let all = format!("{of:?} {}", span.name);
        for id in ["e2", "a2", "m2", "d2", "12.50"] {
            assert!(!all.contains(&format!("\"{id}\"")), "{id} in {all}");
        }
    }
}

#[test]
fn declines_and_failures_are_always_told_and_a_share_of_the_rest() {
    let collector = Collector::start(&[200]);
    let log = "[quota]\nentities_max = 3\n[log]\nlevel = \"info\"\nformat = \"json\"\n";
    let mut server = Server::with(&format!("{}{log}", settings(&collector, 0.0)));
    let mut client = server.client();
    let policy = "fallback = \"review\"\n[thresholds]\nchallenge = 0\nreview = 0\ndecline = 0\n";
    let toml = [("Content-Type", "application/toml")];
    let set = client
        .send("PUT", "/v1/policy", &toml, Some(policy.as_bytes()))
        .unwrap();
    assert_eq!(set.status, 200, "{}", set.text());
    let (decided, told) = decide(&mut client, 1, None);
    assert_eq!(
        (decided["decision"].as_str(), &*told[2]),
        (Some("decline"), "01")
    );
    // Its entities are new, and the first one's are all that there may be.
    let body = payment(2).to_string();
    let refused = client.post("/v1/decisions", &body);
    assert_eq!((refused.status, &*refused.code()), (507, "quota_exceeded"));
    let trace = refused
        .header("traceparent")
        .unwrap()
        .split('-')
        .nth(1)
        .unwrap();
    let refused_by_content = client.post("/v1/decisions", "{}");
    assert!(refused_by_content.status >= 400);
    server.stop();
    // Its line for the operator leads to the same trace; what went well has none.
    let told = server.told();
    let lines = told
        .lines()
        .map(|it| serde_json::from_str::<Value>(it).unwrap());
    let lines: Vec<Value> = lines.filter(|it| it.get("trace_id").is_some()).collect();
    let [line] = &lines[..] else { panic!("{told}") };
    assert_eq!(
        (&line["trace_id"], &line["code"]),
        (&Value::from(trace), &Value::from("quota_exceeded"))
    );
    assert_eq!(
        (&line["status"], &line["level"]),
        (&Value::from(507), &Value::from("info"))
    );
    let roots: Vec<Span> = spans(&collector)
        .into_iter()
        .filter(|it| it.kind == 2)
        .collect();
    let told: Vec<(String, Option<String>)> = roots
        .iter()
        .map(|it| {
            (
                attributes(it)["http.response.status_code"].clone(),
                it.status.as_ref().map(|it| it.message.clone()),
            )
        })
        .collect();
    assert!(told.contains(&("200".to_owned(), None)), "{told:?}");
    let failed = roots.iter().find(|it| it.status.is_some()).unwrap();
    let of = attributes(failed);
    assert_eq!(
        (&*of["error.type"], &*of["http.route"]),
        ("quota_exceeded", "/v1/decisions")
    );
    assert!(
        told.iter()
            .all(|(status, _)| status == "200" || status.starts_with('5')),
        "{told:?}"
    );
}

#[test]
fn a_collector_that_is_down_costs_no_decision_and_what_is_lost_is_counted() {
    let settings = "[traces]\nendpoint = \"http://127.0.0.1:9/v1/traces\"\nqueue_max = 2\n\
                    share = { L1 = 1.0, L2 = 1.0, L3 = 1.0 }\n";
    let server = Server::with(settings);
    let mut client = server.client();
    for number in 0..600 {
        decide(&mut client, number, None);
    }
    let text = server.admin().get("/metrics").text().to_owned();
    let value = |name: &str| -> u64 {
        let line = text
            .lines()
            .find(|it| it.starts_with(name) && !it.starts_with('#'))
            .unwrap();
        line.rsplit_once(' ').unwrap().1.parse().unwrap()
    };
    let (dropped, sent) = (
        value("ringfence_trace_spans_dropped_total"),
        value("ringfence_trace_spans_sent_total"),
    );
    assert!(dropped > 0 && sent == 0, "{dropped} dropped, {sent} sent");
}

#[test]
fn a_webhook_says_of_its_decision_s_trace_what_the_answer_said() {
    let (collector, receiver) = (Collector::start(&[200]), Receiver::start(200));
    let config = format!("{}{}", webhooks::SETTINGS, settings(&collector, 0.0));
    let server = Server::with(&config);
    let mut client = server.client();
    webhooks::add(&mut client, &receiver.url(), &["decision.created"]);
    let (_, passed) = decide(&mut client, 1, None);
    let policy = "fallback = \"review\"\n[thresholds]\nchallenge = 0\nreview = 0\ndecline = 0\n";
    let toml = [("Content-Type", "application/toml")];
    let set = client.send("PUT", "/v1/policy", &toml, Some(policy.as_bytes()));
    set.unwrap().ok();
    let (_, declined) = decide(&mut client, 2, None);
    let batch = client.post_lines("/v1/decisions:batch", &payment(3).to_string());
    let in_batch = batch.header("traceparent").unwrap().to_owned();
    assert_eq!((&*passed[2], &*declined[2]), ("00", "01"));
    assert!(in_batch.ends_with("-01"), "{in_batch}");
    // A delivery whose answer comes late is made again.
    let told = until(|| {
        let named = |it: &Received| {
            let body: Value = serde_json::from_slice(&it.body).unwrap();
            let id = body["data"]["event"]["event_id"].as_str().unwrap();
            (id.to_owned(), it.header("traceparent").to_owned())
        };
        let told: BTreeMap<String, String> = receiver.got().iter().map(named).collect();
        (told.len() == 3).then_some(told)
    });
    let header = |told: &[String]| format!("00-{}", told.join("-"));
    assert_eq!(told["e1"], header(&passed));
    assert_eq!(told["e2"], header(&declined));
    assert_eq!(told["e3"], in_batch);
}
