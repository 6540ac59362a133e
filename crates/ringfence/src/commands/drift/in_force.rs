//! `ringfence drift settings`: what the watch of a tenant goes by.

use std::fs;
use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use event::record::ConfigSection;
use serde_json::json;

use crate::cli::{Cli, DriftSettingsArgs};
use crate::show;
use crate::target::Target;

pub fn run(cli: &Cli, args: &DriftSettingsArgs) -> Result<ExitCode> {
    let text = args.file.as_deref().map(|file| {
        let shown = file.display();
        fs::read_to_string(file).with_context(|| format!("cannot read {shown}"))
    });
    let text = text.transpose()?;
    let mut target = Target::open(cli, &args.change)?;
    if let Some(text) = text {
        let version = target.set(ConfigSection::Drift, &text, None)?;
        if cli.json {
            show::json(&json!({ "version": version }))?;
        } else {
            let told = format!("version {version} is in force; the watch begins anew");
            writeln!(show::out(), "{told}")?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let held = target.document(ConfigSection::Drift)?;
    if cli.json {
        show::json(&json!({ "version": held.version, "text": held.text }))?;
    } else if held.version == 0 {
        writeln!(show::out(), "none was set: the defaults are in force")?;
    } else {
        write!(show::out(), "{}", held.text)?;
    }
    Ok(ExitCode::SUCCESS)
}
