//! Models to export, and samples that a graph took of a made-up month of payments.

use std::collections::BTreeMap;

use event::json::{Line, parse_line};
use event::record::Record;
use event::{Position, Schema};
use graph::sample::SampleParts;
use graph::{FeatureList, Sample};
use model::artifact::{Artifact, Blend, Header, Network, TrainingWindow};
use model::calibration::{Calibration, CalibrationMap};
use model::hybrid::Hybrid;
use model::hybrid::knots::Knots;
use model::hybrid::shape::Shape;

use super::random_networks::Dice;
use super::random_samples::Arrays;
use super::random_trees::random_trees;

const SCHEMA: &str = include_str!("../../../../schemas/default.toml");

/// Of few accounts, so that windows and neighbourhoods fill; and the shape of a network over them.
pub fn graph_samples(count: usize) -> (Vec<Arrays>, Shape) {
    let schema = Schema::parse(SCHEMA).unwrap();
    let mut engine = engine::Engine::new(&schema);
    let mut dice = Dice(1);
    let mut sample = Sample::default();
    let roles = schema.roles.len();
    let samples = (0..count).map(|at| {
        // Some accounts come once, so that there are empty sequences too.
        let account = if at % 9 == 0 {
            1_000 + at
        } else {
            dice.below(8)
        };
        let (day, minute) = (1 + at / 60, at % 60);
        let text = format!(
            r#"{{"event_id":"e{at}","event_type":"payment","amount":"{}.5",
            "event_timestamp":"2026-01-{day:02}T10:{minute:02}:00Z",
            "account":"a{account}","merchant":"m{}","device":"d{}"}}"#,
            1 + dice.below(900),
            dice.below(20),
            dice.below(12),
        );
        let Line::Event(event) = parse_line(&text, &schema, None).unwrap() else {
            panic!("{text}");
        };
        engine.sample(&event, SampleParts::Full, &mut sample);
        engine.apply(Position(at as u64), &Record::Event(*event));
        Arrays {
            tabular: sample.tabular.clone(),
            sequence: sample.sequence.clone(),
            steps: sample.steps,
            entities: sample.entities.clone(),
            neighbourhood: sample.neighbourhood.clone(),
            neighbours: sample.neighbours[..roles].to_vec(),
        }
    });
    let samples: Vec<Arrays> = samples.collect();
    let shape = Shape {
        features: FeatureList::new(&schema).names().len(),
        roles,
        event_types: schema.event_types.len(),
        hidden: 32,
        wide: 64,
        graph: true,
        sequence: true,
    };
    (samples, shape)
}

/// Where the samples' values lie.
pub fn knots(samples: &[Arrays]) -> Knots {
    Knots::of_each((0..samples[0].tabular.len()).map(|feature| {
        let values = samples.iter().map(|it| it.tabular[feature]);
        let mut values: Vec<f32> = values.filter(|it| !it.is_nan()).collect();
        values.sort_unstable_by(f32::total_cmp);
        values.dedup();
        let every = values.len().div_ceil(12).max(1);
        values.into_iter().step_by(every)
    }))
}

pub fn few_knots(dice: &mut Dice, features: usize) -> Knots {
    Knots::of_each((0..features).map(|_| {
        let count = [0, 1, 2, 7][dice.below(4)];
        (0..count).map(|at| at as f32 * 0.9 - 2.0)
    }))
}

pub fn calibrations() -> Vec<CalibrationMap> {
    vec![
        CalibrationMap::Platt {
            slope: 1.3,
            intercept: -0.4,
        },
        CalibrationMap::Identity,
        CalibrationMap::Beta {
            a: 0.8,
            b: 1.7,
            c: 0.3,
        },
        CalibrationMap::Isotonic {
            raw: vec![-1.0, -0.2, 0.5, 2.0],
            log_odds: vec![-4.0, -1.0, -1.0, 3.0],
        },
        CalibrationMap::Isotonic {
            raw: vec![0.0],
            log_odds: vec![-2.0],
        },
    ]
}

pub fn artifact(network: Option<(Hybrid, Blend)>, features: usize, calibration: usize) -> Artifact {
    let calibration = Calibration {
        map: calibrations()[calibration].clone(),
        prior_shift: -0.7,
    };
    let header = Header {
        schema_hash: "ab".repeat(32),
        features: (0..features).map(|at| format!("f{at}")).collect(),
        calibration: calibration.clone(),
        thresholds: BTreeMap::new(),
        training_window: TrainingWindow { from: 0, until: 0 },
        metrics: BTreeMap::new(),
        parent: None,
        seed: 0,
        created_by: "a test".to_owned(),
    };
    Artifact {
        header,
        lineage: None,
        trees: random_trees(5, features, 60, 12),
        network: network.map(|(hybrid, blend)| Network {
            hybrid,
            blend,
            trees_calibration: calibration,
        }),
        producer: None,
        reference: None,
    }
}
