//! Arguments of shadows and comparisons.

use clap::Args;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ringfence models shadow 3f2a --to http://127.0.0.1:7878 --token $(ringfence token)
  ringfence models shadow 3f2a --stop")]
pub struct ShadowArgs {
    /// Model version, or its first digits; with --to one that the server does not hold is handed to it.
    pub model: String,
    /// It scores no more; the scores stay.
    #[arg(long)]
    pub stop: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ringfence models compare                               champion, challenger and every shadow
  ringfence models compare --models 3f2a,77c0 --last 7d
  ringfence models compare --to http://127.0.0.1:7878 --token $(ringfence token) --json")]
pub struct CompareArgs {
    /// Model versions, or their first digits; all that serve without it. The champion comes first.
    #[arg(long, value_delimiter = ',')]
    pub models: Vec<String>,
    /// Start by event time (ISO-8601), instead of --last.
    #[arg(long)]
    pub from: Option<String>,
    /// End by event time; the log's newest event without it.
    #[arg(long)]
    pub until: Option<String>,
    /// Length of the window before its end.
    #[arg(long, default_value = "30d", conflicts_with = "from")]
    pub last: String,
    /// How old an event must be for its label to count, such as 30d; the schema's labels.maturity without it.
    #[arg(long)]
    pub maturity: Option<String>,
    /// Events to name for each model of those that it and the first disagree on.
    #[arg(long, default_value_t = 10)]
    pub samples: usize,
}
