//! What can go wrong around a tenant.

use std::path::PathBuf;

use drift::monitor::MonitorError;
use event::{Invalid, Position};
use thiserror::Error;

use crate::channel::Fault;

#[derive(Debug, Error)]
pub enum NodeError {
    #[error(
        "{path} holds no tenant: create one with `ringfence init` or `ringfence import --schema`"
    )]
    NoTenant { path: PathBuf },
    #[error("reference for drift: {0}")]
    Reference(#[from] drift::reference::ReferenceError),
    #[error("watch over drift: {0}")]
    Watch(#[from] MonitorError),
    #[error("{path} already holds a tenant")]
    TenantExists { path: PathBuf },
    #[error("tenant name must be 1 to 48 of a-z, 0-9, _ and -, starting with a letter, got {0:?}")]
    TenantName(String),
    #[error(
        "the tenant runs schema {held}, the given file is schema {given}: one log has one schema"
    )]
    OtherSchema { held: String, given: String },
    /// What is recorded refers to its schema by small numbers.
    #[error(
        "the tenant has events, so its schema {held} stays; in the given schema {given} {}. Make another tenant with it, and import the history there",
        differences.join("; ")
    )]
    SchemaFixed {
        held: String,
        given: String,
        differences: Vec<String>,
    },
    #[error(transparent)]
    Log(#[from] log::LogError),
    #[error("record at position {} cannot be read: {source}", position.0)]
    Record {
        position: Position,
        source: event::codec::CodecError,
    },
    #[error("the log's first record must be a schema, got {got}")]
    NoSchema { got: String },
    /// What needs every record (training, another producer's channel) cannot be done any more.
    #[error(
        "this needs the whole history, and the log begins at position {}: retention removed what came before", first.0
    )]
    HistoryRemoved { first: Position },
    #[error(transparent)]
    Schema(#[from] event::schema::SchemaError),
    #[error(transparent)]
    Config(#[from] engine::ConfigError),
    /// The log would not hold it; nothing was changed.
    #[error("{field} must be at most {max} bytes, got {got}")]
    TooLong {
        field: &'static str,
        max: usize,
        got: usize,
    },
    /// Somebody else changed it meanwhile; nothing was changed by this.
    #[error("{section} is at version {held} by now, the change was made for version {expected}")]
    VersionMoved {
        section: &'static str,
        held: u32,
        expected: u32,
    },
    /// Of several changes that are made all or none, what is wrong with one; none was made.
    #[error("{part}: {source}")]
    OfPlan {
        /// A section, or a list by its name.
        part: String,
        source: Box<NodeError>,
    },
    #[error(transparent)]
    Restore(#[from] engine::RestoreError),
    /// The models in service stay as they are.
    #[error(transparent)]
    Lineup(#[from] crate::tenant::lineup::LineupError),
    #[error(transparent)]
    Model(#[from] model::artifact::ArtifactError),
    /// A model file that is sound in itself, under the name of another.
    #[error("{} holds model {held}, not the one it is named for", path.display())]
    OtherModel { path: PathBuf, held: String },
    #[error(
        "suspicion channel {} {fault}; `ringfence models rebuild` makes it again from the log and its model",
        path.display()
    )]
    Channel { path: PathBuf, fault: Fault },
    #[error(
        "model {model}: its producer of suspicion reads suspicion itself, what it says would depend on who spoke before"
    )]
    EchoingProducer { model: String },
    /// The log grew while its channel was rebuilt; nothing was changed.
    #[error("the model's channel has {left} records of the log left to hear: activate it again")]
    ChannelBehind { left: u64 },
    #[error("event_id {event_id:?} is already at position {} with other content", position.0)]
    Conflict {
        event_id: String,
        position: Position,
    },
    /// The event came in without a decision (by an import); deciding it now would let it see itself.
    #[error("event_id {event_id:?} is history at position {}: it was recorded without a decision", position.0)]
    Undecided {
        event_id: String,
        position: Position,
    },
    #[error("event_id {event_id:?} is not in the log")]
    UnknownEvent { event_id: String },
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error("backup {} {fault}", path.display())]
    Backup {
        path: PathBuf,
        fault: crate::backup::Fault,
    },
    /// Nothing was recorded.
    #[error("the tenant holds {held} of at most {limit} (quota.{quota})")]
    Quota {
        quota: &'static str,
        held: u64,
        limit: u64,
    },
    /// Nothing was recorded.
    #[error("the deadline passed before the request's turn came")]
    DeadlinePassed,
    #[error("this machine's clock stands before 1970")]
    Clock,
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
}

impl NodeError {
    /// Stable machine-readable code.
    pub fn code(&self) -> &'static str {
        match self {
            NodeError::NoTenant { .. } => "no_tenant",
            NodeError::TenantExists { .. } => "tenant_exists",
            NodeError::TenantName(_) => "tenant_name",
            NodeError::OtherSchema { .. } => "other_schema",
            NodeError::SchemaFixed { .. } => "schema_fixed",
            NodeError::Log(_) => "log",
            NodeError::Record { .. } => "record_unreadable",
            NodeError::NoSchema { .. } => "no_schema",
            NodeError::HistoryRemoved { .. } => "history_removed",
            NodeError::Schema(_) => "schema",
            NodeError::Config(error) => error.code(),
            NodeError::VersionMoved { .. } => "version_moved",
            NodeError::OfPlan { source, .. } => source.code(),
            NodeError::TooLong { .. } => "field_too_long",
            NodeError::Restore(_) => "snapshot_unusable",
            NodeError::Lineup(error) => error.code(),
            NodeError::Model(_) => "model_unusable",
            NodeError::Reference(_) => "model_unusable",
            NodeError::Watch(MonitorError::Settings(error)) => error.code(),
            NodeError::Watch(_) => "watch_state",
            NodeError::OtherModel { .. } => "other_model",
            NodeError::Channel { .. } => "channel_unusable",
            NodeError::EchoingProducer { .. } => "model_unusable",
            NodeError::ChannelBehind { .. } => "channel_behind",
            NodeError::Conflict { .. } => "event_id_conflict",
            NodeError::Undecided { .. } => "event_is_history",
            NodeError::UnknownEvent { .. } => "unknown_event",
            NodeError::Invalid(invalid) => invalid.code(),
            NodeError::Backup { .. } => "backup",
            NodeError::Quota { .. } => "quota_exceeded",
            NodeError::DeadlinePassed => "deadline_exceeded",
            NodeError::Clock => "clock",
            NodeError::Io { .. } => "io",
        }
    }

    /// Whether the error is about what was handed in, and about which field; the others are about the
    /// tenant.
    pub fn refused_field(&self) -> Option<Option<&str>> {
        match self {
            NodeError::Conflict { .. }
            | NodeError::Undecided { .. }
            | NodeError::UnknownEvent { .. } => Some(Some("event_id")),
            NodeError::Invalid(invalid) => Some(invalid.field()),
            NodeError::TooLong { field, .. } => Some(Some(field)),
            _ => None,
        }
    }
}
