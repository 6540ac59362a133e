//! Alerts, listed and shown.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{connect, encoded};
use crate::cli::{Alerts, AlertsArgs, Cli};
use crate::remote::Remote;
use crate::show;

pub fn run(cli: &Cli, args: &AlertsArgs) -> Result<ExitCode> {
    let server = connect(cli, &args.server)?;
    match &args.what {
        Alerts::Show { id } => show::json(&server.get(&format!("/v1/alerts/{id}"))?)?,
        Alerts::Ls { .. } => list(cli, &server, &args.what)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(cli: &Cli, server: &Remote, what: &Alerts) -> Result<()> {
    let Alerts::Ls {
        status,
        case,
        event_id,
        kind,
        id,
        limit,
    } = what
    else {
        return Ok(());
    };
    let mut path = format!("/v1/alerts?limit={limit}");
    let case = case.map(|id| id.to_string());
    for (name, value) in [
        ("status", status),
        ("case", &case),
        ("event_id", event_id),
        ("kind", kind),
        ("id", id),
    ] {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", encoded(value)));
        }
    }
    let page = server.get(&path)?;
    if cli.json {
        return Ok(show::json(&page)?);
    }
    let alerts = page["alerts"]
        .as_array()
        .context("the answer has no alerts")?;
    let mut out = show::out();
    for alert in alerts {
        writeln!(out, "{}", line(alert))?;
    }
    if page["has_more"] == true {
        writeln!(out, "... and more: --limit, or --json and its `next`")?;
    }
    Ok(())
}

/// Losses are in minor units of the base currency, as the interface has them.
fn line(alert: &Value) -> String {
    let text = |name: &str| alert[name].as_str().unwrap_or("-").to_owned();
    format!(
        "{:>10}  {:<6} case {:<10} {:>12}  {:<9} {}  {}",
        alert["id"],
        text("status"),
        alert["case_id"],
        alert["loss_minor"],
        text("decision"),
        text("event_timestamp"),
        text("event_id"),
    )
}
