//! The queue and what analysts do with a case. A change names the version it has seen (`If-Match`).

mod change;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use casework::Case;
use casework::queue::{Claimable, QueueFilter, Shelf};
use serde::Deserialize;
use serde_json::json;

use super::alerts::{PAGE_MAX, maybe_number, word};
use super::casework::{actor, ask, body, id, now, seat, tagged};
use crate::app::Call;
use crate::problem::Problem;
use crate::query::{Query, wrong_cursor};
use crate::render::json_body;

pub use change::{
    assign, attach, bulk, check, claim, close, dispose, note, release, reopen, snooze,
};

const PAGE: u64 = 50;

pub async fn queue(call: Call) -> Result<Response<Body>, Problem> {
    let known = [
        "shelf",
        "skill",
        "tag",
        "person",
        "priority_min",
        "breached",
        "limit",
        "cursor",
    ];
    let query = Query::parse(call.uri.query(), &known)?;
    let limit = query.number("limit", PAGE, PAGE_MAX)? as usize;
    let text = |name: &str| query.get(name).map(str::to_owned);
    let filter = QueueFilter {
        shelf: word(&query, "shelf", &Shelf::ALL, Shelf::name)?.unwrap_or_default(),
        skill: text("skill"),
        tag: text("tag"),
        person: text("person"),
        priority_min: maybe_number(&query, "priority_min")?,
        breached: query
            .get("breached")
            .map(|_| query.flag("breached"))
            .transpose()?,
        after: query.get("cursor").map(cursor).transpose()?,
    };
    let now = now(&call)?;
    let mut cases = ask(&call, move |casework, _| {
        casework.queue(&filter, now, limit + 1)
    })
    .await?;
    let has_more = cases.len() > limit;
    cases.truncate(limit);
    let next = cases.last().filter(|_| has_more);
    let next = next.map(|case| format!("c{}.{}", case.priority, case.id));
    let body = json!({
        "cases": cases,
        "has_more": has_more,
        "next": next,
        "behind": seat(&call)?.counters.behind.get(),
    });
    Ok(json_body(StatusCode::OK, &body))
}

fn cursor(text: &str) -> Result<(i64, i64), Problem> {
    let parts = text.strip_prefix('c').and_then(|text| text.split_once('.'));
    let parts = parts.and_then(|(priority, id)| Some((priority.parse().ok()?, id.parse().ok()?)));
    parts
        .filter(|(priority, id)| *priority >= 0 && *id >= 0)
        .ok_or_else(wrong_cursor)
}

pub async fn one(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let id = id(&call)?;
    let view = ask(&call, move |casework, _| casework.case_view(id)).await?;
    let view = view.ok_or_else(|| Problem::not_found("the case"))?;
    let version = view.case.version;
    Ok(tagged(json_body(StatusCode::OK, &view), version))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    skill: Option<String>,
    tag: Option<String>,
    priority_min: Option<i64>,
}

/// `case` is null when there is none to take.
pub async fn claim_next(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let Wanted {
        skill,
        tag,
        priority_min,
    } = body(&call)?;
    let which = Claimable {
        skill,
        tag,
        priority_min,
    };
    let (actor, now) = (actor(&call), now(&call)?);
    let claimed = ask(&call, move |casework, _| {
        casework.claim_next(&actor, &which, now)
    })
    .await?;
    let version = claimed.as_ref().map(|case| case.version);
    let response = json_body(StatusCode::OK, &json!({ "case": claimed }));
    Ok(match version {
        Some(version) => tagged(response, version),
        None => response,
    })
}

fn told(case: &Case) -> Response<Body> {
    tagged(json_body(StatusCode::OK, case), case.version)
}
