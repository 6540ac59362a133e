//! The audit trail of a tenant: a page of its entries, and its head, to be kept where nobody here can write.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Response, StatusCode};
use desk::audit::{Written, lives};
use event::EventTime;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use trail::{Query as Wanted, View};

use super::casework::seat;
use crate::app::Call;
use crate::problem::Problem;
use crate::query::{Query, wrong_cursor};
use crate::render::json_body;

/// A round of the desk begins within 100 ms, and opening a trail reads its last segment.
const OPENED_WITHIN: Duration = Duration::from_secs(1);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
const PAGE: u64 = 50;
const PAGE_MAX: u64 = 500;
const SEQ_MAX: u64 = i64::MAX as u64;

const KNOWN: [&str; 8] = [
    "seq", "actor", "action", "target", "from", "until", "limit", "cursor",
];

/// Which entries a request asks for.
struct Asked {
    seq: u64,
    limit: usize,
    wanted: Wanted,
}

pub async fn list(call: Call) -> Result<Response<Body>, Problem> {
    let asked = Asked::read(&call)?;
    let (written, behind) = written(&call).await?;
    let place = seat(&call)?.enter()?;
    let read = spawn_blocking(move || {
        let _place = place;
        asked.page(&written.view)
    });
    let mut body = read.await.map_err(Problem::internal)??;
    body["behind"] = json!(behind);
    Ok(json_body(StatusCode::OK, &body))
}

/// The trail of the node: what became of its tenants.
pub async fn of_node(call: Call) -> Result<Response<Body>, Problem> {
    let asked = Asked::read(&call)?;
    let directory = lives::directory(call.app.node.data());
    let read = spawn_blocking(move || match directory.is_dir() {
        true => asked.page(&View::open(&directory)),
        false => Ok(json!({ "entries": [], "has_more": false, "next": null })),
    });
    let body = read.await.map_err(Problem::internal)??;
    Ok(json_body(StatusCode::OK, &body))
}

impl Asked {
    fn read(call: &Call) -> Result<Asked, Problem> {
        let query = Query::parse(call.uri.query(), &KNOWN)?;
        let limit = query.number("limit", PAGE, PAGE_MAX)? as usize;
        let seq = query.number("seq", 1, SEQ_MAX)?;
        let seq = query.get("cursor").map_or(Ok(seq), cursor)?;
        let text = |name| query.get(name).map(str::to_owned);
        let wanted = Wanted {
            actor: text("actor"),
            action: text("action"),
            target: text("target"),
            since: time(&query, "from")?,
            until: time(&query, "until")?,
        };
        Ok(Asked { seq, limit, wanted })
    }

    fn page(&self, view: &View) -> Result<Value, Problem> {
        let page = view.read(self.seq, &self.wanted, self.limit);
        let page = page.map_err(|error| Problem {
            cause: Some(error.to_string().into()),
            ..unavailable("the audit trail cannot be read")
        })?;
        let next = page.next.map(|seq| format!("s{seq}"));
        Ok(json!({ "entries": page.entries, "has_more": next.is_some(), "next": next }))
    }
}

pub async fn head(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let (written, behind) = written(&call).await?;
    // `SEQ:HASH`, as `ringfence audit verify --head` takes it.
    let text = written.head.map(|head| head.to_string());
    let body = json!({
        "seq": written.head.map_or(0, |head| head.seq),
        "hash": text.as_deref().and_then(|it| it.split_once(':')).map(|(_, hash)| hash),
        "head": text,
        "behind": behind,
    });
    Ok(json_body(StatusCode::OK, &body))
}

/// The trail, and how many committed records have not been read for it. A tenant that is opened, or anew with
/// another schema, has its trail after the desk's next round: that is waited for.
async fn written(call: &Call) -> Result<(Written, u64), Problem> {
    let seat = seat(call)?;
    let until = Instant::now() + OPENED_WITHIN;
    let written = loop {
        if let Some(written) = seat.audit() {
            break written;
        }
        if Instant::now() >= until {
            return Err(unavailable("the audit trail has not been opened yet"));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    };
    let behind = seat.tenant.committed().0.saturating_sub(written.next.0);
    Ok((written, behind))
}

fn unavailable(message: &str) -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "audit_unavailable",
        message,
    )
    .after(1)
}

fn cursor(text: &str) -> Result<u64, Problem> {
    let seq = text.strip_prefix('s').and_then(|text| text.parse().ok());
    seq.filter(|seq| (1..=SEQ_MAX).contains(seq))
        .ok_or_else(wrong_cursor)
}

fn time(query: &Query, name: &str) -> Result<Option<i64>, Problem> {
    let Some(text) = query.get(name) else {
        return Ok(None);
    };
    let time = EventTime::parse_iso(text);
    time.map(|time| Some(time.millis()))
        .map_err(|error| Problem::parameter(name, format!("{name}: {error}")))
}
