//! `ringfence webhooks`: endpoints of a running server, and signatures that anybody can check.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};
use ureq::http::Method;
use webhooks::secret::{Secret, verify};

use crate::cli::{Cli, StateName, VerifyArgs, Webhooks, WebhooksArgs};
use crate::remote::Remote;
use crate::show;

const JSON: &str = "application/json";
/// Of the server's routes.
const PAGE_MAX: u64 = 100;

pub fn run(cli: &Cli, args: &WebhooksArgs) -> Result<ExitCode> {
    if let Webhooks::Verify(args) = &args.what {
        check(cli, args)?;
        return Ok(ExitCode::SUCCESS);
    }
    let remote = Remote::new(&args.to, &cli.tenant, args.token.as_deref())?;
    let remote = remote.because(args.why.as_deref());
    let (value, lines) = ask(&remote, &args.what)?;
    if cli.json {
        show::json(&value)?;
    } else {
        let mut out = show::out();
        for line in lines {
            writeln!(out, "{line}")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What the server said, and the lines that a person reads.
type Answer = (Value, Vec<String>);

fn ask(remote: &Remote, what: &Webhooks) -> Result<Answer> {
    match what {
        Webhooks::Ls => all(remote),
        Webhooks::Add {
            url,
            kind,
            description,
            secret_file,
        } => add(remote, url, kind, description, secret_file.as_deref()),
        Webhooks::Set { endpoint: id, .. } => {
            let changed = changed(&remote.get(&at(id))?, what);
            let value = send(remote, Method::PUT, &at(id), &changed)?;
            let lines = vec![endpoint(&value)];
            Ok((value, lines))
        }
        Webhooks::Rm { endpoint } => {
            let value = remote.delete(&at(endpoint))?;
            let lines = vec![format!("{} removed", text(&value["removed"]))];
            Ok((value, lines))
        }
        Webhooks::Secret {
            endpoint,
            secret_file,
            expire: None,
            ..
        } => new_secret(remote, endpoint, secret_file.as_deref()),
        Webhooks::Secret {
            endpoint,
            expire: Some(secret),
            at: end,
            ..
        } => end_secret(remote, endpoint, secret, end.as_deref()),
        Webhooks::Test { endpoint } => {
            let value = post(remote, &format!("{}/test", at(endpoint)))?;
            let lines = vec![format!("delivery {}", value["delivery"])];
            Ok((value, lines))
        }
        Webhooks::Deliveries {
            endpoint,
            delivery: Some(delivery),
            ..
        } => one(remote, &format!("{}/deliveries/{delivery}", at(endpoint))),
        Webhooks::Deliveries {
            endpoint,
            delivery: None,
            state,
            limit,
        } => listed(remote, &at(endpoint), *state, *limit),
        Webhooks::Redeliver { endpoint, delivery } => again(remote, endpoint, *delivery),
        Webhooks::Verify(_) => bail!("verify asks no server"),
    }
}

fn at(endpoint: &str) -> String {
    format!("/v1/webhooks/{}", segment(endpoint))
}

fn all(remote: &Remote) -> Result<Answer> {
    let value = remote.get("/v1/webhooks")?;
    let rows = value["webhooks"].as_array();
    let lines = rows.into_iter().flatten().map(endpoint).collect();
    Ok((value, lines))
}

fn add(
    remote: &Remote,
    url: &str,
    kinds: &[String],
    description: &str,
    secret_file: Option<&Path>,
) -> Result<Answer> {
    let kinds = match kinds {
        [] => json!(["*"]),
        kinds => json!(kinds),
    };
    let mut body = json!({ "url": url, "kinds": kinds, "description": description });
    add_secret(&mut body, secret_file)?;
    let value = send(remote, Method::POST, "/v1/webhooks", &body)?;
    let lines = vec![endpoint(&value["webhook"]), told(&value["secret"])];
    Ok((value, lines))
}

fn new_secret(remote: &Remote, endpoint: &str, secret_file: Option<&Path>) -> Result<Answer> {
    let mut body = json!({});
    add_secret(&mut body, secret_file)?;
    let path = format!("{}/secrets", at(endpoint));
    let value = send(remote, Method::POST, &path, &body)?;
    let lines = vec![text(&value["id"]), told(&value["secret"])];
    Ok((value, lines))
}

/// At once where no end is given.
fn end_secret(remote: &Remote, endpoint: &str, secret: &str, end: Option<&str>) -> Result<Answer> {
    let body = end.map_or(json!({}), |end| json!({ "expires_at": end }));
    let path = format!("{}/secrets/{}/expire", at(endpoint), segment(secret));
    let value = send(remote, Method::POST, &path, &body)?;
    let (id, end) = (text(&value["id"]), text(&value["expires_at"]));
    Ok((value, vec![format!("{id} ends {end}")]))
}

/// One delivery, or all that are dead.
fn again(remote: &Remote, endpoint: &str, delivery: Option<u64>) -> Result<Answer> {
    let Some(delivery) = delivery else {
        let value = post(remote, &format!("{}/redeliver", at(endpoint)))?;
        let lines = vec![format!("{} deliveries wait again", value["deliveries"])];
        return Ok((value, lines));
    };
    let path = format!("{}/deliveries/{delivery}/redeliver", at(endpoint));
    let value = post(remote, &path)?;
    let lines = vec![row(&value)];
    Ok((value, lines))
}

fn send(remote: &Remote, method: Method, path: &str, body: &Value) -> Result<Value> {
    remote.send(method, path, JSON, body.to_string().as_bytes())
}

fn post(remote: &Remote, path: &str) -> Result<Value> {
    remote.send(Method::POST, path, JSON, b"")
}

fn one(remote: &Remote, path: &str) -> Result<Answer> {
    let value = remote.get(path)?;
    let mut lines = vec![row(&value), value["body"].to_string()];
    for tried in value["log"].as_array().into_iter().flatten() {
        lines.push(format!(
            "  {}  {}  {} ms  {} {}  {}",
            tried["number"],
            text(&tried["at"]),
            tried["latency_ms"],
            text(&tried["status"]),
            text(&tried["error"]),
            text(&tried["detail"]),
        ));
    }
    Ok((value, lines))
}

/// Page after page, as many as are wanted.
fn listed(remote: &Remote, endpoint: &str, state: Option<StateName>, limit: u64) -> Result<Answer> {
    let state = match state {
        None => "",
        Some(StateName::Pending) => "&state=pending",
        Some(StateName::Delivered) => "&state=delivered",
        Some(StateName::Dead) => "&state=dead",
    };
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let rest = limit - all.len() as u64;
        let page = rest.min(PAGE_MAX);
        let path = format!("{endpoint}/deliveries?limit={page}{state}{cursor}");
        let mut value = remote.get(&path)?;
        if let Value::Array(rows) = value["deliveries"].take() {
            all.extend(rows);
        }
        match value["next"].as_str() {
            Some(next) if (all.len() as u64) < limit => cursor = format!("&cursor={next}"),
            _ => break,
        }
    }
    let lines = all.iter().map(row).collect();
    Ok((json!({ "deliveries": all }), lines))
}

/// An endpoint as it is to be: what a PUT takes, from what a GET gave.
fn changed(held: &Value, what: &Webhooks) -> Value {
    let mut body = Map::new();
    for field in ["url", "kinds", "description", "enabled"] {
        body.insert(field.to_owned(), held[field].clone());
    }
    if let Webhooks::Set {
        url,
        kind,
        description,
        enabled,
        ..
    } = what
    {
        let kinds = (!kind.is_empty()).then(|| json!(kind));
        for (field, given) in [
            ("url", url.as_ref().map(|it| json!(it))),
            ("kinds", kinds),
            ("description", description.as_ref().map(|it| json!(it))),
            ("enabled", enabled.map(|it| json!(it))),
        ] {
            if let Some(given) = given {
                body.insert(field.to_owned(), given);
            }
        }
    }
    Value::Object(body)
}

/// A secret is read from a file: an argument is seen by every user of the machine.
fn add_secret(body: &mut Value, file: Option<&Path>) -> Result<()> {
    if let Some(path) = file {
        let text = fs::read_to_string(path);
        let text = text.with_context(|| format!("cannot read {}", path.display()))?;
        body["secret"] = json!(text.trim());
    }
    Ok(())
}

fn check(cli: &Cli, args: &VerifyArgs) -> Result<()> {
    let path = &args.secret_file;
    let text = fs::read_to_string(path);
    let text = text.with_context(|| format!("cannot read {}", path.display()))?;
    let secrets = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let secrets: Vec<Secret> = secrets.map(Secret::parse).collect::<Result<_, _>>()?;
    let body = if args.body == Path::new("-") {
        let mut body = Vec::new();
        std::io::stdin().lock().read_to_end(&mut body)?;
        body
    } else {
        fs::read(&args.body).with_context(|| format!("cannot read {}", args.body.display()))?
    };
    let headers = (&*args.id, &*args.timestamp, &*args.signature);
    let now = node::clock::now()?.millis().div_euclid(1000);
    verify(&secrets, headers, &body, now, args.tolerance)?;
    if cli.json {
        return Ok(show::json(&json!({ "valid": true }))?);
    }
    Ok(writeln!(show::out(), "the signature is valid")?)
}

fn endpoint(value: &Value) -> String {
    let kinds = value["kinds"].as_array().into_iter().flatten();
    let kinds: Vec<String> = kinds.map(text).collect();
    let state = match (value["enabled"].as_bool(), value["breaker"].as_str()) {
        (Some(false), _) => "disabled",
        (_, Some("closed")) => "enabled",
        (_, Some(breaker)) => breaker,
        _ => "",
    };
    format!(
        "{}  {state}  {} pending  {} dead  {}  {}",
        text(&value["id"]),
        value["pending"],
        value["dead"],
        kinds.join(","),
        text(&value["url"]),
    )
}

fn row(value: &Value) -> String {
    format!(
        "{}  {}  {} attempts  {}  {}  {}",
        value["id"],
        text(&value["state"]),
        value["attempts"],
        text(&value["kind"]),
        text(&value["webhook_id"]),
        text(&value["error"]),
    )
}

fn told(secret: &Value) -> String {
    format!("secret, told this once: {}", text(secret))
}

/// A string without quotes; nothing for null.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// An id in a path: what is not of an id cannot lead to another route.
fn segment(id: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let written = id.bytes().map(|byte| match byte {
        byte if plain(byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    });
    written.collect()
}
