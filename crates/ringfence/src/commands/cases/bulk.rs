//! One action on many cases.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde_json::{Map, Value, json};
use ureq::http::Method;

use super::{JSON, line, version_of};
use crate::cli::{Cases, Cli, EXIT_REJECTS};
use crate::remote::Remote;
use crate::show;

pub fn run(cli: &Cli, server: &Remote, what: &Cases) -> Result<ExitCode> {
    let told = server.send(
        Method::POST,
        "/v1/cases:bulk",
        JSON,
        body(server, what)?.to_string().as_bytes(),
    )?;
    let results = told["results"]
        .as_array()
        .context("the answer has no results")?;
    let refused = results.iter().filter(|it| !it["error"].is_null()).count();
    if cli.json {
        show::json(&told)?;
    } else {
        for result in results {
            match result["error"]["code"].as_str() {
                None => line(&result["case"])?,
                Some(code) => {
                    let (id, message) = (&result["id"], &result["error"]["message"]);
                    let message = message.as_str().unwrap_or_default();
                    writeln!(show::out(), "{id:>10}  refused: {code}: {message}")?;
                }
            }
        }
    }
    Ok(ExitCode::from(match refused {
        0 => 0,
        _ => EXIT_REJECTS,
    }))
}

fn body(server: &Remote, what: &Cases) -> Result<Value> {
    let Cases::Bulk {
        action,
        cases,
        reason,
        person,
        until,
        text,
        fraud_type,
        note,
    } = what
    else {
        anyhow::bail!("no change of many cases")
    };
    let versioned = cases.iter().map(|it| {
        let version = match it.version {
            Some(version) => version,
            None => version_of(server, it.id)?,
        };
        Ok(json!({ "id": it.id, "version": version }))
    });
    let versioned = versioned.collect::<Result<Vec<Value>>>()?;
    let given = [
        ("reason", reason),
        ("assignee", person),
        ("until", until),
        ("text", text),
        ("fraud_type", fraud_type),
        ("note", note),
    ];
    let given = given
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?))));
    let with: Map<String, Value> = given.collect();
    let action = action
        .to_possible_value()
        .context("an action without name")?;
    Ok(json!({ "cases": versioned, "action": action.get_name(), "with": with }))
}
