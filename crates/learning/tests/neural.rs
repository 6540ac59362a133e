//! The network that is trained: its gradients are the differences of its loss, and its forward pass is that
//! of the network which is served.

#[path = "support/small_world.rs"]
mod small_world;

use std::ops::ControlFlow;
use std::path::Path;

use graph::Sample;
use model::hybrid::Input;
use proptest::test_runner::{Config, TestRunner};
use ringfence_learning::neural::checkpoint::CheckpointError;
use ringfence_learning::neural::config::NeuralConfig;
use ringfence_learning::neural::early_stop::{Exam, Keep, NeuralError, Progress, train};
use ringfence_learning::neural::network::{Network, Tape};
use ringfence_learning::neural::sight::Sight;
use ringfence_learning::neural::train::{Lesson, Trainer, score};
use small_world::{Draw, EVENT_TYPES, World, all, world};

/// Sum over the rows of a fixed share of each row's log-odds: linear in them, so its gradient is exact.
fn objective(network: &Network, world: &World, shares: &[f32]) -> f64 {
    let rows: Vec<usize> = (0..shares.len()).collect();
    let scores = score(network, world.source(), &rows);
    scores
        .iter()
        .zip(shares)
        .map(|(raw, share)| raw * f64::from(*share))
        .sum()
}

#[test]
fn gradients_are_differences_of_the_loss() {
    for (graph, sequence) in [(true, true), (true, false), (false, true)] {
        let sight = Sight {
            graph,
            sequence,
            ..all()
        };
        let world = world(9, 5);
        let network = world.network(&sight, 3);
        let mut draw = Draw(11);
        let shares: Vec<f32> = (0..9).map(|_| draw.share() - 0.5).collect();
        let mut tape = Tape::default();
        let rows: Vec<usize> = (0..9).collect();
        network.forward(&mut tape, world.source(), &rows, None);
        let of_batch: Vec<f32> = tape.batch.rows.iter().map(|row| shares[*row]).collect();
        let mut gradient = vec![0.0; network.weights.len()];
        network.backward(&mut tape, &of_batch, &mut gradient, false);
        for tensor in network
            .layout
            .tensors(&network.shape, network.scale.knots.total())
        {
            let mut sides = [0.0, 0.0];
            for _ in 0..12 {
                let at = tensor.range.start + draw.below(tensor.range.len());
                let moved = |by: f32| {
                    let mut network = network.clone();
                    network.weights[at] += by;
                    objective(&network, &world, &shares)
                };
                // Kinks of relu and max lie between the two sides now and then: a small step, and errors
                // judged over all draws of a tensor together.
                let step = 2e-3;
                let difference = (moved(step) - moved(-step)) / (2.0 * f64::from(step));
                let error = difference - f64::from(gradient[at]);
                sides[0] += error * error;
                sides[1] += difference * difference;
            }
            let (error, size) = (sides[0].sqrt(), sides[1].sqrt());
            let name = tensor.name;
            assert!(
                error <= 0.02 * size + 2e-3,
                "{name} graph {graph} sequence {sequence}: error {error}, size {size}"
            );
        }
    }
}

#[test]
fn exported_network_scores_as_the_trained_one() {
    let mut runner = TestRunner::new(Config::with_cases(20));
    runner
        .run(&(0_u64..1 << 40), |seed| {
            let world = world(24, seed);
            let network = world.network(&all(), seed);
            let hybrid = network.export().expect("weights are finite");
            let rows: Vec<usize> = (0..24).collect();
            let trained = score(&network, world.source(), &rows);
            let mut sample = Sample::default();
            for (row, trained) in trained.iter().enumerate() {
                world.arrays.restore(row, &mut sample);
                let served = hybrid.forward(&Input {
                    tabular: world.source().row(row),
                    sequence: &sample.sequence,
                    steps: sample.steps,
                    entities: &sample.entities,
                    neighbourhood: &sample.neighbourhood,
                    neighbours: &sample.neighbours,
                });
                let apart = (f64::from(served.raw) - trained).abs();
                assert!(
                    apart <= 1e-4,
                    "row {row}: trained {trained}, served {}",
                    served.raw
                );
            }
            Ok(())
        })
        .expect("every network");
}

#[test]
fn the_same_weights_on_any_number_of_threads_and_it_learns() {
    let world = world(700, 2);
    let rows: Vec<usize> = (0..700).collect();
    let lesson = Lesson {
        source: world.source(),
        rows: &rows,
        fraud: &world.fraud,
        weights: None,
    };
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("threads");
        pool.install(|| {
            let config = NeuralConfig {
                batch: 256,
                learning_rate: 1e-2,
                ..NeuralConfig::default()
            };
            let mut trainer = Trainer::new(config, &lesson, &all(), EVENT_TYPES);
            let mut losses = Vec::new();
            for _ in 0..12 {
                let ControlFlow::Continue(epoch) =
                    trainer.epoch(&lesson, |_, _| ControlFlow::Continue(()))
                else {
                    panic!("nobody stopped it");
                };
                losses.push(epoch.loss);
            }
            (trainer.average, losses)
        })
    };
    let (one, two) = (run(1), run(3));
    assert_eq!(one, two);
    let (first, last) = (one.1[0], one.1[11]);
    assert!(last < 0.6 * first, "loss went from {first} to {last}");
}

#[test]
fn a_killed_training_goes_on_and_ends_with_the_same_bits() {
    let world = world(500, 4);
    let rows: Vec<usize> = (0..400).collect();
    let later: Vec<usize> = (400..500).collect();
    let lesson = Lesson {
        source: world.source(),
        rows: &rows,
        fraud: &world.fraud[..400],
        weights: None,
    };
    let exam = Exam {
        rows: &later,
        fraud: &world.fraud[400..],
        weights: &[1.0; 100],
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("training.checkpoint");
    let config = NeuralConfig {
        epochs: 4,
        ..NeuralConfig::default()
    };
    let run = |path: Option<&Path>, name: &str, stop_in: usize| {
        let keep = Keep { path, lesson: name };
        let mut told = Vec::new();
        let done = train(&config, &lesson, &exam, (&all(), EVENT_TYPES), keep, |it| {
            told.push(it);
            match it {
                Progress::Rows { epoch, .. } if epoch == stop_in => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        });
        (done, told)
    };
    let whole = run(None, "a", 99).0.expect("nobody stopped it");
    let (killed, _) = run(Some(&path), "a", 3);
    assert!(matches!(killed, Err(NeuralError::Cancelled { epoch: 3 })));
    let other = run(Some(&path), "b", 99).0;
    assert!(matches!(
        other,
        Err(NeuralError::Checkpoint(CheckpointError::Other { .. }))
    ));
    let (done, told) = run(Some(&path), "a", 99);
    assert_eq!(told[0], Progress::Resumed { epoch: 2 });
    let done = done.expect("nobody stopped it");
    assert_eq!(done.network.weights, whole.network.weights);
    assert_eq!((done.epoch, done.ap), (whole.epoch, whole.ap));

    let mut bytes = std::fs::read(&path).expect("a checkpoint");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).expect("written");
    let damaged = run(Some(&path), "a", 99).0;
    assert!(matches!(
        damaged,
        Err(NeuralError::Checkpoint(CheckpointError::Damaged { .. }))
    ));
}

#[test]
fn parameters_are_the_weights_in_other_words() {
    let world = world(40, 6);
    let network = world.network(&all(), 6);
    let mut back = network.clone();
    back.weights.fill(0.0);
    back.set_parameters(&network.parameters());
    let apart = |a: &[f32], b: &[f32]| {
        let pairs = a.iter().zip(b);
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    };
    assert!(apart(&back.weights, &network.weights) < 1e-5);
    // The chain rule: along any direction, gradient and turned gradient see the same slope.
    let mut draw = Draw(9);
    let len = network.weights.len();
    let gradient: Vec<f32> = (0..len).map(|_| draw.share() - 0.5).collect();
    let direction: Vec<f32> = (0..len).map(|_| draw.share() - 0.5).collect();
    let mut turned = gradient.clone();
    network.turn_gradient(&mut turned);
    let mut moved = network.clone();
    moved.set_parameters(&direction);
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum()
    };
    let (one, other) = (dot(&turned, &direction), dot(&gradient, &moved.weights));
    assert!(
        (one - other).abs() < 1e-3 * one.abs().max(1.0),
        "{one} and {other}"
    );
}
