//! `ringfence tenants`: what `/v1/tenants` does, for a tenant that no server has open.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use desk::audit::lives::{self, Deed};
use node::node::{ManageError, erase_closed, suspend_closed};
use node::tenant::documents::Author;
use serde_json::json;

use crate::cli::{Cli, Tenants, TenantsArgs};
use crate::show;

pub fn run(cli: &Cli, args: &TenantsArgs) -> Result<ExitCode> {
    let name = &cli.tenant;
    let (value, told) = match &args.what {
        Tenants::Suspend | Tenants::Resume => {
            let suspended = matches!(args.what, Tenants::Suspend);
            let deed = match suspended {
                true => Deed::Suspend,
                false => Deed::Resume,
            };
            let place = super::place(cli)?;
            noted(cli, args, deed, || suspend_closed(&place, suspended))?;
            let status = if suspended { "suspended" } else { "in service" };
            (
                json!({ "tenant": name, "suspended": suspended }),
                format!("tenant {name} is {status}"),
            )
        }
        Tenants::Erase { .. } => {
            let erased = noted(cli, args, Deed::Erase, || erase_closed(&cli.data, name))?;
            let told = format!(
                "tenant {name} is erased: {} files, {} bytes; the proof is in {}",
                erased.files,
                show::grouped(erased.bytes),
                cli.data.join(".erased.jsonl").display()
            );
            let value = json!({
                "tenant": erased.tenant, "at": erased.at.to_string(),
                "files": erased.files, "bytes": erased.bytes, "left": erased.left,
            });
            (value, told)
        }
    };
    if cli.json {
        show::json(&value)?;
    } else {
        writeln!(show::out(), "{told}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Does what the node's trail tells first.
fn noted<T>(
    cli: &Cli,
    args: &TenantsArgs,
    deed: Deed,
    what: impl FnOnce() -> Result<T, ManageError>,
) -> Result<T> {
    let place = super::place(cli)?;
    if !place.exists() {
        let path = place.root().to_path_buf();
        return Err(node::NodeError::NoTenant { path }.into());
    }
    let author = Author {
        name: "command line".to_owned(),
        at: node::clock::now()?,
        why: args.why.clone().unwrap_or_default(),
    };
    lives::begin(&cli.data, deed, &cli.tenant, &author)?;
    let done = what();
    if let Err(error) = &done {
        let code = match error {
            ManageError::Node(error) => error.code(),
            _ => "failed",
        };
        lives::failed(&cli.data, deed, &cli.tenant, &author, code)?;
    }
    Ok(done?)
}
