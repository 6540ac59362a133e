//! Arguments of `ringfence webhooks`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Endpoints that are told what happens, of a running server; and signatures, checked without one.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ringfence webhooks add https://hooks.example.org/in --kind decision.created --kind alert.created
  ringfence webhooks ls --to http://127.0.0.1:7878 --token $(ringfence token)
  ringfence webhooks test ep_0123456789abcdef
  ringfence webhooks deliveries ep_0123456789abcdef --state dead
  ringfence webhooks redeliver ep_0123456789abcdef
  ringfence webhooks secret ep_0123456789abcdef             a further one; both sign from now on
  ringfence webhooks secret ep_0123456789abcdef --expire sec_0123456789abcdef
  ringfence webhooks verify --secret-file secret --id log:7 --timestamp 1790000000 \\
    --signature v1,K5oZf... body.json")]
pub struct WebhooksArgs {
    #[command(subcommand)]
    pub what: Webhooks,
    /// The running server.
    #[arg(
        long,
        global = true,
        env = "RINGFENCE_URL",
        default_value = "http://127.0.0.1:7878"
    )]
    pub to: String,
    /// A token with the role engineer.
    #[arg(long, global = true, env = "RINGFENCE_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Why something is changed, for the audit trail.
    #[arg(long, global = true)]
    pub why: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Webhooks {
    /// The tenant's endpoints.
    Ls,
    /// Name an endpoint. Its secret is printed, this once.
    Add {
        url: String,
        /// What it is told of; everything without it. May be given several times.
        #[arg(long)]
        kind: Vec<String>,
        #[arg(long, default_value = "")]
        description: String,
        /// File with a secret of your own (whsec_ and base64) instead of one that is made.
        #[arg(long)]
        secret_file: Option<PathBuf>,
    },
    /// Change an endpoint; what is not given stays.
    Set {
        endpoint: String,
        #[arg(long)]
        url: Option<String>,
        #[arg(long)]
        kind: Vec<String>,
        #[arg(long)]
        description: Option<String>,
        /// Whether anything is sent to it.
        #[arg(long)]
        enabled: Option<bool>,
    },
    /// Remove an endpoint, with its deliveries.
    Rm { endpoint: String },
    /// Add a secret, which is printed this once; or give one an end.
    Secret {
        endpoint: String,
        /// File with a secret of your own (whsec_ and base64) instead of one that is made.
        #[arg(long, conflicts_with = "expire")]
        secret_file: Option<PathBuf>,
        /// The secret to end.
        #[arg(long)]
        expire: Option<String>,
        /// When it ends (ISO-8601); at once without it.
        #[arg(long, requires = "expire")]
        at: Option<String>,
    },
    /// Send a ping.
    Test { endpoint: String },
    /// What was sent to an endpoint, newest first; or all of one delivery.
    Deliveries {
        endpoint: String,
        delivery: Option<u64>,
        #[arg(long, value_enum)]
        state: Option<StateName>,
        /// Deliveries to print.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=100_000))]
        limit: u64,
    },
    /// Send a delivery again, or all that are dead.
    Redeliver {
        endpoint: String,
        delivery: Option<u64>,
    },
    /// Check the signature of something received. Needs no server.
    Verify(VerifyArgs),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StateName {
    Pending,
    Delivered,
    Dead,
}

#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The body as it came, to the byte; - for standard input.
    #[arg(default_value = "-")]
    pub body: PathBuf,
    /// File with the secret (whsec_ and base64), or several, one a line.
    #[arg(long)]
    pub secret_file: PathBuf,
    /// The header webhook-id.
    #[arg(long)]
    pub id: String,
    /// The header webhook-timestamp.
    #[arg(long)]
    pub timestamp: String,
    /// The header webhook-signature.
    #[arg(long)]
    pub signature: String,
    /// Seconds that the timestamp may be from now; without it any time is fine.
    #[arg(long, value_parser = clap::value_parser!(i64).range(0..))]
    pub tolerance: Option<i64>,
}
