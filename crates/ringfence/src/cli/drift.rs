//! Arguments of the watch over drift.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::config::Change;

/// Drift: whether live events look like those a model was trained on.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ringfence drift status --to http://127.0.0.1:7878    the watch of a running tenant, and what it tells
  ringfence drift statistics --feature amount  what the latest window counted
  ringfence drift settings drift.toml --why 'device ids change in May'
  ringfence drift report                       events since the serving model's training, as if it decided them
  ringfence drift report --model 3f2a --from 2026-03-01T00:00:00Z --settings drift.toml
  ringfence drift report --html drift.html
  ringfence drift study --worlds 20            false alerts on simulated worlds without drift")]
pub struct DriftArgs {
    #[command(subcommand)]
    pub what: Drift,
}

#[derive(Debug, Subcommand)]
pub enum Drift {
    /// What the watch of a tenant knows, and its open alerts.
    Status(DriftStatusArgs),
    /// What the latest window counted of each feature: missing, mean, deviation, quantiles, shares.
    Statistics(DriftStatisticsArgs),
    /// Set what the watch of a tenant goes by, or print it; it begins anew behind the change.
    Settings(DriftSettingsArgs),
    /// Replay history, and hold what came after a model's reference against it. Reads the log only.
    Report(DriftReportArgs),
    /// Count false alerts on simulated worlds in which nothing drifts.
    Study(DriftStudyArgs),
}

#[derive(Debug, Args)]
pub struct DriftStatusArgs {
    /// Alerts that are over too.
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub change: Change,
}

#[derive(Debug, Args)]
pub struct DriftStatisticsArgs {
    /// A segment that `drift status --json` names; all events without it.
    #[arg(long)]
    pub segment: Option<String>,
    /// One feature, or `score`; all of them without it.
    #[arg(long)]
    pub feature: Option<String>,
    #[command(flatten)]
    pub change: Change,
}

#[derive(Debug, Args)]
pub struct DriftSettingsArgs {
    /// Window, bounds and rules (TOML): docs/drift.md. Without it those in force are printed.
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub change: Change,
}

#[derive(Debug, Args)]
pub struct DriftReportArgs {
    /// Version of the model, or its beginning; the serving one without it.
    #[arg(long)]
    pub model: Option<String>,
    /// First event to look at (ISO-8601); the end of the model's reference without it.
    #[arg(long)]
    pub from: Option<String>,
    /// End of the events to look at (ISO-8601).
    #[arg(long)]
    pub until: Option<String>,
    /// Window, bounds and rules (TOML): docs/drift.md.
    #[arg(long)]
    pub settings: Option<PathBuf>,
    /// Also write alerts and how features moved as one HTML file.
    #[arg(long)]
    pub html: Option<PathBuf>,
    /// Print every window's readings too (with --json).
    #[arg(long)]
    pub readings: bool,
}

#[derive(Debug, Args)]
pub struct DriftStudyArgs {
    #[arg(long, default_value_t = 20)]
    pub worlds: u32,
    /// Seed of the first world; the others follow.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Days that are watched, after 30 to warm up and 30 of reference.
    #[arg(long, default_value_t = 30)]
    pub days: u32,
    /// Accounts of a world.
    #[arg(long, default_value_t = 1950)]
    pub accounts: u32,
    /// Window, bounds and rules (TOML): docs/drift.md.
    #[arg(long)]
    pub settings: Option<PathBuf>,
}
