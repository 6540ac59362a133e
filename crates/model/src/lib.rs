//! Models as they are served: boosted trees, calibration, artifact file.
