//! Arguments for looking after a tenant's log, and for copies of a tenant.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Check a tenant's log, print its records, or cut it where it is damaged.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ringfence log verify
  ringfence log dump --kind decision --from 120000 | jq .score
  ringfence log repair                 what would be lost; changes nothing
  ringfence log repair --cut           with the server stopped")]
pub struct LogArgs {
    #[command(subcommand)]
    pub what: Log,
}

#[derive(Debug, Subcommand)]
pub enum Log {
    /// Check every checksum of segments, indexes and snapshots. Exit code 1: acknowledged data is damaged.
    Verify,
    /// Print records as JSON lines, in order.
    Dump {
        /// First position; the oldest record without it.
        #[arg(long)]
        from: Option<u64>,
        /// Stop before this position.
        #[arg(long)]
        until: Option<u64>,
        /// Only these kinds; may be given several times.
        #[arg(long, value_enum)]
        kind: Vec<RecordKind>,
    },
    /// Cut a damaged log behind its last sound record. Everything after it is lost to the tenant; the removed
    /// bytes are kept beside the log, with a list of what can be read in them. Restore a backup instead if
    /// there is one.
    Repair {
        /// Without it only what would be lost is told.
        #[arg(long)]
        cut: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RecordKind {
    Event,
    Label,
    Outcome,
    Decision,
    Tick,
    Config,
    Activation,
}

/// Copy a tenant into a directory, beside a running server too.
///
/// Log, snapshots, models and side files, with a manifest of their SHA-256 that is written last. Everything
/// acknowledged before it began is in it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ringfence --tenant acme backup --to /backup/acme-2026-01-05
  ringfence --tenant acme backup --to /backup/acme --config my.toml")]
pub struct BackupArgs {
    /// Directory to write; must be empty or not exist.
    #[arg(long)]
    pub to: PathBuf,
    /// The server's settings, to be kept with it.
    #[arg(long)]
    pub config: Option<PathBuf>,
}

/// Bring a tenant back from a backup.
///
/// Every byte is checked against the manifest, and the tenant is opened, before it appears in the data directory.
/// A server takes it up at its next start.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  ringfence --data fresh --tenant acme restore --from /backup/acme-2026-01-05")]
pub struct RestoreArgs {
    /// Directory that `ringfence backup` has written.
    #[arg(long)]
    pub from: PathBuf,
}
