//! Arguments of what measures: evaluate and audit.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Measure models on the tenant's history by a protocol: choices on validation folds, one look at the test.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ringfence evaluate --protocol protocols/handbook_ch3.toml
  ringfence evaluate --protocol mine.toml --ladder --json > report.json
  ringfence evaluate --protocol mine.toml --ladder --html report.html
  ringfence evaluate --protocol mine.toml --groups rings.csv
  ringfence evaluate --protocol mine.toml --validation-only
  ringfence evaluate --protocol mine.toml --oracle world/oracle.jsonl")]
pub struct EvaluateArgs {
    /// Protocol file (TOML).
    #[arg(long)]
    pub protocol: PathBuf,
    /// Add one group of features after the other instead of all at once.
    #[arg(long)]
    pub ladder: bool,
    /// Only rungs whose name contains this.
    #[arg(long)]
    pub rung: Option<String>,
    /// Make the choices and leave the test unread.
    #[arg(long)]
    pub validation_only: bool,
    /// Oracle file of a simulated world: also report by typology, by value, and how soon rings are found.
    #[arg(long, conflicts_with = "validation_only")]
    pub oracle: Option<PathBuf>,
    /// Also write the report as one HTML file with plots.
    #[arg(long)]
    pub html: Option<PathBuf>,
    /// CSV or Parquet file that says which events belong to one ring. Intervals then draw whole rings;
    /// no model sees it.
    #[arg(long)]
    pub groups: Option<PathBuf>,
    /// Its columns of event ids and groups.
    #[arg(long, value_name = "ID,GROUP", default_value = "event_id,group", value_parser = two_columns)]
    pub group_columns: (String, String),
    /// Value that stands for no group; an empty one always does.
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    pub group_none: Option<String>,
}

fn two_columns(text: &str) -> Result<(String, String), String> {
    match text.split_once(',') {
        Some((id, group)) if !id.is_empty() && !group.is_empty() && id != group => {
            Ok((id.to_owned(), group.to_owned()))
        }
        _ => Err("expected two column names with a comma between them".to_owned()),
    }
}

/// Look for leaks: alter the history in ways that must not help a model, and score again.
///
/// labels: labels permuted before the replay, AP must fall to chance. future: all that comes after an
/// event altered or removed, scores must keep every bit. ids: all ids replaced. order: events of one
/// instant shuffled. delay: labels told later by half the protocol's label delay, AP may not rise.
/// Works on a copy of the log in memory; reads the validation folds only, unless --test is given.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ringfence leaks --protocol protocols/amlgentex.toml
  ringfence leaks --protocol mine.toml --part labels --part future --json")]
pub struct LeaksArgs {
    /// Protocol file (TOML).
    #[arg(long)]
    pub protocol: PathBuf,
    /// Only this check; may be given several times.
    #[arg(long, value_enum)]
    pub part: Vec<AuditPart>,
    /// The first rung of the ladder whose name contains this; all features without it.
    #[arg(long)]
    pub rung: Option<String>,
    /// Audit the test folds; this reads the test.
    #[arg(long)]
    pub test: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AuditPart {
    Labels,
    Future,
    Ids,
    Order,
    Delay,
}
