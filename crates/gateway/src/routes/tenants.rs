//! Tenants of this node: listed, made, taken out of service, erased.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use node::NodeError;
use node::node::{ManageError, TenantHandle};
use node::request::NotServing;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use crate::app::Call;
use crate::given;
use crate::problem::Problem;
use crate::query::Query;
use crate::render::json_body;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTenant {
    name: String,
    /// TOML, as in docs/schema.md; the default schema without it.
    schema: Option<String>,
}

pub async fn list(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let tenants = call.app.node.tenants();
    let tenants: Vec<Value> = tenants.iter().map(|tenant| row(tenant)).collect();
    Ok(json_body(StatusCode::OK, &json!({ "tenants": tenants })))
}

fn row(tenant: &TenantHandle) -> Value {
    let (letters, bytes) = tenant.load();
    let status = match tenant.status() {
        None => "serving",
        Some(NotServing::Starting) => "starting",
        Some(NotServing::ReadOnly(_)) => "read_only",
        Some(NotServing::Unavailable(_)) => "unavailable",
        Some(NotServing::Suspended) => "suspended",
        Some(NotServing::Draining) => "draining",
    };
    json!({ "name": tenant.name, "status": status, "queue": letters, "queue_bytes": bytes })
}

pub async fn create(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let given: NewTenant = given::read(&call.body, "tenant")?;
    let app = call.app.clone();
    let made = spawn_blocking(move || {
        let schema = given.schema.as_deref().unwrap_or(&app.schemas.default);
        let made = app.node.create(&given.name, schema, app.schemas.furnish)?;
        app.process.webhooks.admit(&given.name);
        Ok::<_, ManageError>(made)
    });
    let tenant = made.await.map_err(Problem::internal)??;
    Ok(json_body(StatusCode::CREATED, &row(&tenant)))
}

pub async fn suspend(call: Call) -> Result<Response<Body>, Problem> {
    set_suspended(call, true).await
}

pub async fn resume(call: Call) -> Result<Response<Body>, Problem> {
    set_suspended(call, false).await
}

async fn set_suspended(call: Call, suspended: bool) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let (app, name) = (call.app.clone(), call.param("name").to_owned());
    let done = spawn_blocking(move || {
        app.node.suspend(&name, suspended)?;
        app.node.tenant(&name).ok_or(ManageError::Unknown(name))
    });
    let tenant = done.await.map_err(Problem::internal)??;
    Ok(json_body(StatusCode::OK, &row(&tenant)))
}

pub async fn erase(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let (app, name) = (call.app.clone(), call.param("name").to_owned());
    app.backtests.of(&name).iter().for_each(|job| job.cancel());
    let done = spawn_blocking(move || {
        let _rests = app.process.steward.leave(&name)?;
        let _left = app.desk.leave(&name)?;
        if app.node.tenant(&name).is_none() {
            return Err(ManageError::Unknown(name).into());
        }
        // Before its files go: what is open is closed, and nobody opens it in between.
        app.process.webhooks.bar(&name);
        let erased = app.node.erase(&name);
        if erased.is_err() && app.node.tenant(&name).is_some() {
            app.process.webhooks.admit(&name);
        }
        app.limiter.forget(&name);
        app.backtests.forget(&name);
        Ok::<_, Problem>(erased?)
    });
    let erased = done.await.map_err(Problem::internal)??;
    let body = json!({
        "tenant": erased.tenant,
        "at": erased.at.to_string(),
        "files": erased.files,
        "bytes": erased.bytes,
        "left": erased.left,
    });
    Ok(json_body(StatusCode::OK, &body))
}

impl From<ManageError> for Problem {
    fn from(error: ManageError) -> Problem {
        let message = error.to_string();
        match error {
            ManageError::Unknown(_) => Problem::not_found("the tenant"),
            ManageError::TooMany(_) => Problem::new(StatusCode::CONFLICT, "tenants_max", message),
            ManageError::Node(NodeError::TenantExists { .. }) => {
                let what = "a tenant of this name exists";
                Problem::new(StatusCode::CONFLICT, "tenant_exists", what)
            }
            ManageError::Node(error @ NodeError::TenantName(_)) => {
                Problem::bad(error.code(), message)
            }
            ManageError::Node(NodeError::Schema(error)) => error.into(),
            ManageError::Node(NodeError::SchemaFixed { differences, .. }) => {
                Problem::new(StatusCode::CONFLICT, "schema_fixed", message)
                    .with_detail(json!({ "differences": differences }))
            }
            ManageError::Failed(failed) => failed.into(),
            ManageError::Node(_) | ManageError::Thread(_) => Problem::internal(message),
        }
    }
}
