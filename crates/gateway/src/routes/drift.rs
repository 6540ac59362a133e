//! What the watch over drift knows of the model that serves, and what labels say of those that decided.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use backtest::decay::Judged;
use drift::Status;
use drift::monitor::statistics::Unknown;
use event::hex;
use node::NodeError;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::decisions::shape;
use crate::app::Call;
use crate::examples;
use crate::problem::Problem;
use crate::query::Query;
use crate::render::{json_body, version_text};

/// The monitor is another thread's for as long as a window closes: whoever asks waits beside the runtime.
pub async fn show(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let tenant = call.admitted.tenant()?.clone();
    shape(&tenant)?;
    let decay = call.app.process.decay.of(&tenant.name);
    let starter = call.app.settings.starter;
    let decay: Vec<Value> = (decay.days.iter()).map(|it| judged(it, starter)).collect();
    let mut body = match tenant.watch() {
        None => json!(Status::nothing()),
        Some(watch) => {
            let read = spawn_blocking(move || -> Result<Value, NodeError> {
                let model = hex(&watch.artifact());
                let mut body = watch.read(|monitor| json!(Status::of(&model, monitor)));
                examples::name(&mut body["alerts"], tenant.place())?;
                Ok(body)
            });
            let body = read.await.map_err(Problem::internal)?;
            body.map_err(Problem::internal)?
        }
    };
    body["decay"] = Value::from(decay);
    Ok(json_body(StatusCode::OK, &body))
}

/// The latest window, feature by feature.
pub async fn statistics(call: Call) -> Result<Response<Body>, Problem> {
    let query = Query::parse(call.uri.query(), &["segment", "feature"])?;
    let tenant = call.admitted.tenant()?.clone();
    shape(&tenant)?;
    let Some(watch) = tenant.watch() else {
        return Ok(json_body(StatusCode::OK, &json!({ "window": null })));
    };
    let text = |name: &str| query.get(name).map(str::to_owned);
    let (segment, feature) = (text("segment"), text("feature"));
    let read = spawn_blocking(move || {
        watch.read(|monitor| {
            let told = monitor.statistics(segment.as_deref(), feature.as_deref());
            told.map(|window| json!({ "window": window }))
        })
    });
    let body = read.await.map_err(Problem::internal)?;
    let body = body.map_err(|unknown| match unknown {
        Unknown::Segment => Problem::not_found("the segment"),
        Unknown::Feature => Problem::not_found("the feature"),
    })?;
    Ok(json_body(StatusCode::OK, &body))
}

/// A day of a model, by its labels.
fn judged(it: &Judged, starter: Option<[u8; 8]>) -> Value {
    let mut told = json!({
        "day": it.day,
        "model_version": version_text(&it.model.0, starter == Some(it.model.0)),
        "decided": it.decided,
    });
    if let (Some(told), Value::Object(worth)) = (told.as_object_mut(), json!(it.worth)) {
        told.extend(worth);
    }
    told
}
