//! Rules, policy and lists by the commands with `--to`, from a folder that is not the server's.

use std::fs;
use std::process::Output;

use event::{EventTime, Span};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::models::{identity, variant};
use crate::server::{Server, minute};

const RULES: &str = "[[rules]]\nid = \"stolen\"\nwhen = 'on_list(\"stolen\", device.id)'\nstatus = \"active\"\ndecision = \"decline\"\n";
const POLICY: &str = "# ours\n[thresholds]\nchallenge = 100\nreview = 200\ndecline = 300\n";

/// Commands that know a server by its address alone.
struct Remote {
    server: Server,
    home: TempDir,
    token: String,
}

impl Remote {
    fn new() -> Remote {
        let server = Server::start();
        let token = server.token(&["--role", "engineer", "--role", "analyst"]);
        Remote {
            server,
            home: TempDir::new().unwrap(),
            token,
        }
    }

    fn file(&self, name: &str, text: &str) {
        fs::write(self.home.path().join(name), text).unwrap();
    }

    fn run(&self, args: &[&str]) -> Output {
        let url = format!("http://{}", self.server.address);
        let mut command = self.server.command(args);
        let command = command.current_dir(self.home.path());
        let to = ["--json", "--to", &url, "--token", &self.token];
        command.args(to).output().unwrap()
    }

    fn json(&self, args: &[&str]) -> Value {
        let output = self.run(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {said}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Why it was refused.
    fn refused(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    fn decided(&self, id: &str, device: &str) -> Value {
        let event = json!({
            "event_id": id, "event_type": "payment", "event_timestamp": minute(1),
            "account": "ann", "merchant": "m1", "device": device, "amount": "5.00",
        });
        let mut client = self.server.client();
        client.post("/v1/decisions", &event.to_string()).ok()
    }
}

#[test]
fn rules_and_policy_are_set_at_the_version_that_was_seen() {
    let remote = Remote::new();
    remote.file(
        "rules.toml",
        "[[rules]]\nid = \"all\"\nwhen = 'true'\nstatus = \"active\"\ndecision = \"review\"\n",
    );
    remote.file(
        "wrong.toml",
        "[[rules]]\nid = \"all\"\nwhen = 'amout > 1'\nstatus = \"active\"\n",
    );
    remote.file("policy.toml", POLICY);
    assert_eq!(
        remote.json(&["rules", "check", "rules.toml"])["valid"],
        true
    );
    for verb in ["check", "set"] {
        let told = remote.refused(&["rules", verb, "wrong.toml"]);
        assert!(
            told.contains("rules: ") && told.contains("amount"),
            "{told}"
        );
    }
    assert_eq!(remote.json(&["rules", "show"])["version"], 0);
    let set = remote.json(&[
        "rules",
        "set",
        "rules.toml",
        "--version",
        "0",
        "--why",
        "a first try",
    ]);
    assert_eq!(set["version"], 1);
    assert_eq!(remote.decided("e1", "d1")["source"], "rule");
    let shown = remote.json(&["rules", "show"]);
    assert_eq!(
        (&shown["version"], &shown["rules"][0]["id"]),
        (&json!(1), &json!("all"))
    );
    assert_eq!(shown["rules"][0]["counts"]["matched"], 1);

    // Somebody else was faster: what they set stays.
    remote.file("rules.toml", "rules = []\n");
    let told = remote.refused(&["rules", "set", "rules.toml", "--version", "0"]);
    assert!(told.contains("version_moved"), "{told}");
    assert_eq!(remote.json(&["rules", "show"])["version"], 1);
    assert_eq!(
        remote.json(&["rules", "set", "rules.toml", "--version", "1"])["version"],
        2
    );
    assert_eq!(remote.json(&["rules", "show"])["text"], "rules = []\n");

    let variables = remote.json(&["rules", "variables"]);
    let mut all = variables.as_array().unwrap().iter();
    let amount = all.find(|it| it["name"] == "amount").unwrap();
    assert_eq!(
        (&amount["type"], &amount["optional"]),
        (&json!("number"), &json!(true))
    );

    let before = remote.json(&["policy", "show"])["version"]
        .as_u64()
        .unwrap();
    let [old, held] = [before + 7, before].map(|it| it.to_string());
    let told = remote.refused(&["policy", "set", "policy.toml", "--version", &old]);
    assert!(told.contains("version_moved"), "{told}");
    let set = remote.json(&["policy", "set", "policy.toml", "--version", &held]);
    assert_eq!(set["version"], before + 1);
    assert_eq!(remote.json(&["policy", "show"])["text"], POLICY);
    // Without a version whatever is there is replaced.
    assert_eq!(
        remote.json(&["policy", "set", "policy.toml"])["version"],
        before + 2
    );
    let mut client = remote.server.client();
    let trail = client.get("/v1/audit?action=rules.set&limit=10");
    let why: Vec<_> = trail.ok()["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["why"].clone())
        .collect();
    assert!(why.contains(&json!("a first try")), "{}", trail.text());
}

#[test]
fn lists_are_made_filled_read_and_dropped() {
    let mut remote = Remote::new();
    assert_eq!(remote.json(&["lists", "ls"]), json!([]));
    let define = [
        "lists", "define", "stolen", "--on", "device", "--form", "text",
    ];
    let watch = [&define[..], &["--effect", "watch"]].concat();
    let made = remote.json(&watch);
    assert_eq!(made, json!({ "list": "stolen", "done": "created" }));
    remote.json(&["lists", "put", "stolen", "d1", "--reason", "reported"]);
    let expires = "2100-01-01T00:00:00Z";
    remote.json(&["lists", "put", "stolen", "d2", "--expires", expires]);
    remote.file("rules.toml", RULES);
    remote.json(&["rules", "set", "rules.toml"]);
    assert_eq!(remote.decided("e1", "d1")["source"], "rule");
    let told = remote.refused(&["lists", "drop", "stolen"]);
    assert!(told.contains("list_in_use"), "{told}");
    remote.json(&["lists", "remove", "stolen", "d1"]);
    assert_eq!(remote.decided("e2", "d1")["source"], "model");

    // An item again, with a line that is refused beside it; what can be put is.
    remote.file(
        "more.csv",
        "value,expires,reason\nd1,,again\n,,nobody\nd3,2020-01-01T00:00:00Z,late\n",
    );
    let output = remote.run(&["lists", "import", "stolen", "more.csv"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&told["put"], &told["rejected"]), (&json!(1), &json!(2)));
    let lines: Vec<_> = told["rejects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["line"].clone())
        .collect();
    assert_eq!(lines, [json!(3), json!(4)]);
    let exported = remote.run(&["lists", "export", "stolen"]);
    let exported = String::from_utf8(exported.stdout).unwrap();
    let mut rows: Vec<&str> = exported.lines().collect();
    rows[1..].sort_unstable();
    assert_eq!(rows.len(), 3, "{exported}");
    assert!(
        rows[1].starts_with("d1,,again") && rows[2].starts_with("d2,2100-01-01"),
        "{exported}"
    );

    let block = [&define[..], &["--effect", "block", "--always"]].concat();
    assert_eq!(remote.json(&block)["done"], "altered");
    let listed = remote.json(&["lists", "ls"]);
    let list = &listed[0];
    assert_eq!(
        (&list["name"], &list["effect"], &list["items"]),
        (&json!("stolen"), &json!("block"), &json!(2))
    );
    assert_eq!(remote.decided("e3", "d2")["source"], "list");
    let told = remote.refused(&["lists", "put", "none", "d1"]);
    assert!(told.contains("unknown_list"), "{told}");
    for what in [
        &["put", "../tenants", "d1"][..],
        &["export", "../tenants"],
        &["import", "../tenants", "more.csv"],
    ] {
        remote.refused(&[&["lists"], what].concat());
    }
    // What stands there without a server is what the server was told.
    remote.server.stop();
    let output = remote
        .server
        .command(&["--json", "lists", "ls"])
        .output()
        .unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&output.stdout).unwrap(),
        listed
    );
    remote.server.launch();
    remote.file("rules.toml", "rules = []\n");
    remote.json(&["rules", "set", "rules.toml"]);
    assert_eq!(remote.json(&["lists", "drop", "stolen"])["done"], "dropped");
    assert_eq!(remote.json(&["lists", "ls"]), json!([]));
}

#[test]
fn without_a_token_or_its_role_a_command_changes_nothing() {
    let mut remote = Remote::new();
    remote.file("policy.toml", POLICY);
    let before = remote.json(&["policy", "show"]);
    let url = format!("http://{}", remote.server.address);
    let output = remote
        .server
        .command(&["policy", "set", "policy.toml", "--to", &url])
        .current_dir(remote.home.path())
        .env_remove("RINGFENCE_TOKEN")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && said.contains("--token"),
        "{said}"
    );
    let engineer = remote.token.clone();
    remote.token = remote.server.token(&["--role", "analyst"]);
    let told = remote.refused(&["policy", "set", "policy.toml"]);
    assert!(told.contains("role_missing"), "{told}");
    remote.token = engineer;
    assert_eq!(remote.json(&["policy", "show"]), before);
}

#[test]
fn a_model_that_the_server_holds_already_is_not_told_as_new() {
    let remote = Remote::new();
    let model = variant(|it| it.header.created_by = "elsewhere".to_owned());
    fs::write(remote.home.path().join("one.model"), &model).unwrap();
    for is_new in [true, false] {
        let taken = remote.json(&["models", "import", "one.model"]);
        let wanted = json!({ "model": identity(&model), "new": is_new, "activated": false });
        assert_eq!(taken, wanted);
    }
}

#[test]
fn a_comparison_takes_the_length_of_its_window_from_whoever_asks() {
    let remote = Remote::new();
    remote.decided("e1", "d1");
    let begins = |last: &str| {
        let table = remote.json(&["models", "compare", "--last", last]);
        let time = |name: &str| EventTime::parse_iso(table[name].as_str().unwrap()).unwrap();
        time("until").since(time("from"))
    };
    assert_eq!(begins("7d"), Span::days(7));
    assert_eq!(begins("36h"), Span::parse("36h").unwrap());
    let both = "/v1/models/compare?last=7d&from=2026-01-01T00:00:00Z";
    let refused = remote.server.client().get(both);
    assert_eq!(refused.json()["detail"]["field"], "last");
}
