//! What the operator says of the edge: where it listens, what it takes, how often, and whom it believes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use gateway::settings::{GatewaySettings, Limits, Rate, Rates};
use gateway::tls::TlsFiles;
use gateway::token::{KeySource, TokenSettings};
use node::mailbox::Level;
use serde::Deserialize;

use super::units::{Bytes, Time};
use super::{Config, DEVELOPMENT_KEY, FsyncName};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    pub address: SocketAddr,
    pub threads: usize,
    pub(super) connections_max: usize,
    pub(super) header_read: Time,
    pub(super) body_read: Time,
    pub(super) header_bytes_max: Bytes,
    pub(super) headers_max: usize,
    pub(super) h2_streams_max: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSection {
    pub(super) certificates: PathBuf,
    pub(super) key: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requests {
    pub(super) deadline: Time,
    pub(super) body_bytes_max: Bytes,
    pub(super) batch_bytes_max: Bytes,
    pub(super) batch_lines_max: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Models {
    pub(super) bytes_max: Bytes,
    pub(super) files_max: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateSection {
    pub(super) per_second: u32,
    pub(super) burst: u32,
    #[serde(default)]
    tenants: BTreeMap<String, TenantRate>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TenantRate {
    per_second: u32,
    burst: u32,
}

impl Config {
    pub fn gateway(&self, starter: Option<[u8; 8]>) -> Result<GatewaySettings> {
        let mut levels = BTreeMap::new();
        for (event_type, name) in &self.levels {
            let level = Level::parse(name).with_context(|| {
                format!("levels.{event_type} must be L1, L2 or L3, got {name:?}")
            })?;
            levels.insert(event_type.clone(), level);
        }
        let rate = |per_second, burst| Rate { per_second, burst };
        let tenants = self.rate.tenants.iter();
        Ok(GatewaySettings {
            limits: Limits {
                body_bytes_max: self.requests.body_bytes_max.0,
                batch_bytes_max: self.requests.batch_bytes_max.0,
                batch_lines_max: self.requests.batch_lines_max,
                model_bytes_max: self.models.bytes_max.0,
                models_max: self.models.files_max,
                deadline: self.requests.deadline.0,
                connections_max: self.listen.connections_max,
                header_bytes_max: self.listen.header_bytes_max.0,
                headers_max: self.listen.headers_max,
                header_read: self.listen.header_read.0,
                body_read: self.listen.body_read.0,
                h2_streams_max: self.listen.h2_streams_max,
            },
            rates: Rates {
                default: rate(self.rate.per_second, self.rate.burst),
                tenants: tenants
                    .map(|(name, it)| (name.clone(), rate(it.per_second, it.burst)))
                    .collect(),
            },
            levels,
            metrics_tenants_max: self.metrics.tenants_max,
            loss_window: match self.commit.fsync {
                FsyncName::Always => None,
                FsyncName::Interval => Some(self.commit.interval.0),
            },
            backtests: self.backtests.priority,
            starter,
        })
    }

    pub fn tokens(&self) -> TokenSettings {
        TokenSettings {
            audience: self.auth.audience.clone(),
            leeway: self.auth.leeway.0,
        }
    }

    pub fn keys(&self, data: &Path) -> KeySource {
        if self.auth.jwks.as_os_str().is_empty() {
            KeySource::Secret(data.join(DEVELOPMENT_KEY))
        } else {
            KeySource::Jwks(self.auth.jwks.clone())
        }
    }

    pub fn tls(&self) -> Option<TlsFiles> {
        let TlsSection { certificates, key } = &self.tls;
        (!certificates.as_os_str().is_empty()).then(|| TlsFiles {
            certificates: certificates.clone(),
            key: key.clone(),
        })
    }
}
