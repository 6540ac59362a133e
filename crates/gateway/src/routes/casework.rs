//! Casework of a tenant: asked on threads that may wait for the disk, refused in the form of the edge.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use casework::{Actor, Casework, CaseworkError, Refused, Settings};
use desk::{DeskError, Seat};
use event::{EventTime, Schema};
use node::request::{Failed, NotServing};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::task::spawn_blocking;

use super::decisions::author;
use super::documents::{changed_by, expected};
use crate::app::Call;
use crate::given;
use crate::problem::Problem;
use crate::query::Query;
use crate::render::json_body;
use crate::token::Role;

pub async fn settings(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let settings = ask(&call, |casework, _| casework.settings()).await?;
    Ok(told(&settings))
}

pub async fn set_settings(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let (version, given) = (version(&call)?, body::<Settings>(&call)?);
    let why = changed_by(&call)?.why;
    let (actor, now) = (actor(&call), now(&call)?);
    let set = ask(&call, move |casework, schema| {
        casework.set_settings(&actor, version, given, &why, schema, now)
    });
    Ok(told(&set.await?))
}

/// Whether settings would be taken; nothing is changed.
pub async fn validate(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let given = body::<Settings>(&call)?;
    ask(&call, move |_, schema| Ok(given.check(schema)?)).await?;
    Ok(json_body(StatusCode::OK, &json!({ "valid": true })))
}

fn told(settings: &Settings) -> Response<Body> {
    tagged(json_body(StatusCode::OK, settings), settings.version)
}

/// Hands a question or a change to the tenant's casework, on a thread of its own.
pub async fn ask<T: Send + 'static>(
    call: &Call,
    what: impl FnOnce(&mut Casework, &Schema) -> Result<T, CaseworkError> + Send + 'static,
) -> Result<T, Problem> {
    let seat = seat(call)?;
    let place = seat.enter()?;
    let asked = spawn_blocking(move || seat.ask(place, what));
    Ok(asked.await.map_err(Problem::internal)??)
}

pub fn seat(call: &Call) -> Result<Arc<Seat>, Problem> {
    let tenant = call.admitted.tenant()?;
    if tenant.status() == Some(NotServing::Suspended) {
        return Err(Failed::NotServing(NotServing::Suspended).into());
    }
    Ok(call.app.desk.seat(tenant)?)
}

/// The version that a change has seen: here it must name one (RFC 9110, 13.1.1; RFC 6585, 3).
pub fn version(call: &Call) -> Result<i64, Problem> {
    let version = expected(call)?.map(i64::from);
    version.ok_or_else(|| {
        Problem::new(
            StatusCode::PRECONDITION_REQUIRED,
            "precondition_required",
            "If-Match is missing: it takes the ETag of what is to be changed",
        )
    })
}

pub fn tagged(mut response: Response<Body>, version: i64) -> Response<Body> {
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

pub fn actor(call: &Call) -> Actor {
    let claims = call.admitted.claims.as_ref();
    Actor {
        name: author(call),
        is_admin: claims.is_some_and(|claims| claims.may(Role::Admin)),
    }
}

/// The node's time, which does not go back.
pub fn now(call: &Call) -> Result<EventTime, Problem> {
    call.app.node.clock().now().map_err(Problem::internal)
}

/// A body of known fields; an empty one is an empty object.
pub fn body<T: DeserializeOwned>(call: &Call) -> Result<T, Problem> {
    let bytes: &[u8] = if call.body.is_empty() {
        b"{}"
    } else {
        &call.body
    };
    given::read(bytes, "action or setting of this route")
}

/// A path's number.
pub fn id(call: &Call) -> Result<i64, Problem> {
    let id = call.param("id").parse().ok().filter(|id| *id >= 0);
    id.ok_or_else(|| Problem::parameter("id", "the id must be a whole number"))
}

impl From<DeskError> for Problem {
    fn from(error: DeskError) -> Problem {
        let unavailable = |code, message: &str, after| {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, message).after(after)
        };
        match error {
            DeskError::Refused(refused) => refused.into(),
            DeskError::Starting => unavailable("starting", "the tenant's log is being replayed", 1),
            DeskError::Busy => unavailable(
                "casework_busy",
                "too many requests wait for this tenant's casework",
                1,
            ),
            DeskError::Leaving => {
                unavailable("casework_unavailable", "the tenant is being erased", 5)
            }
            DeskError::Unavailable(_) => unavailable("casework_unavailable", UNUSABLE, 5),
            DeskError::Failed(cause) => Problem {
                cause: Some(cause.into()),
                ..unavailable("casework_unavailable", UNUSABLE, 5)
            },
        }
    }
}

/// For whoever asks; the cause is for the operator.
const UNUSABLE: &str = "the tenant's casework cannot be read or written now; decisions go on";

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Problem {
        let status = match &refused {
            Refused::UnknownCase { .. } => StatusCode::NOT_FOUND,
            Refused::Stale { .. } | Refused::StaleSettings { .. } => {
                StatusCode::PRECONDITION_FAILED
            }
            Refused::Closed { .. }
            | Refused::NotClosed { .. }
            | Refused::Merged { .. }
            | Refused::Held { .. }
            | Refused::AssignedToOther { .. }
            | Refused::NotClaimed { .. }
            | Refused::TooManyClaims { .. }
            | Refused::Full { .. }
            | Refused::LabelsWaiting { .. } => StatusCode::CONFLICT,
            Refused::Missing { .. }
            | Refused::TooLong { .. }
            | Refused::ControlCharacter { .. }
            | Refused::Unknown { .. }
            | Refused::Value { .. }
            | Refused::Bulk { .. } => StatusCode::BAD_REQUEST,
        };
        let problem = Problem::new(status, refused.code(), refused.to_string());
        match &refused {
            Refused::Stale { held, .. } | Refused::StaleSettings { held, .. } => {
                problem.with_detail(json!({ "version": held }))
            }
            Refused::Merged { into, .. } => problem.with_detail(json!({ "merged_into": into })),
            Refused::Held { holder, until, .. } => {
                problem.with_detail(json!({ "holder": holder, "held_until": until.to_string() }))
            }
            Refused::AssignedToOther { assignee, .. } => {
                problem.with_detail(json!({ "assignee": assignee }))
            }
            _ => match refused.field() {
                Some(field) => problem.with_detail(json!({ "field": field })),
                None => problem,
            },
        }
    }
}
