//! What the watch over drift knows of the model that serves.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use drift::Monitor;
use event::EventTime;
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
        let body = json!({ "watched": null, "alerts": [] });
        return Ok(json_body(StatusCode::OK, &body));
    };
    let read = spawn_blocking(move || {
        let model = hex(&watch.artifact());
        watch.read(|monitor| body(&model, monitor))
    });
    let body = read.await.map_err(Problem::internal)?;
    Ok(json_body(StatusCode::OK, &body))
}

/// Newest alerts first.
fn body(model: &str, monitor: &Monitor) -> Value {
    let reference = monitor.reference();
    let segments = reference.segments.iter().map(|it| it.name.as_str());
    json!({
        "watched": {
            "model": model,
            "reference_from": EventTime::from_millis(reference.from),
            "reference_until": EventTime::from_millis(reference.until),
            "segments": segments.collect::<Vec<_>>(),
            "events": monitor.rows(),
            "windows": monitor.windows(),
            "missed": monitor.missed(),
        },
        "alerts": monitor.alerts().rev().map(|it| it.told(reference)).collect::<Vec<_>>(),
    })
}
