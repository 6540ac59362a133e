//! Arguments for what a tenant is set to: policy, rules, lists.

use std::path::PathBuf;

use backtest::Costs;
use clap::{Args, Subcommand, ValueEnum};

/// Where a change goes, and why it is made.
#[derive(Debug, Args)]
pub struct Change {
    /// A running server; without it the tenant's directory, which no server may have open.
    #[arg(long, global = true)]
    pub to: Option<String>,
    /// With --to, a token with the roles engineer and analyst, as `ringfence token` prints it.
    #[arg(long, global = true, env = "RINGFENCE_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Why, for the audit trail.
    #[arg(long, global = true)]
    pub why: Option<String>,
}

/// Rules: expressions over an event, its features and lists, with effects.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ringfence rules variables                      what rules may name
  ringfence rules functions                      what they may call
  ringfence rules check rules.toml               every problem with its line and column
  ringfence rules set rules.toml --why 'mule ring of May'
  ringfence rules show --to http://127.0.0.1:7878 --token $(ringfence token)")]
pub struct RulesArgs {
    #[command(subcommand)]
    pub what: Rules,
    #[command(flatten)]
    pub change: Change,
}

#[derive(Debug, Subcommand)]
pub enum Rules {
    /// The rules in force.
    Show,
    /// Check a file of rules; nothing is changed.
    Check { file: PathBuf },
    /// Put the rules of a file into force, all at once.
    Set {
        file: PathBuf,
        #[command(flatten)]
        over: Over,
    },
    /// What rules may name, with types.
    Variables,
    /// What rules may call: functions, methods and macros, with the type of their value. Needs no tenant.
    Functions,
}

/// The policy: thresholds, what is decided without a score, the share of unbiased approvals.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ringfence policy show > policy.toml
  ringfence policy set policy.toml --why 'fewer reviews' --version 3")]
pub struct PolicyArgs {
    #[command(subcommand)]
    pub what: Policy,
    #[command(flatten)]
    pub change: Change,
}

#[derive(Debug, Subcommand)]
pub enum Policy {
    /// The policy in force, as its author wrote it.
    Show,
    /// Put the policy of a file into force.
    Set {
        file: PathBuf,
        #[command(flatten)]
        over: Over,
    },
}

/// What a document replaces.
#[derive(Debug, Args)]
pub struct Over {
    /// Only if this version is still in force, as `show` tells it: what somebody else has set meanwhile stays.
    #[arg(long)]
    pub version: Option<u32>,
}

/// Allow, watch and block lists.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ringfence lists define stolen --on device --form text --effect block
  ringfence lists put stolen d-4711 --expires 2027-01-01T00:00:00Z --reason reported
  ringfence lists import stolen devices.csv      columns value, expires, reason
  ringfence lists export stolen > devices.csv")]
pub struct ListsArgs {
    #[command(subcommand)]
    pub what: Lists,
    #[command(flatten)]
    pub change: Change,
}

#[derive(Debug, Subcommand)]
pub enum Lists {
    /// All lists.
    Ls,
    /// Create a list, or change what it looks at and what a hit means.
    Define {
        name: String,
        /// A role of the schema, a text or category attribute, event_type or amount.
        #[arg(long)]
        on: String,
        #[arg(long, value_enum)]
        form: FormName,
        #[arg(long, value_enum)]
        effect: EffectName,
        /// A-Z equals a-z.
        #[arg(long)]
        fold: bool,
        /// Of a block: no allow list lifts it.
        #[arg(long)]
        always: bool,
    },
    /// Drop a list and its items.
    Drop { name: String },
    /// Put one item on a list.
    Put {
        name: String,
        value: String,
        /// First time at which it is no longer there (ISO-8601).
        #[arg(long)]
        expires: Option<String>,
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Take one item off a list.
    Remove { name: String, value: String },
    /// Put the items of a CSV file on a list; refused lines are told and left out (exit code 3).
    Import { name: String, file: PathBuf },
    /// Print a list as CSV.
    Export { name: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormName {
    Text,
    Prefix,
    Cidr,
    Amount,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EffectName {
    Allow,
    Watch,
    Block,
}

/// Bring what a tenant is set to to what a folder of files says; tell what would change first.
///
/// lists.toml, rates.toml, policy.toml, rules.toml, drift.toml and casework.toml, whichever are there. All are checked
/// before anything is changed; a plan that would be refused is told as an error, with the file. With --to,
/// casework.toml needs a token with the role admin.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ringfence apply -f config/                     the plan, and nothing else
  ringfence apply -f config/ --yes --why 'release 41'
  ringfence apply -f config/ --to http://127.0.0.1:7878 --token $(ringfence token)")]
pub struct ApplyArgs {
    /// Folder of the files.
    #[arg(long, short = 'f')]
    pub folder: PathBuf,
    /// Do it.
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub change: Change,
}

/// Decide a stored window again by other rules or another policy, beside those in force.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ringfence backtest --rules rules.toml                 the last seven days
  ringfence backtest --policy policy.toml --last 30d --review-cost 8
  ringfence backtest --rules rules.toml --last 30d --to http://127.0.0.1:7878 --token $(ringfence token)")]
pub struct BacktestArgs {
    /// Rules to try; those in force without it.
    #[arg(long)]
    pub rules: Option<PathBuf>,
    /// Policy to try; the one in force without it.
    #[arg(long)]
    pub policy: Option<PathBuf>,
    /// Changed decisions to name.
    #[arg(long, default_value_t = 10)]
    pub samples: usize,
    #[command(flatten)]
    pub window: WindowArgs,
    #[command(flatten)]
    pub change: Change,
}

/// Thresholds for a number of alerts a day, with the curves behind them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ringfence advise --alerts-per-day 40
  ringfence advise --alerts-per-day 40 --last 30d --html thresholds.html")]
pub struct AdviseArgs {
    /// What people can look at.
    #[arg(long)]
    pub alerts_per_day: f64,
    /// Write the curves as one page.
    #[arg(long)]
    pub html: Option<PathBuf>,
    #[command(flatten)]
    pub window: WindowArgs,
    #[command(flatten)]
    pub change: Change,
}

/// A window of the log, and what decisions cost.
#[derive(Debug, Args)]
pub struct WindowArgs {
    /// Start by event time (ISO-8601), instead of --last.
    #[arg(long)]
    pub from: Option<String>,
    /// End by event time; the log's newest event without it.
    #[arg(long)]
    pub until: Option<String>,
    /// Length of the window before its end.
    #[arg(long, default_value = "7d", conflicts_with = "from")]
    pub last: String,
    /// Let the serving model score what was recorded without a decision, such as an import.
    #[arg(long)]
    pub score_missing: bool,
    /// Share of its amount that a fraud which passes is lost with.
    #[arg(long, default_value_t = Costs::default().fraud_loss)]
    pub fraud_loss: f64,
    /// An analyst's look at one event, in base currency.
    #[arg(long, default_value_t = Costs::default().review)]
    pub review_cost: f64,
    /// Share of its amount that good money loses when it is declined.
    #[arg(long, default_value_t = Costs::default().decline_friction)]
    pub decline_friction: f64,
    /// The same when it is challenged.
    #[arg(long, default_value_t = Costs::default().challenge_friction)]
    pub challenge_friction: f64,
    /// Share of frauds that a challenge stops.
    #[arg(long, default_value_t = Costs::default().challenge_stops)]
    pub challenge_stops: f64,
}
