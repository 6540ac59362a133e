//! `GET /metrics` of a running server: in both formats, as its document says, with tenants and exemplars.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use expect_test::expect_file;
use serde_json::Value;

use crate::client::Answer;
use crate::models;
use crate::server::{Server, payment};
use crate::webhooks;

pub const OPEN: &str = "application/openmetrics-text; version=1.0.0";

pub fn scrape(server: &Server, accept: &str) -> Answer {
    let headers = [("Accept", accept)];
    let answer = server.admin().send("GET", "/metrics", &headers, None);
    answer.unwrap()
}

pub fn documented(server: &Server) -> Vec<Value> {
    let output = server.command(&["--json", "metrics"]).output().unwrap();
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    all.as_array().unwrap().clone()
}

#[test]
fn the_document_is_what_the_command_writes() {
    let server = Server::set_up("");
    let output = server.command(&["metrics"]).output().unwrap();
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    expect_file![document].assert_eq(&String::from_utf8(output.stdout).unwrap());
}

#[test]
fn every_family_is_told_once_as_documented_and_no_other() {
    let server = Server::start();
    let documented = documented(&server);
    for (accept, open) in [("text/plain", false), (OPEN, true)] {
        let text = scrape(&server, accept).text().to_owned();
        let told: Vec<&str> = text
            .lines()
            .filter_map(|it| it.strip_prefix("# TYPE "))
            .collect();
        let expected: BTreeSet<String> = documented
            .iter()
            .map(|it| {
                let field = |name: &str| it[name].as_str().unwrap();
                let (name, kind) = (field("name"), field("kind"));
                match (open, kind) {
                    (true, "counter") => format!("{} counter", &name[..name.len() - 6]),
                    (true, "info") => format!("{} info", &name[..name.len() - 5]),
                    (false, "info") => format!("{name} gauge"),
                    _ => format!("{name} {kind}"),
                }
            })
            .collect();
        assert_eq!(
            told.len(),
            expected.len(),
            "a family is told twice or not at all"
        );
        let told: BTreeSet<String> = told.into_iter().map(str::to_owned).collect();
        let differ: Vec<_> = told.symmetric_difference(&expected).collect();
        assert!(differ.is_empty(), "{differ:?}");
        assert_eq!(text.ends_with("# EOF\n"), open);
    }
}

/// The tool of Prometheus itself reads the older format and refuses bad names.
#[test]
fn promtool_finds_nothing_wrong() {
    let server = Server::start();
    server
        .client()
        .post("/v1/decisions", &payment(1).to_string())
        .ok();
    let text = scrape(&server, "text/plain");
    let child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        println!("SKIPPED: promtool is not installed");
        return;
    };
    child.stdin.take().unwrap().write_all(&text.body).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // It exits with 3 for matters of style too; these names were there before it was asked.
    let known = ["non-histogram", "base unit", "abbreviated"];
    let other = said
        .lines()
        .find(|line| !known.iter().any(|it| line.contains(it)));
    assert_eq!(other, None, "{said}");
}

#[test]
fn requests_are_told_by_route_and_tenant_and_late_tenants_together_with_their_traces() {
    let server = Server::with("[metrics]\ntenants_max = 1\n");
    // The default tenant comes first: it is told before the other is made.
    scrape(&server, OPEN);
    let late = server.new_tenant("acme");
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let sent = format!("00-{trace}-00f067aa0ba902b7-01");
    let body = payment(1).to_string();
    let decide = |mut client: crate::client::Client| {
        let headers = [("traceparent", &*sent)];
        client
            .send("POST", "/v1/decisions", &headers, Some(body.as_bytes()))
            .unwrap()
            .ok()
    };
    let decided = decide(server.client());
    decide(server.client_of("acme", &late));
    let text = scrape(&server, OPEN).text().to_owned();
    let value = |start: &str| {
        let line = text.lines().find(|line| line.starts_with(start));
        line.unwrap_or_else(|| panic!("no {start} in\n{text}"))[start.len()..].to_owned()
    };
    let route = "method=\"POST\",route=\"/v1/decisions\"";
    for tenant in ["default", "other"] {
        let name = "ringfence_http_requests_total";
        assert_eq!(
            value(&format!(
                "{name}{{{route},tenant=\"{tenant}\",status=\"2xx\"}}"
            )),
            " 1"
        );
        let name = "ringfence_decisions_total";
        let labels = format!("{name}{{tenant=\"{tenant}\"");
        let all = text.lines().filter(|line| line.starts_with(&labels));
        let count: u64 = all
            .map(|it| it.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap())
            .sum();
        assert_eq!(count, 1, "{tenant}");
    }
    assert!(!text.contains("tenant=\"acme\""));
    assert!(text.contains(&format!(" # {{trace_id=\"{trace}\"}} ")));
    let version = decided["model_version"].as_str().unwrap();
    let version = version.trim_start_matches("starter-");
    let model = "ringfence_model_info{tenant=\"default\",part=\"champion\",model_version=\"";
    assert_eq!(value(model), format!("{version}\"}} 1"));
    assert!(
        value("ringfence_group_records_sum{tenant=\"default\"} ")
            .parse::<u64>()
            .unwrap()
            >= 2
    );
    assert!(
        value("process_resident_memory_bytes ")
            .parse::<u64>()
            .unwrap()
            > 1 << 20
    );
    // A tenant that is gone takes its series with it; the next to come may have its name, but not one whose counts
    // are in a sum.
    let erased = server
        .admin()
        .send("DELETE", "/v1/tenants/default", &[], None)
        .unwrap();
    assert_eq!(erased.status, 200, "{}", erased.text());
    let told = || scrape(&server, OPEN).text().to_owned();
    let counts = "ringfence_decisions_total{tenant=\"other\",decision=";
    let text = told();
    assert!(!text.contains("tenant=\"default\"") && !text.contains("tenant=\"acme\""));
    assert!(text.contains(counts));
    server.new_tenant("globex");
    let text = told();
    assert!(text.contains("tenant=\"globex\"") && text.contains(counts));
}

/// Who shares the decisions and who scores beside them is told as the champion is.
#[test]
fn a_challenger_and_a_shadow_are_told_by_their_parts() {
    let server = Server::start();
    let mut client = server.client();
    let [challenger, shadow] = [
        models::sharper(),
        models::variant(|it| it.header.created_by.push('x')),
    ];
    for model in [&challenger, &shadow] {
        assert_eq!(models::upload(&mut client, model).status, 201);
    }
    let [challenger, shadow] = [challenger, shadow].map(|it| models::identity(&it));
    let shared = r#"{"share":0.5,"levels":["L1"]}"#;
    let path = format!("/v1/models/{challenger}/challenge");
    client.post(&path, shared).ok();
    client.post(&format!("/v1/models/{shadow}/shadow"), "").ok();
    let mut counts = BTreeMap::from([("champion", 0), ("challenger", 0), ("none", 0)]);
    for number in 0..40 {
        let decided = client
            .post("/v1/decisions", &payment(number).to_string())
            .ok();
        let version = decided["model_version"].as_str().unwrap();
        let is_challenger = version.ends_with(&challenger[..12]);
        let part = if is_challenger {
            "challenger"
        } else {
            "champion"
        };
        *counts.get_mut(part).unwrap() += 1;
    }
    assert!(
        counts["champion"] > 0 && counts["challenger"] > 0,
        "{counts:?}"
    );
    let told = |wanted: &str| {
        webhooks::until(|| {
            let text = scrape(&server, OPEN).text().to_owned();
            text.lines().any(|it| it == wanted).then_some(())
        });
    };
    for (part, count) in counts {
        let name = "ringfence_decisions_scored_total";
        told(&format!(
            "{name}{{tenant=\"default\",part=\"{part}\"}} {count}"
        ));
    }
    for (part, model) in [("challenger", &challenger), ("shadow", &shadow)] {
        let labels = format!(
            "tenant=\"default\",part=\"{part}\",model_version=\"{}\"",
            &model[..12]
        );
        told(&format!("ringfence_model_info{{{labels}}} 1"));
    }
    // One that has left is told no more, also where none decides since.
    client
        .post(&format!("/v1/models/{challenger}/withdraw"), "")
        .ok();
    let text = scrape(&server, OPEN).text().to_owned();
    assert!(
        !text.contains("part=\"challenger\",model_version"),
        "{text}"
    );
}

#[test]
fn of_tenants_that_are_told_together_none_that_is_in_need_is_hidden() {
    let server = Server::with("[metrics]\ntenants_max = 1\n");
    scrape(&server, OPEN);
    let token = server.new_tenant("acme");
    server.new_tenant("globex");
    let mut client = server.client_of("acme", &token);
    client.post("/v1/decisions", &payment(1).to_string()).ok();
    let value = |start: &str| -> f64 {
        let text = scrape(&server, OPEN).text().to_owned();
        let found = text.lines().find_map(|line| line.strip_prefix(start));
        let found = found.unwrap_or_else(|| panic!("no {start} in\n{text}"));
        found.trim().parse().unwrap()
    };
    assert_eq!(value("ringfence_not_serving{tenant=\"other\"}"), 0.0);
    let suspended = server
        .admin()
        .send("POST", "/v1/tenants/globex/suspend", &[], None);
    assert_eq!(suspended.unwrap().status, 200);
    assert_eq!(value("ringfence_not_serving{tenant=\"other\"}"), 1.0);
    assert_eq!(value("ringfence_not_serving{tenant=\"default\"}"), 0.0);
    // Its share, and not that of both together.
    let held = value("ringfence_entities{tenant=\"other\"}");
    let max = value("ringfence_entities_max{tenant=\"default\"}");
    let used = value("ringfence_quota_used_ratio{tenant=\"other\",quota=\"entities\"}");
    assert!(held > 0.0 && (used - held / max).abs() < 1e-12, "{used}");
}
