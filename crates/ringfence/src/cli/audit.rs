//! Arguments of the audit trail.

use clap::{Args, Subcommand};

/// The tenant's audit trail: check it, read it, hand it out.
///
/// Reads the files alone, so it works beside a running server.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ringfence audit verify
  ringfence audit verify --head 812:9f2c...    as GET /v1/audit/head told it
  ringfence audit show --action rules.set --from 2026-09-01T00:00:00Z
  ringfence audit export > trail.jsonl
  ringfence audit show --node --action tenant.erase")]
pub struct AuditArgs {
    #[command(subcommand)]
    pub what: Audit,
    /// The trail of the node instead: tenants made, suspended, resumed, erased.
    #[arg(long, global = true)]
    pub node: bool,
}

#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Follow the chain from its first byte. Exit code 1: it is broken; file, line and entry are told.
    Verify {
        /// A head that was published, number and hash: whether the trail still holds it.
        #[arg(long)]
        head: Option<String>,
    },
    /// Print entries, oldest first.
    Show {
        /// First entry.
        #[arg(long, default_value_t = 1)]
        seq: u64,
        #[arg(long)]
        actor: Option<String>,
        /// Such as policy.set.
        #[arg(long)]
        action: Option<String>,
        /// What was changed, such as a list.
        #[arg(long)]
        target: Option<String>,
        /// Changes from this time on (ISO-8601).
        #[arg(long)]
        from: Option<String>,
        /// Changes before this time (ISO-8601).
        #[arg(long)]
        until: Option<String>,
        /// Entries at most; all without it.
        #[arg(long)]
        limit: Option<usize>,
    },
    /// Print every line as it is, for whoever checks the trail elsewhere.
    Export,
}
