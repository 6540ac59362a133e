//! Models of a running server: found by their first digits, handed in, waited for.

use std::fs;
use std::io::Write;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use node::Place;
use serde_json::Value;

use crate::cli::Cli;
use crate::remote::Remote;
use crate::show;

pub const BYTES: &str = "application/octet-stream";
pub const JSON: &str = "application/json";
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The server's model whose version begins so.
pub fn resolve(server: &Remote, wanted: &str) -> Result<String> {
    let told = server.get("/v1/models")?;
    let hashes = told["models"]
        .as_array()
        .context("an answer without models")?;
    let mut fitting = hashes
        .iter()
        .filter_map(|it| it["model"].as_str())
        .filter(|hash| hash.starts_with(wanted));
    match (fitting.next(), fitting.next()) {
        (Some(one), None) => Ok(one.to_owned()),
        _ => bail!(
            "the model given must begin the version of one model (see `ringfence models ls`), got {wanted:?}"
        ),
    }
}

pub fn send_file(place: &Place, server: &Remote, hash: &str) -> Result<()> {
    let path = place.models().join(format!("{hash}.model"));
    let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    server.send_in_turn("/v1/models", BYTES, &bytes)?;
    Ok(())
}

/// Waits while its channel is made, and tells that it serves.
pub fn await_service(cli: &Cli, server: &Remote, hash: &str, mut told: Value) -> Result<()> {
    let bar = show::bar(0, "channel", "records", cli.quiet);
    while told["status"] == "rebuilding" {
        bar.set_length(told["records_total"].as_u64().unwrap_or(0));
        bar.set_position(told["records"].as_u64().unwrap_or(0));
        thread::sleep(LOOK_EVERY);
        told = server.get("/v1/models")?["activation"].take();
    }
    bar.finish_and_clear();
    if told["status"] != "serving" || told["model"] != hash {
        let why = told["reason"]
            .as_str()
            .unwrap_or("another model was put there");
        bail!("model {} does not serve: {why}", &hash[..12]);
    }
    if cli.json {
        return Ok(show::json(&told)?);
    }
    writeln!(
        show::out(),
        "model {} in service from position {}",
        &hash[..12],
        told["position"]
    )?;
    Ok(())
}
