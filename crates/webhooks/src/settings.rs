//! What an operator decides; read from the configuration by the binary.

use std::path::PathBuf;
use std::time::Duration;

use crate::address::Reach;
use crate::backoff::Retry;
use crate::breaker::BreakerSettings;

#[derive(Clone, Debug)]
pub struct Settings {
    pub reach: Reach,
    /// PEM file of the authorities to trust; `None`: the machine's.
    pub authorities: Option<PathBuf>,
    /// Name lookup, TCP and TLS together.
    pub connect: Duration,
    /// One attempt, from its beginning to the end of the answer.
    pub attempt: Duration,
    pub retry: Retry,
    pub breaker: BreakerSettings,
    /// Attempts at once: to one endpoint, of one tenant, of all tenants.
    pub at_once: AtOnce,
    pub endpoints_max: usize,
    /// Data of one notice.
    pub data_bytes_max: usize,
    /// Deliveries of one endpoint that wait, and again as many that are settled (delivered or dead).
    pub rows_max: u64,
    /// How long a settled delivery and its attempts are kept.
    pub keep: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtOnce {
    pub endpoint: usize,
    pub tenant: usize,
    pub all: usize,
}
