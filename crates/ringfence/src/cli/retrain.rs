//! Arguments of `retrain`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use event::Span;
use node::background::Priority;

/// Make a candidate on the latest matured labels, judge it beside the model that serves, and say whether it may follow.
///
/// Works in a child process with a memory bound, on cores that nobody else wants. A retrain that was cut off goes on where it
/// was, to the same model.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Exit codes: 0 the candidate passes, 5 a gate holds or refuses it, 1 none was made.

Examples:
  ringfence retrain
  ringfence retrain --memory-mib 2048 --window 90d
  ringfence retrain --config server.toml       windows, bounds and memory as the server has them
  ringfence retrain list
  ringfence models activate 3f2a              what passed enters service
  ringfence retrain --to http://127.0.0.1:7878 --why 'new card fraud'
  ringfence retrain approve 4 --to http://127.0.0.1:7878"
)]
pub struct RetrainArgs {
    #[command(subcommand)]
    pub what: Option<Retrain>,
    #[command(flatten)]
    pub run: RetrainRun,
}

#[derive(Debug, Args)]
pub struct RetrainRun {
    /// The server's configuration, of which `[retrain]` is read; the defaults without it.
    #[arg(long, value_name = "FILE", conflicts_with = "to")]
    pub config: Option<PathBuf>,
    /// How long the learned window is (90d).
    #[arg(long, value_name = "SPAN", value_parser = span, conflicts_with = "to")]
    pub window: Option<Span>,
    /// Latest matured frauds to judge on, a third of all at most.
    #[arg(long, conflicts_with = "to")]
    pub exam_frauds: Option<usize>,
    /// Boosting rounds at most.
    #[arg(long, conflicts_with = "to")]
    pub rounds: Option<usize>,
    #[arg(long, conflicts_with = "to")]
    pub seed: Option<u64>,
    /// Memory of the child.
    #[arg(long, conflicts_with = "to")]
    pub memory_mib: Option<usize>,
    /// Threads of the child.
    #[arg(long, conflicts_with = "to")]
    pub threads: Option<usize>,
    /// Of the child.
    #[arg(long, conflicts_with = "to")]
    pub priority: Option<RetrainPriority>,
    /// Give up a retrain that was cut off, and begin another.
    #[arg(long, conflicts_with = "to")]
    pub fresh: bool,
    #[command(flatten)]
    pub server: RetrainServer,
}

/// A running server, which then does it by its own settings.
#[derive(Debug, Args)]
pub struct RetrainServer {
    /// URL of a running server instead of the data directory.
    #[arg(long, value_name = "URL")]
    pub to: Option<String>,
    #[arg(
        long,
        env = "RINGFENCE_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    pub token: Option<String>,
    /// Why, for the record.
    #[arg(long)]
    pub why: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Retrain {
    /// Retrains of the tenant, newest first.
    List {
        #[command(flatten)]
        server: RetrainServer,
    },
    /// One of them: windows, gates, verdict.
    Show {
        id: u64,
        #[command(flatten)]
        server: RetrainServer,
    },
    /// Let a candidate that waits for it enter service; with --to.
    Approve {
        id: u64,
        #[command(flatten)]
        server: RetrainServer,
    },
    /// Keep a candidate that waits for approval out of service; with --to.
    Reject {
        id: u64,
        #[command(flatten)]
        server: RetrainServer,
    },
    /// The child's part.
    #[command(hide = true)]
    Step {
        id: u64,
        /// Number of the examination that it ends with.
        #[arg(long)]
        exam: usize,
        /// Process that it dies with.
        #[arg(long)]
        parent: u32,
    },
}

fn span(text: &str) -> Result<Span, String> {
    let span = Span::parse(text).map_err(|error| error.to_string())?;
    match span.millis() > 0 {
        true => Ok(span),
        false => Err(format!("must be longer than nothing, got {text:?}")),
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum RetrainPriority {
    /// It works on cores that nobody else wants, and stands still without one.
    Idle,
    /// It has a niceness of 19.
    Low,
}

impl From<RetrainPriority> for Priority {
    fn from(named: RetrainPriority) -> Priority {
        match named {
            RetrainPriority::Idle => Priority::Idle,
            RetrainPriority::Low => Priority::Low,
        }
    }
}
