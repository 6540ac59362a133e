//! The configuration of `ringfence serve`: `default.toml`, and over it the operator's file.

mod edge;
mod retention;
mod retrain;
mod shadow;
mod traces;
mod units;
mod webhooks;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use gateway::notes::{Note, NoteLevel};
use node::background::Priority;
use node::breaker::BreakerSettings;
use node::clock::Clock;
use node::guard::GuardSettings;
use node::mailbox::BoxLimits;
use node::node::NodeSettings;
use node::owner::{Fsync, OwnerSettings};
use node::quota::{Quota, Quotas};
use serde::Deserialize;

use self::edge::{Listen, Models, RateSection, Requests, TlsSection};
use self::shadow::ShadowSection;
use self::webhooks::WebhooksSection;
use retention::Retention;
use retrain::RetrainSection;
use traces::TracesSection;
use units::{Bytes, Time};

use crate::show;

/// Every default stands there and nowhere else.
pub const DEFAULTS: &str = include_str!("../default.toml");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub listen: Listen,
    pub tls: TlsSection,
    pub requests: Requests,
    pub models: Models,
    pub rate: RateSection,
    pub levels: BTreeMap<String, String>,
    pub queue: Queue,
    pub commit: Commit,
    model: ModelSection,
    shadow: ShadowSection,
    pub snapshot: Snapshot,
    pub retention: Retention,
    pub tenants: Tenants,
    quota: QuotaSection,
    pub webhooks: WebhooksSection,
    pub retrain: RetrainSection,
    pub auth: Auth,
    admin: AdminSection,
    metrics: MetricsSection,
    pub traces: TracesSection,
    log: LogSection,
    pub backtests: BacktestsSection,
    pub stop: Stop,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    requests_max: usize,
    bytes_max: Bytes,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    fsync: FsyncName,
    interval: Time,
    group_requests: u32,
    segment_bytes: Bytes,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FsyncName {
    Always,
    Interval,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelSection {
    deadline: Time,
    breaker: BreakerSection,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BreakerSection {
    failures: ByLevel<u32>,
    pause: Time,
    probes: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(non_snake_case, reason = "levels are written so everywhere")]
struct ByLevel<T> {
    L1: T,
    L2: T,
    L3: T,
}

impl<T: Copy> ByLevel<T> {
    fn values(&self) -> [T; 3] {
        [self.L1, self.L2, self.L3]
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    records: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenants {
    max: usize,
    tick: Time,
    retry: Time,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct QuotaSection {
    entities_max: u64,
    bytes_max: Bytes,
    #[serde(default)]
    tenants: BTreeMap<String, TenantQuota>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TenantQuota {
    entities_max: u64,
    bytes_max: Bytes,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    jwks: PathBuf,
    pub audience: String,
    leeway: Time,
    pub reload: Time,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AdminSection {
    address: String,
    remote: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MetricsSection {
    tenants_max: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogSection {
    level: String,
    format: FormName,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FormName {
    Pretty,
    Json,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BacktestsSection {
    pub priority: Priority,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    pub drain: Time,
}

/// Secret of the development key, beside the tenants; no tenant's name starts with a dot.
pub const DEVELOPMENT_KEY: &str = ".development.key";

impl Config {
    pub fn load(path: Option<&Path>) -> Result<Config> {
        let mut table: toml::Table = toml::from_str(DEFAULTS)?;
        if let Some(path) = path {
            let text = fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            let own: toml::Table =
                toml::from_str(&text).with_context(|| path.display().to_string())?;
            lay_over(&mut table, own);
        }
        let told = || path.map_or_else(|| "default.toml".to_owned(), |it| it.display().to_string());
        let config: Config = table.try_into().with_context(told)?;
        config.check().with_context(told)?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        let (body, batch) = (
            self.requests.body_bytes_max.0,
            self.requests.batch_bytes_max.0,
        );
        let queue = self.queue.bytes_max.0;
        let failures = self.model.breaker.failures.values();
        let fewest = failures.into_iter().min().unwrap_or(0);
        if body == 0 || body > batch {
            bail!("requests.body_bytes_max must be above 0 and at most requests.batch_bytes_max");
        }
        // L3 may fill half of the queue; one body must always fit into an empty one.
        if queue < 4 * body {
            bail!("queue.bytes_max must be at least four times requests.body_bytes_max");
        }
        for (key, value) in [
            ("listen.threads", self.listen.threads),
            ("listen.connections_max", self.listen.connections_max),
            ("listen.headers_max", self.listen.headers_max),
            ("requests.batch_lines_max", self.requests.batch_lines_max),
            ("models.bytes_max", self.models.bytes_max.0),
            ("models.files_max", self.models.files_max),
            ("queue.requests_max", self.queue.requests_max),
            ("tenants.max", self.tenants.max),
            ("rate.per_second", self.rate.per_second as usize),
            ("rate.burst", self.rate.burst as usize),
            ("commit.group_requests", self.commit.group_requests as usize),
            ("snapshot.records", self.snapshot.records as usize),
            ("model.deadline", self.model.deadline.0.as_micros() as usize),
            ("model.breaker.probes", self.model.breaker.probes as usize),
            ("model.breaker.failures", fewest as usize),
        ] {
            if value == 0 {
                bail!("{key} must be above 0");
            }
        }
        let segment = self.commit.segment_bytes.0;
        if !(4 << 10..=1 << 30).contains(&segment) {
            bail!("commit.segment_bytes must be 4KiB to 1GiB");
        }
        self.shadow.check()?;
        self.webhooks.check()?;
        self.traces.check()?;
        self.retrain.check()?;
        self.admin()?;
        self.note_level()?;
        let tls = &self.tls;
        if tls.certificates.as_os_str().is_empty() != tls.key.as_os_str().is_empty() {
            bail!("tls.certificates and tls.key must both be given, or neither");
        }
        Ok(())
    }

    pub fn node(&self) -> NodeSettings {
        NodeSettings {
            tenants_max: self.tenants.max,
            keep_of: self.retention.keep_of(),
            quotas: self.quotas(),
            owner: OwnerSettings {
                mailbox: BoxLimits {
                    letters_max: self.queue.requests_max,
                    bytes_max: self.queue.bytes_max.0,
                },
                fsync: match self.commit.fsync {
                    FsyncName::Always => Fsync::Always,
                    FsyncName::Interval => Fsync::Interval(self.commit.interval.0),
                },
                group_letters: self.commit.group_requests,
                snapshot_records: self.snapshot.records,
                tick: self.tenants.tick.0,
                retry: self.tenants.retry.0,
                keep: self.retention.keep(),
                guard: self.guard(),
                shadow: self.shadow.settings(),
                clock: Clock::default(),
                log: log::LogOptions {
                    segment_bytes: self.commit.segment_bytes.0 as u64,
                    ..log::LogOptions::default()
                },
            },
        }
    }

    /// Where the admin listener listens; `None`: there is none.
    pub fn admin(&self) -> Result<Option<SocketAddr>> {
        let AdminSection { address, remote } = &self.admin;
        if address.is_empty() {
            return Ok(None);
        }
        let parsed: SocketAddr = address
            .parse()
            .with_context(|| format!("admin.address must be IP:PORT, got {address:?}"))?;
        if !parsed.ip().is_loopback() && !remote {
            bail!(
                "admin.address {parsed} can be reached from outside: only with admin.remote = true"
            );
        }
        Ok(Some(parsed))
    }

    pub fn note_level(&self) -> Result<NoteLevel> {
        let level = &self.log.level;
        let parsed = NoteLevel::parse(level);
        parsed.with_context(|| {
            format!("log.level must be error, warning, info or debug, got {level:?}")
        })
    }

    /// What writes a line for the operator.
    pub fn note_form(&self) -> fn(&Note) {
        match self.log.format {
            FormName::Pretty => show::note,
            FormName::Json => show::note_as_json,
        }
    }

    fn quotas(&self) -> Quotas {
        let quota = |entities_max, bytes_max: Bytes| Quota {
            entities_max,
            bytes_max: bytes_max.0 as u64,
        };
        let tenants = self.quota.tenants.iter();
        Quotas {
            default: quota(self.quota.entities_max, self.quota.bytes_max),
            tenants: tenants
                .map(|(name, it)| (name.clone(), quota(it.entities_max, it.bytes_max)))
                .collect(),
        }
    }

    fn guard(&self) -> GuardSettings {
        let ModelSection { deadline, breaker } = &self.model;
        GuardSettings {
            deadline: deadline.0,
            breakers: breaker.failures.values().map(|failures| BreakerSettings {
                failures,
                pause: breaker.pause.0,
                probes: breaker.probes,
            }),
        }
    }
}

/// A table's keys over another's, at every depth.
fn lay_over(below: &mut toml::Table, above: toml::Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(toml::Value::Table(held)), toml::Value::Table(own)) => lay_over(held, own),
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests;
