//! The one model of an audit: first candidates, longest training, first seed; nothing is chosen.

use crate::evaluate::EvaluateError;
use crate::evaluate::channel::Channel;
use crate::evaluate::folds::Part;
use crate::evaluate::ladder::{Model, View};
use crate::evaluate::learner::{self, Table};
use crate::evaluate::network::Eyes;
use crate::evaluate::protocol::{Candidate, NetworkCandidate, Protocol};
use crate::evaluate::samples::Samples;

pub struct Learner {
    columns: Vec<usize>,
    trees: Option<Candidate>,
    network: Option<(NetworkCandidate, View)>,
    seed: u64,
}

impl Learner {
    pub fn new(model: &Model, protocol: &Protocol, samples: &Samples) -> Learner {
        let groups = match model.groups() {
            Some(groups) => groups.to_vec(),
            None => graph::FeatureGroup::ALL.to_vec(),
        };
        let features = samples.features.features();
        let trees = || {
            let mut candidate = protocol.candidates[0].clone();
            candidate.rounds = candidate.rounds.split_off(candidate.rounds.len() - 1);
            candidate
        };
        let network = |view: &View| {
            let mut candidate = protocol.networks.first()?.clone();
            candidate.epochs = candidate.epochs.split_off(candidate.epochs.len() - 1);
            Some((candidate, view.clone()))
        };
        Learner {
            columns: (0..features.len())
                .filter(|at| groups.contains(&features[*at].group))
                .collect(),
            trees: match model {
                Model::Network(_) => None,
                _ => Some(trees()),
            },
            network: match model {
                Model::Network(view) | Model::Both(view) => network(view),
                _ => None,
            },
            seed: protocol.seeds[0],
        }
    }

    /// Columns among the features.
    pub fn features(&self) -> usize {
        self.columns.len()
    }

    /// How far the model was trained, for the report.
    pub fn rounds(&self) -> usize {
        let trees = self.trees.as_ref().map_or(0, |it| it.rounds[0]);
        let network = self.network.as_ref().map_or(0, |(it, _)| it.epochs[0]);
        trees.max(network)
    }

    /// Log-odds of the test; of network and trees, their mean: what leaks into one of them leaks into it.
    pub fn scores(
        &self,
        samples: &Samples,
        channel: Option<&Channel>,
        train: &Part,
        test: &Part,
    ) -> Result<Vec<f64>, EvaluateError> {
        let first = |scores: Vec<Vec<f64>>| scores.into_iter().next().unwrap_or_default();
        let mut parts = Vec::new();
        if let Some(candidate) = &self.trees {
            let table = Table::new(&samples.values, samples.width(), self.columns.clone())
                .with_channel(channel);
            let done = learner::boosted(samples, &table, candidate, self.seed, train, test)?;
            parts.push(first(done.scores));
        }
        if let Some((candidate, view)) = &self.network {
            let eyes = Eyes::new(samples, view, channel)?;
            parts.push(first(eyes.scores(candidate, self.seed, train, test)?));
        }
        let share = 1.0 / parts.len().max(1) as f64;
        let mean = |row: usize| parts.iter().map(|it| share * it[row]).sum();
        Ok((0..test.rows.len()).map(mean).collect())
    }
}
