//! The command line.

mod audit;
mod cases;
mod compare;
mod config;
mod drift;
mod evaluate;
mod log;
mod models;
mod retrain;
mod serve;
mod study;
mod train;
mod webhooks;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use audit::{Audit, AuditArgs};
pub use cases::{Alerts, AlertsArgs, Cases, CasesArgs, CaseworkSettings, ServerArgs};
pub use compare::{CompareArgs, ShadowArgs};
pub use config::{
    AdviseArgs, ApplyArgs, BacktestArgs, Change, EffectName, FormName as ListFormName, Lists,
    ListsArgs, Over, Policy, PolicyArgs, Rules, RulesArgs, WindowArgs,
};
pub use drift::{
    Drift, DriftArgs, DriftReportArgs, DriftSettingsArgs, DriftStatisticsArgs, DriftStatusArgs,
    DriftStudyArgs,
};
pub use evaluate::{AuditPart, EvaluateArgs, LeaksArgs};
pub use log::{BackupArgs, Log, LogArgs, RecordKind, RestoreArgs};
pub use models::{Models, ModelsArgs};
pub use retrain::{Retrain, RetrainArgs, RetrainRun, RetrainServer};
pub use serve::{ServeArgs, Tenants, TenantsArgs, TokenArgs};
pub use study::{DecayArgs, Study, StudyArgs};
pub use train::{CalibrationName, ModelKind, TrainArgs};
pub use webhooks::{StateName, VerifyArgs, Webhooks, WebhooksArgs};

/// The work could not be done.
pub const EXIT_FAILED: u8 = 1;
/// The work was done, but some of the input was refused.
pub const EXIT_REJECTS: u8 = 3;
/// The audit found a leak.
pub const EXIT_LEAK: u8 = 4;
/// A gate does not let a candidate pass.
pub const EXIT_GATE: u8 = 5;

/// Real-time transaction-fraud decisions: one log, one live graph, one model, one binary.
#[derive(Debug, Parser)]
#[command(name = "ringfence", version, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but some input was refused,
4 an audit found a leak, 5 a gate does not let a candidate pass.

Examples:
  ringfence demo
  ringfence import --schema my.toml tx.parquet
  ringfence train
  ringfence decide < events.jsonl
  ringfence inspect sample EVENT_ID"
)]
pub struct Cli {
    /// Directory that holds all tenants.
    #[arg(
        long,
        global = true,
        env = "RINGFENCE_DATA",
        default_value = "ringfence-data"
    )]
    pub data: PathBuf,
    /// The tenant to work on.
    #[arg(
        long,
        global = true,
        env = "RINGFENCE_TENANT",
        default_value = "default"
    )]
    pub tenant: String,
    /// Print results as JSON.
    #[arg(long, global = true)]
    pub json: bool,
    /// No progress bars.
    #[arg(long, short, global = true)]
    pub quiet: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Init(InitArgs),
    Import(ImportArgs),
    Train(TrainArgs),
    Retrain(RetrainArgs),
    Evaluate(EvaluateArgs),
    Leaks(LeaksArgs),
    Models(ModelsArgs),
    Drift(DriftArgs),
    Rules(RulesArgs),
    Policy(PolicyArgs),
    Lists(ListsArgs),
    Apply(ApplyArgs),
    Backtest(BacktestArgs),
    Advise(AdviseArgs),
    Samples(SamplesArgs),
    Decide(DecideArgs),
    Replay(ReplayArgs),
    Inspect(InspectArgs),
    Log(LogArgs),
    Audit(AuditArgs),
    Backup(BackupArgs),
    Restore(RestoreArgs),
    Simulate(SimulateArgs),
    Study(StudyArgs),
    Serve(ServeArgs),
    Webhooks(WebhooksArgs),
    Tenants(TenantsArgs),
    Token(TokenArgs),
    Cases(CasesArgs),
    Alerts(AlertsArgs),
    Demo(DemoArgs),
    Metrics(MetricsArgs),
    Completions(CompletionsArgs),
}

/// Create a tenant from a schema.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ringfence init                       the default schema
  ringfence init --print > my.toml     start your own from it
  ringfence --tenant acme init --schema my.toml")]
pub struct InitArgs {
    /// Schema file (TOML); the default schema without it.
    #[arg(long)]
    pub schema: Option<PathBuf>,
    /// Print the default schema and stop.
    #[arg(long, conflicts_with = "schema")]
    pub print: bool,
}

/// Import a history of events and labels from CSV, JSONL or Parquet.
///
/// Creates the tenant when it does not exist. Running it again continues where it was interrupted:
/// what is already there is skipped.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ringfence import --schema my.toml tx.parquet
  ringfence import tx-2026-02.csv.gz          into a tenant that has a schema with an [import] table
  ringfence import --sort --max-rejects 0 --schema my.toml tx.csv
  zcat tx.jsonl.gz | ringfence import --schema my.toml -")]
pub struct ImportArgs {
    /// File to import (.csv, .jsonl, .parquet; .gz and .zst too), or - for standard input (JSON lines
    /// unless --format says otherwise).
    pub file: PathBuf,
    /// Schema file with an import table; the tenant's own schema without it.
    #[arg(long)]
    pub schema: Option<PathBuf>,
    /// File format, when the name does not tell.
    #[arg(long, value_enum)]
    pub format: Option<FormatName>,
    /// Sort the rows by time first (in memory).
    #[arg(long)]
    pub sort: bool,
    /// Accept rows this much older than the latest before them, such as 1h.
    #[arg(long, default_value = "0s")]
    pub late: String,
    /// Refused rows after which the import stops.
    #[arg(long, default_value_t = 1000)]
    pub max_rejects: u64,
    /// Where refused rows are written.
    #[arg(long, default_value = "rejects.jsonl")]
    pub rejects: PathBuf,
    /// Leave labels that became known after this time (ISO-8601) for a later import.
    #[arg(long)]
    pub labels_until: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormatName {
    Csv,
    Jsonl,
    Parquet,
}

/// Write the samples a model would be trained on, for training elsewhere.
///
/// One row per labelled event: its position in the log, its time, whether it is fraud, and every feature
/// as it was when the event came; an empty field is a missing value.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  ringfence samples rows.csv --until 2026-03-01T00:00:00Z")]
pub struct SamplesArgs {
    /// CSV file to write.
    pub file: PathBuf,
    /// First event (ISO-8601); everything without it.
    #[arg(long)]
    pub from: Option<String>,
    /// End of the events (ISO-8601).
    #[arg(long)]
    pub until: Option<String>,
    /// Rows at most; frauds all stay, others are drawn.
    #[arg(long, default_value_t = 500_000)]
    pub rows_max: usize,
}

/// Decide events from standard input, one JSON object a line; decisions go to standard output.
///
/// A line with "label" or "outcome" is taken in as such. Each decision is printed after it is on disk.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ringfence decide < events.jsonl
  tail -f live.jsonl | ringfence decide --live")]
pub struct DecideArgs {
    /// Stamp received_at with this machine's clock; without it an event's own received_at, or else its
    /// event time, is taken, and a label or outcome came in at its own time (replayed history).
    #[arg(long)]
    pub live: bool,
    /// With --live, seconds without input after which the log notes that time goes on.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub tick_seconds: u64,
    /// Leave out the snapshot at the end; the next start then replays more of the log.
    #[arg(long)]
    pub no_snapshot: bool,
}

/// Rebuild the state from the log and print its digest.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ringfence replay                 from the first record, ignoring snapshots
  ringfence replay --until 120000  the state before position 120000")]
pub struct ReplayArgs {
    /// Stop before this position.
    #[arg(long)]
    pub until: Option<u64>,
    /// Also sample every event and print a digest over all samples.
    #[arg(long)]
    pub samples: bool,
}

/// Look at an event, a sample, an entity or the log.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ringfence inspect event EVENT_ID
  ringfence inspect sample EVENT_ID --full
  ringfence inspect entity device DEVICE_ID
  ringfence inspect log --last 20
  ringfence inspect features")]
pub struct InspectArgs {
    #[command(subcommand)]
    pub what: Inspect,
}

#[derive(Debug, Subcommand)]
pub enum Inspect {
    /// An event, its labels and its decision.
    Event { event_id: String },
    /// What a model sees of an event: every feature, as it was when the event came.
    Sample {
        event_id: String,
        /// Sequence and neighbourhood too.
        #[arg(long)]
        full: bool,
    },
    /// An entity as it stands now.
    Entity { kind: String, id: String },
    /// The log: its size, its records; `ringfence log verify` tells whether it is sound.
    Log {
        /// Print this many of the last records.
        #[arg(long, default_value_t = 0)]
        last: u64,
    },
    /// The features of the tenant's schema.
    Features,
}

/// Make a world of people, devices, money and fraud: a stream to import, and apart from it an oracle.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ringfence simulate --days 60 --accounts 20000 --seed 7 --out world
  ringfence import --schema world/schema.toml world/stream.parquet
  ringfence simulate --preset three-banks --params mine.toml --out banks
  ringfence simulate --print-schema > simulated.toml
  ringfence simulate --preset demo --out - | ringfence import --schema simulated.toml -
  ringfence simulate --preset demo --to http://127.0.0.1:7878 --rate 90 --token $(ringfence token)
  ringfence simulate audit world")]
#[command(args_conflicts_with_subcommands = true)]
pub struct SimulateArgs {
    #[command(subcommand)]
    pub what: Option<SimulateWhat>,
    /// Length of the span.
    #[arg(long, allow_negative_numbers = true)]
    pub days: Option<i64>,
    /// Customers' accounts at the start.
    #[arg(long, allow_negative_numbers = true)]
    pub accounts: Option<i64>,
    /// Same seed, same bytes.
    #[arg(long, allow_negative_numbers = true)]
    pub seed: Option<i64>,
    /// Named parameters: demo, bench-1m, bench-100m, three-banks, decay.
    #[arg(long)]
    pub preset: Option<String>,
    /// File (TOML) with parameters that differ from the preset's; every key is in world.toml of a world.
    #[arg(long)]
    pub params: Option<PathBuf>,
    /// Directory for the files, or - for JSON lines on standard output (stream only).
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Play the world against a running server instead, moved so that it ends now.
    #[arg(long, conflicts_with_all = ["out", "format"])]
    pub to: Option<String>,
    /// With --to, lines a second; 0: as fast as the server answers.
    #[arg(long, default_value_t = 0)]
    pub rate: u32,
    /// With --to, a token with the roles decide and label.
    #[arg(long, env = "RINGFENCE_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Only one of the two forms of the stream.
    #[arg(long, value_enum)]
    pub format: Option<StreamFormat>,
    /// Print the schema that the streams are imported by, and stop.
    #[arg(long)]
    pub print_schema: bool,
}

#[derive(Debug, Subcommand)]
pub enum SimulateWhat {
    Audit(WorldAuditArgs),
}

/// Is a world fair? Holds its stream against its oracle; fails when a demand is not met.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ringfence simulate audit world
  ringfence simulate audit seed-1 seed-2 seed-3 seed-4 seed-5")]
pub struct WorldAuditArgs {
    /// Directories that `simulate` has written, such as one for each of several seeds.
    #[arg(required = true)]
    pub worlds: Vec<PathBuf>,
    /// Leave out the ladder of models, which takes most of the time.
    #[arg(long)]
    pub no_ladder: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StreamFormat {
    Jsonl,
    Parquet,
}

/// Simulate a small world, import it, train, decide its last day, and show what was caught.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ringfence demo
  ringfence demo --out demo --seed 7")]
pub struct DemoArgs {
    /// Directory for the stream and the tenant; must not exist. A temporary one without it.
    #[arg(long)]
    pub out: Option<PathBuf>,
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
}

/// Print every metric of the service: name, kind, labels, meaning.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ringfence metrics > docs/metrics.md
  ringfence metrics --json")]
pub struct MetricsArgs {}

/// Print a completion script for a shell.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  ringfence completions bash > /etc/bash_completion.d/ringfence")]
pub struct CompletionsArgs {
    pub shell: clap_complete::Shell,
}
