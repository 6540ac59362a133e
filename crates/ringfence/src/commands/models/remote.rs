//! `ringfence models activate --to URL`: hands a model file to a running server and has it put into service.

use std::fs;
use std::io::Write;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use node::Place;
use ureq::http::Method;

use crate::cli::Cli;
use crate::remote::Remote;
use crate::show;

const BYTES: &str = "application/octet-stream";
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub fn activate(cli: &Cli, place: &Place, hash: &str, to: &str, token: Option<&str>) -> Result<()> {
    let server = Remote::new(to, &cli.tenant, token)?;
    let path = place.models().join(format!("{hash}.model"));
    let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    server.send(Method::POST, "/v1/models", BYTES, &bytes)?;
    let path = format!("/v1/models/{hash}/activate");
    let mut told = server.send(Method::POST, &path, BYTES, &[])?;
    let bar = show::bar(0, "channel", "records", cli.quiet);
    while told["status"] == "rebuilding" {
        bar.set_length(told["records_total"].as_u64().unwrap_or(0));
        bar.set_position(told["records"].as_u64().unwrap_or(0));
        thread::sleep(LOOK_EVERY);
        told = server.get("/v1/models")?["activation"].take();
    }
    bar.finish_and_clear();
    if told["status"] != "serving" || told["model"] != hash {
        bail!("model {} does not serve: {}", &hash[..12], told["reason"]);
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
