//! What became of an event: labels and outcomes, one or many. A correction is a further label.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use event::EventId;
use event::json::{LabelLine, Line};
use node::Accepted;
use node::node::Pending;
use node::owner::Shape;
use node::request::{Answer, Request};
use serde_json::{Value, json};

use super::NDJSON;
use super::batch::{Lines, id_in, lines};
use super::casework;
use super::decisions::{answer, ask, line_of, shape};
use crate::app::Call;
use crate::problem::Problem;
use crate::query::{Query, cursor};
use crate::render::json_body;

const UNKNOWN_EVENT: &str = "unknown_event";
const WAITING_PAGE_MAX: u64 = 1_000;

/// A report on its way to the owner.
struct Handed {
    event_id: EventId,
    /// Of a label: what is kept when its event is not there.
    label: Option<LabelLine>,
    pending: Pending,
}

#[derive(Clone, Copy)]
pub enum Kind {
    Label,
    Outcome,
    Event,
}

pub async fn labels(call: Call) -> Result<Response<Body>, Problem> {
    take(call, Kind::Label).await
}

pub async fn outcomes(call: Call) -> Result<Response<Body>, Problem> {
    take(call, Kind::Outcome).await
}

/// One document or many lines, as Content-Type says.
pub async fn take(call: Call, kind: Kind) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let shape = shape(call.admitted.tenant()?)?;
    if !is_batch(&call) {
        let text = std::str::from_utf8(&call.body)
            .map_err(|error| Problem::bad("not_json", format!("the body is no UTF-8: {error}")))?;
        let handed = hand_over(&call, shape, kind, text)?;
        let value = settle(&call, handed).await?;
        return Ok(json_body(StatusCode::OK, &value));
    }
    let mut asked = Vec::new();
    for line in lines(call.app.settings.limits.batch_lines_max, &call.body)? {
        asked.push(match hand_over(&call, shape, kind, line) {
            Ok(handed) => (Some(handed.event_id.clone()), Ok(handed)),
            Err(problem) => (id_in(line), Err(problem)),
        });
    }
    let mut out = Lines::default();
    for (event_id, handed) in asked {
        let value = match handed {
            Ok(handed) => settle(&call, handed).await,
            Err(problem) => Err(problem),
        };
        match value {
            Ok(value) => out.push(&value),
            Err(problem) => out.refuse(event_id.as_ref(), &problem),
        }
    }
    Ok(out.response())
}

fn is_batch(call: &Call) -> bool {
    let given = call.headers.get(axum::http::header::CONTENT_TYPE);
    let given = given.and_then(|value| value.to_str().ok()).unwrap_or("");
    let media = given.split(';').next().unwrap_or("").trim();
    media.eq_ignore_ascii_case(NDJSON)
}

fn hand_over(call: &Call, shape: &Shape, kind: Kind, text: &str) -> Result<Handed, Problem> {
    let max = call.app.settings.limits.body_bytes_max;
    if text.len() > max {
        let message = format!("a line must be at most {max} bytes");
        return Err(Problem::bad("line_too_long", message));
    }
    let (line, received_at) = line_of(&call.app, text, shape)?;
    let mut label = None;
    let (event_id, request) = match (line, kind) {
        (Line::Label(line), Kind::Label) => {
            label = Some(line.clone());
            (line.event_id.clone(), Request::Label(line, received_at))
        }
        (Line::Outcome(line), Kind::Outcome) => {
            (line.event_id.clone(), Request::Outcome(line, received_at))
        }
        (Line::Event(event), Kind::Event) => (event.event_id.clone(), Request::Ingest(event)),
        (_, kind) => return Err(kind.wrong()),
    };
    let (tenant, level) = (call.admitted.tenant()?, call.admitted.level());
    let pending = tenant.ask(request, text.len(), level, call.admitted.deadline)?;
    Ok(Handed {
        event_id,
        label,
        pending,
    })
}

/// Waits for the owner. A label of an event that is not in the log is kept until the event comes.
async fn settle(call: &Call, handed: Handed) -> Result<Value, Problem> {
    let Handed {
        event_id,
        label,
        pending,
    } = handed;
    match (answer(pending).await, label) {
        (Ok(answer), _) => told(&event_id, answer),
        (Err(problem), Some(label)) if problem.code == UNKNOWN_EVENT => keep(call, label).await,
        (Err(problem), _) => Err(problem),
    }
}

async fn keep(call: &Call, label: LabelLine) -> Result<Value, Problem> {
    let now = call.app.node.clock().now().map_err(Problem::internal)?;
    let event_id = label.event_id.clone();
    casework::ask(call, move |casework, _| casework.keep_label(&label, now)).await?;
    // The event may have come while its label was kept, and what follows the log have passed it.
    let tenant = call.admitted.tenant()?;
    let found = ask(call, tenant, Request::Decision(event_id.clone())).await?;
    if matches!(found, Answer::Decision(..)) {
        let here = event_id.clone();
        casework::ask(call, move |casework, _| casework.event_is_here(&here)).await?;
    }
    Ok(json!({ "event_id": event_id.as_str(), "status": "pending", "position": null }))
}

/// Labels that wait for their event, or did.
pub async fn waiting(call: Call) -> Result<Response<Body>, Problem> {
    let query = Query::parse(call.uri.query(), &["status", "limit", "cursor"])?;
    let limit = query.number("limit", 100, WAITING_PAGE_MAX)? as usize;
    let status = query.get("status").map(str::to_owned);
    let known = ["waiting", "due", "accepted", "refused", "expired"];
    if status.as_deref().is_some_and(|it| !known.contains(&it)) {
        let message = format!("status must be one of {}", known.join(", "));
        return Err(Problem::parameter("status", message));
    }
    let before = match query.get("cursor") {
        None => None,
        Some(text) => Some(cursor('w', text)?),
    };
    let mut labels = casework::ask(&call, move |casework, _| {
        casework.waiting_labels(status.as_deref(), before, limit + 1)
    })
    .await?;
    let has_more = labels.len() > limit;
    labels.truncate(limit);
    let next = labels.last().filter(|_| has_more);
    let next = next.map(|label| format!("w{}", label.id));
    let body = json!({ "labels": labels, "has_more": has_more, "next": next });
    Ok(json_body(StatusCode::OK, &body))
}

/// How long labels take, by source.
pub async fn delays(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let sources = casework::ask(&call, |casework, _| casework.label_delays()).await?;
    Ok(json_body(StatusCode::OK, &json!({ "sources": sources })))
}

fn told(event_id: &EventId, answer: Answer) -> Result<Value, Problem> {
    let Answer::Accepted(accepted) = answer else {
        return Err(Problem::internal(
            "the owner gave the answer to another request",
        ));
    };
    Ok(match accepted {
        Accepted::New(position) => {
            json!({ "event_id": event_id.as_str(), "status": "recorded", "position": position.0 })
        }
        // Where the first one stands is not kept for labels and outcomes.
        Accepted::Duplicate(_) => {
            json!({ "event_id": event_id.as_str(), "status": "duplicate", "position": null })
        }
    })
}

impl Kind {
    fn wrong(self) -> Problem {
        match self {
            Kind::Label => Problem::bad("not_a_label", "this takes labels: objects with label"),
            Kind::Outcome => Problem::bad(
                "not_an_outcome",
                "this takes outcomes: objects with outcome",
            ),
            Kind::Event => Problem::bad(
                "not_an_event",
                "this takes events; labels go to /v1/labels, outcomes to /v1/outcomes",
            ),
        }
    }
}
