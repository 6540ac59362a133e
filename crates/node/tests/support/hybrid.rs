//! A hybrid model of random weights, and a tenant that runs it.

#[path = "../../../model/tests/support/random_networks.rs"]
mod random_networks;

use std::collections::BTreeMap;
use std::path::Path;

use event::json::{Line, parse_line};
use event::{Event, Schema};
use graph::FeatureList;
use log::LogOptions;
use model::artifact::{Artifact, Blend, Header, Network, TrainingWindow};
use model::calibration::{Calibration, CalibrationMap};
use model::hybrid::Hybrid;
use model::hybrid::knots::Knots;
use model::hybrid::shape::Shape;
use model::trees::{Child, Leaf, Split, Tree, Trees};
use random_networks::{Dice, random_network};
use ringfence_node::{Journal, Place, Tenant};

pub const SCHEMA: &str = include_str!("../../../../schemas/default.toml");

pub fn schema() -> Schema {
    Schema::parse(SCHEMA).unwrap()
}

/// Few accounts, so that windows and neighbourhoods fill.
pub fn payment(at: usize) -> Event {
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
pub fn trees(features: usize) -> Trees {
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

pub fn network(scale: f32) -> Hybrid {
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
    let knots = Knots::of_each(vec![[-1.0, 0.0, 2.0, 60.0]; features]);
    let hybrid = random_network(&mut Dice(3), shape, knots.clone(), 1.0);
    let mut weights: Vec<f32> = hybrid.weights().iter().map(|it| it * scale).collect();
    // Nothing goes straight to the output: sequence and neighbourhood are heard beside the features.
    weights[hybrid.layout().skip.clone()].fill(0.0);
    weights[hybrid.layout().skip_missing.clone()].fill(0.0);
    Hybrid::new(shape, knots, weights).unwrap()
}

pub fn artifact(hybrid: Hybrid) -> Artifact {
    let schema = schema();
    let features = FeatureList::new(&schema).names();
    let platt = |slope, intercept| Calibration {
        map: CalibrationMap::Platt { slope, intercept },
        prior_shift: 0.0,
    };
    Artifact {
        lineage: None,
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
        reference: None,
    }
}

/// A new tenant in `dir` that runs the model and approves nothing.
pub fn tenant(dir: &Path, artifact: &Artifact) -> Tenant {
    let place = Place::new(dir, "acme").unwrap();
    drop(Journal::create(&place, SCHEMA, LogOptions::default()).unwrap());
    std::fs::create_dir_all(place.models()).unwrap();
    let written = place.models().join("new");
    let identity = artifact.save(&written).unwrap();
    std::fs::rename(written, place.model(&identity.bytes())).unwrap();
    let (mut tenant, _) = Tenant::open(&place, LogOptions::default(), |_, _| {}).unwrap();
    tenant.activate(identity.bytes()).unwrap();
    let policy = "[thresholds]\nchallenge = 0\nreview = 700\ndecline = 900\n";
    tenant.set_policy(policy, "a test").unwrap();
    tenant
}
