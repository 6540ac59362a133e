//! A tenant's models: listed, taken in, handed out, put into service between two decisions.

pub mod lineup;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use engine::Lineup;
use event::{EventTime, hex};
use node::models::{self, ModelFile, Stored};
use node::node::TenantHandle;
use node::node::activation::{Activation, Refused, State};
use node::request::{Answer, Failed, Request};
use node::tenant::activation::Serving;
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;

use super::BYTES;
use super::decisions::{ask, shape};
use super::documents::changed_by;
use crate::app::Call;
use crate::problem::Problem;
use crate::query::Query;
use crate::render::{body, json_body, micros, version_text};

pub async fn list(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let tenant = call.admitted.tenant()?.clone();
    shape(&tenant)?;
    let serving = serving(&call, &tenant).await?;
    let reader = tenant.clone();
    let alone = turn(&call).await?;
    let read = spawn_blocking(move || {
        let _alone = alone;
        let shape = shape(&reader)?;
        models::list(reader.place(), shape).map_err(Problem::internal)
    });
    let (files, unreadable) = read.await.map_err(Problem::internal)??;
    let rows = files.iter().map(|file| row(&call, file, &serving.lineup));
    let unreadable = unreadable
        .iter()
        .map(|it| json!({ "name": it.name, "reason": it.reason }));
    let body = json!({
        "models": rows.collect::<Vec<_>>(),
        "unreadable": unreadable.collect::<Vec<_>>(),
        "lineup": lineup::lineup(&call, &serving.lineup),
        "activation": tenant.activation().map(|it| activation(&call, &it)),
    });
    Ok(json_body(StatusCode::OK, &body))
}

async fn serving(call: &Call, tenant: &TenantHandle) -> Result<Serving, Problem> {
    match ask(call, tenant, Request::Serving).await? {
        Answer::Serving(serving) => Ok(serving),
        _ => Err(Problem::internal(
            "the owner gave the answer to another request",
        )),
    }
}

/// One model with all that its file says of it.
pub async fn one(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let tenant = call.admitted.tenant()?.clone();
    let artifact = digest(call.param("model"))?;
    let held = serving(&call, &tenant).await?.lineup;
    let alone = turn(&call).await?;
    let read = spawn_blocking(move || {
        let _alone = alone;
        let shape = shape(&tenant)?;
        let found = models::describe_one(tenant.place(), &artifact, shape);
        found.map_err(|error| Problem::from(Failed::Refused(error)))
    });
    let file = read.await.map_err(Problem::internal)??;
    let file = file.ok_or_else(|| Problem::not_found("the model"))?;
    let mut body = row(&call, &file, &held);
    body["thresholds"] = json!(file.header.thresholds);
    body["calibration"] = json!(file.header.calibration);
    Ok(json_body(StatusCode::OK, &body))
}

/// The file itself.
pub async fn file(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let tenant = call.admitted.tenant()?.clone();
    let artifact = digest(call.param("model"))?;
    let alone = turn(&call).await?;
    let read = spawn_blocking(move || {
        let _alone = alone;
        let found = models::bytes(tenant.place(), &artifact);
        found.map_err(|error| Problem::from(Failed::Refused(error)))
    });
    let bytes = read.await.map_err(Problem::internal)??;
    let bytes = bytes.ok_or_else(|| Problem::not_found("the model"))?;
    Ok(body(StatusCode::OK, bytes, BYTES))
}

/// The right to read model files, kept by the thread that reads: it goes on when nobody waits any more.
pub async fn turn(call: &Call) -> Result<OwnedSemaphorePermit, Problem> {
    let turn = call.app.uploads.clone().acquire_owned().await;
    turn.map_err(Problem::internal)
}

pub async fn take(mut call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let tenant = call.admitted.tenant()?.clone();
    let held = serving(&call, &tenant).await?.lineup;
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
        Stored::New(file) => Ok(json_body(StatusCode::CREATED, &row(&call, &file, &held))),
        Stored::Held(file) => Ok(json_body(StatusCode::OK, &row(&call, &file, &held))),
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
    let (author, deadline) = (changed_by(&call)?, call.admitted.deadline);
    let alone = turn(&call).await?;
    let begun = spawn_blocking(move || {
        let _alone = alone;
        tenant.activate(artifact, author, deadline)
    });
    let state = begun.await.map_err(Problem::internal)?.map_err(not_done)?;
    Ok(activated(&call, &Activation { artifact, state }))
}

fn activated(call: &Call, held: &Activation) -> Response<Body> {
    let status = match held.state {
        State::Rebuilding { .. } => StatusCode::ACCEPTED,
        _ => StatusCode::OK,
    };
    json_body(status, &activation(call, held))
}

pub fn not_done(refused: Refused) -> Problem {
    match refused {
        Refused::UnknownModel(artifact) => {
            let file = format!(
                "the model {}.model, of which models/ holds no file,",
                hex(&artifact)
            );
            Problem::not_found(&file)
        }
        Refused::Running => Problem {
            retryable: true,
            ..Problem::new(
                StatusCode::CONFLICT,
                "activation_running",
                "another model is on its way into service",
            )
        },
        Refused::Failed(failed) => failed.into(),
    }
}

pub fn digest(text: &str) -> Result<[u8; 32], Problem> {
    let wrong = || {
        let message = "the model must be the SHA-256 of its file: 64 digits of 0-9 and a-f";
        Problem::parameter("model", message)
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

pub fn version(call: &Call, artifact: &[u8; 32]) -> String {
    let mut version = [0; 8];
    version.copy_from_slice(&artifact[..8]);
    version_text(&version, call.app.settings.starter == Some(version))
}

fn row(call: &Call, file: &ModelFile, held: &Lineup) -> Value {
    let header = &file.header;
    let lineage = file.lineage.as_ref();
    json!({
        "model": hex(&file.artifact),
        "model_version": version(call, &file.artifact),
        "serving": held.champion() == Some(file.artifact),
        "status": lineup::status(held, &file.artifact),
        "kind": file.kind,
        "trees": file.trees,
        "features": header.features.len(),
        "bytes": file.bytes,
        "producer": file.producer.map(|it| hex(&it)),
        "created_by": header.created_by,
        "metrics": header.metrics,
        "lineage": {
            "parent": header.parent,
            "trained_from": EventTime::from_millis(header.training_window.from).to_string(),
            "trained_until": EventTime::from_millis(header.training_window.until).to_string(),
            "seed": header.seed,
            "data_digest": lineage.map(|it| &it.data_digest),
            "samples": lineage.map(|it| it.samples),
            "frauds": lineage.map(|it| it.frauds),
            "code_version": lineage.map(|it| &it.code_version),
        },
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
            took,
            pause,
        } => (
            "serving",
            json!({
                "position": position.0,
                "policy_version": policy_version,
                "took_us": micros(*took),
                "pause_us": micros(*pause),
            }),
        ),
        State::Failed { code, reason } => ("failed", json!({ "code": code, "reason": reason })),
    };
    body["status"] = json!(status);
    body["model"] = json!(hex(&held.artifact));
    body["model_version"] = json!(version(call, &held.artifact));
    body
}
