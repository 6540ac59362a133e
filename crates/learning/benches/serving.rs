//! Time of one score of a hybrid, by the kernel and by ONNX Runtime on the exported model in the same run:
//! `cargo bench -p ringfence-learning --bench serving`. One core, full window and neighbourhood; median and least over
//! rounds of 64 rows. ONNX Runtime is measured when `target/python-peers` holds it (`scripts/setup test`) or
//! RINGFENCE_PYTHON names an interpreter that has it.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a command that prints a table"
)]

// The name under which the shared helpers know it.
extern crate model as ringfence_model;

#[path = "../tests/support/input_files.rs"]
mod input_files;
#[path = "../../model/tests/support/random_networks.rs"]
mod random_networks;
#[path = "../../model/tests/support/random_samples.rs"]
mod random_samples;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use input_files::write_inputs;
use model::artifact::{Artifact, Blend, Header, Network, TrainingWindow};
use model::calibration::Calibration;
use model::hybrid::Input;
use model::hybrid::kernel::Kernel;
use model::hybrid::knots::Knots;
use model::hybrid::shape::{NEIGHBOURS, STEPS, Shape};
use model::trees::Trees;
use random_networks::{Dice, random_network};
use random_samples::{Arrays, sample_of};
use ringfence_learning::onnx::export;

const ROWS: usize = 64;
const ROUNDS: usize = 201;

fn main() {
    // The size, and that of the default schema with training's knots.
    for (features, knots, hidden) in [(150, 12, 32), (419, 15, 32), (150, 12, 64)] {
        let mut dice = Dice(1);
        let shape = Shape {
            features,
            roles: 4,
            event_types: 4,
            hidden,
            wide: 64,
            graph: true,
            sequence: true,
        };
        let artifact = artifact(&mut dice, shape, knots);
        let bytes = artifact.encode().unwrap();
        let size = bytes.len() as f64 / f64::from(1 << 20);
        println!("hidden {hidden}, {features} features of {knots} knots: model file {size:.2} MiB");
        println!(
            "{:<24} {:<6} {:>10} {:>10}",
            "", "rows", "median us", "least us"
        );
        let rows: Vec<Arrays> = (0..ROWS)
            .map(|_| {
                sample_of(
                    &mut dice,
                    &shape,
                    STEPS,
                    vec![NEIGHBOURS as u8; shape.roles],
                )
            })
            .collect();
        ours(&artifact, &rows);
        theirs(&artifact, &rows);
    }
}

fn artifact(dice: &mut Dice, shape: Shape, count: usize) -> Artifact {
    let spread = |_| (0..count).map(|at| at as f32 * 5.0 / count as f32 - 2.4);
    let knots = Knots::of_each((0..shape.features).map(spread));
    Artifact {
        lineage: None,
        header: Header {
            schema_hash: String::new(),
            features: (0..shape.features).map(|at| format!("f{at}")).collect(),
            calibration: Calibration::identity(),
            thresholds: Default::default(),
            training_window: TrainingWindow { from: 0, until: 0 },
            metrics: Default::default(),
            parent: None,
            seed: 0,
            created_by: String::new(),
        },
        trees: Trees::new(shape.features, &[]).unwrap(),
        producer: None,
        network: Some(Network {
            hybrid: random_network(dice, shape, knots, 1.0),
            blend: Blend::NETWORK,
            trees_calibration: Calibration::identity(),
        }),
        reference: None,
    }
}

fn ours(artifact: &Artifact, rows: &[Arrays]) {
    let kernel = Kernel::new(&artifact.network.as_ref().unwrap().hybrid);
    let mut scratch = kernel.scratch();
    let inputs: Vec<Input<'_>> = rows.iter().map(Arrays::input).collect();
    let mut out = vec![0.0; ROWS];
    for batch in [1, 32] {
        let mut each: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let start = Instant::now();
                for (inputs, out) in inputs.chunks(batch).zip(out.chunks_mut(batch)) {
                    kernel.score_batch(inputs, &mut scratch, out);
                }
                start.elapsed().as_secs_f64() * 1e6 / ROWS as f64
            })
            .collect();
        each.sort_by(f64::total_cmp);
        let (median, least) = (each[ROUNDS / 2], each[0]);
        println!(
            "{:<24} {batch:<6} {median:>10.2} {least:>10.2}",
            kernel.id()
        );
    }
}

fn theirs(artifact: &Artifact, rows: &[Arrays]) {
    let python = std::env::var_os("RINGFENCE_PYTHON").map_or_else(
        || Path::new(env!("CARGO_TARGET_TMPDIR")).join("../python-peers/bin/python"),
        PathBuf::from,
    );
    if !python.exists() {
        println!("onnxruntime: skipped, {} is not there", python.display());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let (_, identity) = Artifact::decode(&artifact.encode().unwrap()).unwrap();
    fs::write(at("model.onnx"), export(artifact, &identity)).unwrap();
    write_inputs(dir.path(), rows);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let status = Command::new(python)
        .arg(root.join("bench/peers/onnx_runtime.py"))
        .args([&at("model.onnx"), dir.path()])
        .args([ROWS.to_string(), "51".to_owned()])
        .status()
        .unwrap();
    if !status.success() {
        println!("onnxruntime: skipped, the program ended with {status}");
    }
}
