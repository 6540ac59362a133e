//! Shares of a network's output: they add up, and each is what its part does.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

#[path = "support/random_networks.rs"]
mod random_networks;
#[path = "support/random_samples.rs"]
mod random_samples;
#[path = "support/random_trees.rs"]
mod random_trees;

use random_networks::{Dice, random_network};
use random_samples::{Arrays, sample_of};
use random_trees::{Random, random_row, random_trees};
use ringfence_model::artifact::{Artifact, Blend, Header, Network, TrainingWindow};
use ringfence_model::calibration::Calibration;
use ringfence_model::hybrid::Hybrid;
use ringfence_model::hybrid::attribution::{Attribution, Explainer, POINTS};
use ringfence_model::hybrid::kernel::Kernel;
use ringfence_model::hybrid::knots::Knots;
use ringfence_model::hybrid::shape::{NEIGHBOURS, STEPS, Shape};
use ringfence_model::scorer::Scorer;
use ringfence_model::shap;

fn network(dice: &mut Dice, hidden: usize) -> Hybrid {
    let shape = Shape {
        features: 30,
        roles: 3,
        event_types: 3,
        hidden,
        wide: 48,
        graph: true,
        sequence: true,
    };
    let knots = Knots::of_each((0..shape.features).map(|feature| {
        let count = if feature % 5 == 0 { 0 } else { 9 };
        (0..count).map(|at| at as f32 * 0.6 - 2.4)
    }));
    random_network(dice, shape, knots, 1.5)
}

fn sample(dice: &mut Dice, shape: &Shape) -> Arrays {
    let steps = dice.below(STEPS + 1);
    let counts = (0..shape.roles)
        .map(|_| dice.below(NEIGHBOURS + 1) as u8)
        .collect();
    let mut sample = sample_of(dice, shape, steps, counts);
    for value in &mut sample.tabular {
        if dice.below(6) == 0 {
            *value = f32::NAN;
        }
    }
    sample
}

/// The output, and shares with the points that serving takes and with so many that the rule's error is small.
fn explain(hybrid: &Hybrid, sample: &Arrays) -> (f32, [Attribution; 2]) {
    let kernel = Kernel::new(hybrid);
    let mut scratch = kernel.scratch();
    let input = sample.input();
    let output = kernel.score(&input, &mut scratch);
    let seen = kernel.seen(&input, &scratch);
    let explainer = Explainer::new(hybrid);
    let shares = [POINTS, 400].map(|points| explainer.explain(output, &seen, points));
    (output, shares)
}

fn parts(shares: &Attribution) -> Vec<f32> {
    let parts = shares.features.iter().chain(&shares.roles);
    parts.chain([&shares.sequence]).copied().collect()
}

/// A wrong gradient anywhere leaves a residual that more points do not shrink.
#[test]
fn shares_add_up() {
    let mut dice = Dice(1);
    let (mut mean, mut worst) = (0.0, 0.0_f32);
    let networks = 60;
    for at in 0..networks {
        let hybrid = network(&mut dice, [32, 64][at % 2]);
        let sample = sample(&mut dice, hybrid.shape());
        let (output, [few, many]) = explain(&hybrid, &sample);
        let scale = (output - few.reference).abs().max(0.5);
        let sum: f32 = parts(&many).iter().sum();
        let residual = output - many.reference - sum;
        assert!((residual - many.residual).abs() < 1e-3);
        assert!(residual.abs() / scale < 0.01, "{residual} of {scale}");
        mean += few.residual.abs() / scale / networks as f32;
        worst = worst.max(few.residual.abs() / scale);
        // The strongest reason is the same whatever the number of points.
        let most = |shares: &Attribution| {
            let parts = parts(shares);
            (0..parts.len())
                .max_by(|a, b| parts[*a].abs().total_cmp(&parts[*b].abs()))
                .unwrap()
        };
        let (few, many) = (parts(&few)[most(&many)], parts(&many)[most(&many)]);
        assert!((few - many).abs() <= 0.5 * many.abs(), "{few} {many}");
    }
    println!("residual with {POINTS} points: mean {mean}, largest {worst}");
    assert!(mean < 0.06, "mean residual {mean}");
}

/// A part that is as in the reference has no share; without graph and sequence nothing of them is told.
#[test]
fn what_does_not_differ_has_no_share() {
    let mut dice = Dice(2);
    let hybrid = network(&mut dice, 32);
    let shape = *hybrid.shape();
    let mut sample = sample_of(&mut dice, &shape, 0, vec![0; shape.roles]);
    sample.entities.fill(0.0);
    for (feature, value) in sample.tabular.iter_mut().enumerate() {
        let knots = hybrid.knots().of(feature);
        if !knots.is_empty() && feature != 7 {
            *value = hybrid.knots().at[knots.start + (knots.len() - 1) / 2];
        }
    }
    let (output, [shares, _]) = explain(&hybrid, &sample);
    for (at, share) in parts(&shares).into_iter().enumerate() {
        let told = at == 7;
        assert_eq!(share.abs() > 1e-4, told, "part {at}: {share}");
    }
    let all = output - shares.reference;
    assert!((shares.features[7] - all).abs() < 0.05 * all.abs().max(0.1));
    let off = Shape {
        graph: false,
        sequence: false,
        ..shape
    };
    let hybrid = Hybrid::new(off, hybrid.knots().clone(), hybrid.weights().to_vec()).unwrap();
    let full = sample_of(&mut dice, &off, 9, vec![4; off.roles]);
    let (_, [shares, _]) = explain(&hybrid, &full);
    assert_eq!((shares.sequence, shares.roles), (0.0, vec![0.0; off.roles]));
}

/// Of a blend: the weighted shares of both parts, feature by feature, and all of them add up to the raw score.
#[test]
fn shares_of_a_blend() {
    let mut dice = Dice(3);
    let hybrid = network(&mut dice, 32);
    let features = hybrid.shape().features;
    let mut sample = sample(&mut dice, hybrid.shape());
    sample.tabular = random_row(&mut Random(5), features);
    let (output, [of_network, _]) = explain(&hybrid, &sample);
    let trees = random_trees(4, features, 20, 8);
    let of_trees = shap::Explainer::new(&trees);
    let artifact = |network, weight| Artifact {
        lineage: None,
        header: header(features),
        trees: trees.clone(),
        network: Some(Network {
            hybrid: hybrid.clone(),
            blend: Blend {
                network,
                trees: weight,
                constant: 1.0,
            },
            trees_calibration: Calibration::identity(),
        }),
        producer: None,
        reference: None,
    };
    let shares = Scorer::new(&artifact(0.5, 2.0)).shares(&sample.input());
    let own = of_trees.contributions(&sample.tabular);
    for (at, share) in shares.iter().enumerate() {
        let network = 0.5 * f64::from(parts_in_order(&of_network)[at]);
        let want = network + 2.0 * own.get(at).copied().unwrap_or(0.0);
        assert!((share - want).abs() < 1e-9, "{at}: {share} {want}");
    }
    let raw = 0.5 * f64::from(output) + 2.0 * trees.predict_raw(&sample.tabular);
    let from = 0.5 * f64::from(of_network.reference) + 2.0 * of_trees.expected_value();
    let told: f64 = shares.iter().sum();
    let residual = 0.5 * f64::from(of_network.residual);
    assert!((raw - from - told - residual).abs() < 1e-4);
}

fn parts_in_order(shares: &Attribution) -> Vec<f32> {
    let parts = shares.features.iter().chain([&shares.sequence]);
    parts.chain(&shares.roles).copied().collect()
}

fn header(features: usize) -> Header {
    Header {
        schema_hash: String::new(),
        features: (0..features).map(|at| format!("f{at}")).collect(),
        calibration: Calibration::identity(),
        thresholds: Default::default(),
        training_window: TrainingWindow { from: 0, until: 0 },
        metrics: Default::default(),
        parent: None,
        seed: 0,
        created_by: String::new(),
    }
}
