//! What a collector gets, read by the messages that others publish; and that nobody waits for one.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]
#![allow(clippy::print_stdout, reason = "what is skipped is said")]

mod collector;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use collector::Collector;
use prost::Message;
use ringfence_traces::exporter::ExporterError;
use ringfence_traces::proto::ExportRequest;
use ringfence_traces::{Exporter, ExporterSettings, Kind, Request, Span};
use serde_json::{Value, json};

const TRACE: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
const SOON: Duration = Duration::from_secs(20);

fn request(trace: u128) -> Request {
    let step = |id, name: &'static str, start_ns, end_ns| Span {
        id,
        name: name.into(),
        start_ns,
        end_ns,
        attributes: Vec::new(),
    };
    Request {
        kind: Kind::Server,
        trace,
        caller: Some(7),
        common: vec![("tenant.id", "acme".into()), ("biz.level", "L1".into())],
        root: Span {
            attributes: vec![("http.response.status_code", 200.into())],
            ..step(1, "POST /v1/decisions", 1_000, 9_000)
        },
        steps: vec![step(2, "decision.score", 2_000, 3_000)],
        error: None,
    }
}

fn exporter(endpoint: &str, queue_max: usize) -> Exporter {
    Exporter::start(ExporterSettings {
        endpoint: endpoint.to_owned(),
        resource: vec![("service.name", "ringfence".to_owned())],
        queue_max,
        timeout: Duration::from_secs(2),
    })
    .unwrap()
}

/// A Python with OpenTelemetry's messages, where `scripts/setup test` puts it.
fn python() -> Option<PathBuf> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../python-peers");
    let python = home.join("bin/python");
    let module = "import opentelemetry.proto.collector.trace.v1.trace_service_pb2";
    let found = Command::new(&python).args(["-c", module]).output();
    found.is_ok_and(|it| it.status.success()).then_some(python)
}

fn wait_for(collector: &Collector, messages: usize) {
    let end = Instant::now() + SOON;
    while collector.got().len() < messages {
        assert!(Instant::now() < end, "no {messages} messages came");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_collector_reads_what_was_sent() {
    let collector = Collector::start(&[200]);
    let exporter = exporter(&collector.endpoint, 10);
    let mut failed = request(1);
    failed.error = Some("storage_failed");
    failed.caller = None;
    exporter.send(request(TRACE));
    exporter.send(failed);
    assert!(exporter.stop(SOON));
    assert_eq!(exporter.counters().sent.get(), 4);
    let [message] = &collector.got()[..] else {
        panic!("one message for what came together")
    };
    let Some(python) = python() else {
        let required = std::env::var("RINGFENCE_REQUIRE_PYTHON").is_ok_and(|it| it == "1");
        assert!(
            !required,
            "opentelemetry-proto is not installed: run scripts/setup test"
        );
        println!("SKIPPED: opentelemetry-proto is not installed (scripts/setup test)");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("message");
    fs::write(&file, message).unwrap();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/read_spans.py");
    let output = Command::new(python)
        .arg(program)
        .arg(&file)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let spans: Value = serde_json::from_slice(&output.stdout).unwrap();
    let (root, step) = ("0000000000000001", "0000000000000002");
    let common = json!({ "tenant.id": "acme", "biz.level": "L1" });
    let of_root =
        json!({ "http.response.status_code": 200, "tenant.id": "acme", "biz.level": "L1" });
    let told = |name: &str, kind: &str, (span, parent): (&str, &str), times: [u64; 2]| {
        json!({
            "resource": { "service.name": "ringfence" },
            "scope": "ringfence",
            "name": name,
            "kind": kind,
            "trace": "4bf92f3577b34da6a3ce929d0e0e4736",
            "span": span,
            "parent": parent,
            "times": times,
            "attributes": if kind == "SPAN_KIND_SERVER" { &of_root } else { &common },
            "status": ["STATUS_CODE_UNSET", ""],
            "flags": if kind == "SPAN_KIND_SERVER" { 0x301 } else { 0x101 },
        })
    };
    let server = "SPAN_KIND_SERVER";
    let first = told(
        "POST /v1/decisions",
        server,
        (root, "0000000000000007"),
        [1_000, 9_000],
    );
    let second = told(
        "decision.score",
        "SPAN_KIND_INTERNAL",
        (step, root),
        [2_000, 3_000],
    );
    let mut third = told("POST /v1/decisions", server, (root, ""), [1_000, 9_000]);
    // Its parent is nowhere.
    third["flags"] = json!(0x101);
    third["trace"] = json!("00000000000000000000000000000001");
    third["status"] = json!(["STATUS_CODE_ERROR", "storage_failed"]);
    assert_eq!(spans.as_array().unwrap()[..3], [first, second, third]);
}

#[test]
fn what_a_collector_cannot_take_now_is_sent_again_and_what_it_refuses_is_not() {
    let collector = Collector::start(&[503, 200, 400]);
    let exporter = exporter(&collector.endpoint, 10);
    exporter.send(request(1));
    wait_for(&collector, 2);
    exporter.send(request(2));
    wait_for(&collector, 3);
    assert!(!exporter.stop(SOON), "some of it was lost");
    let messages = collector.got();
    let messages = messages
        .iter()
        .map(|it| ExportRequest::decode(&**it).unwrap());
    let traces: Vec<u8> = messages
        .map(|it| it.resource_spans[0].scope_spans[0].spans[0].trace_id[15])
        .collect();
    assert_eq!(traces, [1, 1, 2]);
    let counters = exporter.counters();
    assert_eq!(
        (
            counters.sent.get(),
            counters.lost.get(),
            counters.attempts_failed.get()
        ),
        (2, 2, 2)
    );
}

#[test]
fn nobody_waits_for_a_collector_that_takes_nothing() {
    // It accepts connections, and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    let exporter = exporter(&endpoint, 8);
    let started = Instant::now();
    for trace in 0..10_000 {
        exporter.send(request(trace));
    }
    let took = started.elapsed();
    assert!(
        took < Duration::from_secs(1),
        "10,000 requests were handed over in {took:?}"
    );
    // What is in a batch or in the queue may still be sent; all else was dropped, and counted.
    let dropped = exporter.counters().dropped.get();
    assert!(
        (2 * (10_000 - 256 - 9)..=2 * 10_000).contains(&dropped),
        "{dropped}"
    );
    let started = Instant::now();
    assert!(!exporter.stop(Duration::from_millis(300)));
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn an_endpoint_that_nothing_can_be_sent_to_is_refused() {
    for endpoint in [
        "",
        "https://collector:4318/v1/traces",
        "collector:4318",
        "http:///v1/traces",
    ] {
        let settings = ExporterSettings {
            endpoint: endpoint.to_owned(),
            resource: Vec::new(),
            queue_max: 1,
            timeout: SOON,
        };
        let refused = Exporter::start(settings).err();
        assert!(matches!(refused, Some(ExporterError::Endpoint(it)) if it == endpoint));
    }
}
