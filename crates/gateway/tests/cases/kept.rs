//! What becomes of casework when a server starts again, its file is damaged, or its tenant is erased.

use std::fs;

use casework::Casework;
use event::{Currency, Position};
use ringfence_gateway::token::Role;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::edge::send;
use crate::people::{of_roles, person, serve, wait};

#[test]
fn a_server_that_starts_again_goes_on_where_casework_was() {
    let dir = TempDir::new().unwrap();
    let (edge, _) = serve(dir.path());
    let ann = person(&edge, "ann");
    ann.decide(1, "a");
    let case = ann.cases(1)[0];
    ann.act(case, "claim", Value::Null);
    // Decided, and perhaps not followed any more.
    ann.decide(2, "a");
    ann.decide(3, "b");
    edge.stop();
    let (edge, _) = serve(dir.path());
    let ann = person(&edge, "ann");
    assert_eq!(ann.cases(3).len(), 2);
    let held = ann.ok(&format!("/v1/cases/{case}"));
    assert_eq!(
        (&held["holder"], &held["alerts_total"]),
        (&json!("ann"), &json!(2))
    );
    edge.stop();
}

#[test]
fn casework_that_cannot_be_used_holds_up_no_decision_and_says_so() {
    let dir = TempDir::new().unwrap();
    let (edge, _) = serve(dir.path());
    person(&edge, "ann").decide(1, "a");
    person(&edge, "ann").cases(1);
    edge.stop();
    let file = dir.path().join("acme/casework.db");
    let kept = fs::read(&file).unwrap();
    let _ = fs::remove_file(dir.path().join("acme/casework.db-wal"));
    fs::write(&file, b"this was a database once, and is one no more").unwrap();
    let (edge, told) = serve(dir.path());
    let ann = person(&edge, "ann");
    ann.decide(2, "a");
    wait(|| ann.get("/v1/alerts").status == 503);
    for path in ["/v1/alerts", "/v1/cases", "/v1/cases/1", "/v1/casework"] {
        let refused = ann.get(path);
        assert_eq!(
            (refused.status, &refused.body["code"]),
            (503, &json!("casework_unavailable"))
        );
        assert!(
            !refused.body.to_string().contains("database"),
            "{}",
            refused.body
        );
    }
    for number in 3..20 {
        ann.decide(number, "a");
    }
    // Requests see the file for themselves; the thread that follows the log comes to it a moment later.
    wait(|| !told.lock().unwrap().is_empty());
    let chief = of_roles(&edge, "chief", "*", &[Role::Admin]);
    let metrics = send(
        chief.address,
        &format!("GET /metrics HTTP/1.1\r\n{}", chief.head),
        "",
    )
    .1;
    let failures = metrics
        .lines()
        .find(|it| it.starts_with("ringfence_casework_failures_total{"));
    let failures = failures.and_then(|it| it.split(' ').next_back()?.parse::<u64>().ok());
    assert!(failures.unwrap() > 0);
    assert!(
        told.lock().unwrap()[0].contains("casework of tenant acme"),
        "{told:?}"
    );
    // Told once, however often it was tried.
    assert_eq!(told.lock().unwrap().len(), 1);
    fs::write(&file, kept).unwrap();
    wait(|| ann.get("/v1/alerts").status == 200);
    assert_eq!(ann.cases(19).len(), 1, "what was missed is made up for");
    wait(|| told.lock().unwrap().last().unwrap().ends_with("goes on"));
    edge.stop();
}

#[test]
fn an_erased_tenant_leaves_no_casework_to_the_next_of_its_name() {
    let dir = TempDir::new().unwrap();
    let (edge, told) = serve(dir.path());
    let (ann, chief) = (
        person(&edge, "ann"),
        of_roles(&edge, "chief", "*", &[Role::Admin]),
    );
    for round in 0..3 {
        ann.decide(1, "a");
        let case = ann.cases(1)[0];
        assert_eq!(ann.act(case, "claim", Value::Null).status, 200);
        let erased = chief.send("DELETE", "/v1/tenants/acme", None, Value::Null);
        assert_eq!(
            (erased.status, &erased.body["left"]),
            (200, &json!(0)),
            "{}",
            erased.body
        );
        assert!(!dir.path().join("acme").exists(), "round {round}");
        let made = chief.send("POST", "/v1/tenants", None, json!({ "name": "acme" }));
        assert_eq!(made.status, 201, "{}", made.body);
        assert_eq!(ann.ok("/v1/alerts")["alerts"], json!([]));
    }
    assert_eq!(*told.lock().unwrap(), Vec::<String>::new());
    edge.stop();
}

#[test]
fn casework_that_has_seen_more_than_the_log_holds_says_so_until_its_file_is_moved_away() {
    let dir = TempDir::new().unwrap();
    let (edge, _) = serve(dir.path());
    person(&edge, "ann").decide(1, "a");
    person(&edge, "ann").cases(1);
    edge.stop();
    // As after a log that was cut: what comes next would be taken for what was seen.
    let file = dir.path().join("acme/casework.db");
    let mut casework = Casework::open(&file, Currency::EUR).unwrap();
    casework.skip_to(Position(1_000)).unwrap();
    drop(casework);
    let (edge, told) = serve(dir.path());
    let ann = person(&edge, "ann");
    wait(|| ann.get("/v1/cases").status == 503);
    ann.decide(2, "b");
    assert!(
        told.lock().unwrap()[0].contains("the log was cut"),
        "{told:?}"
    );
    for name in ["casework.db", "casework.db-wal", "casework.db-shm"] {
        // Those beside it are there only while somebody has it open.
        let _ = fs::remove_file(dir.path().join("acme").join(name));
    }
    wait(|| ann.get("/v1/cases").status == 200);
    assert_eq!(ann.cases(2).len(), 2, "made again from the log");
    edge.stop();
}
