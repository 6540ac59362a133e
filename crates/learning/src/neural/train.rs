//! The loop: shards in parallel, gradients added in a fixed order, one step of the optimiser per batch,
//! averaged weights scored after every epoch.

use std::ops::ControlFlow;

use model::hybrid::shape::Shape;
use rayon::prelude::*;

use super::adam::Adam;
use super::batch::{SHARD, Source};
use super::config::NeuralConfig;
use super::network::{Dropout, Network, Tape};
use super::random::Random;
use super::scale::Scale;
use super::sight::Sight;

/// Rows to learn from: which, what they are, how much each weighs.
#[derive(Clone, Copy)]
pub struct Lesson<'a> {
    pub source: Source<'a>,
    pub rows: &'a [usize],
    /// Of `rows`.
    pub fraud: &'a [bool],
    /// Of `rows`; `None`: all alike.
    pub weights: Option<&'a [f32]>,
}

/// What an epoch came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    /// From 1.
    pub number: usize,
    pub loss: f64,
}

/// A training under way; everything that a checkpoint must hold.
#[derive(Clone, Debug)]
pub struct Trainer {
    pub config: NeuralConfig,
    pub network: Network,
    /// What the optimiser moves; the network's weights follow from it.
    pub parameters: Vec<f32>,
    /// Averaged weights.
    pub average: Vec<f32>,
    pub adam: Adam,
    /// Epochs done.
    pub epoch: usize,
}

impl Trainer {
    pub fn new(
        config: NeuralConfig,
        lesson: &Lesson<'_>,
        sight: &Sight,
        event_types: usize,
    ) -> Trainer {
        let scale = Scale::fit(
            lesson.source.tabular,
            lesson.source.arrays,
            lesson.rows,
            sight,
        );
        let shape = Shape {
            features: lesson.source.width,
            roles: lesson.source.arrays.roles(),
            event_types,
            hidden: config.hidden,
            wide: config.wide,
            graph: sight.graph,
            sequence: sight.sequence,
        };
        let frauds = lesson.fraud.iter().filter(|it| **it).count().max(1) as f64;
        let others = (lesson.fraud.len() as f64 - frauds).max(1.0);
        let odds = frauds * f64::from(config.positive_weight) / others;
        let network = Network::new(shape, scale, libm::log(odds) as f32, config.seed);
        Trainer {
            adam: Adam::new(network.weights.len()),
            average: network.weights.clone(),
            parameters: network.parameters(),
            network,
            config,
            epoch: 0,
        }
    }

    /// One pass over the rows.
    pub fn epoch(
        &mut self,
        lesson: &Lesson<'_>,
        mut progress: impl FnMut(usize, usize) -> ControlFlow<()>,
    ) -> ControlFlow<(), Epoch> {
        let mut order: Vec<usize> = (0..lesson.rows.len()).collect();
        let seed = self.config.seed;
        Random::new(seed, 1 << 32 | self.epoch as u64).shuffle(&mut order);
        let mut loss = 0.0;
        let mut gradient = vec![0.0; self.network.weights.len()];
        let shards = (self.config.batch / SHARD).max(1);
        let mut workers: Vec<Worker> = Vec::new();
        workers.resize_with(shards, Worker::default);
        for (number, batch) in order.chunks(shards * SHARD).enumerate() {
            let step = self.adam.steps;
            let (network, config) = (&self.network, &self.config);
            workers
                .par_iter_mut()
                .zip(batch.par_chunks(SHARD))
                .enumerate()
                .for_each(|(shard, (worker, picks))| {
                    let stream = (step << 8) + shard as u64 + (1 << 40);
                    let dropout = Dropout {
                        share: config.dropout,
                        features: config.feature_dropout,
                        random: Random::new(seed, stream),
                    };
                    worker.run(network, lesson, picks, dropout, config.positive_weight);
                });
            let used = &workers[..batch.len().div_ceil(SHARD)];
            loss += used.iter().map(|it| it.loss).sum::<f64>();
            add_all(&mut gradient, used);
            self.step(&mut gradient, 1.0 / batch.len() as f32);
            if progress(number * shards * SHARD + batch.len(), order.len()).is_break() {
                return ControlFlow::Break(());
            }
        }
        self.epoch += 1;
        ControlFlow::Continue(Epoch {
            number: self.epoch,
            loss: loss / order.len().max(1) as f64,
        })
    }

    fn step(&mut self, gradient: &mut [f32], share: f32) {
        self.network.turn_gradient(gradient);
        let squares: f64 = gradient
            .par_chunks(65_536)
            .map(|part| part.iter().map(|it| f64::from(*it).powi(2)).sum::<f64>())
            .collect::<Vec<f64>>()
            .iter()
            .sum();
        let norm = squares.sqrt() as f32 * share;
        let scale = share * (self.config.clip / norm.max(1e-12)).min(1.0);
        let warm = ((self.adam.steps + 1) as f32 / WARM_UP).min(1.0);
        let rate = self.config.learning_rate * warm;
        self.adam.step(
            &mut self.parameters,
            gradient,
            rate,
            self.config.weight_decay,
            scale,
        );
        self.network.set_parameters(&self.parameters);
        // Young averages follow faster: the first steps must not weigh for ever.
        let steps = self.adam.steps as f32;
        let keep = self.config.average.min((1.0 + steps) / (10.0 + steps));
        self.average
            .par_iter_mut()
            .zip(&self.network.weights)
            .for_each(|(average, weight)| *average = keep * *average + (1.0 - keep) * weight);
    }

    /// The network with averaged weights.
    pub fn averaged(&self) -> Network {
        Network {
            weights: self.average.clone(),
            ..self.network.clone()
        }
    }
}

/// Steps in which the learning rate rises.
const WARM_UP: f32 = 100.0;

/// One shard's share of a batch.
#[derive(Debug, Default)]
struct Worker {
    tape: Tape,
    gradient: Vec<f32>,
    draw: Vec<f32>,
    loss: f64,
}

impl Worker {
    fn run(
        &mut self,
        network: &Network,
        lesson: &Lesson<'_>,
        picks: &[usize],
        dropout: Dropout,
        positive_weight: f32,
    ) {
        let source = lesson.source;
        // The batch sorts its rows: labels follow by the same key, picks by falling steps, stable.
        let mut picks = picks.to_vec();
        picks.sort_by_key(|pick| std::cmp::Reverse(source.arrays.steps(lesson.rows[*pick])));
        let rows: Vec<usize> = picks.iter().map(|pick| lesson.rows[*pick]).collect();
        let masked = dropout.share > 0.0;
        network.forward(&mut self.tape, source, &rows, Some(dropout));
        self.draw.clear();
        self.loss = 0.0;
        for (pick, raw) in picks.iter().zip(&self.tape.raw) {
            let fraud = lesson.fraud[*pick];
            let class = if fraud { positive_weight } else { 1.0 };
            let weight = class * lesson.weights.map_or(1.0, |it| it[*pick]);
            let raw = f64::from(*raw);
            let probability = model::score::sigmoid(raw);
            let (ln_fraud, ln_other) = model::calibration::ln_sigmoids(raw);
            let ln = if fraud { ln_fraud } else { ln_other };
            self.loss -= f64::from(weight) * ln;
            let target = f64::from(u8::from(fraud));
            self.draw.push(weight * (probability - target) as f32);
        }
        self.gradient.clear();
        self.gradient.resize(network.weights.len(), 0.0);
        network.backward(&mut self.tape, &self.draw, &mut self.gradient, masked);
    }
}

fn add_all(gradient: &mut [f32], workers: &[Worker]) {
    const CHUNK: usize = 32_768;
    gradient
        .par_chunks_mut(CHUNK)
        .enumerate()
        .for_each(|(chunk, sum)| {
            sum.fill(0.0);
            for worker in workers {
                let part = &worker.gradient[chunk * CHUNK..][..sum.len()];
                sum.iter_mut().zip(part).for_each(|(sum, it)| *sum += it);
            }
        });
}

/// Log-odds of rows, in their order.
pub fn score(network: &Network, source: Source<'_>, rows: &[usize]) -> Vec<f64> {
    let parts: Vec<Vec<(usize, f64)>> = rows
        .par_chunks(SHARD)
        .enumerate()
        .map_init(Tape::default, |tape, (shard, part)| {
            let mut order: Vec<usize> = (0..part.len()).collect();
            order.sort_by_key(|at| std::cmp::Reverse(source.arrays.steps(part[*at])));
            let sorted: Vec<usize> = order.iter().map(|at| part[*at]).collect();
            network.forward(tape, source, &sorted, None);
            let place = |at: &usize| shard * SHARD + at;
            let raw = tape.raw.iter().map(|raw| f64::from(*raw));
            order.iter().map(place).zip(raw).collect()
        })
        .collect();
    let mut scores = vec![0.0; rows.len()];
    for (at, raw) in parts.into_iter().flatten() {
        scores[at] = raw;
    }
    scores
}
