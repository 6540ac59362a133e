//! What can be fitted to a fold, with every setting fixed: scores of its test rows come out.

use super::channel::ChannelKey;
use super::folds::Division;
use super::ladder::{Model, View};
use super::learner::{self, Table};
use super::network;
use super::protocol::{Candidate, NetworkCandidate, Protocol};
use super::report::HowFar;
use super::samples::Samples;
use super::{EvaluateError, handbook};

/// A model with its settings; where those hold several stops of one training, each is scored.
#[derive(Clone, Debug, PartialEq)]
pub enum Contender {
    Logistic,
    Trees(Candidate),
    Network(NetworkCandidate),
}

/// Scores of the test rows at each stop, and the gain of each column of trees.
pub struct Fitted {
    pub scores: Vec<Vec<f64>>,
    pub gain: Vec<f64>,
}

impl Contender {
    /// Everything the protocol tries for a model of one kind.
    pub fn all(model: &Model, protocol: &Protocol) -> Vec<Contender> {
        match model {
            Model::HandbookLogistic => vec![Contender::Logistic],
            Model::Trees(_) | Model::HandbookTrees => {
                let candidates = protocol.candidates.iter().cloned();
                candidates.map(Contender::Trees).collect()
            }
            Model::Network(_) => {
                let networks = protocol.networks.iter().cloned();
                networks.map(Contender::Network).collect()
            }
            // A mixture has no settings but its parts' and the share.
            Model::Both(_) => Vec::new(),
        }
    }

    pub fn stops(&self) -> Vec<HowFar> {
        match self {
            Contender::Logistic => vec![HowFar::Rounds(1)],
            Contender::Trees(it) => it.rounds.iter().copied().map(HowFar::Rounds).collect(),
            Contender::Network(it) => it.epochs.iter().copied().map(HowFar::Epochs).collect(),
        }
    }

    /// The same with one stop left.
    pub fn stopping_at(&self, stop: usize) -> Contender {
        let mut one = self.clone();
        match &mut one {
            Contender::Logistic => {}
            Contender::Trees(it) => it.rounds = vec![it.rounds[stop]],
            Contender::Network(it) => it.epochs = vec![it.epochs[stop]],
        }
        one
    }
}

/// What a fit reads.
pub struct Ground<'a> {
    pub samples: &'a Samples,
    pub protocol: &'a Protocol,
    /// Of the Handbook's own features, where a rung reads them.
    pub handbook: &'a [f32],
}

/// Which fold, and by which seed.
#[derive(Clone, Copy)]
pub struct Draw {
    pub set: &'static str,
    pub fold: usize,
    pub seed: u64,
}

impl Ground<'_> {
    pub fn fit(
        &self,
        model: &Model,
        contender: &Contender,
        division: &Division,
        draw: Draw,
    ) -> Result<Fitted, EvaluateError> {
        let channel = model.channel().and_then(|labels| {
            self.samples.channels.get(&ChannelKey {
                set: draw.set,
                fold: draw.fold,
                seed: draw.seed,
                labels,
            })
        });
        let train = match (&division.staged, channel) {
            (Some(staged), Some(_)) => &staged.consumer,
            _ => &division.train,
        };
        match (contender, model) {
            (Contender::Network(candidate), Model::Network(view)) => {
                let eyes = network::Eyes::new(self.samples, view, channel)?;
                let scores = eyes.scores(candidate, draw.seed, train, &division.test)?;
                Ok(Fitted {
                    scores,
                    gain: Vec::new(),
                })
            }
            (Contender::Logistic, _) => {
                let table = self.table(model)?;
                let scores = learner::logistic(&table, &division.train, &division.test);
                Ok(Fitted {
                    scores: vec![scores],
                    gain: Vec::new(),
                })
            }
            (Contender::Trees(candidate), _) => {
                let table = self.table(model)?.with_channel(channel);
                let seed = draw.seed;
                let test = &division.test;
                let done = learner::boosted(self.samples, &table, candidate, seed, train, test)?;
                Ok(Fitted {
                    scores: done.scores,
                    gain: done.gain,
                })
            }
            (Contender::Network(_), _) => Err(EvaluateError::NoNetwork),
        }
    }

    /// The columns that trees of this model see.
    pub fn table(&self, model: &Model) -> Result<Table<'_>, EvaluateError> {
        let Some(groups) = model.groups() else {
            let columns = (0..handbook::WIDTH).collect();
            return Ok(Table::new(self.handbook, handbook::WIDTH, columns));
        };
        let features = self.samples.features.features();
        let columns: Vec<usize> = (0..features.len())
            .filter(|at| groups.contains(&features[*at].group))
            .collect();
        if columns.is_empty() {
            let named: Vec<&str> = groups.iter().map(|group| group.name()).collect();
            return Err(EvaluateError::NoFeatures(named.join(", ")));
        }
        let width = self.samples.width();
        Ok(Table::new(&self.samples.values, width, columns))
    }
}

/// The two parts of a mixture.
pub fn parts(view: &View) -> [Model; 2] {
    [
        Model::Network(view.clone()),
        Model::Trees(view.features.clone()),
    ]
}
