//! What the operator says of webhooks.

use std::path::PathBuf;

use anyhow::{Result, bail};
use ipnet::IpNet;
use serde::Deserialize;
use webhooks::Settings;
use webhooks::address::Reach;
use webhooks::backoff::Retry;
use webhooks::breaker::BreakerSettings;
use webhooks::settings::AtOnce;

use super::units::{Bytes, Time};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhooksSection {
    allow_http: bool,
    allow: Vec<IpNet>,
    authorities: PathBuf,
    connect: Time,
    attempt: Time,
    at_once: AtOnceSection,
    first_pause: Time,
    pause_max: Time,
    attempts_max: u32,
    give_up_after: Time,
    breaker: WebhookBreaker,
    endpoints_max: usize,
    data_bytes_max: Bytes,
    rows_max: u32,
    keep: Time,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AtOnceSection {
    endpoint: usize,
    tenant: usize,
    all: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookBreaker {
    failures: u32,
    pause: Time,
    pause_max: Time,
}

impl WebhooksSection {
    pub fn check(&self) -> Result<()> {
        let AtOnceSection {
            endpoint,
            tenant,
            all,
        } = self.at_once;
        for (key, value) in [
            ("webhooks.attempts_max", self.attempts_max as usize),
            ("webhooks.breaker.failures", self.breaker.failures as usize),
            ("webhooks.at_once.endpoint", endpoint),
            ("webhooks.data_bytes_max", self.data_bytes_max.0),
            ("webhooks.rows_max", self.rows_max as usize),
        ] {
            if value == 0 {
                bail!("{key} must be above 0");
            }
        }
        for (key, time) in [
            ("webhooks.connect", self.connect),
            ("webhooks.first_pause", self.first_pause),
            ("webhooks.breaker.pause", self.breaker.pause),
        ] {
            if time.0.is_zero() {
                bail!("{key} must be above 0");
            }
        }
        if !(endpoint <= tenant && tenant <= all) {
            bail!("webhooks.at_once must not go down: endpoint, tenant, all");
        }
        if self.connect.0 > self.attempt.0 {
            bail!("webhooks.connect must be at most webhooks.attempt, which it is a part of");
        }
        if self.first_pause.0 > self.pause_max.0 {
            bail!("webhooks.first_pause must be at most webhooks.pause_max");
        }
        if self.breaker.pause.0 > self.breaker.pause_max.0 {
            bail!("webhooks.breaker.pause must be at most webhooks.breaker.pause_max");
        }
        Ok(())
    }

    pub fn settings(&self) -> Settings {
        let path = &self.authorities;
        Settings {
            reach: Reach {
                http: self.allow_http,
                allow: self.allow.clone(),
            },
            authorities: (!path.as_os_str().is_empty()).then(|| path.clone()),
            connect: self.connect.0,
            attempt: self.attempt.0,
            retry: Retry {
                first: self.first_pause.0,
                max: self.pause_max.0,
                attempts_max: self.attempts_max,
                give_up_after: self.give_up_after.0,
            },
            breaker: BreakerSettings {
                failures: self.breaker.failures,
                pause: self.breaker.pause.0,
                pause_max: self.breaker.pause_max.0,
            },
            at_once: AtOnce {
                endpoint: self.at_once.endpoint,
                tenant: self.at_once.tenant,
                all: self.at_once.all,
            },
            endpoints_max: self.endpoints_max,
            data_bytes_max: self.data_bytes_max.0,
            rows_max: u64::from(self.rows_max),
            keep: self.keep.0,
        }
    }
}
