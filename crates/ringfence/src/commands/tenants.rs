//! `ringfence tenants`: what `/v1/tenants` does, for a tenant that no server has open.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use node::node::{erase_closed, suspend_closed};
use serde_json::json;

use crate::cli::{Cli, Tenants, TenantsArgs};
use crate::show;

pub fn run(cli: &Cli, args: &TenantsArgs) -> Result<ExitCode> {
    let name = &cli.tenant;
    let (value, told) = match &args.what {
        Tenants::Suspend | Tenants::Resume => {
            let suspended = matches!(args.what, Tenants::Suspend);
            suspend_closed(&super::place(cli)?, suspended)?;
            let status = if suspended { "suspended" } else { "in service" };
            (
                json!({ "tenant": name, "suspended": suspended }),
                format!("tenant {name} is {status}"),
            )
        }
        Tenants::Erase { .. } => {
            let erased = erase_closed(&cli.data, name)?;
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
