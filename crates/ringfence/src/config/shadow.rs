//! What the operator says of shadows.

use anyhow::{Result, bail};
use node::shadow::ShadowSettings;
use node::shadow::store::BYTES_MIN;
use serde::Deserialize;

use super::units::Bytes;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShadowSection {
    queue: usize,
    bytes_max: Bytes,
}

impl ShadowSection {
    pub fn check(&self) -> Result<()> {
        if self.queue == 0 {
            bail!("shadow.queue must be above 0");
        }
        let bytes = self.bytes_max.0;
        if (bytes as u64) < BYTES_MIN {
            bail!("shadow.bytes_max must be at least {BYTES_MIN} bytes, got {bytes}");
        }
        Ok(())
    }

    pub fn settings(&self) -> ShadowSettings {
        ShadowSettings {
            queue: self.queue,
            bytes_max: self.bytes_max.0 as u64,
        }
    }
}
