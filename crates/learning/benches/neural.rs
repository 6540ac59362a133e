//! Training time and memory of the hybrid network on generated samples.
//! `cargo bench -p ringfence-learning --bench neural [-- ROWS EPOCHS]`
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a command that prints a table"
)]

#[path = "../tests/support/synthetic.rs"]
mod synthetic;

use std::ops::ControlFlow;
use std::time::Instant;

use graph::Sample;
use graph::sample::{NEIGHBOUR_WIDTH, NEIGHBOURS, NODE_WIDTH, STEP_WIDTH, STEPS};
use ringfence_learning::neural::arrays::Arrays;
use ringfence_learning::neural::batch::Source;
use ringfence_learning::neural::config::NeuralConfig;
use ringfence_learning::neural::sight::Sight;
use ringfence_learning::neural::train::{Lesson, Trainer, score};
use synthetic::{auc, synthetic};

const FEATURES: usize = 150;
const ROLES: usize = 4;
const EVENT_TYPES: usize = 4;

fn main() {
    let mut numbers = std::env::args()
        .skip(1)
        .filter_map(|a| a.parse::<usize>().ok());
    let rows = numbers.next().unwrap_or(100_000);
    let epochs = numbers.next().unwrap_or(10);
    let data = synthetic(rows, FEATURES, -4.0, 1);
    let arrays = arrays(rows);
    let sight = Sight {
        features: vec![true; FEATURES],
        step: [true; STEP_WIDTH],
        neighbour: [true; NEIGHBOUR_WIDTH],
        graph: true,
        sequence: true,
    };
    let source = Source {
        tabular: &data.values,
        width: FEATURES,
        arrays: &arrays,
    };
    let split = rows * 9 / 10;
    let held_out: Vec<usize> = (split..rows).collect();
    let train: Vec<usize> = (0..split).collect();
    println!(
        "{} samples of {} features, {ROLES} roles and {:.0} steps on the average; {epochs} epochs over nine tenths",
        data.rows,
        data.features,
        (0..rows).map(|row| arrays.steps(row)).sum::<usize>() as f64 / rows as f64
    );
    println!(
        "{:<8} {:>9} {:>9} {:>20} {:>9} {:>14}",
        "hidden", "wall s", "CPU s", "CPU us per example", "AUC", "peak RSS MiB"
    );
    for hidden in [32, 64] {
        let config = NeuralConfig {
            hidden,
            epochs,
            ..NeuralConfig::default()
        };
        let lesson = Lesson {
            source,
            rows: &train,
            fraud: &data.labels[..split],
            weights: None,
        };
        let (start, cpu) = (Instant::now(), cpu_seconds());
        let mut trainer = Trainer::new(config, &lesson, &sight, EVENT_TYPES);
        for _ in 0..epochs {
            assert!(
                trainer
                    .epoch(&lesson, |_, _| ControlFlow::Continue(()))
                    .is_continue()
            );
        }
        let (wall, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
        let scores = score(&trainer.averaged(), source, &held_out);
        println!(
            "{hidden:<8} {wall:>9.1} {cpu:>9.1} {:>20.1} {:>9.5} {:>14.0}",
            cpu * 1e6 / (split * epochs) as f64,
            auc(&scores, &data.labels[split..]),
            peak_mib(),
        );
    }
}

/// Sequences of 0 to 64 steps and neighbourhoods of 0 to 16, as of accounts of every age.
fn arrays(rows: usize) -> Arrays {
    let mut arrays = Arrays::new(ROLES);
    let mut sample = Sample::default();
    let mut state = 7_u64;
    let mut share = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 24) as f32
    };
    for _ in 0..rows {
        sample.steps = (share() * (STEPS + 1) as f32) as usize;
        let values = |len, share: &mut dyn FnMut() -> f32| (0..len).map(|_| share()).collect();
        sample.sequence = values(STEPS * STEP_WIDTH, &mut share);
        sample.entities = values(ROLES * NODE_WIDTH, &mut share);
        sample.neighbourhood = values(ROLES * NEIGHBOURS * NEIGHBOUR_WIDTH, &mut share);
        for role in 0..ROLES {
            sample.neighbours[role] = (share() * (NEIGHBOURS + 1) as f32) as u8;
        }
        arrays.push(&sample);
    }
    arrays
}

/// Largest resident set of this process so far (VmHWM in /proc/self/status).
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|it| it.starts_with("VmHWM:")).unwrap();
    let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib / 1024.0
}

/// User and system time of this process (fields 14 and 15 of /proc/self/stat, 100 ticks a second).
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(") ").unwrap().1;
    let ticks = |field: usize| {
        after_name
            .split(' ')
            .nth(field)
            .unwrap()
            .parse::<f64>()
            .unwrap()
    };
    (ticks(11) + ticks(12)) / 100.0
}
