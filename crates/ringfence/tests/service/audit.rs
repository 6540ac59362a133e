//! The audit trail of the real process: what people change is told in order, kills leave it whole, a flipped byte
//! shows.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cases;
use crate::client::Client;
use crate::models;
use crate::server::{SOON, Server};

const RULES: &str = "[[rules]]\nid = \"large\"\nwhen = 'amount > 500_00'\nstatus = \"active\"\n\
                     decision = \"review\"\nreason = \"a large amount\"\n";
const HANDBOOK: &str = include_str!("../../../../schemas/handbook.toml");

fn put(client: &mut Client, path: &str, media: &str, why: &str, body: &str) -> Value {
    let headers = [("Content-Type", media), ("X-Change-Reason", why)];
    let sent = client.send("PUT", path, &headers, Some(body.as_bytes()));
    sent.unwrap().ok()
}

/// The entries of the trail that pass a filter, once everything is in it.
pub fn entries(client: &mut Client, filter: &str) -> Vec<Value> {
    let end = Instant::now() + SOON;
    loop {
        let answer = client.get(&format!("/v1/audit?limit=500{filter}"));
        if answer.status == 200 && answer.json()["behind"] == 0 {
            let page = answer.json();
            assert_eq!(page["has_more"], false);
            return page["entries"].as_array().unwrap().clone();
        }
        assert!(Instant::now() < end, "{} {}", answer.status, answer.text());
        thread::sleep(Duration::from_millis(10));
    }
}

/// The same, as soon as there is one of this action.
fn until(client: &mut Client, action: &str) -> Vec<Value> {
    let end = Instant::now() + SOON;
    loop {
        let all = entries(client, "");
        if all.iter().any(|it| it["action"] == action) {
            return all;
        }
        assert!(Instant::now() < end, "no {action} within {SOON:?}: {all:?}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn command(server: &Server, args: &[&str]) -> (bool, String, String) {
    let mut all = vec!["audit"];
    all.extend(args);
    let output = server.command(&all).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.success(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// Changes of every kind, by the development token.
fn change_all(server: &Server, client: &mut Client) {
    put(client, "/v1/rules", "application/toml", "large ones", RULES);
    let list = json!({ "on": "device", "form": "text", "effect": "block" }).to_string();
    put(client, "/v1/lists/stolen", "application/json", "new", &list);
    let items = json!({ "items": [{ "value": "d-9", "reason": "reported" }] }).to_string();
    let told = [("X-Change-Reason", "by the police")];
    let items = client.send(
        "POST",
        "/v1/lists/stolen/items",
        &told,
        Some(items.as_bytes()),
    );
    items.unwrap().ok();
    let activate = format!("/v1/models/{}/activate", models::identity(models::STARTER));
    client.post(&activate, "").ok();
    cases::open(client, &mut cases::admin(server), 1);
    let path = "/v1/cases/{id}/disposition";
    let id = cases::ready_for(client, path);
    let version = cases::version(client, &format!("/v1/cases/{id}"));
    let closed = client.send(
        "POST",
        &path.replace("{id}", &id.to_string()),
        &[("If-Match", &version)],
        Some(br#"{"fraud_type":"mule","note":"passes money on"}"#),
    );
    closed.unwrap().ok();
}

/// Who, before, after and why of what [`change_all`] did.
fn tells_all(all: &[Value]) {
    let of = |action: &str| -> Vec<&Value> {
        let found = all.iter().filter(|it| it["action"] == action);
        found.collect()
    };
    for (at, entry) in all.iter().enumerate() {
        assert_eq!(entry["seq"], at as u64 + 1);
    }
    let order = [
        "schema.set",
        "rules.set",
        "lists.create",
        "lists.put",
        "policy.set",
    ];
    let from_log = all.iter().filter(|it| {
        let source = it["source"].as_str().unwrap();
        source.starts_with("log:") && order.contains(&it["action"].as_str().unwrap())
    });
    let actions: Vec<&str> = from_log.map(|it| it["action"].as_str().unwrap()).collect();
    let mut rest = actions.iter();
    assert!(
        order.iter().all(|wanted| rest.any(|held| held == wanted)),
        "{actions:?}"
    );

    let rules = of("rules.set")[0];
    assert_eq!(
        (&rules["actor"], &rules["actor_kind"], &rules["why"]),
        (&json!("development"), &json!("token"), &json!("large ones"))
    );
    assert_eq!(rules["before"], Value::Null, "there were none");
    assert_eq!(rules["after"], RULES);
    let items = of("lists.put")[0];
    assert_eq!(
        (&items["target"], &items["why"]),
        (&json!("stolen"), &json!("by the police"))
    );
    assert_eq!(items["after"]["items"][0]["value"], "d-9");
    // The starter's policy, and what the test set instead of it.
    let policies = of("policy.set");
    let last = policies.last().unwrap();
    assert_eq!(last["actor"], "development");
    assert_eq!(last["before"], policies[policies.len() - 2]["after"]);
    assert!(last["after"].as_str().unwrap().contains("1001"), "{last}");
    let activated = of("model.activate");
    let model = models::identity(models::STARTER);
    assert_eq!(activated.last().unwrap()["after"]["model"], model);
    let closed = of("case.disposed")[0];
    assert_eq!(closed["actor"], "development");
    assert_eq!(closed["before"]["status"], "open");
    let label = of("label.record")[0];
    assert_eq!(
        (&label["actor"], &label["target"]),
        (&json!("analyst"), &json!("case-0"))
    );
    assert_eq!(label["after"]["verdict"], "fraud");
}

#[test]
fn every_change_is_told_in_order_and_once_over_a_kill() {
    let mut server = Server::start();
    let mut client = server.client();
    change_all(&server, &mut client);
    let all = until(&mut client, "label.record");
    tells_all(&all);
    // One by one, by the cursor: the same.
    let (mut paged, mut next) = (Vec::new(), String::new());
    loop {
        let page = client.get(&format!("/v1/audit?limit=3{next}")).ok();
        paged.extend(page["entries"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(paged, all);
    let filtered = entries(&mut client, "&action=rules.set&actor=development");
    let rules = all.iter().find(|it| it["action"] == "rules.set").unwrap();
    assert_eq!(filtered, std::slice::from_ref(rules));
    let later = entries(&mut client, "&from=2100-01-01T00:00:00Z");
    assert_eq!(later, [] as [Value; 0]);

    let head = client.get("/v1/audit/head").ok();
    server.kill();
    server.launch();
    let mut client = server.client();
    let again = entries(&mut client, "");
    assert_eq!(again[..all.len()], all, "the same, and none twice");
    let sources: Vec<&Value> = again.iter().map(|it| &it["source"]).collect();
    for (at, source) in sources.iter().enumerate() {
        assert!(!sources[..at].contains(source), "{source} twice");
    }
    let (sound, said, _) = command(
        &server,
        &["verify", "--head", head["head"].as_str().unwrap()],
    );
    assert!(sound && said.contains("sound"), "{said}");
}

#[test]
fn kills_in_the_middle_of_changes_lose_none_and_a_flipped_byte_shows() {
    let mut server = Server::start();
    let mut sent = 0;
    for round in 0..4_u64 {
        let mut client = server.client();
        for _ in 0..5 {
            sent += 1;
            let body = format!("{RULES}# {sent}\n");
            put(&mut client, "/v1/rules", "application/toml", "", &body);
        }
        thread::sleep(Duration::from_millis(round * 37 % 120));
        server.kill();
        server.launch();
    }
    let mut client = server.client();
    let set = entries(&mut client, "&action=rules.set");
    let texts: Vec<String> = set
        .iter()
        .map(|it| it["after"].as_str().unwrap().to_owned())
        .collect();
    let wanted: Vec<String> = (1..=sent).map(|it| format!("{RULES}# {it}\n")).collect();
    assert_eq!(texts, wanted);
    for pair in set.windows(2) {
        assert_eq!(pair[1]["before"], pair[0]["after"]);
    }
    assert!(command(&server, &["verify"]).0);

    // What is exported and shown beside the server is what the server tells.
    let export = command(&server, &["export"]).1;
    let shown = command(&server, &["--json", "show", "--action", "rules.set"]).1;
    let shown: Vec<Value> = shown
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(shown, set);
    let lines: Vec<&str> = export.lines().collect();
    let broken_at = lines.iter().position(|it| it.contains("# 7\\n")).unwrap();
    let file = server
        .data()
        .join("default/trail/00000000000000000001.jsonl");
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(text, export);
    fs::write(&file, text.replacen("# 7\\n", "# 8\\n", 1)).unwrap();
    let (sound, _, said) = command(&server, &["verify"]);
    assert!(!sound);
    let place = format!("00000000000000000001.jsonl line {}", broken_at + 1);
    let seq = format!("entry {broken_at} expected");
    assert!(said.contains(&place) && said.contains(&seq), "{said}");
}

#[test]
fn the_trail_and_settings_of_casework_survive_another_schema() {
    let server = Server::start();
    let (mut client, mut admin) = (server.client(), cases::admin(&server));
    put(&mut client, "/v1/rules", "application/toml", "first", RULES);
    let mut settings = client.get("/v1/casework").ok();
    settings["checklist"] = json!(["call"]);
    let set = admin.send(
        "PUT",
        "/v1/casework",
        &[("If-Match", "\"0\"")],
        Some(settings.to_string().as_bytes()),
    );
    set.unwrap().ok();
    let before = until(&mut client, "settings.changed");
    let default = include_str!("../../../../schemas/default.toml");
    let fitting = default.replacen("horizon = \"180d\"", "horizon = \"170d\"", 1);
    assert_ne!(fitting, default);
    let schema = |text: &str| json!({ "schema": text }).to_string();
    let json = "application/json";
    put(
        &mut client,
        "/v1/schema",
        json,
        "shorter",
        &schema(&fitting),
    );
    let kept = client.get("/v1/casework").ok();
    assert_eq!(kept["checklist"], json!(["call"]), "it fits, and is kept");
    let all = until(&mut client, "log.replaced");
    assert_eq!(all[..before.len()], before);
    let replaced = &all[before.len()];
    assert_eq!(
        (&replaced["action"], &replaced["actor"], &replaced["why"]),
        (
            &json!("log.replaced"),
            &json!("development"),
            &json!("shorter")
        )
    );
    // The new log counts from above: what it begins with is behind the old one, and later changes too.
    let schemas = entries(&mut client, "&action=schema.set");
    assert_eq!(schemas.len(), 2, "one of each log");
    assert_eq!(schemas[1]["after"], fitting);
    put(
        &mut client,
        "/v1/rules",
        "application/toml",
        "second",
        RULES,
    );
    let rules = entries(&mut client, "&action=rules.set");
    assert_eq!(rules.len(), 3, "the first was kept");
    assert_eq!(
        (&rules[1]["before"], &rules[1]["after"]),
        (&Value::Null, &json!(RULES))
    );
    assert_eq!(rules[1]["why"], "kept under another schema: first");
    assert_eq!(rules[2]["before"], RULES);

    // Another base currency: casework begins anew, and says so.
    let dollars = HANDBOOK.replacen("base_currency = \"EUR\"", "base_currency = \"USD\"", 1);
    put(&mut client, "/v1/schema", json, "", &schema(&dollars));
    assert_eq!(entries(&mut client, "&action=casework.anew").len(), 1);
    assert_eq!(entries(&mut client, "&action=settings.changed").len(), 1);
    assert!(command(&server, &["verify"]).0);
}

#[test]
fn a_backup_takes_the_trail_along_and_an_erasure_its_files() {
    let server = Server::start();
    let mut client = server.client();
    put(&mut client, "/v1/rules", "application/toml", "kept", RULES);
    let all = until(&mut client, "rules.set");
    let home = tempfile::TempDir::new().unwrap();
    let to = home.path().join("copy");
    let run = |server: &Server, args: &[&str]| {
        let output = server.command(args).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    run(&server, &["backup", "--to", to.to_str().unwrap()]);
    let mut other = Server::set_up("");
    run(&other, &["restore", "--from", to.to_str().unwrap()]);
    other.launch();
    let mut restored = other.client();
    assert_eq!(entries(&mut restored, ""), all);
    put(&mut restored, "/v1/rules", "application/toml", "on", RULES);
    assert_eq!(entries(&mut restored, "").len(), all.len() + 1);

    let trail = server.data().join("default/trail");
    let files = fs::read_dir(&trail).unwrap().count() as u64;
    assert!(files > 0);
    let erased = server
        .admin()
        .send("DELETE", "/v1/tenants/default", &[], None);
    let erased = erased.unwrap().ok();
    assert_eq!(erased["left"], 0);
    assert!(!trail.exists());
}

#[test]
fn webhooks_are_audited_over_kills_and_come_along_in_a_backup_with_their_secrets_closed() {
    let mut server = Server::start();
    let (mut secrets, mut ids) = (Vec::new(), Vec::new());
    for round in 0..4_u64 {
        let mut client = server.client();
        let url = format!("https://hooks.example.org/{round}");
        let body = json!({ "url": url, "kinds": ["label.recorded"] });
        let made = client.post("/v1/webhooks", &body.to_string());
        assert_eq!(made.status, 201, "{}", made.text());
        let made = made.json();
        secrets.push(made["secret"].as_str().unwrap().to_owned());
        let id = made["webhook"]["id"].as_str().unwrap().to_owned();
        let path = format!("/v1/webhooks/{id}/secrets");
        let added = client.post(&path, "{}").json();
        secrets.push(added["secret"].as_str().unwrap().to_owned());
        ids.push(id);
        thread::sleep(Duration::from_millis(round * 41 % 120));
        server.kill();
        server.launch();
    }
    let mut client = server.client();
    let told = |client: &mut Client, action: &str| -> Vec<Value> {
        let end = Instant::now() + SOON;
        loop {
            let found = entries(client, &format!("&action={action}"));
            if found.len() >= 4 {
                return found.iter().map(|it| it["target"].clone()).collect();
            }
            assert!(Instant::now() < end, "{action}: {found:?}");
            thread::sleep(Duration::from_millis(10));
        }
    };
    assert_eq!(told(&mut client, "webhook.endpoint.created"), ids);
    assert_eq!(told(&mut client, "webhook.secret.added").len(), 4);

    let home = tempfile::TempDir::new().unwrap();
    let to = home.path().join("copy");
    let run = |server: &Server, args: &[&str]| {
        let output = server.command(args).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    run(&server, &["backup", "--to", to.to_str().unwrap()]);
    let mut other = Server::set_up("");
    run(&other, &["restore", "--from", to.to_str().unwrap()]);
    for file in [
        to.join("webhooks.db"),
        other.data().join("default/webhooks.db"),
    ] {
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
    other.launch();
    let mut restored = other.client();
    let kept = restored.get("/v1/webhooks").ok();
    let kept = kept["webhooks"].as_array().unwrap().iter();
    assert_eq!(kept.map(|it| it["id"].clone()).collect::<Vec<_>>(), ids);
    let path = format!("/v1/webhooks/{}", ids[0]);
    restored.send("DELETE", &path, &[], None).unwrap().ok();
    let all = until(&mut restored, "webhook.endpoint.removed");
    assert_eq!(all.last().unwrap()["target"], ids[0]);
    let anew = all.iter().filter(|it| it["action"] == "webhooks.anew");
    assert_eq!(anew.count(), 0, "they go on");

    // Another schema of an empty tenant takes them along too.
    let default = include_str!("../../../../schemas/default.toml");
    let other = default.replacen("horizon = \"180d\"", "horizon = \"170d\"", 1);
    let body = json!({ "schema": other }).to_string();
    put(&mut restored, "/v1/schema", "application/json", "", &body);
    let kept = restored.get("/v1/webhooks").ok();
    assert_eq!(kept["webhooks"].as_array().unwrap().len(), 3);
    let path = format!("/v1/webhooks/{}", ids[1]);
    restored.send("DELETE", &path, &[], None).unwrap().ok();
    let end = Instant::now() + SOON;
    while entries(&mut restored, "&action=webhook.endpoint.removed").len() < 2 {
        assert!(Instant::now() < end);
        thread::sleep(Duration::from_millis(10));
    }
    let export = command(&server, &["export"]).1;
    for secret in &secrets {
        let key = secret.trim_start_matches("whsec_");
        assert!(!export.contains(key), "a secret is in the trail");
    }
}
