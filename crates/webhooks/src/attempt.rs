//! One attempt at one delivery: name, address, connection, request, answer. Each step has a bound.
//!
//! The connection goes to an address that was checked, and to no other: what a name leads to is looked up once, and
//! every address of it must be allowed. A redirect is a failure and is not followed. The status line decides; what
//! comes after it is read for the log, up to a bound in bytes and in time.

mod connection;

use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Response};
use tokio::time::{self, timeout_at};

pub use connection::{Connection, Connector, LOOKUPS_MAX};

use crate::endpoint::Target;
use crate::secret;

/// What is sent.
#[derive(Clone, Debug)]
pub struct Letter {
    pub notice: String,
    pub timestamp: i64,
    pub signatures: String,
    pub body: Bytes,
    pub traceparent: Option<String>,
}

/// What came back, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub status: Option<u16>,
    /// `None`: delivered.
    pub failure: Option<Failure>,
    pub detail: String,
    /// As a Retry-After in seconds says.
    pub wait: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The endpoint's URL is not allowed any more: the configuration has changed.
    Url,
    NameUnknown,
    AddressRefused,
    ConnectFailed,
    ConnectTimeout,
    Tls,
    /// No status line within `webhooks.attempt`.
    Timeout,
    /// What came is no HTTP.
    BadAnswer,
    ClosedEarly,
    Redirect,
    Status,
}

impl Failure {
    pub fn code(self) -> &'static str {
        match self {
            Failure::Url => "url_refused",
            Failure::NameUnknown => "name_unknown",
            Failure::AddressRefused => "address_refused",
            Failure::ConnectFailed => "connect_failed",
            Failure::ConnectTimeout => "connect_timeout",
            Failure::Tls => "tls_failed",
            Failure::Timeout => "timeout",
            Failure::BadAnswer => "bad_answer",
            Failure::ClosedEarly => "closed_early",
            Failure::Redirect => "redirect",
            Failure::Status => "status",
        }
    }
}

impl Outcome {
    pub fn failed(failure: Failure, detail: impl ToString) -> Outcome {
        Outcome {
            status: None,
            failure: Some(failure),
            detail: shortened(&detail.to_string()),
            wait: None,
        }
    }
}

/// Of an answer's body: what is kept, and what is read so that the connection can be used again.
const DETAIL_BYTES: usize = 1024;
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// For the body of an answer, after its status line.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

const AGENT: &str = concat!("ringfence/", env!("CARGO_PKG_VERSION"));
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Sends a letter over a connection that is there, or over a new one. With the connection, when it can be used again.
pub async fn attempt(
    connector: &Connector,
    held: Option<Connection>,
    target: &Target,
    letter: &Letter,
    within: Duration,
) -> (Outcome, Option<Connection>) {
    let until = time::Instant::now() + within;
    if let Some(mut held) = held {
        match send(&mut held, target, letter, until).await {
            Ok(response) => return answered(held, response, until).await,
            Err(failed) if failed.failure == Some(Failure::Timeout) => return (failed, None),
            // The other side may close a connection at any time that is between two requests: once more, anew.
            Err(_) => {}
        }
    }
    let mut fresh = match connector.connect(target, until).await {
        Ok(fresh) => fresh,
        Err(failed) => return (failed, None),
    };
    match send(&mut fresh, target, letter, until).await {
        Ok(response) => answered(fresh, response, until).await,
        Err(failed) => (failed, None),
    }
}

async fn send(
    connection: &mut Connection,
    target: &Target,
    letter: &Letter,
    until: time::Instant,
) -> Result<Response<Incoming>, Outcome> {
    let request = request(target, letter)
        .map_err(|error| Outcome::failed(Failure::Url, format!("no header: {error}")))?;
    match timeout_at(until, connection.send(request)).await {
        Err(_) => Err(Outcome::failed(Failure::Timeout, "no answer in time")),
        Ok(Ok(response)) => Ok(response),
        Ok(Err(error)) if error.is_parse() => Err(Outcome::failed(Failure::BadAnswer, error)),
        Ok(Err(error)) => Err(Outcome::failed(Failure::ClosedEarly, error)),
    }
}

fn request(target: &Target, letter: &Letter) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(&target.path)
        .header(HOST, &target.authority)
        .header(USER_AGENT, AGENT)
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .header(secret::ID, &letter.notice)
        .header(secret::TIMESTAMP, letter.timestamp)
        .header(secret::SIGNATURE, &letter.signatures);
    if let Some(traceparent) = &letter.traceparent {
        request = request.header(TRACEPARENT, traceparent);
    }
    request.body(Full::new(letter.body.clone()))
}

async fn answered(
    connection: Connection,
    response: Response<Incoming>,
    until: time::Instant,
) -> (Outcome, Option<Connection>) {
    let status = response.status();
    let failure = if status.is_success() {
        None
    } else if status.is_redirection() {
        Some(Failure::Redirect)
    } else {
        Some(Failure::Status)
    };
    let wait = response.headers().get(RETRY_AFTER);
    let wait = wait
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse().ok())
        .map(Duration::from_secs);
    let until = until.min(time::Instant::now() + ANSWER_WITHIN);
    let (detail, whole) = body(response.into_body(), until).await;
    let outcome = Outcome {
        status: Some(status.as_u16()),
        failure,
        detail,
        wait,
    };
    (outcome, whole.then_some(connection))
}

/// The beginning of a body, and whether it came to its end.
async fn body(mut body: Incoming, until: time::Instant) -> (String, bool) {
    let (mut kept, mut seen, mut whole) = (Vec::new(), 0, false);
    while seen <= ANSWER_BYTES_MAX {
        match timeout_at(until, body.frame()).await {
            Ok(None) => {
                whole = true;
                break;
            }
            Ok(Some(Ok(frame))) => {
                let Some(data) = frame.data_ref() else {
                    continue;
                };
                seen += data.len();
                let room = DETAIL_BYTES.saturating_sub(kept.len());
                kept.extend_from_slice(&data[..room.min(data.len())]);
            }
            // Late, or broken off: the status line has been said.
            Ok(Some(Err(_))) | Err(_) => break,
        }
    }
    (shortened(&String::from_utf8_lossy(&kept)), whole)
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(DETAIL_BYTES) {
        Some((cut, _)) => text[..cut].to_owned(),
        None => text.to_owned(),
    }
}
