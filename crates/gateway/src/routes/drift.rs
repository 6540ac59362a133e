//! What the watch over drift knows of the model that serves.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use drift::Status;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::decisions::shape;
use crate::app::Call;
use crate::problem::Problem;
use crate::query::Query;
use crate::render::{hex, json_body};

/// The monitor is another thread's for as long as a window closes: whoever asks waits beside the runtime.
pub async fn show(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let tenant = call.admitted.tenant()?.clone();
    shape(&tenant)?;
    let Some(watch) = tenant.watch() else {
        return Ok(json_body(StatusCode::OK, &Status::nothing()));
    };
    let read = spawn_blocking(move || -> Value {
        let model = hex(&watch.artifact());
        watch.read(|monitor| json!(Status::of(&model, monitor)))
    });
    let body = read.await.map_err(Problem::internal)?;
    Ok(json_body(StatusCode::OK, &body))
}
