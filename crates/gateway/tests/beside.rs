//! What is done beside the threads of tenants: rules that are read, backtests and comparisons; and bodies refused by
//! the name of a field.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

#[path = "support/edge.rs"]
mod edge;

use std::fs;
use std::process::Command;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use backtest::models::{Contender, Contest};
use backtest::{Costs, Plan, Rulebook};
use event::EventTime;
use node::Place;
use node::clock::Clock;
use ringfence_gateway::backtests::{Backtests, Job, Task};
use ringfence_gateway::token::Role;
use serde_json::{Value, json};
use tempfile::TempDir;

use edge::{Edge, SCHEMA, SOON, send, token};

const TWO: [&str; 2] = ["acme", "globex"];

fn serve(home: &TempDir) -> Edge {
    let node = Arc::new(edge::node(home.path(), Clock::default()));
    node.create(TWO[1], SCHEMA, |_| Ok(())).unwrap();
    let edge = Edge::serve(edge::app(node, Box::new(|_| {}), |_| {}));
    let end = Instant::now() + SOON;
    let opened = |name: &str| edge.app.node.tenant(name).unwrap().status().is_none();
    while !TWO.iter().all(|name| opened(name)) {
        assert!(Instant::now() < end);
        thread::sleep(Duration::from_millis(5));
    }
    edge
}

/// Status, head and body of an engineer's request.
fn post(edge: &Edge, tenant: &str, path: &str, body: &str) -> (u16, String, Value) {
    let token = token("eve", tenant, &[Role::Engineer]);
    let head =
        format!("POST {path} HTTP/1.1\r\nX-Tenant-Id: {tenant}\r\nAuthorization: Bearer {token}");
    let (status, answer) = send(edge.address, &head, body);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let body = serde_json::from_str(body).unwrap();
    (status, head.to_ascii_lowercase(), body)
}

#[test]
fn rules_are_read_one_set_of_a_tenant_at_a_time_and_hold_up_no_other() {
    let home = TempDir::new().unwrap();
    let edge = serve(&home);
    let rules = json!({ "rules": [{ "id": "a", "when": "amount > 1_00", "status": "draft" }] });
    let validate = |tenant: &str| {
        let answer = post(&edge, tenant, "/v1/rules/validate", &rules.to_string());
        (answer.0, answer.1, answer.2["code"].clone())
    };
    let reading = edge.app.readers.begin(TWO[0]).unwrap();
    let (status, head, code) = validate(TWO[0]);
    assert_eq!((status, code), (503, json!("rules_busy")));
    assert!(head.contains("retry-after: 1"), "{head}");
    assert_eq!(validate(TWO[1]).0, 200);
    drop(reading);
    // Each gives its turn back.
    assert_eq!(validate(TWO[0]).0, 200);
    assert_eq!(validate(TWO[0]).0, 200);
    edge.stop();
}

fn backtest() -> Task {
    Task::Backtest(Box::new(Plan {
        from: EventTime::MIN,
        until: EventTime::END,
        current: Rulebook::default(),
        candidate: Rulebook::default(),
        costs: Costs::default(),
        scorer: None,
        samples: 1,
    }))
}

fn comparison(asked: &str) -> Task {
    let contender = Contender {
        artifact: [1; 32],
        part: "champion",
        hot_update_ms: None,
        trouble: None,
    };
    let contest = Contest {
        from: EventTime::MIN,
        until: EventTime::END,
        models: vec![contender],
        policy: String::new(),
        rates: String::new(),
        maturity: None,
        samples: 1,
    };
    Task::Comparison {
        contest: Box::new(contest),
        asked: asked.to_owned(),
    }
}

#[test]
fn comparisons_that_somebody_polls_push_out_neither_backtests_nor_other_comparisons() {
    let home = TempDir::new().unwrap();
    // Without a log each ends at once, by a failure.
    let place = Place::new(home.path(), "acme").unwrap();
    let backtests = Backtests::new(node::background::Priority::Low);
    let over = |task: Task| {
        let job = backtests.start("acme", place.clone(), task);
        let job: Arc<Job> = job.unwrap_or_else(|_| panic!("not started"));
        let end = Instant::now() + SOON;
        while job.is_open() {
            assert!(Instant::now() < end);
            thread::sleep(Duration::from_millis(1));
        }
        job.id
    };
    let first = over(backtest());
    let other = over(comparison("samples=1"));
    let polled: Vec<u64> = (0..40).map(|_| over(comparison(""))).collect();
    let held = |id: u64| backtests.one("acme", id).is_some();
    assert!(held(first) && held(other));
    // Whoever asked before finds the answer too.
    let found: Vec<u64> = polled.into_iter().filter(|id| held(*id)).collect();
    assert_eq!(found, [41, 42]);
    // Of their own kind the newest sixteen.
    (0..16).for_each(|_| {
        over(backtest());
    });
    assert!(!held(first) && held(other));
}

/// However many ask at the same moment, a tenant has four that are not over, and another tenant's are its own.
#[test]
fn of_many_who_ask_at_once_only_four_have_a_backtest_begun() {
    for _ in 0..20 {
        let home = TempDir::new().unwrap();
        let place = Place::new(home.path(), "acme").unwrap();
        // Whoever reads this log waits for its writer: no job is over while they are counted.
        fs::create_dir_all(place.log()).unwrap();
        let log = place.log().join(format!("{:020}.seg", 0));
        let made = Command::new("mkfifo").arg(&log).status();
        assert!(made.unwrap().success());
        let backtests = Backtests::new(node::background::Priority::Low);
        let barrier = Barrier::new(8);
        let begun: usize = thread::scope(|scope| {
            let asked: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        usize::from(backtests.start("acme", place.clone(), backtest()).is_ok())
                    })
                })
                .collect();
            asked.into_iter().map(|it| it.join().unwrap()).sum()
        });
        assert_eq!((begun, backtests.of("acme").len()), (4, 4));
        let other = Place::new(home.path(), "globex").unwrap();
        assert!(backtests.start("globex", other, backtest()).is_ok());
        // An empty log for the one that waits, and none for those behind it.
        let writer = fs::File::options().write(true).open(&log).unwrap();
        fs::remove_file(&log).unwrap();
        drop(writer);
    }
}

#[test]
fn a_parameter_that_is_refused_is_named() {
    let home = TempDir::new().unwrap();
    let edge = serve(&home);
    let token = token("eve", TWO[0], &[Role::Engineer, Role::Analyst]);
    let more = format!("X-Tenant-Id: {}\r\nAuthorization: Bearer {token}", TWO[0]);
    let list = r#"{"on":"device","form":"text","effect":"watch"}"#;
    let head = format!("PUT /v1/lists/known HTTP/1.1\r\n{more}");
    assert_eq!(send(edge.address, &head, list).0, 200);
    for (path, code, field) in [
        ("/v1/decisions", "parameter_missing", "account"),
        ("/v1/decisions?account=a&from=x", "parameter_format", "from"),
        (
            "/v1/decisions?account=a&cursor=a1",
            "parameter_format",
            "cursor",
        ),
        (
            "/v1/decisions?account=a&limit=0",
            "parameter_format",
            "limit",
        ),
        (
            "/v1/decisions?account=a&account=b",
            "parameter_twice",
            "account",
        ),
        ("/v1/decisions?acount=a", "parameter_unknown", "acount"),
        (
            "/v1/labels/waiting?status=what",
            "parameter_format",
            "status",
        ),
        ("/v1/labels/waiting?cursor=x", "parameter_format", "cursor"),
        (
            "/v1/lists/known/items?cursor=p1",
            "parameter_format",
            "cursor",
        ),
        ("/v1/alerts?cursor=p1", "parameter_format", "cursor"),
        ("/v1/cases?cursor=p1", "parameter_format", "cursor"),
        ("/v1/cases/first", "parameter_format", "id"),
        ("/v1/audit?cursor=p1", "parameter_format", "cursor"),
        ("/v1/audit?from=x", "parameter_format", "from"),
        ("/v1/models/first", "parameter_format", "model"),
        (
            "/v1/models/compare?maturity=x",
            "parameter_format",
            "maturity",
        ),
    ] {
        let (status, answer) = send(edge.address, &format!("GET {path} HTTP/1.1\r\n{more}"), "");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let told: Value = serde_json::from_str(body).unwrap();
        assert_eq!(
            (status, &told["code"]),
            (400, &json!(code)),
            "{path} {told}"
        );
        assert_eq!(told["detail"]["field"], field, "{path} {told}");
    }
    edge.stop();
}

#[test]
fn a_body_that_is_refused_names_its_field() {
    let home = TempDir::new().unwrap();
    let edge = serve(&home);
    let model = format!("/v1/models/{}/challenge", "ab".repeat(32));
    for (path, body, field) in [
        (&*model, r#"{"levels":["L3"]}"#, json!("share")),
        (&model, r#"{"share":"all"}"#, json!("share")),
        (
            &model,
            r#"{"share":0.1,"levels":["L3",7]}"#,
            json!("levels[1]"),
        ),
        (&model, r#"{"share":0.1,"part":1}"#, json!("part")),
        (&model, r#"{1:2}"#, Value::Null),
        (&model, r#"[]"#, Value::Null),
        (&model, "share", Value::Null),
        (
            "/v1/backtests",
            r#"{"costs":{"review":"x"}}"#,
            json!("costs.review"),
        ),
    ] {
        let (status, _, told) = post(&edge, TWO[0], path, body);
        assert_eq!((status, &told["code"]), (400, &json!("not_json")), "{told}");
        assert_eq!(told["detail"]["field"], field, "{body}: {told}");
    }
    edge.stop();
}
