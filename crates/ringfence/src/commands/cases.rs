//! `ringfence cases` and `ringfence alerts`: what their routes do, from a terminal.

mod alerts;
mod bulk;
mod settings;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use ureq::http::Method;

pub use self::alerts::run as alerts;
use crate::cli::{Cases, CasesArgs, Cli, ServerArgs};
use crate::remote::Remote;
use crate::show;

const JSON: &str = "application/json";

pub fn run(cli: &Cli, args: &CasesArgs) -> Result<ExitCode> {
    let server = connect(cli, &args.server)?;
    match &args.what {
        Cases::Settings { what } => settings::run(cli, server, what, args.version)?,
        Cases::Bulk { .. } => return bulk::run(cli, &server, &args.what),
        Cases::Ls { .. } => list(cli, &server, &args.what)?,
        Cases::Show { id } => show::json(&server.get(&format!("/v1/cases/{id}"))?)?,
        Cases::Claim { id: None } => {
            let body = json!({}).to_string();
            let path = "/v1/cases:claim-next";
            let claimed = server.send(Method::POST, path, JSON, body.as_bytes())?;
            tell(cli, &claimed["case"])?;
        }
        other => tell(cli, &change(&server, args, other)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn connect(cli: &Cli, server: &ServerArgs) -> Result<Remote> {
    Remote::new(&server.to, &cli.tenant, server.token.as_deref())
}

fn list(cli: &Cli, server: &Remote, what: &Cases) -> Result<()> {
    let Cases::Ls {
        shelf,
        skill,
        tag,
        person,
        breached,
        limit,
    } = what
    else {
        return Ok(());
    };
    let mut path = format!("/v1/cases?shelf={}&limit={limit}", encoded(shelf));
    for (name, value) in [("skill", skill), ("tag", tag), ("person", person)] {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", encoded(value)));
        }
    }
    if *breached {
        path.push_str("&breached=true");
    }
    let page = server.get(&path)?;
    if cli.json {
        return Ok(show::json(&page)?);
    }
    let cases = page["cases"]
        .as_array()
        .context("the answer has no cases")?;
    for case in cases {
        line(case)?;
    }
    if page["has_more"] == true {
        writeln!(
            show::out(),
            "... and more: --limit, or --json and its `next`"
        )?;
    }
    Ok(())
}

/// One action on one case.
fn change(server: &Remote, args: &CasesArgs, what: &Cases) -> Result<Value> {
    let (id, action, body) = match what {
        Cases::Claim { id: Some(id) } => (id, "claim", Value::Null),
        Cases::Release { id } => (id, "release", Value::Null),
        Cases::Assign { id, person, reason } => {
            let body = json!({ "assignee": person, "reason": reason });
            (id, "assign", body)
        }
        Cases::Snooze { id, until } => (id, "snooze", json!({ "until": until })),
        Cases::Note { id, text } => (id, "note", json!({ "text": text })),
        Cases::Check { id, item, undo } => {
            (id, "checklist", json!({ "item": item, "done": !undo }))
        }
        Cases::Attach {
            id,
            name,
            uri,
            sha256,
        } => {
            let body = json!({ "name": name, "uri": uri, "sha256": sha256 });
            (id, "attachment", body)
        }
        Cases::Disposition {
            id,
            fraud_type,
            note,
        } => {
            let body = json!({ "fraud_type": fraud_type, "note": note });
            (id, "disposition", body)
        }
        Cases::Close { id, reason } => (id, "close", json!({ "reason": reason })),
        Cases::Reopen { id, reason } => (id, "reopen", json!({ "reason": reason })),
        Cases::Ls { .. }
        | Cases::Show { .. }
        | Cases::Claim { id: None }
        | Cases::Bulk { .. }
        | Cases::Settings { .. } => anyhow::bail!("no change of one case"),
    };
    let version = match args.version {
        Some(version) => version,
        None => version_of(server, *id)?,
    };
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let path = format!("/v1/cases/{id}/{action}");
    server.send_at(Method::POST, &path, JSON, body.as_bytes(), version)
}

fn version_of(server: &Remote, id: i64) -> Result<u64> {
    let case = server.get(&format!("/v1/cases/{id}"))?;
    case["version"].as_u64().context("the case has no version")
}

fn tell(cli: &Cli, case: &Value) -> Result<()> {
    if cli.json {
        return Ok(show::json(case)?);
    }
    if case.is_null() {
        writeln!(show::out(), "no case is free")?;
        return Ok(());
    }
    line(case)
}

/// Priorities are in minor units of the base currency, as the interface has them.
fn line(case: &Value) -> Result<()> {
    let text = |name: &str| case[name].as_str().unwrap_or("-").to_owned();
    let held = case["holder"].as_str().or(case["assignee"].as_str());
    writeln!(
        show::out(),
        "{:>10}  {:<8} {:<6} {:>12}  {:>4} alerts  due {}  {:<12} {}",
        case["id"],
        text("severity"),
        text("status"),
        case["priority"],
        case["alerts_total"],
        text("due_at"),
        text("skill"),
        held.unwrap_or("-"),
    )?;
    Ok(())
}

/// A query's value (RFC 3986, 2.1).
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte as char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
