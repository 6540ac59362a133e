//! Arguments of the studies.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Measure on simulated worlds what one history cannot tell.
#[derive(Debug, Args)]
pub struct StudyArgs {
    #[command(subcommand)]
    pub what: Study,
}

#[derive(Debug, Subcommand)]
pub enum Study {
    Decay(DecayArgs),
}

/// How long a model lasts while fraud changes its ways, and what retraining buys.
///
/// Simulates worlds, replays each once, and lets five arms serve the same events: never retrained, monthly,
/// on alerts of drift, as often on random days, and an oracle. What is done is kept in --out; running it
/// again goes on from there. The design is in docs/decay.md.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ringfence study decay --out study
  ringfence study decay --out study --worlds 3 --seed 101 --html study.html
  ringfence study decay --out still --still       the same worlds without drift: what chance does")]
pub struct DecayArgs {
    /// Directory for what each arm did in each world, and for the world that is being worked on.
    #[arg(long)]
    pub out: PathBuf,
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub worlds: u64,
    /// Seed of the first world; the others have the next ones.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=1_000_000_000))]
    pub seed: u64,
    /// Days served.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u32).range(14..=365))]
    pub days: u32,
    /// File (TOML) with parameters of the worlds that differ from those of the preset decay.
    #[arg(long)]
    pub params: Option<PathBuf>,
    /// Nothing in the worlds changes, and only the first arm serves: what chance alone does.
    #[arg(long)]
    pub still: bool,
    /// Also write the table and the plots as one HTML file.
    #[arg(long)]
    pub html: Option<PathBuf>,
    /// Also write the plots as pictures, recall.svg and survival.svg, into this directory.
    #[arg(long)]
    pub plots: Option<PathBuf>,
}
