//! Arguments of work on cases.

use clap::{Args, Subcommand};

/// The queue of a running server, and work on its cases.
///
/// Needs a token with the role analyst (`ringfence token`). A change is made at the version that the case has
/// when the command looks, unless --version says which one was seen.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ringfence cases ls --to http://127.0.0.1:7878 --token $(ringfence token)
  ringfence cases claim                  the most expensive case that is free
  ringfence cases note 1204 'called the customer: did not pay this'
  ringfence cases disposition 1204 account_takeover
  ringfence cases reopen 1204 'the chargeback was withdrawn'")]
pub struct CasesArgs {
    #[command(subcommand)]
    pub what: Cases,
    /// The server.
    #[arg(
        long,
        global = true,
        env = "RINGFENCE_URL",
        default_value = "http://127.0.0.1:7878"
    )]
    pub to: String,
    #[arg(long, global = true, env = "RINGFENCE_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// The version that was seen; the change is refused when the case has changed since.
    #[arg(long, global = true)]
    pub version: Option<u64>,
}

#[derive(Debug, Subcommand)]
pub enum Cases {
    /// The queue, the most expensive first.
    Ls {
        /// queue, snoozed, closed or open.
        #[arg(long, default_value = "queue")]
        shelf: String,
        #[arg(long)]
        skill: Option<String>,
        #[arg(long)]
        tag: Option<String>,
        /// Assigned to or held by.
        #[arg(long)]
        person: Option<String>,
        /// Only those past their due time.
        #[arg(long)]
        breached: bool,
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=200))]
        limit: u64,
    },
    /// A case with its alerts, notes, labels and history, as JSON.
    Show { id: i64 },
    /// Take a case; without an id the next one of the queue.
    Claim { id: Option<i64> },
    /// Put a case back.
    Release { id: i64 },
    /// Write a note.
    Note { id: i64, text: String },
    /// Close a case with what it was; docs/cases.md has the words. Its alerts are labelled.
    Disposition {
        id: i64,
        fraud_type: String,
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Close a case without saying what it was.
    Close { id: i64, reason: String },
    /// Open a closed case again.
    Reopen { id: i64, reason: String },
}
