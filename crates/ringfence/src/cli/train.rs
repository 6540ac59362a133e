//! Arguments of `train`.

use clap::{Args, ValueEnum};
use event::Span;
use learning::neural::config::NeuralConfig;

/// Train a model on the tenant's history and put it into service.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ringfence train
  ringfence train --from 2026-01-01T00:00:00Z --seed 7 --no-activate
  ringfence train --producer                    two stages: a producer of suspicion, then its model
  ringfence train --producer-of 3f2a            a new model for the producer of an older one")]
pub struct TrainArgs {
    /// Kind of model.
    #[arg(long, value_enum, default_value_t = ModelKind::Trees)]
    pub model: ModelKind,
    /// First event to learn from (ISO-8601); everything without it.
    #[arg(long)]
    pub from: Option<String>,
    /// End of the events to learn from (ISO-8601).
    #[arg(long)]
    pub until: Option<String>,
    /// Boosting rounds at most.
    #[arg(long, default_value_t = 400)]
    pub rounds: usize,
    #[arg(long, default_value_t = 0.05)]
    pub learning_rate: f64,
    /// Leaves per tree.
    #[arg(long, default_value_t = 31)]
    pub leaves: usize,
    /// Rows at most; frauds all stay, others are drawn.
    #[arg(long, default_value_t = 500_000)]
    pub rows_max: usize,
    /// Training weights halve with this age (30d); all weigh the same without it.
    #[arg(long, value_name = "SPAN", value_parser = half_life)]
    pub half_life: Option<Span>,
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Passes of the network over the rows, at most.
    #[arg(long, default_value_t = 20)]
    pub epochs: usize,
    /// Width of the network: 32 or 64.
    #[arg(long, default_value_t = NeuralConfig::default().hidden)]
    pub hidden: usize,
    #[arg(long, default_value_t = NeuralConfig::default().learning_rate)]
    pub network_learning_rate: f32,
    /// Share of the network's values that are dropped while it learns.
    #[arg(long, default_value_t = NeuralConfig::default().dropout)]
    pub dropout: f32,
    /// How scores become probabilities; isotonic needs 1,000 frauds in the latest part.
    #[arg(long, value_enum, default_value_t = CalibrationName::Platt)]
    pub calibration: CalibrationName,
    /// Leave out what the watch over drift compares with.
    #[arg(long)]
    pub no_reference: bool,
    /// Train a producer of suspicion on the earlier part of the range and the model on the later part:
    /// later samples then read what the producer said of the events around them.
    #[arg(long)]
    pub producer: bool,
    /// Take the producer of this model (version, or its beginning) as it is, and train on what follows
    /// the producer's own training. The two models share one channel.
    #[arg(long, value_name = "MODEL", conflicts_with = "producer")]
    pub producer_of: Option<String>,
    /// With --producer, the part of the known events that it is trained on.
    #[arg(long, default_value_t = 0.5, value_parser = share)]
    pub producer_share: f64,
    /// Write the model file, but leave the serving model as it is.
    #[arg(long)]
    pub no_activate: bool,
}

fn half_life(text: &str) -> Result<Span, String> {
    let span = Span::parse(text).map_err(|error| error.to_string())?;
    if span.millis() > 0 {
        Ok(span)
    } else {
        Err(format!("must be longer than nothing, got {text:?}"))
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| format!("{text:?} is no number"))?;
    if (0.05..=0.95).contains(&share) {
        Ok(share)
    } else {
        Err(format!("must be 0.05 to 0.95, got {share}"))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ModelKind {
    /// Boosted trees.
    Trees,
    /// A network over neighbourhood, sequence and features; trees answer in its stead when it cannot.
    Hybrid,
    /// The network and trees, each heard by the share that did best on later events.
    #[value(name = "hybrid+trees")]
    HybridTrees,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CalibrationName {
    Platt,
    Beta,
    Isotonic,
}
