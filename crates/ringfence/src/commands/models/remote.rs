//! `ringfence models activate --to URL`: hands a model file to a running server and has it put into service.

use std::fs;
use std::io::Write;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use node::Place;
use serde_json::Value;
use ureq::{Agent, Body, http::Response};

use crate::cli::Cli;
use crate::show;

const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(200);

struct Server<'a> {
    agent: Agent,
    to: &'a str,
    tenant: &'a str,
    token: &'a str,
}

pub fn activate(cli: &Cli, place: &Place, hash: &str, to: &str, token: Option<&str>) -> Result<()> {
    let config = Agent::config_builder().http_status_as_error(false);
    let server = Server {
        agent: config.timeout_global(Some(PATIENCE)).build().into(),
        to: to.trim_end_matches('/'),
        tenant: &cli.tenant,
        token: token.context("--to needs --token or RINGFENCE_TOKEN: see `ringfence token`")?,
    };
    let path = place.models().join(format!("{hash}.model"));
    let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    server.post("/v1/models", &bytes)?;
    let mut told = server.post(&format!("/v1/models/{hash}/activate"), &[])?;
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

impl Server<'_> {
    fn post(&self, path: &str, body: &[u8]) -> Result<Value> {
        let request = self
            .agent
            .post(format!("{}{path}", self.to))
            .header("Authorization", format!("Bearer {}", self.token))
            .header("X-Tenant-Id", self.tenant)
            .header("Content-Type", "application/octet-stream");
        self.told(request.send(body))
    }

    fn get(&self, path: &str) -> Result<Value> {
        let request = self
            .agent
            .get(format!("{}{path}", self.to))
            .header("Authorization", format!("Bearer {}", self.token))
            .header("X-Tenant-Id", self.tenant);
        self.told(request.call())
    }

    fn told(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<Value> {
        let mut answer = answer.with_context(|| format!("cannot reach {}", self.to))?;
        let body: Value = serde_json::from_str(&answer.body_mut().read_to_string()?)?;
        if !answer.status().is_success() {
            bail!("{}: {}", body["code"], body["message"]);
        }
        Ok(body)
    }
}
