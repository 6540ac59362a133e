//! Alerts and cases of the real process: what examples of the interface need, the command line, a backup.

use std::thread;
use std::time::{Duration, Instant};

use event::Span;
use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::server::{SOON, Server, payment};

/// Every event is a review from now on.
pub fn review_all(client: &mut Client) {
    let policy = json!({
        "fallback": "review", "thresholds": { "challenge": 0, "review": 0, "decline": 1001 },
    });
    let set = client.send(
        "PUT",
        "/v1/policy",
        &[],
        Some(policy.to_string().as_bytes()),
    );
    set.unwrap().ok();
}

/// So many cases of one alert each, with a checklist of two items, in the tenant `default`.
pub fn open(client: &mut Client, admin: &mut Client, cases: u32) {
    let mut settings = admin_settings(client);
    settings["checklist"] = json!(["call", "freeze"]);
    let body = settings.to_string();
    let version = format!("\"{}\"", settings["version"]);
    let set = admin.send(
        "PUT",
        "/v1/casework",
        &[("If-Match", &version)],
        Some(body.as_bytes()),
    );
    set.unwrap().ok();
    review_all(client);
    for number in 0..cases {
        let mut event = payment(number);
        event["event_id"] = json!(format!("case-{number}"));
        event["account"] = json!(format!("of-case-{number}"));
        event["device"] = json!(format!("phone-of-case-{number}"));
        client.post("/v1/decisions", &event.to_string()).ok();
    }
    wait(|| listed(client, "shelf=open").len() >= cases as usize);
}

fn admin_settings(client: &mut Client) -> Value {
    client.get("/v1/casework").ok()
}

pub fn listed(client: &mut Client, filter: &str) -> Vec<Value> {
    let page = client.get(&format!("/v1/cases?limit=200&{filter}")).ok();
    page["cases"].as_array().unwrap().clone()
}

fn wait(mut true_soon: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !true_soon() {
        assert!(Instant::now() < end, "waited for {SOON:?} in vain");
        thread::sleep(Duration::from_millis(10));
    }
}

/// At the version that the case has.
fn act(client: &mut Client, id: i64, action: &str, body: &Value) -> Answer {
    let version = version(client, &format!("/v1/cases/{id}"));
    let text = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let path = format!("/v1/cases/{id}/{action}");
    client
        .send(
            "POST",
            &path,
            &[("If-Match", &version)],
            Some(text.as_bytes()),
        )
        .unwrap()
}

/// The ETag of what a change of `path` changes.
pub fn version(client: &mut Client, path: &str) -> String {
    let held = client.get(path);
    held.ok();
    held.header("etag").unwrap().to_owned()
}

/// A case that the action named by a path can be done to; nobody has touched it before.
pub fn ready_for(client: &mut Client, path: &str) -> i64 {
    let open = listed(client, "shelf=open");
    let free = open.iter().find(|case| case["version"] == 1);
    let id = free.unwrap()["id"].as_i64().unwrap();
    let action = path.rsplit('/').next().unwrap();
    if !["claim", "assign", "{id}"].contains(&action) {
        act(client, id, "claim", &Value::Null).ok();
    }
    if action == "reopen" {
        act(client, id, "close", &json!({ "reason": "a test" })).ok();
    }
    id
}

/// Tomorrow, for what lies ahead.
pub fn tomorrow() -> String {
    node::clock::now().unwrap().plus(Span::days(1)).to_string()
}

#[test]
fn cases_are_worked_on_from_a_terminal() {
    let server = Server::start();
    let (mut client, mut admin) = (server.client(), admin(&server));
    open(&mut client, &mut admin, 2);
    let (url, token) = (format!("http://{}", server.address), server.token(&[]));
    let run = |args: &[&str]| {
        let mut all = vec!["--json", "cases", "--to", &url, "--token", &token];
        all.extend(args);
        let output = server.command(&all).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let value: Value = serde_json::from_str(&said).unwrap_or(Value::Null);
        (
            output.status.success(),
            value,
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let queue = run(&["ls"]).1;
    assert_eq!(queue["cases"].as_array().unwrap().len(), 2);
    let claimed = run(&["claim"]).1;
    assert_eq!(claimed["id"], queue["cases"][0]["id"], "the most expensive");
    let id = claimed["id"].to_string();
    let (done, refused, said) = run(&["disposition", &id, "theft"]);
    assert!(!done && said.contains("unknown_value"), "{refused} {said}");
    let (done, _, said) = run(&["note", &id, "called her", "--version", "1"]);
    assert!(!done && said.contains("version_moved"), "{said}");
    assert!(run(&["note", &id, "called her"]).0);
    let closed = run(&["disposition", &id, "mule", "--note", "passes money on"]).1;
    assert_eq!(
        (&closed["status"], &closed["disposition"]),
        (&json!("closed"), &json!("mule"))
    );
    let shown = run(&["show", &id]).1;
    assert_eq!(shown["notes"][0]["text"], "called her");
    assert_eq!(run(&["reopen", &id, "once more"]).1["status"], "open");
}

#[test]
fn the_rest_of_the_work_on_cases_and_their_settings_is_done_from_a_terminal_too() {
    let server = Server::start();
    let (mut client, mut admin) = (server.client(), admin(&server));
    open(&mut client, &mut admin, 3);
    let url = format!("http://{}", server.address);
    let [token, boss] =
        [&[][..], &["--role", "admin", "--role", "analyst"]].map(|it| server.token(it));
    let run_as = |token: &str, args: &[&str]| {
        let mut all = vec!["--json", args[0], "--to", &url, "--token", token];
        all.extend(&args[1..]);
        let output = server.command(&all).output().unwrap();
        let value: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), value, said)
    };
    let run = |args: &[&str]| run_as(&token, args);
    let did = |args: &[&str]| {
        let (code, value, said) = run(args);
        assert_eq!(code, 0, "{args:?} {said}");
        value
    };
    let id = did(&["cases", "claim"])["id"].to_string();
    let ticked = |case: &Value| {
        let items = case["checklist"].as_array().unwrap().iter();
        items.map(|it| !it["done_by"].is_null()).collect::<Vec<_>>()
    };
    let first = &did(&["cases", "show", &id])["checklist"][0]["item"].to_string();
    did(&["cases", "check", &id, first]);
    assert_eq!(ticked(&did(&["cases", "show", &id])), [true, false]);
    did(&["cases", "check", &id, first, "--undo"]);
    assert_eq!(ticked(&did(&["cases", "show", &id])), [false, false]);
    let sha = "9f".repeat(32);
    did(&[
        "cases",
        "attach",
        &id,
        "statement",
        "https://files.example.com/s.pdf",
        &sha,
    ]);
    let attached = did(&["cases", "show", &id])["attachments"][0].clone();
    assert_eq!(
        (&attached["name"], &attached["sha256"]),
        (&json!("statement"), &json!(sha))
    );
    let until = tomorrow();
    let snoozed = did(&["cases", "snooze", &id, &until]);
    assert_eq!(snoozed["snoozed_until"], json!(until));
    let assigned = did(&["cases", "assign", &id, "ben", "--reason", "speaks Dutch"]);
    assert_eq!(assigned["assignee"], "ben");
    let (code, _, said) = run(&["cases", "assign", &id]);
    assert!(code == 1 && said.contains("field_missing"), "{code} {said}");
    let freed = did(&["cases", "assign", &id, "--reason", "is ill"]);
    assert_eq!(freed["assignee"], Value::Null);

    let others = did(&["cases", "ls"]);
    let others: Vec<String> = others["cases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["id"].to_string())
        .collect();
    assert_eq!(others.len(), 2);
    did(&["cases", "bulk", "claim", &others[0], &others[1]]);
    let stale = format!("{}@99", others[1]);
    let many = [
        "cases",
        "bulk",
        "close",
        &others[0],
        &stale,
        "--reason",
        "a test of the shop",
    ];
    let (code, told, _) = run(&many);
    assert_eq!(code, 3, "{told}");
    assert_eq!(told["results"][0]["case"]["status"], "closed");
    assert_eq!(told["results"][1]["error"]["code"], "version_moved");
    assert_eq!(
        did(&["cases", "show", &others[0]])["history"][0]["why"],
        "a test of the shop"
    );

    let open = did(&["alerts", "ls", "--status", "open"]);
    assert_eq!(open["alerts"].as_array().unwrap().len(), 2);
    let of_case = did(&["alerts", "ls", "--case", &id]);
    let alert = &of_case["alerts"][0];
    assert_eq!(of_case["alerts"].as_array().unwrap().len(), 1);
    let (number, event) = (alert["id"].to_string(), alert["event_id"].as_str().unwrap());
    assert_eq!(did(&["alerts", "show", &number]), *alert);
    assert_eq!(did(&["alerts", "ls", "--event-id", event]), of_case);
    let device = format!("phone-of-{event}");
    assert_eq!(
        did(&["alerts", "ls", "--kind", "device", "--id", &device]),
        of_case
    );

    let held = did(&["cases", "settings", "show"]);
    assert_eq!(held["checklist"], json!(["call", "freeze"]));
    let shown = server.command(&["cases", "settings", "show", "--to", &url, "--token", &token]);
    let text = String::from_utf8(shown_of(shown)).unwrap();
    let file = server.data().with_file_name("casework.toml");
    std::fs::write(&file, text.replace("\"freeze\"", "\"block\"")).unwrap();
    let set = [
        "cases",
        "settings",
        "set",
        file.to_str().unwrap(),
        "--why",
        "as agreed",
    ];
    assert!(run(&set).2.contains("role_missing"));
    let done = run_as(&boss, &set);
    assert_eq!(
        (done.0, &done.1["checklist"]),
        (0, &json!(["call", "block"])),
        "{}",
        done.2
    );
    let mut stale = set.to_vec();
    stale.extend(["--version", "1"]);
    assert!(run_as(&boss, &stale).2.contains("version_moved"));
    assert_eq!(
        did(&["cases", "settings", "show"])["version"],
        done.1["version"]
    );
}

fn shown_of(mut command: std::process::Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

pub fn admin(server: &Server) -> Client {
    server.admin().with("X-Tenant-Id", "default")
}

#[test]
fn a_backup_beside_a_server_takes_casework_along() {
    let server = Server::start();
    let (mut client, mut admin) = (server.client(), admin(&server));
    open(&mut client, &mut admin, 3);
    let id = ready_for(&mut client, "/v1/cases/{id}/note");
    act(
        &mut client,
        id,
        "note",
        &json!({ "text": "before the backup" }),
    )
    .ok();
    let home = tempfile::TempDir::new().unwrap();
    let to = home.path().join("copy");
    let taken = server
        .command(&["backup", "--to", to.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(taken.status.success(), "{taken:?}");
    act(&mut client, id, "note", &json!({ "text": "after it" })).ok();
    let kept: Vec<_> = std::fs::read_dir(home.path()).unwrap().collect();
    assert_eq!(kept.len(), 1, "nothing is left beside the copy: {kept:?}");

    let mut other = Server::set_up("");
    let back = other
        .command(&["restore", "--from", to.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(back.status.success(), "{back:?}");
    other.launch();
    let mut restored = other.client();
    wait(|| restored.get("/v1/cases").status == 200);
    let view = restored.get(&format!("/v1/cases/{id}")).ok();
    let notes = view["notes"].as_array().unwrap();
    assert_eq!(
        (notes.len(), &notes[0]["text"]),
        (1, &json!("before the backup"))
    );
    assert_eq!(listed(&mut restored, "shelf=open").len(), 3);
    // It goes on from there.
    let mut event = payment(77);
    event["account"] = json!("new");
    event["device"] = json!("new");
    restored.post("/v1/decisions", &event.to_string()).ok();
    wait(|| listed(&mut restored, "shelf=open").len() == 4);
}
