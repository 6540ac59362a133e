//! What became of an event: labels and outcomes, one or many. A correction is a further label.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use event::EventId;
use event::json::Line;
use node::Accepted;
use node::node::Pending;
use node::owner::Shape;
use node::request::{Answer, Request};
use serde_json::{Value, json};

use super::NDJSON;
use super::batch::{Lines, id_in, lines};
use super::decisions::{answer, line_of, shape};
use crate::app::Call;
use crate::problem::Problem;
use crate::query::Query;
use crate::render::json_body;

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
        let (event_id, pending) = hand_over(&call, shape, kind, text)?;
        let value = told(&event_id, answer(pending).await?)?;
        return Ok(json_body(StatusCode::OK, &value));
    }
    let mut asked = Vec::new();
    for line in lines(call.app.settings.limits.batch_lines_max, &call.body)? {
        asked.push(match hand_over(&call, shape, kind, line) {
            Ok((event_id, pending)) => (Some(event_id), Ok(pending)),
            Err(problem) => (id_in(line), Err(problem)),
        });
    }
    let mut out = Lines::default();
    for (event_id, pending) in asked {
        let value = match (pending, &event_id) {
            (Ok(pending), Some(event_id)) => {
                let answered = answer(pending).await;
                answered.and_then(|answer| told(event_id, answer))
            }
            (Ok(_), None) => Err(Problem::internal(
                "the owner gave the answer to another request",
            )),
            (Err(problem), _) => Err(problem),
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

fn hand_over(
    call: &Call,
    shape: &Shape,
    kind: Kind,
    text: &str,
) -> Result<(EventId, Pending), Problem> {
    let max = call.app.settings.limits.body_bytes_max;
    if text.len() > max {
        let message = format!("a line must be at most {max} bytes");
        return Err(Problem::bad("line_too_long", message));
    }
    let (line, received_at) = line_of(&call.app, text, shape)?;
    let (event_id, request) = match (line, kind) {
        (Line::Label(line), Kind::Label) => {
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
    Ok((event_id, pending))
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
