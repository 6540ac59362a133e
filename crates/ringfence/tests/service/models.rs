//! Models enter service while the server decides: no request fails, every decision is of the model in force at
//! its position of the log, and what cannot serve changes nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Instant;

use engine::Lineup;
use event::record::{Channel, Record, ServingPart};
use event::{Position, RoleIx};
use graph::sample::SampleParts;
use graph::{FeatureList, Sample};
use model::artifact::{Artifact, TrainingWindow};
use model::calibration::{Calibration, CalibrationMap};
use model::producer::Producer;
use model::trees::{Child, Leaf, Split, Tree, Trees};
use node::{Champion, History, Place, Tenant};
use serde_json::Value;

use crate::client::{Answer, Client};
use crate::server::{SOON, Server, payment};

pub const STARTER: &[u8] = include_bytes!("../../starter.model");
/// A busy machine makes no model late here.
pub const PATIENT: &str = "[model]\ndeadline = \"10s\"\n";
const BYTES: [(&str, &str); 1] = [("Content-Type", "application/octet-stream")];

pub fn identity(bytes: &[u8]) -> String {
    let (_, identity) = Artifact::decode(bytes).unwrap();
    identity.as_str().to_owned()
}

/// The starter model with something changed.
pub fn variant(change: impl FnOnce(&mut Artifact)) -> Vec<u8> {
    let (mut artifact, _) = Artifact::decode(STARTER).unwrap();
    change(&mut artifact);
    artifact.encode().unwrap()
}

/// Another model by its hash, and by its scores.
pub fn sharper() -> Vec<u8> {
    variant(|it| {
        it.header.created_by = "a test".to_owned();
        let map = CalibrationMap::Platt {
            slope: 3.0,
            intercept: 1.0,
        };
        it.header.calibration = Calibration {
            map,
            prior_shift: 0.0,
        };
    })
}

/// For a schema, with a producer that tells large amounts from small ones, and speaks of all times.
pub fn speaking(schema_hash: &str) -> Vec<u8> {
    let leaf = |value| Leaf { value, cover: 10 };
    let split = Split {
        feature: 0,
        threshold: 50.0,
        flags: 0,
        left: Child::Leaf(0),
        right: Child::Leaf(1),
        gain: 1.0,
    };
    let tree = Tree {
        splits: vec![split],
        leaves: vec![leaf(-1.25), leaf(0.5)],
    };
    variant(|it| {
        it.header.schema_hash = schema_hash.to_owned();
        it.header.training_window.from = it.header.training_window.from.max(0);
        it.producer = Some(Producer {
            trees: Trees::new(it.header.features.len(), &[tree]).unwrap(),
            calibration: Calibration::identity(),
            training_window: TrainingWindow { from: -9, until: 0 },
        });
    })
}

pub fn upload(client: &mut Client, bytes: &[u8]) -> Answer {
    let sent = client.send("POST", "/v1/models", &BYTES, Some(bytes));
    sent.unwrap()
}

/// A model in the place from which an operation on one can start.
pub fn ready_for(client: &mut Client, method: &str, path: &str) -> String {
    let model = sharper();
    let hash = identity(&model);
    assert!(upload(client, &model).status < 300);
    let mut post = |verb: &str, body: &str| client.post(&format!("/v1/models/{hash}/{verb}"), body);
    // From wherever it stands; not there, it is a candidate already.
    post("reinstate", "");
    match (method, path.rsplit('/').next()) {
        ("post", Some("withdraw")) => post("challenge", r#"{"share":0.5}"#).ok(),
        ("delete", Some("shadow")) => post("shadow", "").ok(),
        ("post", Some("reinstate")) | ("delete", _) => post("retire", "").ok(),
        ("post", Some("models:rollback")) => post("activate", "").ok(),
        _ => Value::Null,
    };
    hash
}

pub fn activate(client: &mut Client, model: &str) -> Answer {
    client.post(&format!("/v1/models/{model}/activate"), "")
}

fn history(server: &Server) -> BTreeMap<u64, Record> {
    let place = Place::new(&server.data(), "default").unwrap();
    let history = History::open(&place).unwrap();
    let mut records = history.iter_from(Position(0)).unwrap();
    let mut all = BTreeMap::new();
    while let Some((position, record)) = records.next_record().unwrap() {
        all.insert(position.0, record);
    }
    all
}

fn version(artifact: [u8; 32]) -> [u8; 8] {
    let mut version = [0; 8];
    version.copy_from_slice(&artifact[..8]);
    version
}

/// Every decision of the log is of the model whose activation came last before its event, or of the challenger where
/// its account is the challenger's; how many of each.
fn hold_models_to_positions(records: &BTreeMap<u64, Record>) -> BTreeMap<[u8; 8], u32> {
    let (mut lineup, mut channel) = (Lineup::default(), None);
    let mut account = None;
    let mut counts = BTreeMap::new();
    for (position, record) in records {
        match record {
            Record::Activation(it) => channel = lineup.follow(Position(*position), it, channel),
            Record::Event(it) => account = it.entity(RoleIx(0)).cloned(),
            Record::Decision(it) => {
                let account = account.as_ref().unwrap();
                let challenger = lineup.challenger().filter(|held| held.takes(account));
                let expected = challenger.map(|held| held.artifact).or(lineup.champion());
                assert_eq!(
                    it.model.0,
                    version(expected.unwrap()),
                    "position {position}"
                );
                *counts.entry(it.model.0).or_default() += 1;
            }
            _ => {}
        }
    }
    counts
}

/// Replays the log, and scores every event once more by the model that its decision names: how many were compared.
fn recompute_scores(place: &Place, models: &[&[u8]]) -> usize {
    let history = History::open(place).unwrap();
    let schema = history.schema().clone();
    let features = FeatureList::new(&schema);
    let mut models: BTreeMap<[u8; 8], Champion> = models
        .iter()
        .map(|bytes| {
            let (artifact, identity) = Artifact::decode(bytes).unwrap();
            let model = Champion::of(&artifact, &identity, &schema, &features).unwrap();
            (version(identity.bytes()), model)
        })
        .collect();
    let mut engine = history.start().unwrap();
    let mut records = history.iter_from(engine.next()).unwrap();
    let (mut sample, mut compared) = (Sample::default(), 0);
    while let Some((position, record)) = records.next_record().unwrap() {
        match &record {
            Record::Event(event) => engine.sample(event, SampleParts::Full, &mut sample),
            Record::Decision(it) => {
                let score = models.get_mut(&it.model.0).unwrap().score(&sample).unwrap();
                let logged = it.findings.model_score.unwrap_or(it.score);
                assert_eq!(score.score, logged, "position {}", position.0);
                assert_eq!(score.probability_ppm, it.probability_ppm);
                compared += 1;
            }
            _ => {}
        }
        node::channel::apply(&mut engine, place, position, &record).unwrap();
    }
    compared
}

#[test]
fn models_are_swapped_under_load_and_no_request_notices() {
    let mut server = Server::with(PATIENT);
    let mut client = server.client();
    let other = sharper();
    assert_eq!(upload(&mut client, &other).status, 201);
    assert_eq!(
        upload(&mut client, &other).status,
        200,
        "it is there already"
    );
    let stop = Arc::new(AtomicBool::new(false));
    let sent = Arc::new(AtomicU32::new(0));
    let senders: Vec<_> = (0..3_u32)
        .map(|sender| {
            let (mut client, stop, sent) = (server.client(), stop.clone(), sent.clone());
            thread::spawn(move || {
                let mut told: Vec<(u64, String)> = Vec::new();
                for number in sender * 100_000.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let body = payment(number).to_string();
                    let decision = client.post("/v1/decisions", &body).ok();
                    assert_eq!(decision["source"], "model", "{decision}");
                    let version = decision["model_version"].as_str().unwrap();
                    let version = version.trim_start_matches("starter-").to_owned();
                    told.push((decision["position"].as_u64().unwrap(), version));
                    sent.fetch_add(1, Ordering::Relaxed);
                }
                told
            })
        })
        .collect();
    let swaps = 8;
    for swap in 1..=swaps {
        let before = sent.load(Ordering::Relaxed);
        while sent.load(Ordering::Relaxed) < before + 60 {
            thread::yield_now();
        }
        let bytes = if swap % 2 == 1 { &other[..] } else { STARTER };
        let done = activate(&mut client, &identity(bytes)).ok();
        assert_eq!(done["status"], "serving", "{done}");
    }
    // Then both of them at once, each with its own accounts.
    let path = format!("/v1/models/{}", identity(&other));
    let shared = r#"{"share":0.5,"levels":["L1","L2","L3"]}"#;
    let held = client.post(&format!("{path}/challenge"), shared).ok();
    assert_eq!(held["lineup"]["challenger"]["share"], 0.5, "{held}");
    let before = sent.load(Ordering::Relaxed);
    while sent.load(Ordering::Relaxed) < before + 200 {
        thread::yield_now();
    }
    client.post(&format!("{path}/withdraw"), "").ok();
    stop.store(true, Ordering::Relaxed);
    let told: Vec<_> = senders
        .into_iter()
        .flat_map(|it| it.join().unwrap())
        .collect();
    let rows = client.get("/v1/models").ok();
    let serving: Vec<&Value> = rows["models"].as_array().unwrap().iter().collect();
    let serving = serving.iter().find(|it| it["serving"] == true).unwrap();
    assert_eq!(serving["model"], identity(STARTER));
    assert_eq!(rows["activation"]["status"], "serving");
    server.stop();

    let records = history(&server);
    let counts = hold_models_to_positions(&records);
    assert_eq!(counts.len(), 2);
    assert!(counts.values().all(|it| *it > 100), "{counts:?}");
    let place = Place::new(&server.data(), "default").unwrap();
    let compared = recompute_scores(&place, &[STARTER, &other]);
    assert_eq!(compared as u32, counts.values().sum::<u32>());
    let drawn = records.values().filter(|it| {
        matches!(it, Record::Decision(it) if it.findings.model_propensity_ppm == Some(500_000))
    });
    assert!(drawn.count() >= 200);
    // What senders were told is what the log holds.
    for (position, version) in &told {
        let Some(Record::Decision(held)) = records.get(&(position + 1)) else {
            panic!("no decision behind position {position}");
        };
        let short: String = held.model.0[..6]
            .iter()
            .map(|it| format!("{it:02x}"))
            .collect();
        assert_eq!(short, *version, "position {position}");
    }
    // Model and policy entered together.
    for (position, record) in &records {
        if let Record::Activation(it) = record
            && it.part == ServingPart::Champion
        {
            let next = records.get(&(position + 1));
            assert!(matches!(next, Some(Record::Config(_))), "{next:?}");
        }
    }
}

/// `ringfence models activate --to`: from a folder that is not the server's.
#[test]
fn the_command_line_hands_a_model_to_a_running_server() {
    let server = Server::with(PATIENT);
    let elsewhere = tempfile::TempDir::new().unwrap();
    let folder = elsewhere.path().join("default/models");
    std::fs::create_dir_all(&folder).unwrap();
    let model = sharper();
    let hash = identity(&model);
    std::fs::write(folder.join(format!("{hash}.model")), &model).unwrap();
    let command = |token: &str| {
        let url = format!("http://{}", server.address);
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ringfence"));
        command.arg("--data").arg(elsewhere.path());
        command.args(["--json", "models", "activate", &hash[..8]]);
        command.args(["--to", &url, "--token", token]);
        command
    };
    let run = |token: &str| command(token).output().unwrap();
    let refused = run(&server.token(&["--role", "analyst"]));
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("role_missing"));
    let done = run(&server.token(&[]));
    assert!(done.status.success(), "{done:?}");
    let told: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(told["model"], hash);
    let decision = server
        .client()
        .post("/v1/decisions", &payment(1).to_string());
    assert_eq!(decision.ok()["model_version"], hash[..12]);

    // A server reads one file at a time; who comes meanwhile waits for its turn.
    let token = server.token(&[]);
    let piped = || Stdio::piped();
    let start = |_| command(&token).stdout(piped()).stderr(piped()).spawn();
    let at_once: Vec<_> = (0..8).map(start).collect();
    for child in at_once {
        let done = child.unwrap().wait_with_output().unwrap();
        assert!(done.status.success(), "{done:?}");
    }
}

#[test]
fn what_cannot_serve_is_refused_with_its_reason_and_changes_nothing() {
    let server = Server::with(&format!(
        "{PATIENT}[models]\nbytes_max = \"200KiB\"\nfiles_max = 2\n"
    ));
    let mut client = server.client();
    let policy = client.get("/v1/policy").ok();
    let before = client.get("/v1/models").ok();
    let foreign = variant(|it| it.header.schema_hash = "0".repeat(64));
    let mut damaged = STARTER.to_vec();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    for (bytes, status, code, says) in [
        (&foreign[..], 400, "model_unusable", "schema"),
        (&damaged, 400, "model_unusable", "digest"),
        (b"{}", 400, "model_unusable", "model file"),
        (&[0; 300 << 10], 413, "body_too_large", "204800"),
    ] {
        let refused = upload(&mut server.client(), bytes);
        assert_eq!((refused.status, refused.code().as_str()), (status, code));
        assert!(refused.text().contains(says), "{}", refused.text());
        assert!(
            !refused.text().contains("default/models"),
            "{}",
            refused.text()
        );
    }
    for (name, status, code) in [
        ("0".repeat(64), 404, "not_found"),
        ("0".repeat(63), 400, "parameter_format"),
        ("G".repeat(64), 400, "parameter_format"),
    ] {
        let refused = activate(&mut client, &name);
        assert_eq!((refused.status, refused.code().as_str()), (status, code));
    }
    // Put there by hand, it is told of and not served.
    let (_, foreign_id) = Artifact::decode(&foreign).unwrap();
    let folder = server.data().join("default/models");
    let by_hand = folder.join(format!("{}.model", foreign_id.as_str()));
    std::fs::write(&by_hand, &foreign).unwrap();
    let refused = activate(&mut client, foreign_id.as_str());
    assert_eq!(refused.code(), "model_unusable");
    let rows = client.get("/v1/models").ok();
    let row = rows["models"].as_array().unwrap().iter();
    let row = row.clone().find(|it| it["model"] == foreign_id.as_str());
    assert!(row.unwrap()["unfit"].as_str().unwrap().contains("schema"));
    // The folder is full.
    let refused = upload(&mut client, &sharper());
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (409, "models_max")
    );
    std::fs::remove_file(by_hand).unwrap();
    assert_eq!(client.get("/v1/models").ok(), before);
    assert_eq!(client.get("/v1/policy").ok(), policy);
    let decision = client.post("/v1/decisions", &payment(1).to_string()).ok();
    assert_eq!(decision["source"], "model");
}

/// From a snapshot behind `position`.
fn state(place: &Place, position: u64) -> String {
    let (tenant, recovered) = Tenant::open(place, Default::default(), |_, _| {}).unwrap();
    assert!(recovered.snapshot > Some(Position(position)) && recovered.warnings.is_empty());
    let digest = tenant.engine().digest();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// That were written so far.
fn snapshots(admin: &mut Client) -> u64 {
    let told = admin.get("/metrics");
    let name = "ringfence_snapshots_total{tenant=\"default\"} ";
    let line = told.text().lines().find_map(|line| line.strip_prefix(name));
    line.unwrap().parse().unwrap()
}

fn side_files(place: &Path) -> usize {
    std::fs::read_dir(place.join("channels")).map_or(0, Iterator::count)
}

/// The channel of a model with a producer is made beside the server, while that goes on deciding.
#[test]
fn a_model_with_another_producer_gets_its_channel_while_the_server_decides() {
    let mut server = Server::with(&format!("{PATIENT}[snapshot]\nrecords = 500\n"));
    let mut client = server.client();
    for batch in 0..5 {
        let lines: Vec<String> = (0..1000)
            .map(|at| payment(batch * 1000 + at).to_string())
            .collect();
        client.post_lines("/v1/decisions:batch", &lines.join("\n"));
    }
    let hash = client.get("/v1/schema").ok()["hash"]
        .as_str()
        .unwrap()
        .to_owned();
    let model = speaking(&hash);
    assert_eq!(upload(&mut client, &model).status, 201);
    let stop = Arc::new(AtomicBool::new(false));
    let sender = {
        let (mut client, stop) = (server.client(), stop.clone());
        thread::spawn(move || {
            for number in 100_000.. {
                if stop.load(Ordering::Relaxed) {
                    return number - 100_000;
                }
                let decision = client.post("/v1/decisions", &payment(number).to_string());
                assert_eq!(decision.ok()["source"], "model");
            }
            0
        })
    };
    let begun = activate(&mut client, &identity(&model));
    assert_eq!(begun.status, 202, "{}", begun.text());
    assert_eq!(begun.ok()["status"], "rebuilding");
    // Asked for again while it is made, it is told how far that is.
    let again = activate(&mut client, &identity(&model)).ok();
    assert!(["rebuilding", "serving"].contains(&again["status"].as_str().unwrap()));
    let until = Instant::now() + SOON;
    loop {
        let told = client.get("/v1/models").ok();
        match told["activation"]["status"].as_str().unwrap() {
            "serving" => break,
            "rebuilding" => assert!(Instant::now() < until, "{told}"),
            _ => panic!("{told}"),
        }
    }
    // One may be on its way and one wait: the third from here on was wanted behind the activation.
    let mut admin = server.admin();
    let wanted = snapshots(&mut admin) + 3;
    for number in 200_000.. {
        client
            .post("/v1/decisions", &payment(number).to_string())
            .ok();
        if number >= 200_050 && number % 25 == 0 && snapshots(&mut admin) >= wanted {
            break;
        }
        assert!(Instant::now() < until);
    }
    stop.store(true, Ordering::Relaxed);
    assert!(sender.join().unwrap() > 10);
    server.kill();
    let records = history(&server);
    hold_models_to_positions(&records);
    let rebuilt = records.iter().filter(
        |(_, it)| matches!(it, Record::Activation(it) if matches!(it.channel, Channel::Rebuilt { .. })),
    );
    let rebuilt: Vec<u64> = rebuilt.map(|(position, _)| *position).collect();
    assert_eq!(rebuilt.len(), 1);
    let spoke = records
        .values()
        .filter(|it| matches!(it, Record::Decision(it) if !it.suspicion.is_empty()));
    assert!(spoke.count() >= 50);
    assert_eq!(side_files(&server.data().join("default")), 1);
    // As a snapshot made beside it has it, and replayed with the side file: one state.
    let place = Place::new(&server.data(), "default").unwrap();
    assert_eq!(state(&place, rebuilt[0]), server.digest());
}
