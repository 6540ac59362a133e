//! The watch over drift of a real process: killed again and again it knows what an undisturbed one knows, and what it
//! goes by is checked before it is taken.

use std::fs;
use std::path::Path;
use std::thread;

use serde_json::{Value, json};
use simulator::{Lines, Params};

use crate::client::Client;
use crate::server::Server;

/// Nothing but events moves time, and kills fall before and behind snapshots.
const SETTINGS: &str = "[snapshot]\nrecords = 300\n[tenants]\ntick = \"24h\"\n";
/// Where what is imported ends: the model is made of all of it.
const CUT: &str = "2026-02-04T00:00:00Z";
const DECIDED: usize = 1_200;
/// From here on amounts are in another unit.
const OTHER_UNIT: usize = 300;
const KILLS: [usize; 4] = [1, 250, 577, 1_000];

/// A history and a model of it, and the events that come after.
fn prepared(server: &Server) -> Vec<String> {
    let world = server.data().parent().unwrap().join("world");
    let mut params = Params::preset("demo").unwrap();
    (params.days, params.accounts, params.prevalence, params.seed) = (50, 450, 0.04, 11);
    simulator::write_world(&params, 1, &world, Lines::Written, |_| Ok(())).unwrap();
    let (mut history, mut later) = (String::new(), Vec::new());
    for line in fs::read_to_string(world.join("stream.jsonl"))
        .unwrap()
        .lines()
    {
        let value: Value = serde_json::from_str(line).unwrap();
        let times = ["event_timestamp", "label_timestamp", "outcome_timestamp"];
        let at = times.iter().find_map(|it| value[*it].as_str()).unwrap();
        if at < CUT {
            history.extend([line, "\n"]);
        } else if value["event_type"].is_string() {
            later.push(value);
        }
    }
    fs::write(world.join("history.jsonl"), history).unwrap();
    let of = |name: &str| world.join(name).to_str().unwrap().to_owned();
    let import = [
        "import",
        "--schema",
        &of("schema.toml"),
        &of("history.jsonl"),
    ];
    for args in [&import[..], &["train", "--rounds", "20", "--leaves", "7"]] {
        let output = server.command(args).output().unwrap();
        assert!(output.status.success(), "{args:?} {output:?}");
    }
    later.truncate(DECIDED);
    assert_eq!(later.len(), DECIDED);
    for event in &mut later[OTHER_UNIT..] {
        if let Some(amount) = event["amount"].as_str() {
            let amount: f64 = amount.parse().unwrap();
            event["amount"] = json!(format!("{:.2}", amount * 100.0));
        }
    }
    later.iter().map(Value::to_string).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

#[test]
fn killed_again_and_again_it_knows_what_an_undisturbed_one_knows() {
    let mut whole = Server::set_up(SETTINGS);
    let events = prepared(&whole);
    let mut killed = Server::set_up(SETTINGS);
    copy(&whole.data(), &killed.data());

    whole.launch();
    let mut client = whole.client();
    for event in &events {
        client.post("/v1/decisions", event).ok();
    }
    let mut undisturbed = client.get("/v1/drift").ok();
    assert_eq!(undisturbed["watched"]["events"], DECIDED);
    let alerts = undisturbed["alerts"].as_array().unwrap();
    assert!(!alerts.is_empty(), "{undisturbed}");
    let counted = client.get("/v1/drift/statistics").ok();
    let features = counted["window"]["features"].as_array().unwrap();
    let score = features.iter().find(|it| it["feature"] == "score").unwrap();
    let quantile = |name: &str| score["quantiles"][name].as_f64().unwrap();
    assert!(quantile("p10") <= quantile("p50") && quantile("p50") <= quantile("p99"));
    assert_eq!(
        client.get("/v1/drift/statistics?feature=nothing").status,
        404
    );
    assert_eq!(
        client.get("/v1/drift/statistics?segment=nothing").status,
        404
    );

    killed.launch();
    let mut client = killed.client();
    for (at, event) in events.iter().enumerate() {
        if KILLS.contains(&at) {
            // While the next one is on its way: it is in the log or not, and asked again.
            let (mut other, body) = (killed.client(), event.clone());
            let sent = thread::spawn(move || {
                let body = Some(body.as_bytes());
                drop(other.send("POST", "/v1/decisions", &[], body));
            });
            killed.kill();
            sent.join().unwrap();
            killed.launch();
            client = killed.client();
        }
        client.post("/v1/decisions", event).ok();
    }
    assert_eq!(client.get("/v1/drift").ok(), undisturbed);
    assert_eq!(client.get("/v1/drift/statistics").ok(), counted);
    let one = client
        .get("/v1/drift/statistics?segment=all&feature=amount")
        .ok();
    assert_eq!(one["window"]["features"].as_array().unwrap().len(), 1);

    // What a terminal tells of the directory that is left.
    killed.stop();
    let output = killed
        .command(&["--json", "drift", "status", "--all"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    // What labels say is the server's to tell.
    undisturbed.as_object_mut().unwrap().remove("decay");
    assert_eq!(told, undisturbed);
    let output = killed
        .command(&["--json", "drift", "statistics"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told, counted);
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let server = Server::start();
    let mut client = server.client();
    let path = "/v1/drift/settings";
    let put = |client: &mut Client, body: &Value| {
        let media = [("Content-Type", "application/json")];
        let body = body.to_string();
        let answer = client.send("PUT", path, &media, Some(body.as_bytes()));
        answer.unwrap()
    };
    for (body, code, field) in [
        (
            json!({ "rules": { "colour": { "spread": 0.3 } } }),
            "drift_feature_unknown",
            "rules.colour",
        ),
        (json!({ "window": "0s" }), "drift_window_invalid", "window"),
        (json!({ "psi": -1.0 }), "drift_bound_invalid", "psi"),
    ] {
        let refused = put(&mut client, &body);
        assert_eq!(refused.status, 400, "{}", refused.text());
        let refused = refused.json();
        assert_eq!(refused["code"], code);
        assert_eq!(refused["detail"]["field"], field);
    }
    assert_eq!(client.get(path).ok()["version"], 0);
    let rules = json!({ "rules": { "amount": { "watch": false } } });
    assert_eq!(put(&mut client, &rules).ok()["version"], 1);
    assert_eq!(client.get(path).ok()["drift"], rules);
}
