//! One event in, one decision out; and decisions looked up.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use event::json::{Line, parse_line};
use event::record::Config;
use event::{Event, EventId, EventTime, Invalid, Position};
use node::node::{Pending, TenantHandle};
use node::owner::Shape;
use node::request::{Answer, Failed, NotServing, Request};
use node::tenant::around::PAGE_MAX;
use serde_json::json;

use crate::app::{App, Call};
use crate::problem::Problem;
use crate::query::{Query, cursor};
use crate::recent::Bringing;
use crate::render::{Teller, Timings, json_body, micros};
use crate::spans::Verdict;

pub async fn decide(call: Call) -> Result<Response<Body>, Problem> {
    let query = Query::parse(call.uri.query(), &["explain", "timings"])?;
    let (explain, timings) = (query.flag("explain")?, query.flag("timings")?);
    let tenant = call.admitted.tenant()?;
    let shape = shape(tenant)?;
    let event = read_event(&call.app, &call.body, shape)?;
    let read = call.started.elapsed();
    let event_id = event.event_id.clone();
    let level = call.level_of(&shape.schema.event_types[event.event_type.index()].name);
    let request = Request::Decide {
        event: Box::new(event),
        explain,
    };
    let bringing = Bringing {
        trace: call.trace,
        level,
        is_batch: false,
    };
    let recent = &call.app.process.recent;
    recent.keep(&tenant.name, event_id.as_str(), bringing);
    let pending = call.hand_over(tenant, request, call.body.len(), level)?;
    let Answer::Decided(decided, links) = answer(pending).await? else {
        return Err(Problem::internal(
            "the owner gave the answer to another request",
        ));
    };
    let teller = teller(&call.app, shape);
    let mut body = teller.decision(
        event_id.as_str(),
        decided.position,
        &decided.decision,
        &links,
    );
    body.duplicate = decided.duplicate;
    body.trace_id = Some(call.trace.id());
    body.timings = timings.then(|| Timings {
        read_us: micros(read),
        decided_us: micros(call.started.elapsed()) - micros(read),
    });
    let mut response = json_body(StatusCode::OK, &body);
    let verdict = Verdict::of(&decided.decision, level);
    response.extensions_mut().insert(verdict);
    Ok(response)
}

pub async fn one(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let tenant = call.admitted.tenant()?;
    let shape = shape(tenant)?;
    let event_id = EventId::parse("event_id", call.param("event_id"))?;
    let answered = ask(&call, tenant, Request::Decision(event_id)).await?;
    match answered {
        Answer::Decision(found, links) => {
            let value = teller(&call.app, shape).found(&found, &links);
            Ok(json_body(StatusCode::OK, &value))
        }
        _ => Err(Problem::not_found("event_id")),
    }
}

pub async fn list(call: Call) -> Result<Response<Body>, Problem> {
    let query = Query::parse(call.uri.query(), &["account", "from", "limit", "cursor"])?;
    let tenant = call.admitted.tenant()?;
    let shape = shape(tenant)?;
    let account = query.get("account").filter(|account| !account.is_empty());
    let account = account.ok_or_else(|| {
        Problem::bad("parameter_missing", "query parameter account is missing")
            .with_detail(json!({ "field": "account" }))
    })?;
    let from = match query.get("from") {
        None => EventTime::MIN,
        Some(text) => EventTime::parse_iso(text)
            .map_err(|error| Problem::parameter("from", format!("from: {error}")))?,
    };
    let before = match query.get("cursor") {
        None => None,
        Some(text) => Some(Position(cursor('p', text)?)),
    };
    let limit = query.number("limit", 20, PAGE_MAX as u64)? as usize;
    let account = account.to_owned();
    let request = Request::Decisions {
        account,
        from,
        before,
        limit,
    };
    let Answer::Decisions(page) = ask(&call, tenant, request).await? else {
        return Err(Problem::internal(
            "the owner gave the answer to another request",
        ));
    };
    let teller = teller(&call.app, shape);
    let items: Vec<_> = page.decisions.iter().map(|it| teller.listed(it)).collect();
    let next = page.next.map(|position| format!("p{}", position.0));
    let body = json!({ "decisions": items, "has_more": next.is_some(), "next": next });
    Ok(json_body(StatusCode::OK, &body))
}

/// The event of a body, received now.
pub fn read_event(app: &App, body: &[u8], shape: &Shape) -> Result<Event, Problem> {
    let text = std::str::from_utf8(body)
        .map_err(|error| Problem::bad("not_json", format!("the body is no UTF-8: {error}")))?;
    event_of(app, text, shape)
}

pub fn event_of(app: &App, text: &str, shape: &Shape) -> Result<Event, Problem> {
    match line_of(app, text, shape)?.0 {
        Line::Event(event) => Ok(*event),
        Line::Label(_) | Line::Outcome(_) => Err(Problem::bad(
            "not_an_event",
            "this takes events; labels go to /v1/labels, outcomes to /v1/outcomes",
        )),
    }
}

/// A line, and when it was received. One that comes from ahead of this node's time may be right: then the
/// node's clock believes it.
pub fn line_of(app: &App, text: &str, shape: &Shape) -> Result<(Line, EventTime), Problem> {
    let clock = app.node.clock();
    let received_at = clock.now().map_err(Problem::internal)?;
    match parse_line(text, &shape.schema, Some(received_at)) {
        Ok(line) => Ok((line, received_at)),
        Err(Invalid::Future { value, .. }) if let Some(later) = clock.vouched_for(value) => {
            Ok((parse_line(text, &shape.schema, Some(later))?, later))
        }
        Err(invalid) => Err(invalid.into()),
    }
}

pub fn shape(tenant: &TenantHandle) -> Result<&Shape, Problem> {
    tenant.shape().ok_or_else(|| {
        let status = tenant.status().unwrap_or(NotServing::Starting);
        Failed::NotServing(status).into()
    })
}

/// Who asks, as the log keeps it.
pub fn author(call: &Call) -> String {
    let claims = call.admitted.claims.as_ref();
    let author = claims.map_or("", |claims| claims.sub.as_str());
    // A subject claim may be longer than a log record takes.
    let end = author.floor_char_boundary(Config::AUTHOR_BYTES_MAX);
    author[..end].to_owned()
}

pub fn teller<'a>(app: &App, shape: &'a Shape) -> Teller<'a> {
    let starter = app.settings.starter;
    Teller { shape, starter }
}

/// Asks at the request's own level.
pub async fn ask(call: &Call, tenant: &TenantHandle, request: Request) -> Result<Answer, Problem> {
    /// What a question weighs in the queue: its few strings.
    const QUESTION_BYTES: usize = 256;
    // A question that goes before a large body does not carry it.
    let carries =
        request.writes() || matches!(request, Request::Check { .. } | Request::CheckRules { .. });
    let bytes = QUESTION_BYTES + if carries { call.body.len() } else { 0 };
    let level = call.admitted.level();
    answer(call.hand_over(tenant, request, bytes, level)?).await
}

pub async fn answer(pending: Pending) -> Result<Answer, Problem> {
    match pending.await {
        Ok(answered) => Ok(answered?),
        // The owner ended with the letter in its box: it drained past its bound.
        Err(_) => Err(Failed::NotServing(NotServing::Draining).into()),
    }
}
