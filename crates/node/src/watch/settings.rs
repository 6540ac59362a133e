//! What a tenant's watch goes by: a document of its log. Each change begins the watch anew behind its record, so that
//! what a monitor knows stays a function of the log.

use drift::column::SCORE;
use drift::monitor::MonitorError;
use drift::{Reference, Settings};
use graph::FeatureList;

use crate::NodeError;

/// A document that is to be set: refused when it makes no sense, or names a feature that there is not.
pub fn check(body: &str, features: &FeatureList) -> Result<(), NodeError> {
    let names = features.names();
    let names = names.iter().map(String::as_str).chain([SCORE]);
    Settings::parse(body, names).map_err(MonitorError::from)?;
    Ok(())
}

/// One that has been set, for a model's reference. Features of another day's schema are of no account to it.
pub fn of(body: &str, reference: &Reference) -> Result<Settings, NodeError> {
    let settings = Settings::read(body).map_err(MonitorError::from)?;
    Ok(settings.known_to(reference))
}
