//! The layers that are trained, beside PyTorch and PyTorch Geometric: the same log-odds, and the same gradient of every
//! weight, on random graphs with sequences and neighbourhoods of every length.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

#[path = "support/small_world.rs"]
mod small_world;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use graph::Sample;
use graph::sample::{NEIGHBOUR_WIDTH, NEIGHBOURS, NODE_WIDTH, STEP_WIDTH};
use model::hybrid::shape::STEP_EVENT_TYPE;
use ringfence_learning::neural::network::{Network, Tape};
use ringfence_learning::neural::scale::Affine;
use serde_json::{Map, Value, json};
use small_world::{Draw, ROLES, World, all, world};

const ROWS: usize = 24;

/// A Python with PyTorch and PyTorch Geometric, which `scripts/setup test` makes where Debian's PyTorch is to be had.
fn python() -> Option<PathBuf> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../torch-peers");
    let python = home.join("bin/python");
    let has_both = Command::new(&python)
        .args(["-c", "import torch, torch_geometric"])
        .output()
        .is_ok_and(|out| out.status.success());
    if !has_both {
        println!("SKIPPED: no PyTorch Geometric in torch-peers, nothing was compared with it");
    }
    has_both.then_some(python)
}

/// A network on inputs as they are, so that its weights are those of the formulas.
fn network(world: &World, seed: u64) -> Network {
    let as_is = Affine {
        mean: 0.0,
        inverse: 1.0,
    };
    let mut scale = world.scale(&all());
    scale.step.fill(as_is);
    scale.step[STEP_EVENT_TYPE].inverse = 0.0;
    scale.neighbour.iter_mut().for_each(|it| it.fill(as_is));
    scale.entity.iter_mut().for_each(|it| it.fill(as_is));
    world.network_scaled(scale, &all(), seed)
}

fn case(network: &Network, world: &World, draw: &[f32]) -> Value {
    let knots = &network.scale.knots;
    let mut weights = Map::new();
    for tensor in network.layout.tensors(&network.shape, knots.total()) {
        let values = &network.weights[tensor.range];
        weights.insert(
            tensor.name.to_owned(),
            json!({"dims": tensor.dims, "values": values}),
        );
    }
    let mut sample = Sample::default();
    let samples: Vec<Value> = (0..ROWS)
        .map(|row| {
            world.arrays.restore(row, &mut sample);
            let steps = sample.sequence.chunks(STEP_WIDTH).take(sample.steps);
            let neighbourhood: Vec<Vec<&[f32]>> = (0..ROLES)
                .map(|role| {
                    let of_role = &sample.neighbourhood[role * NEIGHBOURS * NEIGHBOUR_WIDTH..];
                    let count = usize::from(sample.neighbours[role]);
                    of_role.chunks(NEIGHBOUR_WIDTH).take(count).collect()
                })
                .collect();
            // JSON has no NaN: a missing value is null.
            json!({
                "tabular": world.source().row(row),
                "sequence": steps.collect::<Vec<_>>(),
                "entities": sample.entities.chunks(NODE_WIDTH).take(ROLES).collect::<Vec<_>>(),
                "neighbourhood": neighbourhood,
            })
        })
        .collect();
    json!({
        "weights": weights, "samples": samples, "draw": draw,
        "knots": knots.at, "knot_start": knots.start,
    })
}

fn ask(python: &Path, case: &Value) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("case.json");
    fs::write(&file, case.to_string()).unwrap();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/framework_peer.py");
    let done = Command::new(python)
        .arg(program)
        .arg(file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
    serde_json::from_slice(&done.stdout).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    let all = value.as_array().unwrap().iter();
    all.map(|it| it.as_f64().unwrap()).collect()
}

#[test]
fn forward_and_gradients_are_those_of_pytorch_geometric() {
    let Some(python) = python() else { return };
    for seed in [3, 4] {
        let world = world(ROWS, seed);
        let network = network(&world, seed);
        let mut dice = Draw(seed + 7);
        let draw: Vec<f32> = (0..ROWS).map(|_| dice.share() - 0.5).collect();
        let theirs = ask(&python, &case(&network, &world, &draw));

        let rows: Vec<usize> = (0..ROWS).collect();
        let mut tape = Tape::default();
        network.forward(&mut tape, world.source(), &rows, None);
        let raw = numbers(&theirs["log_odds"]);
        for (row, ours) in tape.batch.rows.iter().zip(&tape.raw) {
            let apart = (f64::from(*ours) - raw[*row]).abs();
            assert!(
                apart <= 1e-4,
                "row {row}: ours {ours}, theirs {}",
                raw[*row]
            );
        }
        let of_batch: Vec<f32> = tape.batch.rows.iter().map(|row| draw[*row]).collect();
        let mut gradient = vec![0.0; network.weights.len()];
        network.backward(&mut tape, &of_batch, &mut gradient, false);
        let tensors = network
            .layout
            .tensors(&network.shape, network.scale.knots.total());
        let mut worst = 0.0_f64;
        for tensor in tensors {
            let theirs = numbers(&theirs["gradient"][tensor.name]);
            let ours = &gradient[tensor.range];
            assert_eq!(ours.len(), theirs.len(), "{}", tensor.name);
            let size = theirs.iter().map(|it| it * it).sum::<f64>().sqrt();
            let apart = ours.iter().zip(&theirs);
            let apart = apart.map(|(a, b)| (f64::from(*a) - b).powi(2)).sum::<f64>();
            let error = apart.sqrt() / size;
            assert!(
                size > 0.0 && error <= 1e-4,
                "{}: error {error}, size {size}",
                tensor.name
            );
            worst = worst.max(error);
        }
        println!("seed {seed}: largest relative error of a tensor's gradient {worst:e}");
    }
}
