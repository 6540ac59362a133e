//! Every bound at the edge, and what is said there.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::server::{Server, payment};

#[test]
fn what_is_too_large_too_many_or_not_what_was_said_is_refused_by_its_code() {
    let server = Server::with("[requests]\nbody_bytes_max = \"4KiB\"\nbatch_lines_max = 3\n");
    let mut client = server.client();
    let mut refuse = |target: &str, headers: &[(&str, &str)], body: &str, wanted: (u16, &str)| {
        let answer = client
            .send("POST", target, headers, Some(body.as_bytes()))
            .unwrap();
        let got = (answer.status, answer.code());
        assert_eq!((got.0, got.1.as_str()), wanted, "{target} {headers:?}");
    };
    let event = payment(1).to_string();
    let decide = "/v1/decisions";
    let lines = [("Content-Type", "application/x-ndjson")];
    refuse(decide, &[], &" ".repeat(5000), (413, "body_too_large"));
    refuse(decide, &[], "", (400, "not_json"));
    refuse(decide, &[], "[]", (400, "not_json"));
    refuse(decide, &[], &"[".repeat(3000), (400, "not_json"));
    refuse(
        decide,
        &[],
        &format!("{{\"event_id\":{}", "[".repeat(3000)),
        (400, "not_json"),
    );
    refuse(
        decide,
        &[("Content-Type", "text/xml")],
        &event,
        (415, "media_type"),
    );
    refuse(decide, &lines, &event, (415, "media_type"));
    refuse(
        decide,
        &[("X-Biz-Level", "L0")],
        &event,
        (400, "level_format"),
    );
    refuse(
        decide,
        &[("X-Deadline-Ms", "soon")],
        &event,
        (400, "deadline_format"),
    );
    refuse(
        "/v1/decisions?nonsense=1",
        &[],
        &event,
        (400, "parameter_unknown"),
    );
    refuse(
        "/v1/decisions?explain=yes",
        &[],
        &event,
        (400, "parameter_format"),
    );
    refuse(
        "/v1/decisions:batch",
        &lines,
        &format!("{event}\n").repeat(4),
        (400, "batch_lines"),
    );
    refuse("/v1/decisions:batch", &lines, "\n\n", (400, "batch_lines"));
    refuse("/v1/labels", &[], &event, (400, "not_a_label"));
    refuse("/v1/outcomes", &[], &event, (400, "not_an_outcome"));
    let label = r#"{"event_id":"none","label":"fraud","label_timestamp":"2026-01-02T00:00:00Z","source":"analyst"}"#;
    refuse("/v1/events", &[], label, (400, "not_an_event"));
    let outcome =
        r#"{"event_id":"none","outcome":"authorised","outcome_timestamp":"2026-01-02T00:00:00Z"}"#;
    refuse("/v1/outcomes", &[], outcome, (404, "unknown_event"));
    refuse("/v1/nowhere", &[], "", (404, "not_found"));
    refuse("/v1/schema", &[], "", (405, "method_not_allowed"));
    let long = "x".repeat(5000);
    let answer = client.post_lines("/v1/decisions:batch", &format!("{event}\n{long}\n"));
    assert_eq!(answer.lines()[1]["error"]["code"], "line_too_long");
}

#[test]
fn every_field_that_is_wrong_is_named() {
    let server = Server::start();
    let mut client = server.client();
    let cases: [(&str, Value, &str); 9] = [
        ("event_id", json!(""), "field_empty"),
        ("event_id", json!("x".repeat(129)), "field_too_long"),
        ("account", json!({ "deep": [] }), "not_text"),
        ("account", json!("a\u{0}b"), "control_character"),
        ("amount", json!("-1"), "amount_range"),
        ("amount", json!("1.999"), "amount_precision"),
        (
            "event_timestamp",
            json!("2099-01-01T00:00:00Z"),
            "time_in_future",
        ),
        ("event_type", json!("theft"), "unknown_value"),
        ("text", json!("y".repeat(1025)), "field_too_long"),
    ];
    for (field, value, code) in cases {
        let mut event = payment(1);
        event[field] = value;
        let answer = client.post("/v1/decisions", &event.to_string());
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, code),
            "{field}: {}",
            answer.text()
        );
        assert_eq!(answer.json()["detail"]["field"], field);
    }
}

#[test]
fn a_tenant_past_its_rate_is_told_when_to_come_back_and_another_is_not_touched() {
    let server = Server::with(
        "[rate]\nper_second = 1\nburst = 3\n[rate.tenants.roomy]\nper_second = 1000\nburst = 1000\n",
    );
    let mut roomy = server.client_of("roomy", &server.new_tenant("roomy"));
    let mut busy = server.client();
    let answers: Vec<Answer> = (0..5).map(|_| busy.get("/v1/policy")).collect();
    let statuses: Vec<u16> = answers.iter().map(|it| it.status).collect();
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    assert_eq!(answers[3].code(), "rate_limited");
    assert_eq!(answers[3].header("retry-after"), Some("1"));
    assert!((0..50).all(|number| {
        roomy
            .post("/v1/decisions", &payment(number).to_string())
            .status
            == 200
    }));
}

#[test]
fn headers_are_bounded_and_a_head_that_does_not_come_ends_the_connection() {
    let server = Server::with(
        "[listen]\nheader_read = \"300ms\"\nheaders_max = 20\nheader_bytes_max = \"8KiB\"\n",
    );
    let many: Vec<(String, String)> = (0..30)
        .map(|n| (format!("X-{n}"), "v".to_owned()))
        .collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let answer = server.plain().send("GET", "/healthz", &many, None).unwrap();
    assert_eq!(answer.status, 431);
    let long = "v".repeat(40_000);
    let answer = server
        .plain()
        .send("GET", "/healthz", &[("X-Long", &long)], None);
    assert!(answer.is_err() || answer.is_ok_and(|it| it.status == 431));

    // Slowly: half a head, and then an idle connection that had been used.
    for used in [false, true] {
        let mut slow = TcpStream::connect(&server.address).unwrap();
        slow.set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let request: &[u8] = if used {
            b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        } else {
            b"GET /healthz HTTP/1.1\r\nHo"
        };
        std::io::Write::write_all(&mut slow, request).unwrap();
        let started = Instant::now();
        let mut rest = Vec::new();
        let ended = slow.read_to_end(&mut rest);
        assert!(
            ended.is_ok() || ended.is_err_and(|it| it.kind() == ErrorKind::ConnectionReset),
            "used {used}"
        );
        assert!(
            started.elapsed() < Duration::from_secs(15),
            "used {used}: {:?}",
            started.elapsed()
        );
    }
}

#[test]
fn a_body_that_does_not_come_is_given_up() {
    let server = Server::with("[listen]\nbody_read = \"200ms\"\n");
    let mut client = server.client();
    let token = server.token(&[]);
    let head = format!(
        "POST /v1/decisions HTTP/1.1\r\nHost: x\r\nX-Tenant-Id: default\r\n\
         Authorization: Bearer {token}\r\nContent-Length: 100\r\n\r\n{{"
    );
    client.raw(head.as_bytes()).unwrap();
    let answer = client.answer().unwrap();
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (408, "body_timeout")
    );
}

#[test]
fn one_connection_too_many_is_told_so_and_a_place_that_is_left_is_given_again() {
    let server = Server::with("[listen]\nconnections_max = 3\n");
    let healthy = |client: &mut Client| client.send("GET", "/healthz", &[], None);
    let mut held: Vec<Client> = (0..3).map(|_| server.plain()).collect();
    // The first has the place of the start's own request until that has been seen to end.
    let end = Instant::now() + Duration::from_secs(20);
    while !held
        .iter_mut()
        .all(|client| healthy(client).is_ok_and(|it| it.status == 200))
    {
        assert!(Instant::now() < end);
        held = (0..3).map(|_| server.plain()).collect();
    }
    let refused = server.plain().answer().unwrap();
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (503, "connections_max")
    );
    held.pop();
    while !healthy(&mut server.plain()).is_ok_and(|it| it.status == 200) {
        assert!(Instant::now() < end, "the place was not given again");
    }
}
