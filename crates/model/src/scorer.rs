//! A model as it scores: trees, or network and trees blended, calibrated.

use crate::artifact::{Artifact, Blend};
use crate::calibration::Calibration;
use crate::fast::{self, FastTrees};
use crate::hybrid::Input;
use crate::hybrid::attribution::{self, POINTS};
use crate::hybrid::kernel::{self, Kernel};
use crate::shap;

#[derive(Debug)]
pub struct Scorer {
    trees: FastTrees,
    calibration: Calibration,
    network: Option<Network>,
    scratch: fast::Scratch,
    explainer: shap::Explainer,
}

#[derive(Debug)]
struct Network {
    kernel: Kernel,
    blend: Blend,
    trees_calibration: Calibration,
    scratch: kernel::Scratch,
    explainer: attribution::Explainer,
    roles: usize,
}

/// Calibrated log-odds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    pub log_odds: f64,
    /// The network's output was no number: the trees alone scored, under their own calibration.
    pub network_failed: bool,
}

impl Scorer {
    pub fn new(artifact: &Artifact) -> Scorer {
        let network = artifact.network.as_ref().map(|it| {
            let kernel = Kernel::new(&it.hybrid);
            Network {
                scratch: kernel.scratch(),
                explainer: attribution::Explainer::new(&it.hybrid),
                roles: it.hybrid.shape().roles,
                kernel,
                blend: it.blend,
                trees_calibration: it.trees_calibration.clone(),
            }
        });
        Scorer {
            trees: FastTrees::new(&artifact.trees),
            calibration: artifact.header.calibration.clone(),
            network,
            scratch: fast::Scratch::default(),
            explainer: shap::Explainer::new(&artifact.trees),
        }
    }

    /// Whether sequence and neighbourhood are looked at, or the features only.
    pub fn reads_arrays(&self) -> bool {
        self.network.is_some()
    }

    /// What computes: for the log, and to tell scores apart that need not agree to the bit.
    pub fn kernel_id(&self) -> &'static str {
        self.network
            .as_ref()
            .map_or("trees-f64/1", |it| it.kernel.id())
    }

    /// Calibrated log-odds by the trees alone, under their own calibration.
    pub fn log_odds_of_trees(&mut self, tabular: &[f32]) -> f64 {
        let raw = self.trees.predict_raw(tabular, &mut self.scratch);
        let own = self.network.as_ref().map(|it| &it.trees_calibration);
        own.unwrap_or(&self.calibration).log_odds(raw)
    }

    /// Panics when an array is shorter than the model's shape says; without a network only `tabular` is read.
    pub fn score(&mut self, input: &Input<'_>) -> Scored {
        let output = match &mut self.network {
            None => None,
            Some(network) => Some(f64::from(network.kernel.score(input, &mut network.scratch))),
        };
        let (Some(output), Some(network)) = (output.filter(|it| it.is_finite()), &self.network)
        else {
            return Scored {
                log_odds: self.log_odds_of_trees(input.tabular),
                network_failed: self.network.is_some(),
            };
        };
        let trees = match network.blend.trees > 0.0 {
            true => self.trees.predict_raw(input.tabular, &mut self.scratch),
            false => 0.0,
        };
        let raw = network.blend.raw(output, trees);
        Scored {
            log_odds: self.calibration.log_odds(raw),
            network_failed: false,
        }
    }

    /// What each part of a sample adds to the raw log-odds: every feature, then with a network the sequence and each
    /// role's neighbourhood. Shares of trees are relative to their mean over the training rows, those of a network to an
    /// event of middling features that has no past and no neighbours; both add up.
    pub fn shares(&mut self, input: &Input<'_>) -> Vec<f64> {
        let Some(network) = &mut self.network else {
            return self.explainer.contributions(input.tabular);
        };
        let output = network.kernel.score(input, &mut network.scratch);
        let whole = output.is_finite();
        let (weight, of_trees) = match whole {
            true => (network.blend.network, network.blend.trees),
            false => (0.0, 1.0),
        };
        let mut shares = vec![0.0; input.tabular.len() + 1 + network.roles];
        if of_trees > 0.0 {
            let trees = self.explainer.contributions(input.tabular);
            let both = shares.iter_mut().zip(trees);
            both.for_each(|(share, it)| *share = of_trees * it);
        }
        if whole {
            let seen = network.kernel.seen(input, &network.scratch);
            let found = network.explainer.explain(output, &seen, POINTS);
            let parts = found.features.iter().chain([&found.sequence]);
            for (share, it) in shares.iter_mut().zip(parts.chain(&found.roles)) {
                *share += weight * f64::from(*it);
            }
        }
        shares
    }
}
