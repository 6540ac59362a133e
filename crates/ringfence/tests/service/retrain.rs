//! Retrains of a running server: a candidate is made, watched, asked about, and serves or does not; kills in between.

mod drifting;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use simulator::{Lines, Params};

use crate::client::Client;
use crate::collector::Collector;
use crate::server::{SOON, Server};
use crate::{traces, webhooks};

/// With gates that a small world passes: what they refuse is tested where they are.
const SETTINGS: &str = r#"
[retrain]
enabled = true
rounds = 20
shadow = "1s"
shadow_max = "1h"
memory = "1GiB"
priority = "low"
[retrain.gate]
frauds_min = 10
ap_loss_max = 0.9
segment_loss_max = 0.9
slope_min = 0.01
slope_max = 50.0
intercept_max = 9.0
alerts_factor_max = 500.0
ap_gain_max = 1.0
score_us_max = 100000.0
score_us_p99_max = 1000000.0
score_time_ratio_max = 1000.0
feature_ap_max = 1.0
feature_share_max = 1.0
"#;

/// A simulated world of few people: how much there is, and what a tenant has of it before its server starts.
struct World {
    days: u32,
    trained_until: &'static str,
    imported_until: &'static str,
}

impl World {
    const SHORT: World = World {
        days: 50,
        trained_until: "2026-01-10T00:00:00Z",
        imported_until: "2027-01-01T00:00:00Z",
    };

    /// Imported and learned from, and a server on it.
    fn served(&self, settings: &str) -> Server {
        let mut server = Server::set_up(settings);
        let folder = server.data().parent().unwrap().join("world");
        let run = |args: &[&str]| {
            let output = server.command(args).output().unwrap();
            assert!(output.status.success(), "{args:?} {output:?}");
        };
        let mut params = Params::preset("demo").unwrap();
        (params.days, params.accounts) = (self.days, 450);
        (params.prevalence, params.seed) = (0.04, 11);
        simulator::write_world(&params, 1, &folder, Lines::Written, |_| Ok(())).unwrap();
        let early = self.early(&folder);
        let schema = folder.join("schema.toml");
        let [schema, early] = [&schema, &early].map(|it| it.to_str().unwrap());
        run(&["import", "--schema", schema, early]);
        let until = self.trained_until;
        run(&["train", "--rounds", "20", "--leaves", "7", "--until", until]);
        server.launch();
        server
    }

    /// The part of the stream that is imported.
    fn early(&self, folder: &Path) -> PathBuf {
        let stream = fs::read_to_string(folder.join("stream.jsonl")).unwrap();
        let is_early = |line: &&str| {
            let line: Value = serde_json::from_str(line).unwrap();
            let kinds = ["event_timestamp", "label_timestamp", "outcome_timestamp"];
            let at = kinds.into_iter().find_map(|it| line[it].as_str());
            at.unwrap() < self.imported_until
        };
        let lines: Vec<&str> = stream.lines().filter(is_early).collect();
        let early = folder.join("early.jsonl");
        fs::write(&early, lines.join("\n") + "\n").unwrap();
        early
    }
}

fn serving(client: &mut Client) -> Value {
    let models = client.get("/v1/models").ok();
    let models = models["models"].as_array().unwrap();
    models.iter().find(|it| it["serving"] == true).unwrap()["model"].clone()
}

/// What `GET /v1/models` says of a model; null when there is none.
fn status(client: &mut Client, model: &Value) -> Value {
    let models = client.get("/v1/models").ok();
    let models = models["models"].as_array().unwrap();
    let found = models.iter().find(|it| it["model"] == *model);
    found.map_or(Value::Null, |it| it["status"].clone())
}

/// Asks until the retrain stands so.
fn until(client: &mut Client, id: &Value, status: &str) -> Value {
    // The child works when nobody else wants to: a busy machine makes it slow, and nothing else.
    let end = Instant::now() + 8 * SOON;
    loop {
        let told = client.get(&format!("/v1/retrain/{id}"));
        // One that nobody asked for begins when it is due.
        if told.status == 404 && Instant::now() < end {
            thread::sleep(Duration::from_millis(50));
            continue;
        }
        let told = told.ok();
        if told["status"] == status {
            return told;
        }
        assert!(told["outcome"].is_null(), "{status}: {told}");
        // A shadow that has scored nothing is not promoted.
        if told["status"] == "shadowing" {
            client.post("/v1/decisions", &payment().to_string()).ok();
        }
        assert!(Instant::now() < end, "{status}: {told}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Behind all of the world's, each another one.
fn payment() -> Value {
    static DECIDED: AtomicU64 = AtomicU64::new(0);
    let number = DECIDED.fetch_add(1, Ordering::Relaxed);
    json!({
        "event_id": format!("beside-{number}"), "event_type": "payment",
        "event_timestamp": "2026-10-01T12:00:00Z", "account": "ann", "card": "c-1", "merchant": "shop",
        "device": "d-1", "amount": "12.00",
    })
}

#[test]
fn beside_a_damaged_job_an_order_is_refused_with_its_number() {
    let server = Server::with("[retrain]\nenabled = true\n");
    let job = server.data().join("default/retrain/000007");
    fs::create_dir_all(&job).unwrap();
    fs::write(job.join("order.json"), "{").unwrap();
    let refused = server.client().post("/v1/retrain", "");
    let told = refused.json();
    assert_eq!(
        (refused.status, &told["code"]),
        (409, &json!("retrain_damaged"))
    );
    assert_eq!(told["detail"]["retrain"], 7);
    // Of where it lies on the machine nothing.
    let says = told["message"].as_str().unwrap();
    assert!(
        says.starts_with("retrain 7 holds up all: order.json is no file"),
        "{says}"
    );
    fs::remove_dir_all(&job).unwrap();
}

#[test]
fn a_candidate_is_made_through_a_kill_watched_and_approved() {
    let mut server = World::SHORT.served(SETTINGS);
    let mut client = server.client();
    let champion = serving(&mut client);
    let begun = client.post("/v1/retrain", "");
    assert_eq!(begun.status, 202, "{}", begun.text());
    let id = begun.json()["id"].clone();
    let again = client.post("/v1/retrain", "");
    assert_eq!(
        (again.status, &again.json()["code"]),
        (409, &json!("retrain_running"))
    );
    assert_eq!(again.json()["detail"]["retrain"], id);
    let early = client.post(&format!("/v1/retrain/{id}/approve"), "");
    assert_eq!(early.json()["code"], "retrain_not_waiting");

    // Killed while the child is at work: the child goes with it, the job goes on after the start.
    let plan = server.data().join("default/retrain/000001/plan.json");
    let end = Instant::now() + SOON;
    while !plan.exists() {
        assert!(Instant::now() < end);
        thread::sleep(Duration::from_millis(2));
    }
    let planned = fs::read(&plan).unwrap();
    server.kill();
    server.launch();
    let mut client = server.client();
    let waits = until(&mut client, &id, "waiting_for_approval");
    assert_eq!(fs::read(&plan).unwrap(), planned, "the window stays frozen");
    assert_eq!(waits["plan"]["champion"], champion);
    assert_eq!(waits["verdicts"].as_array().unwrap().len(), 2);
    assert_eq!(serving(&mut client), champion, "nobody has said yes");
    let candidate = &waits["trained"]["model"];
    assert_eq!(status(&mut client, candidate), "shadow");
    // Killed while it waits: it waits for the same person, of the same model.
    server.kill();
    server.launch();
    let mut client = server.client();
    let again = until(&mut client, &id, "waiting_for_approval");
    assert_eq!(again["verdicts"], waits["verdicts"]);
    assert_eq!(status(&mut client, candidate), "shadow");

    let why = client
        .send(
            "POST",
            &format!("/v1/retrain/{id}/approve"),
            &[("X-Change-Reason", "looked at it")],
            None,
        )
        .unwrap();
    assert_eq!(why.status, 200, "{}", why.text());
    let promoted = until(&mut client, &id, "promoted");
    assert_eq!(promoted["answer"]["why"], "looked at it");
    assert_eq!(serving(&mut client), promoted["trained"]["model"]);
    let scraped = server.admin().get("/metrics");
    let told = scraped.text();
    let counted = r#"ringfence_retrains_total{tenant="default",result="promoted"} 1"#;
    assert!(told.contains(counted), "{told}");
    assert!(told.contains("ringfence_model_last_retrain_timestamp_seconds{tenant=\"default\"}"));

    // The next one is judged beside the model that this one became, and turned down.
    let id = client.post("/v1/retrain", "").json()["id"].clone();
    // Killed as soon as it is in shadow: it goes on being watched, as of when it was.
    let shadow = server.data().join("default/retrain/000002/shadow.json");
    let end = Instant::now() + 8 * SOON;
    while !shadow.exists() {
        assert!(Instant::now() < end);
        thread::sleep(Duration::from_millis(5));
    }
    let since = fs::read(&shadow).unwrap();
    server.kill();
    server.launch();
    let mut client = server.client();
    let waits = until(&mut client, &id, "waiting_for_approval");
    assert_eq!(waits["plan"]["champion"], promoted["trained"]["model"]);
    assert_eq!(fs::read(&shadow).unwrap(), since);
    let candidate = &waits["trained"]["model"];
    assert_eq!(status(&mut client, candidate), "shadow");
    client.post(&format!("/v1/retrain/{id}/reject"), "").ok();
    until(&mut client, &id, "rejected");
    let end = Instant::now() + SOON;
    while status(&mut client, candidate) != Value::Null {
        assert!(Instant::now() < end, "the candidate stays");
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(serving(&mut client), promoted["trained"]["model"]);
    let listed = client.get("/v1/retrain").ok();
    let states: Vec<&Value> = listed["retrains"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["status"])
        .collect();
    assert_eq!(states, ["rejected", "promoted"]);
}

/// Nobody asks for it, and nobody is asked.
#[test]
fn by_schedule_a_candidate_comes_into_service() {
    let schedule = "every = \"1s\"\npromote = \"automatic\"\n";
    let collector = Collector::start(&[200]);
    let settings = SETTINGS.replace("rounds = 20\n", &format!("rounds = 20\n{schedule}"));
    let traced = traces::settings(&collector, 0.0);
    let server = World::SHORT.served(&format!("{settings}{traced}"));
    let mut client = server.client();
    let promoted = until(&mut client, &json!(1), "promoted");
    assert_eq!(promoted["trigger"]["kind"], "schedule");
    assert_eq!(promoted["by"], "retrain");
    assert_eq!(promoted["answer"], Value::Null);
    assert_eq!(serving(&mut client), promoted["trained"]["model"]);
    steps_are_traced(&collector, &promoted);
    // `cool_down` is a day: the next one has not begun.
    let listed = client.get("/v1/retrain").ok();
    assert_eq!(listed["retrains"].as_array().unwrap().len(), 1);
}

/// One trace of the job and its steps, each after the one before.
fn steps_are_traced(collector: &Collector, promoted: &Value) {
    let mut spans = webhooks::until(|| {
        let all = traces::spans(collector).into_iter();
        let own: Vec<_> = all.filter(|it| it.name.starts_with("retrain.")).collect();
        own.iter().any(|it| it.name == "retrain.job").then_some(own)
    });
    spans.sort_by_key(|it| (it.start_time_unix_nano, it.end_time_unix_nano));
    let at = spans.iter().position(|it| it.name == "retrain.job");
    let job = spans.remove(at.unwrap());
    let names: Vec<&str> = spans.iter().map(|it| &*it.name).collect();
    let steps = ["plan", "train", "judge", "shadow", "judge", "promote"];
    assert_eq!(names, steps.map(|it| format!("retrain.{it}")));
    for span in &spans {
        assert_eq!(span.kind, 1, "nobody outside asked for {}", span.name);
        assert_eq!(
            (&span.trace_id, &span.parent_span_id),
            (&job.trace_id, &job.span_id)
        );
        assert!(span.start_time_unix_nano >= job.start_time_unix_nano);
        assert!(span.end_time_unix_nano <= job.end_time_unix_nano);
    }
    // A training is no moment, and neither is an hour, here a second, in shadow.
    for span in [&spans[1], &spans[3]] {
        assert!(span.end_time_unix_nano > span.start_time_unix_nano);
    }
    let of = traces::attributes(&job);
    let model = promoted["trained"]["model"].as_str().unwrap();
    assert_eq!(
        (
            &*of["retrain.result"],
            &*of["tenant.id"],
            &*of["model.version"]
        ),
        ("promoted", "default", &model[..12])
    );
}

#[test]
fn a_server_that_is_not_asked_to_makes_no_candidates() {
    let server = Server::start();
    let mut client = server.client();
    let refused = client.post("/v1/retrain", "");
    assert_eq!(
        (refused.status, &refused.json()["code"]),
        (409, &json!("retrain_off"))
    );
    assert_eq!(
        client.get("/v1/retrain").ok(),
        json!({ "enabled": false, "blocked": null, "waits": null, "retrains": [] })
    );
    assert_eq!(client.get("/v1/retrain/1").status, 404);
    assert_eq!(client.get("/v1/retrain/x").status, 404);
    assert!(!server.data().join("default/retrain").exists());
}

/// A retrain of the default tenant that waits for approval, of models that are not there; its id.
pub fn waiting(server: &Server) -> u64 {
    let root = server.data().join("default/retrain");
    let made = |id: u64| root.join(format!("{id:06}"));
    let id = (1..).find(|id| !made(*id).exists()).unwrap();
    let hash = |digit: &str| digit.repeat(64);
    let window = json!({ "from": 0, "until": 1 });
    let verdict = json!({ "verdict": "pass", "reasons": [], "log_end": 9, "report": {} });
    let write = |folder: &PathBuf, name: &str, value: &Value| {
        fs::write(folder.join(name), value.to_string()).unwrap();
    };
    // Whole before anybody looks: a directory without an order is none.
    let folder = made(id);
    fs::create_dir_all(&folder).unwrap();
    let plan = json!({
        "log_end": 9, "train": window, "exam": window, "train_frauds": 60, "exam_frauds": 20,
        "champion": hash("a"), "seed": 1, "code": "ringfence",
    });
    let trained = json!({ "model": hash("b"), "data_digest": hash("c"), "rows": 9, "frauds": 3 });
    write(&folder, "plan.json", &plan);
    write(&folder, "trained.json", &trained);
    write(&folder, "verdict-0.json", &verdict);
    write(&folder, "verdict-1.json", &verdict);
    write(&folder, "shadow.json", &json!({ "since": 1 }));
    let order = json!({
        "at": 0, "by": "ann", "why": "", "trigger": { "kind": "command" }, "attended": true,
        "request": {},
    });
    write(&folder, "order.json", &order);
    id
}
