//! Where a tenant's files lie: `<data>/<tenant>/{log,models,channels,shadow,samples}`.

use std::path::{Path, PathBuf};

use event::{Position, hex};

use crate::NodeError;

/// Of the file in a tenant's directory, and in a copy of one.
pub const CASEWORK: &str = "casework.db";
pub const WEBHOOKS: &str = "webhooks.db";
pub const TRAIL: &str = "trail";
pub const WATCH: &str = "watch.state";
pub const DECAY: &str = "decay.state";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    root: PathBuf,
}

impl Place {
    pub fn new(data: &Path, tenant: &str) -> Result<Place, NodeError> {
        let starts = tenant.starts_with(|c: char| c.is_ascii_lowercase());
        let allowed =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
        if !starts || !tenant.bytes().all(allowed) || tenant.len() > 48 {
            return Err(NodeError::TenantName(tenant.to_owned()));
        }
        Ok(Place {
            root: data.join(tenant),
        })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    pub fn models(&self) -> PathBuf {
        self.root.join("models")
    }

    pub fn model(&self, artifact: &[u8; 32]) -> PathBuf {
        self.models().join(format!("{}.model", hex(artifact)))
    }

    pub fn channels(&self) -> PathBuf {
        self.root.join("channels")
    }

    /// What a producer says of the events before the activation at `end`.
    pub fn channel(&self, producer: &[u8; 32], end: Position) -> PathBuf {
        let name = format!("{}-{}.channel", hex(producer), end.0);
        self.channels().join(name)
    }

    /// What shadows said; a part of nothing.
    pub fn shadow(&self) -> PathBuf {
        self.root.join("shadow")
    }

    /// What the watch over drift knows.
    pub fn watch(&self) -> PathBuf {
        self.root.join(WATCH)
    }

    /// What is known of models' days that wait for their labels, and of those that were judged.
    pub fn decay(&self) -> PathBuf {
        self.root.join(DECAY)
    }

    /// The log's first record, written apart before retention removes it.
    pub fn schema(&self) -> PathBuf {
        self.root.join("schema.toml")
    }

    /// What people do with alerts; made by whoever keeps it, beside the log.
    pub fn casework(&self) -> PathBuf {
        self.root.join(CASEWORK)
    }

    /// Whom to tell what happens; made by whoever tells them, beside the log.
    pub fn webhooks(&self) -> PathBuf {
        self.root.join(WEBHOOKS)
    }

    /// Who changed what; made by whoever keeps it, beside the log.
    pub fn trail(&self) -> PathBuf {
        self.root.join(TRAIL)
    }

    pub fn exists(&self) -> bool {
        self.log().is_dir()
    }
}
