//! I9 for the hybrid: the kernel computes what the plain forward does, one row or many, in any order.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

#[path = "support/random_networks.rs"]
mod random_networks;
#[path = "support/random_samples.rs"]
mod random_samples;

use random_networks::{Dice, random_network};
use random_samples::{Arrays, sample_of};
use ringfence_model::hybrid::kernel::{Isa, Kernel};
use ringfence_model::hybrid::knots::Knots;
use ringfence_model::hybrid::shape::{
    NEIGHBOUR_WIDTH, NEIGHBOURS, ROLES_MAX, STEP_WIDTH, STEPS, Shape,
};
use ringfence_model::hybrid::{Hybrid, Input};

const NETWORKS: u64 = 40;
const SAMPLES: usize = 40;

/// Every shape there is, small; features without knots among the others.
fn random_shape(dice: &mut Dice) -> Shape {
    Shape {
        features: 1 + dice.below(40),
        roles: 1 + dice.below(ROLES_MAX),
        event_types: 1 + dice.below(6),
        hidden: [32, 64][dice.below(2)],
        wide: 16 * (1 + dice.below(8)),
        graph: dice.below(6) != 0,
        sequence: dice.below(6) != 0,
    }
}

fn random_knots(dice: &mut Dice, features: usize) -> Knots {
    Knots::of_each((0..features).map(|_| {
        let count = [0, 1, 2, 5, 12, 64][dice.below(6)];
        let mut at = -2.0;
        let mut next = || {
            at += 0.01 + (dice.value() + 1.0) * 2.0 / count as f32;
            at
        };
        (0..count).map(|_| next()).collect::<Vec<f32>>()
    }))
}

/// Any number of steps and neighbours, none among them; missing, infinite and far values.
fn random_sample(dice: &mut Dice, shape: &Shape) -> Arrays {
    let steps = [0, 1, STEPS, dice.below(STEPS + 1)][dice.below(4)];
    let count = |_| [0, 1, NEIGHBOURS, dice.below(NEIGHBOURS + 1)][dice.below(4)] as u8;
    let counts = (0..shape.roles).map(count).collect();
    let mut sample = sample_of(dice, shape, steps, counts);
    for value in &mut sample.tabular {
        *value = match dice.below(12) {
            0 | 1 => f32::NAN,
            2 => 1e15,
            3 => f32::NEG_INFINITY,
            4 => f32::INFINITY,
            _ => *value,
        };
    }
    sample
}

/// A rounding error of the first steps is carried through all later ones: with large weights it grows.
const GAINS: [(f32, f32); 2] = [(1.0, 1e-5), (2.0, 1e-4)];

fn each_network(mut check: impl FnMut(&Hybrid, &[Arrays], &mut Dice)) {
    each_of(GAINS[0].0, &mut check);
}

fn each_of(gain: f32, check: &mut impl FnMut(&Hybrid, &[Arrays], &mut Dice)) {
    for seed in 0..NETWORKS {
        let mut dice = Dice(seed);
        let shape = random_shape(&mut dice);
        let knots = random_knots(&mut dice, shape.features);
        let hybrid = random_network(&mut dice, shape, knots, gain);
        let samples: Vec<Arrays> = (0..SAMPLES)
            .map(|_| random_sample(&mut dice, &shape))
            .collect();
        check(&hybrid, &samples, &mut dice);
    }
}

fn far(got: f32, want: f32) -> f32 {
    (got - want).abs() / want.abs().max(1.0)
}

#[test]
fn as_the_plain_forward_on_every_instruction_set() {
    let sets = Isa::detect();
    println!("instruction sets: {sets:?}");
    for (gain, limit) in GAINS {
        let mut worst = 0.0_f32;
        each_of(gain, &mut |hybrid, samples, _| {
            for isa in &sets {
                let kernel = Kernel::with(hybrid, *isa).unwrap();
                let mut scratch = kernel.scratch();
                for sample in samples {
                    let want = hybrid.forward(&sample.input()).raw;
                    let got = kernel.score(&sample.input(), &mut scratch);
                    let seen = || format!("{isa:?} {got} {want} {:?}", hybrid.shape());
                    assert!(far(got, want) <= limit, "{}", seen());
                    worst = worst.max(far(got, want));
                }
            }
        });
        println!("weights of gain {gain}: largest difference {worst:e}");
    }
}

/// The vector kinds compute the same bits as each other, so a log's scores do not depend on which one ran.
#[test]
fn fused_kinds_agree_to_the_bit() {
    if !Isa::detect().contains(&Isa::Avx512) {
        println!("SKIPPED: this machine has no AVX-512, it was not compared with AVX2");
        return;
    }
    each_network(|hybrid, samples, _| {
        let [narrow, wide] = [Isa::Avx2, Isa::Avx512].map(|isa| Kernel::with(hybrid, isa).unwrap());
        let mut scratches = [narrow.scratch(), wide.scratch()];
        for sample in samples {
            let a = narrow.score(&sample.input(), &mut scratches[0]);
            let b = wide.score(&sample.input(), &mut scratches[1]);
            assert_eq!(a.to_bits(), b.to_bits());
        }
    });
}

#[test]
fn a_batch_scores_like_its_rows() {
    each_network(|hybrid, samples, dice| {
        for isa in Isa::detect() {
            let kernel = Kernel::with(hybrid, isa).unwrap();
            let mut scratch = kernel.scratch();
            let len = 1 + dice.below(SAMPLES);
            let inputs: Vec<Input<'_>> = samples[..len].iter().map(Arrays::input).collect();
            let mut many = vec![f32::NAN; len];
            kernel.score_batch(&inputs, &mut scratch, &mut many);
            for (input, many) in inputs.iter().zip(&many) {
                let one = kernel.score(input, &mut scratch);
                assert!(far(*many, one) <= 1e-5, "{isa:?} batch {many}, alone {one}");
            }
        }
    });
}

#[test]
fn the_order_of_neighbours_is_none() {
    each_network(|hybrid, samples, dice| {
        let kernel = Kernel::new(hybrid);
        let mut scratch = kernel.scratch();
        for sample in samples {
            let mut shuffled = sample.clone();
            let blocks = shuffled
                .neighbourhood
                .chunks_exact_mut(NEIGHBOURS * NEIGHBOUR_WIDTH);
            for (block, used) in blocks.zip(&sample.neighbours) {
                let rows = block.as_chunks_mut::<NEIGHBOUR_WIDTH>().0;
                for at in (1..usize::from(*used)).rev() {
                    rows.swap(at, dice.below(at + 1));
                }
            }
            let want = kernel.score(&sample.input(), &mut scratch);
            let got = kernel.score(&shuffled.input(), &mut scratch);
            assert!(far(got, want) <= 1e-5, "{got} {want}");
        }
    });
}

/// What lies in unused steps and slots is not read.
#[test]
fn unused_places_change_nothing() {
    each_network(|hybrid, samples, _| {
        let kernel = Kernel::new(hybrid);
        let mut scratch = kernel.scratch();
        for sample in samples {
            let mut other = sample.clone();
            let used = sample.steps * STEP_WIDTH;
            other.sequence[used..].fill(7.0);
            let blocks = other
                .neighbourhood
                .chunks_exact_mut(NEIGHBOURS * NEIGHBOUR_WIDTH);
            for (block, used) in blocks.zip(&sample.neighbours) {
                block[usize::from(*used) * NEIGHBOUR_WIDTH..].fill(7.0);
            }
            let want = kernel.score(&sample.input(), &mut scratch);
            let got = kernel.score(&other.input(), &mut scratch);
            assert_eq!(got.to_bits(), want.to_bits());
        }
    });
}

#[test]
fn scoring_allocates_nothing() {
    let mut dice = Dice(5);
    let shape = random_shape(&mut dice);
    let knots = random_knots(&mut dice, shape.features);
    let hybrid = random_network(&mut dice, shape, knots, 1.0);
    let samples: Vec<Arrays> = (0..SAMPLES)
        .map(|_| random_sample(&mut dice, &shape))
        .collect();
    let inputs: Vec<Input<'_>> = samples.iter().map(Arrays::input).collect();
    let mut out = vec![0.0; inputs.len()];
    for isa in Isa::detect() {
        let kernel = Kernel::with(&hybrid, isa).unwrap();
        let mut scratch = kernel.scratch();
        let counted = allocation_counter::measure(|| {
            kernel.score(&inputs[0], &mut scratch);
            kernel.score_batch(&inputs, &mut scratch, &mut out);
        });
        assert_eq!(counted.count_total, 0, "{isa:?}");
    }
}
