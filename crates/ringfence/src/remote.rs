//! A running server, as commands with `--to URL` speak to it.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;
use ureq::http::{Method, Request, Response, StatusCode};
use ureq::{Agent, Body};

const PATIENCE: Duration = Duration::from_secs(60);
/// Of a body that a server would rather refuse before it comes.
const LARGE: usize = 64 << 10;
/// Between two attempts at a server that reads another large body.
const BUSY_PAUSE: Duration = Duration::from_millis(250);
/// An export of two million items.
const ANSWER_BYTES_MAX: u64 = 1 << 30;

pub struct Remote {
    agent: Agent,
    to: String,
    tenant: String,
    token: String,
    /// Why something is changed; for every request.
    why: Option<String>,
}

impl Remote {
    pub fn new(to: &str, tenant: &str, token: Option<&str>) -> Result<Remote> {
        let token =
            token.context("--to needs --token or RINGFENCE_TOKEN: see `ringfence token`")?;
        Ok(Remote {
            agent: agent(PATIENCE),
            to: to.trim_end_matches('/').to_owned(),
            tenant: tenant.to_owned(),
            token: token.to_owned(),
            why: None,
        })
    }

    pub fn because(mut self, why: Option<&str>) -> Remote {
        self.why = why.map(str::to_owned);
        self
    }

    /// For what follows; a server may take longer for it than for most.
    pub fn patient(&mut self, patience: Duration) {
        self.agent = agent(patience);
    }

    pub fn get(&self, path: &str) -> Result<Value> {
        self.json(Method::GET, path, None, &[])
    }

    pub fn delete(&self, path: &str) -> Result<Value> {
        self.json(Method::DELETE, path, None, &[])
    }

    /// Sends a body of this media type, and reads the answer as JSON.
    pub fn send(&self, method: Method, path: &str, media: &str, body: &[u8]) -> Result<Value> {
        self.json(method, path, Some((media, body)), &[])
    }

    /// The same for a file, of which a server reads one at a time: waits for its turn. Says too whether
    /// the server holds by it what it did not hold before.
    pub fn send_in_turn(&self, path: &str, media: &str, body: &[u8]) -> Result<(bool, Value)> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.told(Method::POST, path, Some((media, body)), &[]) {
                Err(error) if is_busy(&error) && Instant::now() < until => {
                    thread::sleep(BUSY_PAUSE)
                }
                done => {
                    let (status, value) = done?;
                    return Ok((status == StatusCode::CREATED, value));
                }
            }
        }
    }

    /// The same, only if what it changes still has this ETag's version.
    pub fn send_if(&self, path: &str, media: &str, body: &[u8], version: u64) -> Result<Value> {
        self.send_at(Method::PUT, path, media, body, version)
    }

    /// By any method, at the version that was seen.
    pub fn send_at(
        &self,
        method: Method,
        path: &str,
        media: &str,
        body: &[u8],
        version: u64,
    ) -> Result<Value> {
        let etag = format!("\"{version}\"");
        self.json(method, path, Some((media, body)), &[("If-Match", &etag)])
    }

    /// An answer that is no JSON.
    pub fn text(&self, path: &str) -> Result<String> {
        let mut answer = self.answer(Method::GET, path, None, &[])?;
        let text = read(&mut answer)?;
        if answer.status().is_success() {
            return Ok(text);
        }
        Err(refused(&serde_json::from_str(&text)?))
    }

    /// An answer of bytes.
    pub fn bytes(&self, path: &str) -> Result<Vec<u8>> {
        let mut answer = self.answer(Method::GET, path, None, &[])?;
        let is_good = answer.status().is_success();
        let body = answer.body_mut().with_config();
        let bytes = body.limit(ANSWER_BYTES_MAX).read_to_vec()?;
        match is_good {
            true => Ok(bytes),
            false => Err(refused(&serde_json::from_slice(&bytes)?)),
        }
    }

    fn json(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, &[u8])>,
        headers: &[(&str, &str)],
    ) -> Result<Value> {
        Ok(self.told(method, path, body, headers)?.1)
    }

    fn told(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, &[u8])>,
        headers: &[(&str, &str)],
    ) -> Result<(StatusCode, Value)> {
        let mut answer = self.answer(method, path, body, headers)?;
        let text = read(&mut answer)?;
        let value: Value = serde_json::from_str(&text)
            .with_context(|| format!("{} gave no JSON to {path}", self.to))?;
        if answer.status().is_success() {
            return Ok((answer.status(), value));
        }
        Err(refused(&value))
    }

    fn answer(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, &[u8])>,
        headers: &[(&str, &str)],
    ) -> Result<Response<Body>> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.to))
            .header("Authorization", format!("Bearer {}", self.token))
            .header("X-Tenant-Id", &self.tenant);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(why) = &self.why {
            request = request.header("X-Change-Reason", why);
        }
        let sent = match body {
            Some((media, bytes)) => {
                let mut request = request.header("Content-Type", media);
                if bytes.len() > LARGE {
                    // A refusal by the head alone closes the connection, and would be lost on whoever still writes.
                    request = request.header("Expect", "100-continue");
                }
                self.agent.run(request.body(bytes.to_vec())?)
            }
            None => self.agent.run(request.body(())?),
        };
        sent.with_context(|| format!("cannot reach {}", self.to))
    }
}

fn agent(patience: Duration) -> Agent {
    let config = Agent::config_builder().http_status_as_error(false);
    config.timeout_global(Some(patience)).build().into()
}

fn read(answer: &mut Response<Body>) -> Result<String> {
    let body = answer.body_mut().with_config();
    Ok(body.limit(ANSWER_BYTES_MAX).read_to_string()?)
}

/// What a server says no with.
#[derive(Debug)]
struct Refusal {
    code: String,
    message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Refusal {}

pub fn refused(body: &Value) -> anyhow::Error {
    let told = |field: &str| body[field].as_str().map(str::to_owned);
    anyhow::Error::new(Refusal {
        code: told("code").unwrap_or_else(|| "refused".to_owned()),
        message: told("message").unwrap_or_default(),
    })
}

fn is_busy(error: &anyhow::Error) -> bool {
    let refusal = error.downcast_ref::<Refusal>();
    refusal.is_some_and(|it| it.code == "upload_busy")
}
