//! A hybrid at work: what it decides is the plain forward of its file on the tenant's own samples, and a network
//! that fails is named.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

// The name under which the shared helper knows it.
extern crate model as ringfence_model;

#[path = "support/hybrid.rs"]
mod hybrid;

use event::record::{Decision, degraded};
use graph::FeatureList;
use graph::sample::{self, Sample};
use hybrid::{artifact, network, payment, schema, trees};
use model::artifact::{Artifact, TrainingWindow};
use model::calibration::Calibration;
use model::producer::{Producer, Speaker};
use ringfence_node::champion::input;
use tempfile::TempDir;

const EVENTS: usize = 60;

/// Decisions of a tenant that runs the model, with the samples they were taken on.
fn decide(artifact: &Artifact) -> Vec<(Decision, Sample)> {
    let dir = TempDir::new().unwrap();
    let mut tenant = hybrid::tenant(dir.path(), artifact);
    let decided = (0..EVENTS).map(|at| {
        let decided = tenant.decide(payment(at)).unwrap();
        (decided.decision, tenant.last_sample().clone())
    });
    decided.collect()
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
