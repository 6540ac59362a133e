//! The model that scores: its file, loaded and checked against the schema's features.

use event::record::{ModelVersion, ReasonCode};
use graph::{FeatureGroup, FeatureList};
use model::artifact::Artifact;
use model::calibration::Calibration;
use model::fast::{FastTrees, Scratch};
use model::shap::Explainer;
use smallvec::SmallVec;

use event::Schema;
use std::path::Path;

use crate::NodeError;
use crate::channel::Voice;

/// Reasons given with a decision.
const REASONS_MAX: usize = 5;

#[derive(Debug)]
pub struct Champion {
    artifact: [u8; 32],
    explainer: Explainer,
    fast: FastTrees,
    calibration: Calibration,
    scratch: Scratch,
    /// Writes the suspicion that the model reads.
    voice: Option<Voice>,
}

/// What the model says of one sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    pub score: u16,
    pub probability_ppm: u32,
}

impl Champion {
    /// Loads a model file and refuses it unless it fits schema and features.
    pub fn load(
        path: &Path,
        schema: &Schema,
        features: &FeatureList,
    ) -> Result<Champion, NodeError> {
        let (artifact, identity) = Artifact::load(path)?;
        artifact.fits(&schema.hash().hex(), &features.names())?;
        if let Some(producer) = &artifact.producer
            && producer.reads(|at| features.features()[at].group == FeatureGroup::Suspicion)
        {
            return Err(NodeError::EchoingProducer {
                path: path.to_path_buf(),
            });
        }
        Ok(Champion {
            artifact: identity.bytes(),
            fast: FastTrees::new(&artifact.trees),
            explainer: Explainer::new(&artifact.trees),
            voice: Voice::of(&artifact),
            calibration: artifact.header.calibration,
            scratch: Scratch::default(),
        })
    }

    pub fn artifact(&self) -> [u8; 32] {
        self.artifact
    }

    pub fn voice(&self) -> Option<&Voice> {
        self.voice.as_ref()
    }

    pub fn voice_mut(&mut self) -> Option<&mut Voice> {
        self.voice.as_mut()
    }

    pub fn version(&self) -> ModelVersion {
        let mut version = [0; 8];
        version.copy_from_slice(&self.artifact[..8]);
        ModelVersion(version)
    }

    /// Calibrated score; `None` when the model's output is no number.
    pub fn score(&mut self, tabular: &[f32]) -> Option<Score> {
        if tabular.len() != self.fast.feature_count() {
            return None;
        }
        let raw = self.fast.predict_raw(tabular, &mut self.scratch);
        let probability = self.calibration.probability(raw);
        if !probability.is_finite() {
            return None;
        }
        Some(Score {
            score: self.calibration.score(raw),
            probability_ppm: (probability * 1e6).clamp(0.0, 1e6) as u32,
        })
    }

    /// What moved the score most, in thousandths of raw log-odds.
    pub fn reasons(&self, tabular: &[f32]) -> SmallVec<[ReasonCode; 4]> {
        let contributions = self.explainer.contributions(tabular);
        let mut ranked: Vec<(usize, f64)> = contributions.into_iter().enumerate().collect();
        ranked.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0)));
        let told = ranked
            .into_iter()
            .take(REASONS_MAX)
            .filter(|(_, value)| *value != 0.0);
        let milli = |value: f64| (value * 1000.0).clamp(-1e9, 1e9) as i32;
        told.map(|(feature, value)| ReasonCode {
            feature: feature as u16,
            contribution_milli: milli(value),
        })
        .collect()
    }
}
