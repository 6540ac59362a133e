//! A tenant's models: listed, taken in, put into service between two decisions.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use node::models::{self, ModelFile, Stored};
use node::node::TenantHandle;
use node::node::activation::{Activation, Refused, State};
use node::request::{Answer, Failed, Request};
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;

use super::decisions::{ask, author, shape};
use crate::app::Call;
use crate::problem::Problem;
use crate::query::Query;
use crate::render::{hex, json_body, version_text};

pub async fn list(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let tenant = call.admitted.tenant()?.clone();
    shape(&tenant)?;
    let Answer::Serving(serving) = ask(&call, &tenant, Request::Serving).await? else {
        return Err(Problem::internal(
            "the owner gave the answer to another request",
        ));
    };
    let reader = tenant.clone();
    let alone = turn(&call).await?;
    let read = spawn_blocking(move || {
        let _alone = alone;
        let shape = shape(&reader)?;
        models::list(reader.place(), shape).map_err(Problem::internal)
    });
    let (files, unreadable) = read.await.map_err(Problem::internal)??;
    let rows = files.iter().map(|file| {
        let is_serving = serving.artifact == Some(file.artifact);
        row(&call, file, is_serving)
    });
    let unreadable = unreadable
        .iter()
        .map(|it| json!({ "name": it.name, "reason": it.reason }));
    let body = json!({
        "models": rows.collect::<Vec<_>>(),
        "unreadable": unreadable.collect::<Vec<_>>(),
        "activation": tenant.activation().map(|it| activation(&call, &it)),
    });
    Ok(json_body(StatusCode::OK, &body))
}

/// The right to read model files, kept by the thread that reads: it goes on when nobody waits any more.
async fn turn(call: &Call) -> Result<OwnedSemaphorePermit, Problem> {
    let turn = call.app.uploads.clone().acquire_owned().await;
    turn.map_err(Problem::internal)
}

pub async fn take(mut call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let tenant = call.admitted.tenant()?.clone();
    let (bytes, max) = (call.body.clone(), call.app.settings.limits.models_max);
    let alone = call.upload.take();
    let stored = spawn_blocking(move || {
        let _alone = alone;
        let shape = shape(&tenant)?;
        writable(&tenant)?;
        let stored = models::store(tenant.place(), &bytes, shape, max);
        stored.map_err(|error| Problem::from(Failed::Refused(error)))
    });
    match stored.await.map_err(Problem::internal)?? {
        Stored::New(file) => Ok(json_body(StatusCode::CREATED, &row(&call, &file, false))),
        Stored::Held(file) => Ok(json_body(StatusCode::OK, &row(&call, &file, false))),
        Stored::Full => Err(Problem::new(
            StatusCode::CONFLICT,
            "models_max",
            format!(
                "the tenant's models/ holds {max} files, which is its limit (models.files_max)"
            ),
        )),
    }
}

/// A tenant that takes no writes takes no files.
fn writable(tenant: &TenantHandle) -> Result<(), Problem> {
    match tenant.status() {
        None => Ok(()),
        Some(status) => Err(Failed::NotServing(status).into()),
    }
}

pub async fn activate(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let tenant = call.admitted.tenant()?.clone();
    let artifact = digest(call.param("model"))?;
    let (author, deadline) = (author(&call), call.admitted.deadline);
    let alone = turn(&call).await?;
    let begun = spawn_blocking(move || {
        let _alone = alone;
        tenant.activate(artifact, author, deadline)
    });
    let state = begun
        .await
        .map_err(Problem::internal)?
        .map_err(|refused| match refused {
            Refused::UnknownModel => Problem::not_found("the model"),
            Refused::Running => Problem {
                retryable: true,
                ..Problem::new(
                    StatusCode::CONFLICT,
                    "activation_running",
                    "another model is on its way into service",
                )
            },
            Refused::Failed(failed) => failed.into(),
        })?;
    let status = match state {
        State::Rebuilding { .. } => StatusCode::ACCEPTED,
        _ => StatusCode::OK,
    };
    let body = activation(&call, &Activation { artifact, state });
    Ok(json_body(status, &body))
}

fn digest(text: &str) -> Result<[u8; 32], Problem> {
    let wrong = || {
        let message = "the model must be the SHA-256 of its file: 64 digits of 0-9 and a-f";
        Problem::bad("parameter_format", message)
    };
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut digest = [0; 32];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != digest.len() || !rest.is_empty() {
        return Err(wrong());
    }
    for (byte, [high, low]) in digest.iter_mut().zip(pairs) {
        let value = digit(*high)
            .zip(digit(*low))
            .map(|(high, low)| high << 4 | low);
        *byte = value.ok_or_else(wrong)?;
    }
    Ok(digest)
}

fn version(call: &Call, artifact: &[u8; 32]) -> String {
    let mut version = [0; 8];
    version.copy_from_slice(&artifact[..8]);
    version_text(&version, call.app.settings.starter == Some(version))
}

fn row(call: &Call, file: &ModelFile, serving: bool) -> Value {
    json!({
        "model": hex(&file.artifact),
        "model_version": version(call, &file.artifact),
        "serving": serving,
        "kind": file.kind,
        "trees": file.trees,
        "features": file.header.features.len(),
        "bytes": file.bytes,
        "producer": file.producer.map(|it| hex(&it)),
        "created_by": file.header.created_by,
        "metrics": file.header.metrics,
        "unfit": file.unfit,
    })
}

fn activation(call: &Call, held: &Activation) -> Value {
    let (status, mut body) = match &held.state {
        State::Rebuilding { done, total } => (
            "rebuilding",
            json!({ "records": done, "records_total": total }),
        ),
        State::Serving {
            position,
            policy_version,
        } => (
            "serving",
            json!({ "position": position.0, "policy_version": policy_version }),
        ),
        State::Failed { code, reason } => ("failed", json!({ "code": code, "reason": reason })),
    };
    body["status"] = json!(status);
    body["model"] = json!(hex(&held.artifact));
    body["model_version"] = json!(version(call, &held.artifact));
    body
}
