//! Arguments of the service.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use gateway::token::Role;

/// Serve decisions over HTTP.
///
/// On an empty machine it makes a tenant with the default schema and a starter model trained on a simulated
/// world, and a key for development. Stops gracefully at the first SIGTERM or SIGINT, at once at the second.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ringfence serve
  ringfence serve --config my.toml     only what differs from the defaults, which are in default.toml
  ringfence serve --print-config       the defaults, with what each setting means")]
pub struct ServeArgs {
    /// Settings (TOML) that differ from the defaults.
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// Address and port, instead of the configured ones; port 0 takes a free one.
    #[arg(long)]
    pub listen: Option<SocketAddr>,
    /// Print the default configuration and stop.
    #[arg(long)]
    pub print_config: bool,
}

/// Tenants of a data directory that no server has open; a running one has /v1/tenants.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ringfence --tenant acme init         makes one
  ringfence --tenant acme tenants suspend
  ringfence --tenant acme tenants erase --yes")]
pub struct TenantsArgs {
    #[command(subcommand)]
    pub what: Tenants,
    /// Why, for the audit trail of the node.
    #[arg(long, global = true)]
    pub why: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Tenants {
    /// Take the tenant out of service; it keeps everything.
    Suspend,
    /// Take the tenant back into service.
    Resume,
    /// Destroy the tenant's files, and print the proof.
    Erase {
        /// Without it nothing is done.
        #[arg(long, required = true)]
        yes: bool,
    },
}

/// Print a token of the development key.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ringfence token                        decide, label, analyst and engineer for the tenant
  ringfence token --role analyst
  ringfence token --role admin           for every tenant: makes and erases them")]
pub struct TokenArgs {
    /// What the token may do; may be given several times.
    #[arg(long, value_parser = parse_role)]
    pub role: Vec<RoleName>,
    /// How long it is valid.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=8760))]
    pub hours: u64,
    /// Settings of the server, when they are not the defaults.
    #[arg(long)]
    pub config: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug)]
pub struct RoleName(pub Role);

fn parse_role(text: &str) -> Result<RoleName, String> {
    let role = Role::parse(text).map(RoleName);
    role.ok_or_else(|| {
        let known: Vec<&str> = Role::ALL.iter().map(|role| role.name()).collect();
        format!("expected one of {}", known.join(", "))
    })
}
