//! A model as it scores: trees, or network and trees blended, calibrated.

use crate::artifact::{Artifact, Blend};
use crate::calibration::Calibration;
use crate::fast::{self, FastTrees};
use crate::hybrid::Input;
use crate::hybrid::kernel::{self, Kernel};

#[derive(Debug)]
pub struct Scorer {
    trees: FastTrees,
    calibration: Calibration,
    network: Option<Network>,
    scratch: fast::Scratch,
}

#[derive(Debug)]
struct Network {
    kernel: Kernel,
    blend: Blend,
    trees_calibration: Calibration,
    scratch: kernel::Scratch,
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

    /// Panics when an array is shorter than the model's shape says; without a network only `tabular` is read.
    pub fn score(&mut self, input: &Input<'_>) -> Scored {
        let mut trees = || self.trees.predict_raw(input.tabular, &mut self.scratch);
        let Some(network) = &mut self.network else {
            return Scored {
                log_odds: self.calibration.log_odds(trees()),
                network_failed: false,
            };
        };
        let output = f64::from(network.kernel.score(input, &mut network.scratch));
        if !output.is_finite() {
            return Scored {
                log_odds: network.trees_calibration.log_odds(trees()),
                network_failed: true,
            };
        }
        let trees = match network.blend.trees > 0.0 {
            true => trees(),
            false => 0.0,
        };
        let raw = network.blend.raw(output, trees);
        Scored {
            log_odds: self.calibration.log_odds(raw),
            network_failed: false,
        }
    }
}
