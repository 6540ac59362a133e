//! A hybrid at work: what it decides is the plain forward of its file on the tenant's own samples, and a network
//! that fails is named.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

// The name under which the shared helper knows it.
extern crate model as ringfence_model;

#[path = "../../model/tests/support/random_networks.rs"]
mod random_networks;

use std::collections::BTreeMap;

use event::json::{Line, parse_line};
use event::record::{Decision, degraded};
use event::{Event, Schema};
use graph::FeatureList;
use graph::sample::{self, Sample};
use log::LogOptions;
use model::artifact::{Artifact, Blend, Header, Network, TrainingWindow};
use model::calibration::{Calibration, CalibrationMap};
use model::hybrid::knots::Knots;
use model::hybrid::shape::Shape;
use model::hybrid::{Hybrid, Input};
use model::producer::{Producer, Speaker};
use model::trees::{Child, Leaf, Split, Tree, Trees};
use random_networks::{Dice, random_network};
use ringfence_node::{Journal, Place, Tenant};
use tempfile::TempDir;

const SCHEMA: &str = include_str!("../../../schemas/default.toml");
const EVENTS: usize = 60;

fn schema() -> Schema {
    Schema::parse(SCHEMA).unwrap()
}

/// Few accounts, so that windows and neighbourhoods fill.
fn payment(at: usize) -> Event {
    let (account, merchant, device) = (at % 3, at % 4, at % 2);
    let (hour, minute) = (at / 6, at % 6 * 10);
    let text = format!(
        r#"{{"event_id":"e{at}","event_type":"payment","amount":"{}.5",
        "event_timestamp":"2026-01-01T{hour:02}:{minute:02}:00Z",
        "account":"a{account}","merchant":"m{merchant}","device":"d{device}"}}"#,
        10 + at * 7 % 90
    );
    match parse_line(&text, &schema(), None).unwrap() {
        Line::Event(event) => *event,
        other => panic!("{other:?}"),
    }
}

/// One split on the amount.
fn trees(features: usize) -> Trees {
    let split = Split {
        feature: 0,
        threshold: 50.0,
        flags: 0,
        left: Child::Leaf(0),
        right: Child::Leaf(1),
        gain: 1.0,
    };
    let leaf = |value| Leaf { value, cover: 10 };
    let tree = Tree {
        splits: vec![split],
        leaves: vec![leaf(-1.25), leaf(0.5)],
    };
    Trees::new(features, &[tree]).unwrap()
}

fn network(scale: f32) -> Hybrid {
    let schema = schema();
    let features = FeatureList::new(&schema).names().len();
    let shape = Shape {
        features,
        roles: schema.roles.len(),
        event_types: schema.event_types.len(),
        hidden: 32,
        wide: 32,
        graph: true,
        sequence: true,
    };
    let mut knots = Knots {
        start: vec![0],
        at: Vec::new(),
    };
    for _ in 0..features {
        knots.at.extend([-1.0, 0.0, 2.0, 60.0]);
        knots.start.push(knots.at.len() as u32);
    }
    let hybrid = random_network(&mut Dice(3), shape, knots.clone(), 1.0);
    let mut weights: Vec<f32> = hybrid.weights().iter().map(|it| it * scale).collect();
    // Nothing goes straight to the output: sequence and neighbourhood are heard beside the features.
    weights[hybrid.layout().skip.clone()].fill(0.0);
    weights[hybrid.layout().skip_missing.clone()].fill(0.0);
    Hybrid::new(shape, knots, weights).unwrap()
}

fn artifact(hybrid: Hybrid) -> Artifact {
    let schema = schema();
    let features = FeatureList::new(&schema).names();
    let platt = |slope, intercept| Calibration {
        map: CalibrationMap::Platt { slope, intercept },
        prior_shift: 0.0,
    };
    Artifact {
        trees: trees(features.len()),
        header: Header {
            schema_hash: schema.hash().hex(),
            features,
            calibration: platt(150.0, 0.0),
            thresholds: BTreeMap::new(),
            training_window: TrainingWindow { from: 0, until: 0 },
            metrics: BTreeMap::new(),
            parent: None,
            seed: 0,
            created_by: "a test".to_owned(),
        },
        producer: None,
        network: Some(Network {
            hybrid,
            blend: Blend {
                network: 0.6,
                trees: 0.8,
                constant: 0.25,
            },
            trees_calibration: platt(1.0, 0.5),
        }),
    }
}

/// Decisions of a tenant that runs the model, with the samples they were taken on.
fn decide(artifact: &Artifact) -> Vec<(Decision, Sample)> {
    let dir = TempDir::new().unwrap();
    let place = Place::new(dir.path(), "acme").unwrap();
    drop(Journal::create(&place, SCHEMA, LogOptions::default()).unwrap());
    std::fs::create_dir_all(place.models()).unwrap();
    let written = place.models().join("new");
    let identity = artifact.save(&written).unwrap();
    std::fs::rename(written, place.model(&identity.bytes())).unwrap();
    let (mut tenant, _) = Tenant::open(&place, LogOptions::default(), |_, _| {}).unwrap();
    tenant.activate(identity.bytes()).unwrap();
    let policy = "[thresholds]\nchallenge = 1\nreview = 700\ndecline = 900\n";
    tenant.set_policy(policy, "a test").unwrap();
    let decided = (0..EVENTS).map(|at| {
        let decided = tenant.decide(payment(at)).unwrap();
        (decided.decision, tenant.last_sample().clone())
    });
    decided.collect()
}

fn input(sample: &Sample) -> Input<'_> {
    Input {
        tabular: &sample.tabular,
        sequence: &sample.sequence,
        steps: sample.steps,
        entities: &sample.entities,
        neighbourhood: &sample.neighbourhood,
        neighbours: &sample.neighbours,
    }
}

#[test]
fn decisions_are_those_of_the_file() {
    let artifact = artifact(network(1.0));
    let network = artifact.network.as_ref().unwrap();
    let decided = decide(&artifact);
    let mut scores = Vec::new();
    for (decision, sample) in &decided {
        let output = network.hybrid.forward(&input(sample)).raw;
        let trees = artifact.trees.predict_raw(&sample.tabular);
        let raw = 0.6 * f64::from(output) + 0.8 * trees + 0.25;
        let want = artifact.header.calibration.score(raw);
        assert!(
            decision.score.abs_diff(want) <= 1,
            "{} {want}",
            decision.score
        );
        assert_eq!(decision.degraded & degraded::NETWORK_FAULT, 0);
        scores.push(decision.score);
    }
    // Whoever asks why is told of the arrays too, by name.
    let features = FeatureList::new(&schema());
    let reasons = decided.iter().flat_map(|(decision, _)| &decision.reasons);
    let named: Vec<&str> = reasons
        .map(|it| features.reason(it.feature).unwrap().0)
        .collect();
    for wanted in ["sequence", "neighbourhood."] {
        let told = named.iter().any(|name| name.starts_with(wanted));
        assert!(told, "{wanted} is not in {named:?}");
    }
    // Sequence and neighbourhood were there to be read.
    assert!(decided.iter().any(|(_, it)| it.steps > 10));
    scores.sort_unstable();
    scores.dedup();
    assert!(scores.len() > 20, "{scores:?}");
}

/// The producer speaks of every event, whether the network scores or fails.
#[test]
fn a_hybrid_has_a_producer_that_is_heard() {
    let mut columns = sample::STEP_COLUMNS.iter();
    let column = columns.position(|it| *it == "suspicion").unwrap();
    for scale in [1.0, 1e30] {
        let mut artifact = artifact(network(scale));
        let producer = Producer {
            trees: trees(artifact.header.features.len()),
            calibration: Calibration::identity(),
            training_window: TrainingWindow { from: -9, until: 0 },
        };
        let mut speaker = Speaker::new(&producer);
        artifact.producer = Some(producer);
        let mut heard = false;
        for (decision, sample) in decide(&artifact) {
            let said = (0, speaker.score(&sample.tabular));
            assert_eq!(decision.suspicion.as_slice(), &[said]);
            let failed = decision.degraded & degraded::NETWORK_FAULT != 0;
            assert_eq!(failed, scale > 1.0);
            let steps = sample.sequence.chunks_exact(sample::STEP_WIDTH);
            let mut steps = steps.take(sample.steps);
            heard |= steps.any(|step| step[column] > 0.0);
        }
        assert!(heard, "no sample shows what was said before");
    }
}

#[test]
fn a_network_that_fails_is_named_and_its_trees_decide() {
    let artifact = artifact(network(1e30));
    let network = artifact.network.as_ref().unwrap();
    for (decision, sample) in decide(&artifact) {
        assert!(!network.hybrid.forward(&input(&sample)).raw.is_finite());
        let trees = artifact.trees.predict_raw(&sample.tabular);
        assert_eq!(decision.score, network.trees_calibration.score(trees));
        assert_ne!(decision.degraded & degraded::NETWORK_FAULT, 0);
        let names: Vec<&str> = degraded::names(decision.degraded).collect();
        assert!(names.contains(&"network_fault"), "{names:?}");
    }
}
