//! What the watch over drift knows of the model that serves, and what labels say of those that decided.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use backtest::decay::Judged;
use drift::Status;
use event::hex;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::decisions::shape;
use crate::app::Call;
use crate::problem::Problem;
use crate::query::Query;
use crate::render::json_body;

/// The monitor is another thread's for as long as a window closes: whoever asks waits beside the runtime.
pub async fn show(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let tenant = call.admitted.tenant()?.clone();
    shape(&tenant)?;
    let decay = call.app.process.decay.of(&tenant.name);
    let decay: Vec<Value> = decay.iter().map(judged).collect();
    let mut body = match tenant.watch() {
        None => json!(Status::nothing()),
        Some(watch) => {
            let read = spawn_blocking(move || -> Value {
                let model = hex(&watch.artifact());
                watch.read(|monitor| json!(Status::of(&model, monitor)))
            });
            read.await.map_err(Problem::internal)?
        }
    };
    body["decay"] = Value::from(decay);
    Ok(json_body(StatusCode::OK, &body))
}

/// A day of a model, by its labels.
fn judged(it: &Judged) -> Value {
    let mut told = json!({
        "day": it.day,
        "model_version": it.model.digits(),
        "decided": it.decided,
    });
    if let (Some(told), Value::Object(worth)) = (told.as_object_mut(), json!(it.worth)) {
        told.extend(worth);
    }
    told
}
