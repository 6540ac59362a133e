//! Many lines in one request: all of them are handed over before the first answer is waited for, and each
//! line gets its own answer, in order.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use event::EventId;
use event::record::DecisionKind;
use node::node::Pending;
use node::owner::Shape;
use node::request::{Answer, Request};
use serde::Serialize;
use serde_json::{Value, json};

use super::NDJSON;
use super::decisions::{answer, event_of, shape, teller};
use crate::app::Call;
use crate::problem::Problem;
use crate::query::Query;
use crate::recent::Bringing;
use crate::render::body;
use crate::spans::Batch;

pub async fn decide(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let tenant = call.admitted.tenant()?.clone();
    let shape = shape(&tenant)?;
    let lines = lines(call.app.settings.limits.batch_lines_max, &call.body)?;
    let mut asked: Vec<(Option<EventId>, Result<Pending, Problem>)> =
        Vec::with_capacity(lines.len());
    for line in lines {
        asked.push(match one(&call, shape, line) {
            Ok((event_id, request, level)) => {
                let bringing = Bringing {
                    trace: call.trace,
                    level,
                    is_batch: true,
                };
                let recent = &call.app.process.recent;
                recent.keep(&tenant.name, event_id.as_str(), bringing);
                let pending = tenant.ask(request, line.len(), level, call.admitted.deadline);
                (Some(event_id), pending.map_err(Problem::from))
            }
            Err(problem) => (id_in(line), Err(problem)),
        });
    }
    let teller = teller(&call.app, shape);
    let mut out = Lines::default();
    let mut told = Batch {
        lines: asked.len() as u64,
        declined: 0,
    };
    for (event_id, pending) in asked {
        let answered = match pending {
            Ok(pending) => answer(pending).await,
            Err(problem) => Err(problem),
        };
        match (answered, &event_id) {
            (Ok(Answer::Decided(decided, links)), Some(event_id)) => {
                let declined = decided.decision.verdict == DecisionKind::Decline;
                told.declined += u64::from(declined);
                let id = event_id.as_str();
                let mut body = teller.decision(id, decided.position, &decided.decision, &links);
                body.duplicate = decided.duplicate;
                out.push(&body);
            }
            (Ok(_), _) => out.refuse(
                event_id.as_ref(),
                &Problem::internal("the owner gave the answer to another request"),
            ),
            (Err(problem), _) => out.refuse(event_id.as_ref(), &problem),
        }
    }
    let mut response = out.response();
    response.extensions_mut().insert(told);
    Ok(response)
}

fn one(
    call: &Call,
    shape: &Shape,
    line: &str,
) -> Result<(EventId, Request, node::mailbox::Level), Problem> {
    let max = call.app.settings.limits.body_bytes_max;
    if line.len() > max {
        let message = format!("a line must be at most {max} bytes");
        return Err(Problem::bad("line_too_long", message));
    }
    let event = event_of(&call.app, line, shape)?;
    // What is sent in bulk is not in the payment path, whatever its event type says.
    let level = call.admitted.level();
    let event_id = event.event_id.clone();
    let request = Request::Decide {
        event: Box::new(event),
        explain: false,
    };
    Ok((event_id, request, level))
}

/// The lines of a body that hold anything, as many as are allowed.
pub fn lines(max: usize, body: &[u8]) -> Result<Vec<&str>, Problem> {
    let text = std::str::from_utf8(body)
        .map_err(|error| Problem::bad("not_json", format!("the body is no UTF-8: {error}")))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<&str> = lines.take(max + 1).collect();
    if lines.is_empty() || lines.len() > max {
        return Err(Problem::bad(
            "batch_lines",
            format!("a batch must hold 1 to {max} lines"),
        ));
    }
    Ok(lines)
}

/// The id a refused line names, so that its sender can tell which one it was.
pub fn id_in(line: &str) -> Option<EventId> {
    let value: Value = serde_json::from_str(line).ok()?;
    EventId::parse("event_id", value.get("event_id")?.as_str()?).ok()
}

/// Answers, one JSON document a line.
#[derive(Default)]
pub struct Lines(Vec<u8>);

impl Lines {
    pub fn push(&mut self, value: &impl Serialize) {
        // Of our own types, into memory: see `render::json_body`.
        self.0.extend(serde_json::to_vec(value).unwrap_or_default());
        self.0.push(b'\n');
    }

    pub fn refuse(&mut self, event_id: Option<&EventId>, problem: &Problem) {
        let event_id = event_id.map(EventId::as_str);
        self.push(&json!({ "event_id": event_id, "error": problem.value() }));
    }

    pub fn response(self) -> Response<Body> {
        body(StatusCode::OK, self.0, NDJSON)
    }
}
