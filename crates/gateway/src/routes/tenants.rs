//! Tenants of this node: listed, made, taken out of service, erased.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use desk::audit::lives::{self, Deed};
use node::node::{ManageError, TenantHandle};
use node::request::NotServing;
use node::tenant::documents::Author;
use node::{NodeError, Place};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use trail::TrailError;

use super::documents::changed_by;
use crate::app::{App, Call};
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
    let (app, author) = (call.app.clone(), changed_by(&call)?);
    let made = spawn_blocking(move || {
        let name = &given.name;
        let place = Place::new(app.node.data(), name).map_err(ManageError::Node)?;
        if app.node.tenant(name).is_some() {
            let path = place.root().to_path_buf();
            return Err(ManageError::Node(NodeError::TenantExists { path }).into());
        }
        noted(&app, Deed::Create, name, &author, || {
            let schema = given.schema.as_deref().unwrap_or(&app.schemas.default);
            let made = app.node.create(name, schema, app.schemas.furnish)?;
            app.process.webhooks.admit(name);
            Ok(made)
        })
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
    let author = changed_by(&call)?;
    let done = spawn_blocking(move || {
        let tenant = app.node.tenant(&name);
        let tenant = tenant.ok_or_else(|| ManageError::Unknown(name.clone()))?;
        let is_so = tenant.status() == Some(NotServing::Suspended);
        if is_so == suspended {
            return Ok(tenant);
        }
        let deed = match suspended {
            true => Deed::Suspend,
            false => Deed::Resume,
        };
        noted(&app, deed, &name, &author, || {
            app.node.suspend(&name, suspended)?;
            Ok(tenant)
        })
    });
    let tenant = done.await.map_err(Problem::internal)??;
    Ok(json_body(StatusCode::OK, &row(&tenant)))
}

pub async fn erase(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let (app, name) = (call.app.clone(), call.param("name").to_owned());
    let author = changed_by(&call)?;
    app.backtests.of(&name).iter().for_each(|job| job.cancel());
    let done = spawn_blocking(move || {
        let _rests = app.process.steward.leave(&name)?;
        let _left = app.desk.leave(&name)?;
        if app.node.tenant(&name).is_none() {
            return Err(ManageError::Unknown(name).into());
        }
        noted(&app, Deed::Erase, &name, &author, || {
            // Before its files go: what is open is closed, and nobody opens it in between.
            app.process.webhooks.bar(&name);
            let erased = app.node.erase(&name);
            if erased.is_err() && app.node.tenant(&name).is_some() {
                app.process.webhooks.admit(&name);
            }
            app.limiter.forget(&name);
            app.backtests.forget(&name);
            Ok(erased?)
        })
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

/// Does what the trail of this node tells first; without an entry nothing is done.
fn noted<T>(
    app: &App,
    deed: Deed,
    tenant: &str,
    author: &Author,
    what: impl FnOnce() -> Result<T, Problem>,
) -> Result<T, Problem> {
    let data = app.node.data();
    lives::begin(data, deed, tenant, author).map_err(unwritten)?;
    what().map_err(
        |problem| match lives::failed(data, deed, tenant, author, problem.code) {
            Ok(()) => problem,
            Err(error) => unwritten(error),
        },
    )
}

fn unwritten(error: TrailError) -> Problem {
    let message = "the audit trail of this node cannot be written";
    Problem {
        cause: Some(error.to_string().into()),
        ..Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "audit_unavailable",
            message,
        )
        .after(1)
    }
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
