//! The settings of alerts and cases of a server, as a TOML file.

use std::io::Write;

use anyhow::{Context, Result};
use casework::Settings;

use crate::cli::{CaseworkSettings, Cli};
use crate::remote::Remote;
use crate::show;
use crate::target::Target;
use crate::target::casework::written;

pub fn run(cli: &Cli, server: Remote, what: &CaseworkSettings, version: Option<u64>) -> Result<()> {
    match what {
        CaseworkSettings::Show => {
            let held = Target::Running(server).casework()?;
            if cli.json {
                return Ok(show::json(&serde_json::to_value(&held)?)?);
            }
            let mut out = show::out();
            writeln!(out, "# casework version {}", held.version)?;
            write!(out, "{}", written(&held)?)?;
        }
        CaseworkSettings::Set { file, why } => {
            let text = super::super::rules::read(file)?;
            let shown = file.display().to_string();
            let mut wanted: Settings = toml::from_str(&text).context(shown)?;
            let mut target = Target::Running(server.because(why.as_deref()));
            wanted.version = match version {
                Some(version) => version.try_into()?,
                None => target.casework()?.version,
            };
            let set = target.set_casework(wanted)?;
            if cli.json {
                return Ok(show::json(&serde_json::to_value(&set)?)?);
            }
            let told = format!("casework version {} is in force", set.version);
            writeln!(show::out(), "{told}")?;
        }
    }
    Ok(())
}
