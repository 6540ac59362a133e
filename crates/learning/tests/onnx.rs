//! An exported model, evaluated by ONNX Runtime in Python, is the model that serves here: 1,000 samples of a graph, and
//! random networks of every shape.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

// The name under which the shared helpers know it.
extern crate model as ringfence_model;

#[path = "support/exported.rs"]
mod exported;
#[path = "support/input_files.rs"]
mod input_files;
#[path = "../../model/tests/support/python.rs"]
mod python;
#[path = "../../model/tests/support/random_networks.rs"]
mod random_networks;
#[path = "../../model/tests/support/random_samples.rs"]
mod random_samples;
#[path = "../../model/tests/support/random_trees.rs"]
mod random_trees;

use std::fs;
use std::path::Path;
use std::process::Command;

use exported::{artifact, calibrations, graph_samples, knots};
use input_files::write_inputs;
use model::artifact::{Artifact, Blend};
use model::hybrid::kernel::Kernel;
use model::hybrid::shape::{NEIGHBOURS, STEPS, Shape};
use python::python;
use random_networks::{Dice, random_network};
use random_samples::{Arrays, sample_of};
use random_trees::{Random, random_row};
use ringfence_learning::onnx::export;
use tempfile::TempDir;

const TOLERANCE: f32 = 1e-4;

/// Raw log-odds and probability of every sample, by what serves.
fn ours(artifact: &Artifact, samples: &[Arrays]) -> Vec<(f32, f32)> {
    let mut kernel = artifact.network.as_ref().map(|it| {
        let kernel = Kernel::new(&it.hybrid);
        let scratch = kernel.scratch();
        (kernel, scratch, it.blend)
    });
    let score = |sample: &Arrays| {
        let trees = artifact.trees.predict_raw(&sample.tabular);
        let raw = match &mut kernel {
            Some((kernel, scratch, blend)) => {
                let output = kernel.score(&sample.input(), scratch);
                blend.raw(f64::from(output), trees)
            }
            None => trees,
        };
        let probability = artifact.header.calibration.probability(raw);
        (raw as f32, probability as f32)
    };
    samples.iter().map(score).collect()
}

/// Writes the model as it serves and as ONNX, and the samples as one raw file per input.
fn lay_out(artifact: &Artifact, samples: &[Arrays]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let identity = artifact.save(&at("served.model")).unwrap();
    fs::write(at("model.onnx"), export(artifact, &identity)).unwrap();
    fs::write(at("rows.txt"), samples.len().to_string()).unwrap();
    write_inputs(dir.path(), samples);
    dir
}

fn run(python: &Path, program: &str, args: &[&str], dir: &TempDir) {
    let program = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/python")
        .join(program);
    let done = Command::new(python)
        .current_dir(dir.path())
        .arg(program)
        .args(args)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
}

fn read(dir: &TempDir, name: &str) -> Vec<f32> {
    let bytes = fs::read(dir.path().join(name)).unwrap();
    let values = bytes.as_chunks::<4>().0.iter();
    values.map(|it| f32::from_le_bytes(*it)).collect()
}

/// Raw log-odds and probability by ONNX Runtime.
fn theirs(python: &Path, artifact: &Artifact, samples: &[Arrays], batch: usize) -> Vec<(f32, f32)> {
    let dir = lay_out(artifact, samples);
    let batch = batch.to_string();
    run(python, "onnx_peer.py", &["model.onnx", ".", &batch], &dir);
    let raw = read(&dir, "out_log_odds").into_iter();
    raw.zip(read(&dir, "out_probability")).collect()
}

fn check(python: &Path, artifact: &Artifact, samples: &[Arrays], batch: usize, what: &str) {
    let (ours, theirs) = (
        ours(artifact, samples),
        theirs(python, artifact, samples, batch),
    );
    assert_eq!(ours.len(), theirs.len());
    let mut worst = 0.0_f32;
    for (row, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        let far = |a: f32, b: f32| (a - b).abs() / b.abs().max(1.0);
        let difference = far(theirs.0, ours.0).max((theirs.1 - ours.1).abs());
        assert!(
            difference <= TOLERANCE,
            "{what} row {row}: {theirs:?}, ours {ours:?}"
        );
        worst = worst.max(difference);
    }
    let spread = |it: &[(f32, f32)]| {
        let raw = it.iter().map(|it| it.0);
        raw.clone().fold(f32::MIN, f32::max) - raw.fold(f32::MAX, f32::min)
    };
    assert!(spread(&ours) > 0.1, "{what}: all scores alike");
    println!("{what}: {} rows, largest difference {worst:e}", ours.len());
}

#[test]
fn a_thousand_samples_of_a_graph() {
    let Some(python) = python() else { return };
    let (samples, shape) = graph_samples(1_000);
    assert!(samples.iter().any(|it| it.steps == STEPS) && samples.iter().any(|it| it.steps == 0));
    for hidden in [32, 64] {
        let shape = Shape { hidden, ..shape };
        let hybrid = random_network(&mut Dice(7), shape, knots(&samples), 1.0);
        let blend = Blend {
            network: 0.7,
            trees: 0.9,
            constant: -0.2,
        };
        let artifact = artifact(Some((hybrid, blend)), shape.features, 0);
        check(
            &python,
            &artifact,
            &samples,
            256,
            &format!("hidden {hidden}"),
        );
    }
}

/// Branches off, features without knots, no knots at all, one role, trees alone, every calibration, batches of one.
#[test]
fn every_shape_of_model() {
    let Some(python) = python() else { return };
    let (mut dice, mut random) = (Dice(11), Random(12));
    for at in 0..8 {
        let shape = Shape {
            features: 1 + dice.below(30),
            roles: 1 + at % 4,
            event_types: 1 + dice.below(5),
            hidden: [32, 64][at % 2],
            wide: 16 * (1 + at % 8),
            graph: at != 1 && at != 3,
            sequence: at != 2 && at != 3,
        };
        let samples: Vec<Arrays> = (0..60)
            .map(|row| {
                let steps = [0, 1, STEPS, dice.below(STEPS + 1)][row % 4];
                let counts = (0..shape.roles)
                    .map(|_| dice.below(NEIGHBOURS + 1) as u8)
                    .collect();
                let mut sample = sample_of(&mut dice, &shape, steps, counts);
                sample.tabular = random_row(&mut random, shape.features);
                sample
            })
            .collect();
        let mut knots = exported::few_knots(&mut dice, shape.features);
        if at == 4 {
            knots.start.fill(0);
            knots.at.clear();
        }
        let hybrid = random_network(&mut dice, shape, knots, 1.0);
        let blend = Blend {
            trees: [0.0, 1.5][at % 2],
            ..Blend::NETWORK
        };
        let network = (at != 7).then_some((hybrid, blend));
        let artifact = artifact(network, shape.features, at % calibrations().len());
        let batch = [1, 7, 60][at % 3];
        check(&python, &artifact, &samples, batch, &format!("model {at}"));
    }
}

/// The formulas of docs/model.md in NumPy, on the tensors of the model file, are what the kernel computes.
#[test]
fn the_written_formulas_are_what_serves() {
    let Some(python) = python() else { return };
    let (mut samples, shape) = graph_samples(400);
    samples.drain(..250);
    for hidden in [32, 64] {
        let shape = Shape { hidden, ..shape };
        let hybrid = random_network(&mut Dice(9), shape, knots(&samples), 1.0);
        let kernel = Kernel::new(&hybrid);
        let artifact = artifact(Some((hybrid, Blend::NETWORK)), shape.features, 0);
        let dir = lay_out(&artifact, &samples);
        run(&python, "network_peer.py", &["served.model", "."], &dir);
        let theirs = read(&dir, "out_network");
        assert_eq!(theirs.len(), samples.len());
        let mut scratch = kernel.scratch();
        let mut worst = 0.0_f32;
        for (sample, theirs) in samples.iter().zip(theirs) {
            let ours = kernel.score(&sample.input(), &mut scratch);
            let difference = (ours - theirs).abs() / ours.abs().max(1.0);
            assert!(difference <= TOLERANCE, "{ours} {theirs}");
            worst = worst.max(difference);
        }
        println!("hidden {hidden}: largest difference to the formulas {worst:e}");
    }
}
