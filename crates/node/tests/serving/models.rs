//! Models of a tenant that decides: swapped, rolled back, removed, and what is no model.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use event::Schema;
use event::record::Levels;
use graph::FeatureList;
use model::artifact::{Artifact, Header, TrainingWindow};
use model::calibration::{Calibration, CalibrationMap};
use model::trees::{Child, Leaf, Split, Tree, Trees};
use ringfence_node::mailbox::Level;
use ringfence_node::models::{self, Stored};
use ringfence_node::node::TenantHandle;
use ringfence_node::node::activation::{Refused, State};
use ringfence_node::node::lineup::Leave;
use ringfence_node::request::{Answer, Failed, Request};
use sha2::{Digest, Sha256};

use crate::desk::{Desk, SCHEMA, SOON};

/// A model of one split; each slope is another one.
fn plain(slope: f64) -> Artifact {
    let schema = Schema::parse(SCHEMA).unwrap();
    let features = FeatureList::new(&schema).names();
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
    let map = CalibrationMap::Platt {
        slope,
        intercept: 0.1,
    };
    Artifact {
        trees: Trees::new(features.len(), &[tree]).unwrap(),
        lineage: None,
        reference: None,
        header: Header {
            schema_hash: schema.hash().hex(),
            features,
            calibration: Calibration {
                map,
                prior_shift: 0.0,
            },
            thresholds: Default::default(),
            training_window: TrainingWindow { from: 0, until: 0 },
            metrics: Default::default(),
            parent: None,
            seed: 0,
            created_by: "a test".to_owned(),
        },
        producer: None,
        network: None,
    }
}

fn store(tenant: &TenantHandle, artifact: &Artifact) -> [u8; 32] {
    let bytes = artifact.encode().unwrap();
    match models::store(tenant.place(), &bytes, tenant.shape().unwrap(), 16).unwrap() {
        Stored::New(file) | Stored::Held(file) => file.artifact,
        Stored::Full => panic!("the folder is full"),
    }
}

fn activate(tenant: &Arc<TenantHandle>, artifact: [u8; 32]) -> Result<State, Refused> {
    tenant.activate(artifact, "ann".into(), Instant::now() + SOON)
}

fn champion(tenant: &Arc<TenantHandle>) -> Option<[u8; 32]> {
    lineup(tenant).champion()
}

fn lineup(tenant: &Arc<TenantHandle>) -> engine::Lineup {
    let pending = tenant
        .ask(Request::Serving, 64, Level::L2, Instant::now() + SOON)
        .unwrap();
    match pending.blocking_recv().unwrap().unwrap() {
        Answer::Serving(serving) => serving.lineup,
        other => panic!("{other:?}"),
    }
}

fn code(refused: Refused) -> String {
    match refused {
        Refused::UnknownModel(_) => "unknown".to_owned(),
        Refused::Running => "running".to_owned(),
        Refused::Failed(failed) => failed.code().to_owned(),
    }
}

#[test]
fn a_rollback_leads_to_the_champion_before_and_twice_back() {
    let mut desk = Desk::new();
    let tenant = desk.tenant("acme");
    let soon = || Instant::now() + SOON;
    let (one, two) = (store(&tenant, &plain(1.0)), store(&tenant, &plain(2.0)));
    activate(&tenant, one).unwrap();
    let none = tenant.roll_back("ann".into(), soon()).unwrap_err();
    assert_eq!(code(none), "no_former_champion");
    assert_eq!(champion(&tenant), Some(one));
    let State::Serving { took, pause, .. } = activate(&tenant, two).unwrap() else {
        panic!("there is no channel to make");
    };
    assert!(pause <= took && took < SOON);
    for expected in [one, two, one] {
        let (back, _) = tenant.roll_back("ann".into(), soon()).unwrap();
        assert_eq!((back, champion(&tenant)), (expected, Some(expected)));
    }
    drop(tenant);
    desk.restart();
    let tenant = desk.tenant("acme");
    let (back, _) = tenant.roll_back("ann".into(), soon()).unwrap();
    assert_eq!(back, two);
}

/// What its first scores need is in memory before a decision waits for it.
#[test]
fn a_model_has_scored_before_it_enters_service() {
    let desk = Desk::new();
    let tenant = desk.tenant("acme");
    let one = store(&tenant, &plain(1.0));
    let fitting = models::fitting(tenant.place(), one, tenant.shape().unwrap());
    let fitting = fitting.unwrap().unwrap();
    assert_eq!(fitting.model.scores(), 0);
    assert!(fitting.ready("ann".into()).champion.scores() >= 8);
}

#[test]
fn two_activations_at_once_are_one_and_a_refusal() {
    let desk = Desk::new();
    let tenant = desk.tenant("acme");
    let (one, two) = (store(&tenant, &plain(1.0)), store(&tenant, &plain(2.0)));
    activate(&tenant, one).unwrap();
    // A file that is not read to its end until somebody writes it.
    let slow = [7; 32];
    let path = tenant.place().model(&slow);
    assert!(
        Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    let first = {
        let tenant = tenant.clone();
        thread::spawn(move || activate(&tenant, slow).map_err(code))
    };
    // Whoever opens it for writing waits until it is being read, and so until the first has begun.
    let writer = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let soon = Instant::now() + SOON;
    assert_eq!(code(activate(&tenant, two).unwrap_err()), "running");
    let challenge = tenant.challenge(two, 10, Levels::ALL, "ann".into(), soon);
    assert_eq!(code(challenge.unwrap_err()), "running");
    let retire = tenant.leave(two, Leave::Retire, "ann".into(), soon);
    assert_eq!(code(retire.unwrap_err()), "running");
    drop(writer);
    assert_eq!(first.join().unwrap(), Err("model_unusable".to_owned()));
    assert_eq!(champion(&tenant), Some(one));
    activate(&tenant, two).unwrap();
}

#[test]
fn only_a_retired_model_is_removed_and_it_can_come_back() {
    let desk = Desk::new();
    let tenant = desk.tenant("acme");
    let soon = || Instant::now() + SOON;
    let (one, two) = (store(&tenant, &plain(1.0)), store(&tenant, &plain(2.0)));
    activate(&tenant, one).unwrap();
    let unknown = tenant.leave([9; 32], Leave::Retire, "ann".into(), soon());
    assert_eq!(code(unknown.unwrap_err()), "unknown");
    let remove = |artifact| tenant.remove_model(artifact, "ann".into(), soon());
    assert_eq!(code(remove([9; 32]).unwrap_err()), "unknown");
    assert_eq!(code(remove(one).unwrap_err()), "model_not_in_place");
    assert_eq!(code(remove(two).unwrap_err()), "model_not_in_place");
    let moved = tenant
        .leave(two, Leave::Retire, "ann".into(), soon())
        .unwrap();
    assert_eq!(moved.lineup.retired(), [two]);
    assert!(remove(two).unwrap().lineup.retired().is_empty());
    assert!(!tenant.place().model(&two).exists());
    assert_eq!(code(activate(&tenant, two).unwrap_err()), "unknown");
    assert_eq!(store(&tenant, &plain(2.0)), two);
    activate(&tenant, two).unwrap();
}

/// With another digest, so that nothing but the content is wrong.
fn resealed(mut file: Vec<u8>) -> Vec<u8> {
    let at = 8 + br#"{"__metadata__":{"digest":""#.len();
    file[at..at + 64].fill(b'0');
    let digest = Sha256::digest(&file);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    file[at..at + 64].copy_from_slice(digest.as_bytes());
    file
}

/// The first bytes that are like these, by others.
fn with(file: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = file.windows(from.len()).position(|it| it == from).unwrap();
    let mut file = file.to_vec();
    file[at..at + to.len()].copy_from_slice(to);
    resealed(file)
}

#[test]
fn a_file_that_cannot_serve_is_refused_and_the_champion_goes_on() {
    let desk = Desk::new();
    let tenant = desk.tenant("acme");
    let one = store(&tenant, &plain(1.0));
    activate(&tenant, one).unwrap();
    let sound = plain(2.0).encode().unwrap();
    let leaf = (-1.25_f64).to_le_bytes();
    let mut foreign = plain(2.0);
    foreign.header.schema_hash = "0".repeat(64);
    let mut flipped = sound.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let cases = [
        (sound[..sound.len() - 9].to_vec(), "digest"),
        (flipped, "digest"),
        (b"{}".to_vec(), "bytes"),
        (Vec::new(), "bytes"),
        (foreign.encode().unwrap(), "schema"),
        (
            with(&sound, br#"format_version\":1"#, br#"format_version\":9"#),
            "version",
        ),
        (with(&sound, &leaf, &f64::NAN.to_le_bytes()), "finite"),
        (
            with(&sound, br#""leaf_value""#, br#""leaf_veluo""#),
            "leaf_value",
        ),
        (with(&sound, br#""F64""#, br#""F32""#), "F64"),
    ];
    let before = lineup(&tenant);
    for (at, (bytes, says)) in cases.into_iter().enumerate() {
        // Handed in, and put there by hand under its own name.
        let refused = models::store(tenant.place(), &bytes, tenant.shape().unwrap(), 16);
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), "model_unusable", "case {at}: {refused}");
        assert!(refused.to_string().contains(says), "case {at}: {refused}");
        let named: [u8; 32] = Sha256::digest(&bytes).into();
        let path = tenant.place().model(&named);
        fs::write(&path, &bytes).unwrap();
        let Refused::Failed(Failed::Refused(refused)) = activate(&tenant, named).unwrap_err()
        else {
            panic!("case {at}");
        };
        assert_eq!(refused.code(), "model_unusable", "case {at}: {refused}");
        fs::remove_file(path).unwrap();
    }
    // Sound, under the name of another.
    let path = tenant.place().model(&[5; 32]);
    fs::write(&path, &sound).unwrap();
    assert_eq!(code(activate(&tenant, [5; 32]).unwrap_err()), "other_model");
    // Longer than any model: told by its length, not read.
    let huge = fs::File::create(&path).unwrap();
    huge.set_len(1 << 40).unwrap();
    assert_eq!(
        code(activate(&tenant, [5; 32]).unwrap_err()),
        "model_unusable"
    );
    assert_eq!(lineup(&tenant), before);
    assert_eq!(champion(&tenant), Some(one));
}
