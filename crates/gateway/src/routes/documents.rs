//! What a tenant is set to by a document: policy, rates, drift. Each version is a record in its log.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use event::record::{Config, ConfigSection};
use node::request::{Answer, Request};
use node::tenant::documents::{Author, Document, shown};
use serde_json::{Value, json};

use super::decisions::{ask, author};
use super::{JSON, media_of};
use crate::app::Call;
use crate::problem::Problem;
use crate::query::Query;
use crate::render::json_body;
use crate::token::Role;

/// Why something is changed, for the audit trail.
pub const REASON: &str = "x-change-reason";

pub async fn policy(call: Call) -> Result<Response<Body>, Problem> {
    show(call, ConfigSection::Policy).await
}

pub async fn set_policy(call: Call) -> Result<Response<Body>, Problem> {
    set(call, ConfigSection::Policy).await
}

pub async fn rates(call: Call) -> Result<Response<Body>, Problem> {
    show(call, ConfigSection::Rates).await
}

pub async fn set_rates(call: Call) -> Result<Response<Body>, Problem> {
    set(call, ConfigSection::Rates).await
}

pub async fn drift(call: Call) -> Result<Response<Body>, Problem> {
    show(call, ConfigSection::Drift).await
}

pub async fn set_drift(call: Call) -> Result<Response<Body>, Problem> {
    set(call, ConfigSection::Drift).await
}

async fn show(call: Call, section: ConfigSection) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let tenant = call.admitted.tenant()?;
    let answer = ask(&call, tenant, Request::Document(section)).await?;
    told(&call, section, answer)
}

async fn set(call: Call, section: ConfigSection) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let tenant = call.admitted.tenant()?;
    let request = Request::SetDocument {
        section,
        body: document(&call)?,
        author: changed_by(&call)?,
        expected: expected(&call)?,
    };
    let answer = ask(&call, tenant, request).await?;
    told(&call, section, answer)
}

/// The log keeps documents as their owners write them in files, in TOML.
pub fn document(call: &Call) -> Result<String, Problem> {
    let text = std::str::from_utf8(&call.body)
        .map_err(|error| Problem::bad("not_utf8", format!("the body is no UTF-8: {error}")))?;
    if media_of(&call.headers).is_some_and(|media| !media.eq_ignore_ascii_case(JSON)) {
        return Ok(text.to_owned());
    }
    let given: Value = serde_json::from_str(text)
        .map_err(|error| Problem::bad("not_json", format!("the body is no JSON: {error}")))?;
    toml::to_string(&given).map_err(|error| {
        let message = format!("the document is no table of tables: {error}");
        Problem::bad("not_a_document", message)
    })
}

/// Who changes something, and the reason that the request gives.
pub fn changed_by(call: &Call) -> Result<Author, Problem> {
    let bad = |message: String| {
        Problem::bad("header_format", message).with_detail(json!({ "header": REASON }))
    };
    let why = match call.headers.get(REASON) {
        None => String::new(),
        Some(value) => std::str::from_utf8(value.as_bytes())
            .map_err(|_| bad("X-Change-Reason is no UTF-8".to_owned()))?
            .trim()
            .to_owned(),
    };
    let most = Config::WHY_BYTES_MAX;
    if why.len() > most || why.chars().any(char::is_control) {
        return Err(bad(format!(
            "X-Change-Reason must be text of at most {most} bytes without control characters"
        )));
    }
    let name = author(call);
    let at = call.app.node.clock().now().map_err(Problem::internal)?;
    Ok(Author { name, at, why })
}

/// The version that a change was made for, as its answer's ETag told it.
pub fn expected(call: &Call) -> Result<Option<u32>, Problem> {
    let Some(value) = call.headers.get(header::IF_MATCH) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    let version = text.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    match version.and_then(|it| it.parse().ok()) {
        Some(version) => Ok(Some(version)),
        None => Err(Problem::bad(
            "header_format",
            "If-Match must be the ETag of an earlier answer",
        )),
    }
}

fn told(call: &Call, section: ConfigSection, answer: Answer) -> Result<Response<Body>, Problem> {
    let Answer::Document(document) = answer else {
        return Err(Problem::internal(
            "the owner gave the answer to another request",
        ));
    };
    let Document { version, body } = document;
    let claims = call.admitted.claims.as_ref();
    let body = match claims.is_some_and(|it| it.may(Role::Admin)) {
        true => body,
        false => shown(section, &body).into_owned(),
    };
    // Empty before one is set: the built-in default decides.
    let read: Option<toml::Table> = match body.as_str() {
        "" => None,
        text => Some(toml::from_str(text).map_err(Problem::internal)?),
    };
    let mut value = json!({ "version": version, "text": body });
    value[section.name()] = json!(read.map(|table| as_json(toml::Value::Table(table))));
    let mut response = json_body(StatusCode::OK, &value);
    if let Ok(etag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    Ok(response)
}

/// A TOML document as JSON; its times are text there.
pub fn as_json(value: toml::Value) -> Value {
    match value {
        toml::Value::Datetime(time) => json!(time.to_string()),
        toml::Value::Array(items) => Value::Array(items.into_iter().map(as_json).collect()),
        toml::Value::Table(table) => {
            let fields = table.into_iter();
            Value::Object(fields.map(|(key, value)| (key, as_json(value))).collect())
        }
        toml::Value::String(text) => json!(text),
        toml::Value::Integer(number) => json!(number),
        toml::Value::Float(number) => json!(number),
        toml::Value::Boolean(flag) => json!(flag),
    }
}
