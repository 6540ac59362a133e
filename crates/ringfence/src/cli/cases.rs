//! Arguments of work on cases.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// The queue of a running server, and work on its cases.
///
/// Needs a token with the role analyst (`ringfence token`). A change is made at the version that the case has
/// when the command looks, unless --version says which one was seen.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ringfence cases ls --to http://127.0.0.1:7878 --token $(ringfence token)
  ringfence cases claim                  the most expensive case that is free
  ringfence cases note 1204 'called the customer: did not pay this'
  ringfence cases check 1204 1
  ringfence cases assign 1204 ben --reason 'speaks Dutch'
  ringfence cases snooze 1204 2026-12-01T08:00:00Z
  ringfence cases attach 1204 statement https://files.example.com/s.pdf 9f2c...
  ringfence cases disposition 1204 account_takeover
  ringfence cases reopen 1204 'the chargeback was withdrawn'
  ringfence cases bulk close 1204 1205 1206 --reason 'a test of the shop'
  ringfence cases settings show > casework.toml
  ringfence cases settings set casework.toml --why 'two analysts more'")]
pub struct CasesArgs {
    #[command(subcommand)]
    pub what: Cases,
    #[command(flatten)]
    pub server: ServerArgs,
    /// The version that was seen; the change is refused when the case has changed since.
    #[arg(long, global = true)]
    pub version: Option<u64>,
}

/// A server that commands speak to.
#[derive(Debug, Args)]
pub struct ServerArgs {
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
    /// Keep a case for somebody; without a name for nobody.
    Assign {
        id: i64,
        person: Option<String>,
        /// Needed when it was somebody else's.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Take a case out of the queue until a time (ISO-8601), at most 90 days.
    Snooze { id: i64, until: String },
    /// Write a note.
    Note { id: i64, text: String },
    /// Tick an item of the checklist, by its number.
    Check {
        id: i64,
        item: i64,
        /// Take the tick back.
        #[arg(long)]
        undo: bool,
    },
    /// Attach something by reference; nothing is fetched.
    Attach {
        id: i64,
        name: String,
        uri: String,
        /// SHA-256 of what is there, in hex.
        sha256: String,
    },
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
    /// One action on up to 500 cases; each is done or refused by itself (exit code 3 when one is refused).
    Bulk {
        #[arg(value_enum)]
        action: BulkAction,
        /// ID, at the version that it has now, or ID@VERSION.
        #[arg(required = true, value_parser = versioned)]
        cases: Vec<Versioned>,
        /// Of assign, close and reopen.
        #[arg(long)]
        reason: Option<String>,
        /// Of assign; nobody without it.
        #[arg(long)]
        person: Option<String>,
        /// Of snooze (ISO-8601).
        #[arg(long)]
        until: Option<String>,
        /// Of note.
        #[arg(long)]
        text: Option<String>,
        /// Of disposition.
        #[arg(long)]
        fraud_type: Option<String>,
        /// Of disposition.
        #[arg(long)]
        note: Option<String>,
    },
    /// What becomes an alert, how it is grouped, how soon it is due.
    Settings {
        #[command(subcommand)]
        what: CaseworkSettings,
    },
}

#[derive(Debug, Subcommand)]
pub enum CaseworkSettings {
    /// The settings in force, as TOML.
    Show,
    /// Put the settings of a TOML file into force; needs a token with the role admin. Cases that are there stay.
    Set {
        file: PathBuf,
        /// Why, for the audit trail.
        #[arg(long)]
        why: Option<String>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BulkAction {
    Claim,
    Release,
    Assign,
    Snooze,
    Note,
    Disposition,
    Close,
    Reopen,
}

/// A case, and the version that was seen of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versioned {
    pub id: i64,
    pub version: Option<u64>,
}

fn versioned(text: &str) -> Result<Versioned, String> {
    let (id, version) = match text.split_once('@') {
        None => (text, None),
        Some((id, version)) => (id, Some(version)),
    };
    let number = |text: &str| text.parse::<u64>().ok();
    let read = || {
        let id = number(id)?.try_into().ok()?;
        let version = match version {
            None => None,
            Some(version) => Some(number(version)?),
        };
        Some(Versioned { id, version })
    };
    read().ok_or_else(|| "expected ID or ID@VERSION, such as 1204 or 1204@3".to_owned())
}

/// Alerts of a running server.
///
/// Needs a token with the role analyst (`ringfence token`). What is done about an alert is done to its case.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ringfence alerts ls --status open
  ringfence alerts ls --case 1204 --to http://127.0.0.1:7878 --token $(ringfence token)
  ringfence alerts ls --kind device --id d-4711
  ringfence alerts show 88214")]
pub struct AlertsArgs {
    #[command(subcommand)]
    pub what: Alerts,
    #[command(flatten)]
    pub server: ServerArgs,
}

#[derive(Debug, Subcommand)]
pub enum Alerts {
    /// Alerts, the newest first.
    Ls {
        /// open, labelled, disposed or expired.
        #[arg(long)]
        status: Option<String>,
        /// Those of one case.
        #[arg(long)]
        case: Option<i64>,
        /// Those of one event.
        #[arg(long)]
        event_id: Option<String>,
        /// With --id, those that one entity is part of: its kind, such as device.
        #[arg(long, requires = "id")]
        kind: Option<String>,
        #[arg(long, requires = "kind")]
        id: Option<String>,
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=200))]
        limit: u64,
    },
    /// One alert, as JSON.
    Show { id: i64 },
}
