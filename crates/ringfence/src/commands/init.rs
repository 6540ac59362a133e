//! `ringfence init`

use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use log::LogOptions;
use node::Journal;
use serde_json::json;

use crate::cli::{Cli, InitArgs};
use crate::show;

/// What a tenant gets that brings no schema of its own.
pub const DEFAULT_SCHEMA: &str = include_str!("../../../../schemas/default.toml");

pub fn run(cli: &Cli, args: &InitArgs) -> Result<ExitCode> {
    if args.print {
        io::stdout().lock().write_all(DEFAULT_SCHEMA.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let text = match &args.schema {
        Some(path) => {
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?
        }
        None => DEFAULT_SCHEMA.to_owned(),
    };
    let place = super::place(cli)?;
    let journal = Journal::create(&place, &text, LogOptions::default())?;
    let schema = journal.schema();
    if cli.json {
        show::json(&json!({
            "tenant": cli.tenant,
            "directory": place.root(),
            "schema": schema.name,
            "schema_hash": schema.hash().hex(),
        }))?;
    } else {
        let root = place.root().display();
        writeln!(
            show::out(),
            "tenant {} with schema {} in {root}",
            cli.tenant,
            schema.name
        )?;
        writeln!(show::out(), "next: ringfence import FILE")?;
    }
    Ok(ExitCode::SUCCESS)
}
