//! What the operator says of traces.

use anyhow::{Result, bail};
use gateway::spans::Tracing;
use serde::Deserialize;
use traces::{Exporter, ExporterSettings, Sampling};

use super::ByLevel;
use super::units::Time;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TracesSection {
    endpoint: String,
    service: String,
    share: ByLevel<f64>,
    queue_max: usize,
    timeout: Time,
}

impl TracesSection {
    pub fn check(&self) -> Result<()> {
        let shares = self.share.values();
        if !shares.iter().all(|share| (0.0..=1.0).contains(share)) {
            bail!("traces.share must be 0 to 1 at each level, got {shares:?}");
        }
        if self.queue_max == 0 || self.timeout.0.is_zero() {
            bail!("traces.queue_max and traces.timeout must be above 0");
        }
        Ok(())
    }

    /// `None`: no spans are made.
    pub fn start(&self) -> Result<Option<Tracing>> {
        if self.endpoint.is_empty() {
            return Ok(None);
        }
        let resource = vec![
            ("service.name", self.service.clone()),
            ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
            ("process.pid", std::process::id().to_string()),
        ];
        let exporter = Exporter::start(ExporterSettings {
            endpoint: self.endpoint.clone(),
            resource,
            queue_max: self.queue_max,
            timeout: self.timeout.0,
        })?;
        Ok(Some(Tracing {
            exporter: exporter.into(),
            sampling: Sampling::new(self.share.values()),
        }))
    }
}
