//! Endpoints that are told what happens: made, changed, removed, and their secrets.

pub mod deliveries;

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use event::EventTime;
use node::request::{Failed, NotServing};
use node::tenant::documents::Author;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use webhooks::deliverer::Tenant;
use webhooks::endpoint::{By, Draft, Endpoint, Kinds, SecretNote};
use webhooks::error::What;
use webhooks::secret::Secret;
use webhooks::source::LOG;
use webhooks::{Deliverer, WebhookError};

use super::documents::changed_by;
use crate::app::Call;
use crate::given;
use crate::problem::Problem;
use crate::query::Query;
use crate::render::json_body;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    url: String,
    kinds: Vec<String>,
    #[serde(default)]
    description: String,
    #[serde(default = "yes")]
    enabled: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenNew {
    url: String,
    kinds: Vec<String>,
    #[serde(default)]
    description: String,
    #[serde(default = "yes")]
    enabled: bool,
    secret: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenSecret {
    secret: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenEnd {
    /// Now without it.
    expires_at: Option<String>,
}

fn yes() -> bool {
    true
}

pub async fn list(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    serving(&call, false)?;
    let rows = on_disk(&call, |desk| match desk.used()? {
        None => Ok(Vec::new()),
        Some(tenant) => {
            let endpoints = tenant.store().endpoints()?;
            Ok(endpoints.iter().map(|it| row(&tenant, it)).collect())
        }
    });
    let body = json!({ "webhooks": rows.await? });
    Ok(json_body(StatusCode::OK, &body))
}

pub async fn create(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    serving(&call, true)?;
    let given: GivenNew = read(&call, "webhook")?;
    let by = by(&call)?;
    let secret = secret(given.secret.as_deref())?;
    let draft = Draft {
        url: given.url,
        kinds: Kinds::parse(&given.kinds).map_err(WebhookError::from)?,
        description: given.description,
        enabled: given.enabled,
    };
    let committed = call.admitted.tenant()?.committed();
    let made = on_disk(&call, move |desk| {
        let tenant = desk.open()?;
        // It is told of what is recorded from now on, also before anybody reads the log for it.
        if tenant.store().cursor(LOG)?.is_none()
            && let Some(last) = committed.0.checked_sub(1)
        {
            tenant.take_in(LOG, last, &[], by.at)?;
        }
        let made = tenant.store().create(&draft, &secret, &by)?;
        Ok(json!({ "webhook": row(&tenant, &made), "secret": secret.reveal() }))
    });
    Ok(json_body(StatusCode::CREATED, &made.await?))
}

pub async fn one(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    serving(&call, false)?;
    let id = call.param("endpoint").to_owned();
    let found = on_disk(&call, move |desk| {
        let tenant = desk.known()?;
        Ok(row(&tenant, &tenant.store().endpoint(&id)?))
    });
    Ok(json_body(StatusCode::OK, &found.await?))
}

pub async fn change(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    serving(&call, true)?;
    let given: Given = read(&call, "webhook")?;
    let by = by(&call)?;
    let draft = Draft {
        url: given.url,
        kinds: Kinds::parse(&given.kinds).map_err(WebhookError::from)?,
        description: given.description,
        enabled: given.enabled,
    };
    let id = call.param("endpoint").to_owned();
    let changed = on_disk(&call, move |desk| {
        let tenant = desk.known()?;
        let changed = tenant.store().change(&id, &draft, &by)?;
        tenant.wake();
        Ok(row(&tenant, &changed))
    });
    Ok(json_body(StatusCode::OK, &changed.await?))
}

pub async fn remove(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    serving(&call, true)?;
    let by = by(&call)?;
    let id = call.param("endpoint").to_owned();
    let removed = on_disk(&call, move |desk| {
        desk.known()?.store().remove(&id, &by)?;
        Ok(json!({ "removed": id }))
    });
    Ok(json_body(StatusCode::OK, &removed.await?))
}

pub async fn add_secret(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    serving(&call, true)?;
    let given: GivenSecret = read(&call, "secret")?;
    let by = by(&call)?;
    let secret = secret(given.secret.as_deref())?;
    let id = call.param("endpoint").to_owned();
    let added = on_disk(&call, move |desk| {
        let added = desk.known()?.store().add_secret(&id, &secret, &by)?;
        let mut value = noted(&added);
        value["secret"] = json!(secret.reveal());
        Ok(value)
    });
    Ok(json_body(StatusCode::CREATED, &added.await?))
}

pub async fn end_secret(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    serving(&call, true)?;
    let given: GivenEnd = read(&call, "end of a secret")?;
    let by = by(&call)?;
    let at = match given.expires_at.as_deref() {
        None => by.at,
        Some(text) => EventTime::parse_iso(text).map_err(|error| {
            Problem::bad("time_format", format!("expires_at: {error}"))
                .with_detail(json!({ "field": "expires_at" }))
        })?,
    };
    let id = call.param("endpoint").to_owned();
    let secret = call.param("secret").to_owned();
    let ended = on_disk(&call, move |desk| {
        let ended = desk.known()?.store().end_secret(&id, &secret, at, &by)?;
        Ok(noted(&ended))
    });
    Ok(json_body(StatusCode::OK, &ended.await?))
}

/// A tenant's webhooks, from its directory.
struct Desk {
    webhooks: Arc<Deliverer>,
    name: String,
    directory: std::path::PathBuf,
}

impl Desk {
    fn open(&self) -> Result<Arc<Tenant>, WebhookError> {
        self.webhooks.open(&self.name, &self.directory)
    }

    /// `None`: the tenant has never had an endpoint.
    fn used(&self) -> Result<Option<Arc<Tenant>>, WebhookError> {
        self.webhooks.open_used(&self.name, &self.directory)
    }

    /// For a question about one endpoint.
    fn known(&self) -> Result<Arc<Tenant>, WebhookError> {
        self.used()?.ok_or(WebhookError::Unknown(What::Endpoint))
    }
}

/// SQLite waits for the disk: not on a thread that speaks HTTP.
async fn on_disk<T: Send + 'static>(
    call: &Call,
    work: impl FnOnce(&Desk) -> Result<T, WebhookError> + Send + 'static,
) -> Result<T, Problem> {
    let tenant = call.admitted.tenant()?;
    let desk = Desk {
        webhooks: call.app.process.webhooks.clone(),
        name: tenant.name.clone(),
        directory: tenant.place().root().to_path_buf(),
    };
    let done = spawn_blocking(move || work(&desk)).await;
    Ok(done.map_err(Problem::internal)??)
}

/// A tenant that takes no writes takes no changes here; one that is suspended or starts answers no question.
fn serving(call: &Call, writes: bool) -> Result<(), Problem> {
    match call.admitted.tenant()?.status() {
        None => Ok(()),
        Some(NotServing::ReadOnly(_)) if !writes => Ok(()),
        Some(status) => Err(Failed::NotServing(status).into()),
    }
}

fn read<T: DeserializeOwned>(call: &Call, what: &str) -> Result<T, Problem> {
    given::read(&call.body, what)
}

/// Who changes something, when, and why.
fn by(call: &Call) -> Result<By, Problem> {
    let Author {
        name: actor,
        why,
        at,
    } = changed_by(call)?;
    Ok(By { actor, why, at })
}

fn secret(given: Option<&str>) -> Result<Secret, Problem> {
    match given {
        None => Secret::generate().map_err(Problem::internal),
        Some(text) => Ok(Secret::parse(text).map_err(WebhookError::from)?),
    }
}

fn row(tenant: &Tenant, endpoint: &Endpoint) -> Value {
    let Draft {
        url,
        kinds,
        description,
        enabled,
    } = &endpoint.draft;
    json!({
        "id": endpoint.id,
        "url": url,
        "kinds": kinds.names(),
        "description": description,
        "enabled": enabled,
        "created_at": endpoint.created_at.to_string(),
        "breaker": tenant.breaker(&endpoint.id),
        "pending": endpoint.pending,
        "dead": endpoint.dead,
        "lost": endpoint.lost,
        "secrets": endpoint.secrets.iter().map(noted).collect::<Vec<_>>(),
    })
}

fn noted(secret: &SecretNote) -> Value {
    json!({
        "id": secret.id,
        "created_at": secret.created_at.to_string(),
        "expires_at": secret.expires_at.map(|it| it.to_string()),
    })
}
