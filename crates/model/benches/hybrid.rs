//! Time of one score and of a batch.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a command that prints a table and measures time"
)]

#[path = "../tests/support/random_networks.rs"]
mod random_networks;
#[path = "../tests/support/random_samples.rs"]
mod random_samples;

use std::hint::black_box;
use std::time::Instant;

use random_networks::{Dice, random_network};
use random_samples::{Arrays, sample_of};
use ringfence_model::hybrid::Input;
use ringfence_model::hybrid::attribution::{Explainer, POINTS};
use ringfence_model::hybrid::kernel::{Isa, Kernel};
use ringfence_model::hybrid::knots::Knots;
use ringfence_model::hybrid::shape::{NEIGHBOURS, STEPS, Shape};

const ROWS: usize = 64;
const ROUNDS: usize = 401;

fn main() {
    println!(
        "{:<8} {:<24} {:<10} {:>10} {:>10}",
        "hidden", "kernel", "rows", "median us", "least us"
    );
    for hidden in [32, 64] {
        let mut dice = Dice(1);
        let shape = Shape {
            features: 150,
            roles: 4,
            event_types: 4,
            hidden,
            wide: 64,
            graph: true,
            sequence: true,
        };
        let twelve = |_| (0..12).map(|at| at as f32 * 0.4 - 2.2);
        let knots = Knots::of_each((0..shape.features).map(twelve));
        let hybrid = random_network(&mut dice, shape, knots, 1.0);
        let samples: Vec<Arrays> = (0..ROWS)
            .map(|_| {
                sample_of(
                    &mut dice,
                    &shape,
                    STEPS,
                    vec![NEIGHBOURS as u8; shape.roles],
                )
            })
            .collect();
        let inputs: Vec<Input<'_>> = samples.iter().map(Arrays::input).collect();
        for isa in Isa::detect() {
            let kernel = Kernel::with(&hybrid, isa).unwrap();
            let mut scratch = kernel.scratch();
            let mut out = vec![0.0; ROWS];
            for batch in [1, 32] {
                measure(
                    &format!("{hidden:<8} {:<24} {batch:<10}", kernel.id()),
                    || {
                        for (inputs, out) in inputs.chunks(batch).zip(out.chunks_mut(batch)) {
                            kernel.score_batch(inputs, &mut scratch, out);
                        }
                        black_box(&out);
                    },
                );
            }
        }
        let kernel = Kernel::new(&hybrid);
        let mut scratch = kernel.scratch();
        let explainer = Explainer::new(&hybrid);
        measure(&format!("{hidden:<8} {:<24} {:<10}", "reasons", 1), || {
            for input in &inputs {
                let output = kernel.score(input, &mut scratch);
                let seen = kernel.seen(input, &scratch);
                black_box(explainer.explain(output, &seen, POINTS));
            }
        });
        measure(
            &format!("{hidden:<8} {:<24} {:<10}", "plain forward", 1),
            || {
                for input in inputs.iter().take(16) {
                    black_box(hybrid.forward(input));
                }
            },
        );
    }
}

fn measure(name: &str, mut run: impl FnMut()) {
    let mut each: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64() * 1e6 / ROWS as f64
        })
        .collect();
    each.sort_by(f64::total_cmp);
    println!("{name} {:>10.2} {:>10.2}", each[ROUNDS / 2], each[0]);
}
