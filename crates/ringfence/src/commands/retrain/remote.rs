//! Retrains of a running server.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde_json::Value;
use ureq::http::Method;

use super::tell;
use crate::cli::{Cli, RetrainServer};
use crate::remote::Remote;
use crate::show;

const ROUTE: &str = "/v1/retrain";
const JSON: &str = "application/json";

fn open(cli: &Cli, server: &RetrainServer) -> Result<Remote> {
    let to = server.to.as_deref();
    let to = to.context("only a running server waits for approval: --to names it")?;
    let remote = Remote::new(to, &cli.tenant, server.token.as_deref())?;
    Ok(remote.because(server.why.as_deref()))
}

pub fn begin(cli: &Cli, server: &RetrainServer) -> Result<ExitCode> {
    told(
        cli,
        &open(cli, server)?.send(Method::POST, ROUTE, JSON, &[])?,
    )
}

pub fn show(cli: &Cli, server: &RetrainServer, id: u64) -> Result<ExitCode> {
    told(cli, &open(cli, server)?.get(&format!("{ROUTE}/{id}"))?)
}

pub fn answer(cli: &Cli, server: &RetrainServer, id: u64, verb: &str) -> Result<ExitCode> {
    let path = format!("{ROUTE}/{id}/{verb}");
    told(
        cli,
        &open(cli, server)?.send(Method::POST, &path, JSON, &[])?,
    )
}

pub fn list(cli: &Cli, server: &RetrainServer) -> Result<ExitCode> {
    let found = open(cli, server)?.get(ROUTE)?;
    if cli.json {
        show::json(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    for value in found["retrains"].as_array().into_iter().flatten() {
        line(value)?;
    }
    for says in held_up(&found) {
        writeln!(show::out(), "{says}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What keeps retrains from beginning, or from going on.
fn held_up(found: &Value) -> Vec<String> {
    let reasons = [
        ("blocked", &found["blocked"]["says"]),
        ("waits", &found["waits"]),
    ];
    let told = reasons.iter().filter_map(|(what, says)| {
        let says = says.as_str()?;
        Some(format!("{what}: {says}"))
    });
    told.collect()
}

fn told(cli: &Cli, value: &Value) -> Result<ExitCode> {
    if cli.json {
        show::json(value)?;
    } else {
        line(value)?;
        let last = value["verdicts"].as_array().and_then(|it| it.last());
        if let Some(last) = last {
            write!(show::out(), "{}", tell::report(&last["report"])?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn line(value: &Value) -> Result<()> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let model = text(&value["trained"]["model"]);
    writeln!(
        show::out(),
        "{:>4}  {}  {:<9} {:<20} {:<12}  {}",
        value["id"],
        text(&value["at"]),
        text(&value["trigger"]["kind"]),
        text(&value["status"]),
        model.get(..12).unwrap_or("no model"),
        text(&value["outcome"]["says"]),
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_holds_retrains_up_is_told_and_nothing_where_nothing_does() {
        let found =
            json!({ "blocked": { "code": "retrain_blocked", "says": "data" }, "waits": "a watch" });
        assert_eq!(held_up(&found), ["blocked: data", "waits: a watch"]);
        assert!(held_up(&json!({ "blocked": null, "waits": null })).is_empty());
    }
}
