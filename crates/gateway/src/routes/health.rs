//! Whether the process lives, whether it serves, what it counts, what it offers.

use axum::body::Body;
use axum::http::{Response, StatusCode, header};
use meters::Format;
use node::request::NotServing;
use serde_json::json;

use super::JSON;
use crate::app::Call;
use crate::problem::Problem;
use crate::render::{body, json_body};
use crate::{metrics, openapi};

pub async fn alive(_: Call) -> Result<Response<Body>, Problem> {
    Ok(json_body(StatusCode::OK, &json!({ "status": "alive" })))
}

/// No while any tenant's log is being replayed, and from the first signal to stop on. A tenant whose disk
/// fails does not take the others out of service.
pub async fn ready(call: Call) -> Result<Response<Body>, Problem> {
    let tenants = call.app.node.tenants();
    let starting = tenants
        .iter()
        .filter(|tenant| matches!(tenant.status(), Some(NotServing::Starting)))
        .count();
    if call.app.is_draining() || starting > 0 {
        let message = "not ready: the server starts or stops";
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", message);
        return Err(problem
            .after(1)
            .with_detail(json!({ "tenants_starting": starting })));
    }
    Ok(json_body(StatusCode::OK, &json!({ "status": "ready" })))
}

pub async fn openapi(_: Call) -> Result<Response<Body>, Problem> {
    Ok(body(StatusCode::OK, openapi::DOCUMENT.into(), JSON))
}

pub async fn metrics(call: Call) -> Result<Response<Body>, Problem> {
    let accept = call.headers.get(header::ACCEPT);
    let format = Format::wanted(accept.and_then(|value| value.to_str().ok()));
    let text = metrics::text(&call.app, format);
    Ok(body(StatusCode::OK, text.into_bytes(), format.media()))
}
