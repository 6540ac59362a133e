//! What an operator decides about the edge; read from the configuration by the binary.

use std::collections::BTreeMap;
use std::time::Duration;

use node::background::Priority;
use node::mailbox::Level;

#[derive(Clone, Debug)]
pub struct GatewaySettings {
    pub limits: Limits,
    pub rates: Rates,
    /// Levels by event type, for requests that name none.
    pub levels: BTreeMap<String, Level>,
    /// Tenants with a name of their own in the metrics.
    pub metrics_tenants_max: usize,
    /// Said in a header when an answer may come before its record is on disk.
    pub loss_window: Option<Duration>,
    /// Of the thread on which backtests and comparisons run.
    pub backtests: Priority,
    /// Version of the model that a fresh tenant comes with, so that decisions can say so.
    pub starter: Option<[u8; 8]>,
}

#[derive(Clone, Debug)]
pub struct Limits {
    /// Body of one event, label, outcome or policy.
    pub body_bytes_max: usize,
    pub batch_bytes_max: usize,
    pub batch_lines_max: usize,
    /// One model file, and how many a tenant's folder may hold.
    pub model_bytes_max: usize,
    pub models_max: usize,
    /// From the head of a request to its answer, unless the request asks for less.
    pub deadline: Duration,
    pub connections_max: usize,
    /// All header fields of a request together.
    pub header_bytes_max: usize,
    pub headers_max: usize,
    /// To receive a request's head, also the next one on an idle connection.
    pub header_read: Duration,
    pub body_read: Duration,
    pub h2_streams_max: u32,
}

/// A tenant's requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub per_second: u32,
    pub burst: u32,
}

#[derive(Clone, Debug)]
pub struct Rates {
    pub default: Rate,
    pub tenants: BTreeMap<String, Rate>,
}

impl Rates {
    pub fn of(&self, tenant: &str) -> Rate {
        self.tenants.get(tenant).copied().unwrap_or(self.default)
    }
}
