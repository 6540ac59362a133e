//! What holds of a model beyond its tensors.

use super::{Artifact, ArtifactError};
use crate::score::SCORE_MAX;

impl Artifact {
    fn check_producer(&self) -> Result<(), ArtifactError> {
        let Some(producer) = &self.producer else {
            return Ok(());
        };
        producer.calibration.check()?;
        let (own, producers) = (self.trees.feature_count(), producer.trees.feature_count());
        if own != producers {
            return Err(ArtifactError::ProducerFeatures {
                model: own,
                producer: producers,
            });
        }
        let (until, from) = (
            producer.training_window.until,
            self.header.training_window.from,
        );
        if until > from {
            return Err(ArtifactError::ProducerWindow {
                producer: until,
                model: from,
            });
        }
        Ok(())
    }

    pub(super) fn check(&self) -> Result<(), ArtifactError> {
        let (header, trees) = (self.header.features.len(), self.trees.feature_count());
        if header != trees {
            return Err(ArtifactError::HeaderFeatures { header, trees });
        }
        self.header.calibration.check()?;
        self.check_producer()?;
        if let Some(network) = &self.network {
            let got = network.hybrid.shape().features;
            if header != got {
                return Err(ArtifactError::NetworkFeatures {
                    header,
                    network: got,
                });
            }
            network.blend.check()?;
            network.trees_calibration.check()?;
        }
        for (event_type, &t) in &self.header.thresholds {
            if t.challenge > t.review || t.review > t.decline || t.decline > SCORE_MAX + 1 {
                let (event_type, thresholds) = (event_type.clone(), t);
                return Err(ArtifactError::Thresholds {
                    event_type,
                    thresholds,
                });
            }
        }
        // JSON has no NaN: it would come back as null and the file would not load.
        match self
            .header
            .metrics
            .iter()
            .find(|(_, value)| !value.is_finite())
        {
            Some((name, &value)) => Err(ArtifactError::Metric {
                name: name.clone(),
                value,
            }),
            None => Ok(()),
        }
    }
}
