//! `ringfence drift status`: the watch of a tenant, and what it tells.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use drift::Status;
use serde_json::{Value, json};

use crate::cli::{Cli, DriftStatusArgs};
use crate::remote::Remote;
use crate::show;

pub fn run(cli: &Cli, args: &DriftStatusArgs) -> Result<ExitCode> {
    let mut status = match &args.change.to {
        Some(to) => {
            let token = args.change.token.as_deref();
            Remote::new(to, &cli.tenant, token)?.get("/v1/drift")?
        }
        None => of_directory(cli)?,
    };
    if !args.all
        && let Some(alerts) = status["alerts"].as_array_mut()
    {
        alerts.retain(|it| it["over_at"].is_null());
    }
    if cli.json {
        show::json(&status)?;
    } else {
        print(&status)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Of a tenant that no server has open: what it would go on from.
fn of_directory(cli: &Cli) -> Result<Value> {
    let place = crate::commands::place(cli)?;
    let tenant = crate::commands::open_tenant(cli, &place)?;
    Ok(match tenant.watch() {
        Some(watch) => {
            let model = show::hex(&watch.artifact());
            let mut status = watch.read(|monitor| json!(Status::of(&model, monitor)));
            gateway::examples::name(&mut status["alerts"], &place)?;
            status
        }
        None => json!(Status::nothing()),
    })
}

fn print(status: &Value) -> Result<()> {
    let mut out = show::out();
    let watched = &status["watched"];
    if watched.is_null() {
        writeln!(
            out,
            "nothing is watched: no model serves, or it has no reference"
        )?;
        return Ok(());
    }
    let text = |of: &Value, name: &str| of[name].as_str().unwrap_or_default().to_owned();
    let count = |of: &Value, name: &str| show::grouped(of[name].as_u64().unwrap_or(0));
    let model = text(watched, "model");
    writeln!(
        out,
        "model {}: reference {} to {}",
        model.get(..12).unwrap_or_default(),
        text(watched, "reference_from"),
        text(watched, "reference_until"),
    )?;
    writeln!(
        out,
        "watched: {} events, {} windows, {} events missed",
        count(watched, "events"),
        count(watched, "windows"),
        count(watched, "missed"),
    )?;
    let alerts = status["alerts"].as_array().map_or(&[][..], Vec::as_slice);
    writeln!(out, "{} alerts", alerts.len())?;
    for alert in alerts {
        let number = |name: &str| alert[name].as_f64().unwrap_or(f64::NAN);
        let end = |at: usize| alert["interval"][at].as_f64().unwrap_or(f64::NAN);
        let over = match alert["over_at"].as_str() {
            Some(at) => format!(", over {at}"),
            None => String::new(),
        };
        writeln!(
            out,
            "{} {:<12} {} in {}: {:.3}, expected {:.3} [{:.3} to {:.3}], {} events from {}{over}",
            text(alert, "until"),
            text(alert, "kind"),
            text(alert, "feature"),
            text(alert, "segment"),
            number("value"),
            number("baseline"),
            end(0),
            end(1),
            count(alert, "events"),
            text(alert, "from"),
        )?;
    }
    Ok(())
}
