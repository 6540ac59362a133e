//! What the audit trails say of lists, of settings of drift, and of the lives of tenants.

use serde_json::{Value, json};

use crate::audit::entries;
use crate::client::Client;
use crate::server::Server;

fn send(client: &mut Client, method: &str, path: &str, body: &Value) {
    let body = body.to_string();
    let sent = client.send(method, path, &[], Some(body.as_bytes()));
    sent.unwrap().ok();
}

fn pairs<'e>(entries: &'e [Value], field: &'e str) -> Vec<(&'e str, &'e Value)> {
    let pair = |it: &'e Value| (it["action"].as_str().unwrap(), &it[field]);
    entries.iter().map(pair).collect()
}

#[test]
fn changes_of_lists_tell_what_they_took_the_place_of() {
    let mut server = Server::start();
    let mut client = server.client();
    let block = json!({ "on": "device", "form": "text", "effect": "block" });
    let watch = json!({ "on": "device", "form": "text", "effect": "watch" });
    let items = |items: Value| json!({ "items": items });
    send(&mut client, "PUT", "/v1/lists/stolen", &block);
    let path = "/v1/lists/stolen/items";
    let first = items(json!([{ "value": "d-1", "reason": "reported" }]));
    send(&mut client, "POST", path, &first);
    let second = json!([{ "value": "d-2" }, { "value": "d-1", "reason": "confirmed" }]);
    send(&mut client, "POST", path, &items(second));
    send(&mut client, "PUT", "/v1/lists/stolen", &watch);
    let gone = items(json!([{ "value": "d-1" }, { "value": "d-9" }]));
    send(&mut client, "POST", "/v1/lists/stolen/remove", &gone);
    server.kill();
    server.launch();
    let mut client = server.client();
    // What stands behind a change in the log is no part of it.
    let held = client.get(path).ok()["items"].clone();
    assert_eq!(
        (held.as_array().unwrap().len(), &held[0]["value"]),
        (1, &json!("d-2"))
    );
    client
        .send("DELETE", "/v1/lists/stolen", &[], None)
        .unwrap()
        .ok();

    let all = entries(&mut client, "&target=stolen");
    let told = pairs(&all, "before");
    let actions: Vec<&str> = told.iter().map(|it| it.0).collect();
    let names = ["create", "put", "put", "alter", "remove", "drop"];
    assert_eq!(actions, names.map(|it| format!("lists.{it}")));
    let before: Vec<&Value> = told.iter().map(|it| it.1).collect();
    assert_eq!((before[0], before[1]), (&Value::Null, &Value::Null));
    let put = before[2];
    assert_eq!(
        (&put["count"], put["items"].as_array().unwrap().len()),
        (&json!(1), 1)
    );
    let item = |before: &Value| {
        let item = &before["items"][0];
        ["value", "reason", "author"].map(|name| item[name].clone())
    };
    assert_eq!(
        item(put),
        [json!("d-1"), json!("reported"), json!("development")]
    );
    assert_eq!(
        (&before[3]["effect"], &before[3]["items"]),
        (&json!("block"), &json!(2))
    );
    assert_eq!(before[4]["count"], 1);
    assert_eq!(item(before[4])[..2], [json!("d-1"), json!("confirmed")]);
    assert_eq!(
        (&before[5]["effect"], &before[5]["items"]),
        (&json!("watch"), &json!(1))
    );
    let after = pairs(&all, "after");
    assert_eq!(
        (&after[3].1["effect"], &after[4].1["count"]),
        (&json!("watch"), &json!(2))
    );
    assert!(!after[2].1.to_string().contains("was"), "{}", after[2].1);
}

#[test]
fn settings_of_drift_are_told_with_those_before() {
    let server = Server::start();
    let mut client = server.client();
    let toml = [
        ("Content-Type", "application/toml"),
        ("X-Change-Reason", "calmer"),
    ];
    let texts = ["window = \"15min\"\n", "window = \"30min\"\n"];
    for text in texts {
        let set = client.send("PUT", "/v1/drift/settings", &toml, Some(text.as_bytes()));
        set.unwrap().ok();
    }
    let all = entries(&mut client, "&action=drift.set");
    assert_eq!(all.len(), 2, "{all:?}");
    let [first, second] = [0, 1].map(|at| &all[at]);
    assert_eq!(
        (&first["before"], &first["after"]),
        (&Value::Null, &json!(texts[0]))
    );
    assert_eq!(
        (&second["before"], &second["after"]),
        (&json!(texts[0]), &json!(texts[1]))
    );
    assert_eq!(
        (&second["why"], &second["target"]),
        (&json!("calmer"), &json!("drift"))
    );
}

#[test]
fn the_lives_of_tenants_are_in_a_trail_that_outlives_them() {
    let mut server = Server::start();
    let mut admin = server.admin();
    let reason = [("X-Change-Reason", "contract 7")];
    let mut act = |method: &str, path: &str, body: Option<Value>| {
        let body = body.map(|it| it.to_string().into_bytes());
        admin.send(method, path, &reason, body.as_deref()).unwrap()
    };
    act("POST", "/v1/tenants", Some(json!({ "name": "acme" }))).ok();
    let again = act("POST", "/v1/tenants", Some(json!({ "name": "acme" })));
    assert_eq!(again.code(), "tenant_exists");
    let unfit = act(
        "POST",
        "/v1/tenants",
        Some(json!({ "name": "bad", "schema": "x = 1" })),
    );
    assert_eq!(unfit.code(), "schema");
    for verb in ["suspend", "suspend", "resume"] {
        act("POST", &format!("/v1/tenants/acme/{verb}"), None).ok();
    }
    act("DELETE", "/v1/tenants/acme", None).ok();
    assert_eq!(act("DELETE", "/v1/tenants/acme", None).status, 404);
    let page = admin.get("/v1/node/audit").ok();
    let told: Vec<_> = page["entries"].as_array().unwrap().clone();
    let rows = told
        .iter()
        .map(|it| [&it["action"], &it["target"]].map(|it| it.as_str().unwrap()));
    let expected = [
        ["tenant.create", "acme"],
        ["tenant.create", "bad"],
        ["tenant.failed", "bad"],
        ["tenant.suspend", "acme"],
        ["tenant.resume", "acme"],
        ["tenant.erase", "acme"],
    ];
    assert_eq!(rows.collect::<Vec<_>>(), expected);
    assert!(
        told.iter()
            .all(|it| it["why"] == "contract 7" && it["actor_kind"] == "token")
    );
    assert_eq!(
        told[2]["after"],
        json!({ "failed": "create", "code": "schema" })
    );
    let filtered = admin.get("/v1/node/audit?action=tenant.erase").ok();
    assert_eq!(filtered["entries"].as_array().unwrap()[0], told[5]);

    // Without a server, by commands, in the same chain.
    server.stop();
    let run = |args: &[&str]| {
        let output = server.command(args).output().unwrap();
        assert!(output.status.success(), "{args:?} {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    run(&["tenants", "suspend", "--why", "over night"]);
    let shown = run(&["--json", "audit", "show", "--node", "--seq", "7"]);
    let last: Value = serde_json::from_str(&shown).unwrap();
    let fields = ["action", "target", "actor_kind", "why"].map(|name| last[name].as_str().unwrap());
    assert_eq!(fields, ["tenant.suspend", "default", "cli", "over night"]);
    let sound: Value =
        serde_json::from_str(&run(&["--json", "audit", "verify", "--node"])).unwrap();
    assert_eq!(
        (&sound["sound"], &sound["entries"]),
        (&json!(true), &json!(7))
    );
}
