//! The rules of a tenant: one document, checked as a whole, in force for the next event.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use engine::{ReadRules, inputs};
use node::NodeError;
use node::request::{Answer, Failed, Request};
use node::tenant::documents::{Document, RulesView};
use rules::FUNCTIONS;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::casework;
use super::decisions::{ask, shape};
use super::documents::{as_json, changed_by, document, expected};
use crate::app::Call;
use crate::problem::{Problem, problem_value};
use crate::query::Query;
use crate::render::json_body;

pub async fn show(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    told(&call, None).await
}

pub async fn set(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let tenant = call.admitted.tenant()?;
    let request = Request::SetRules {
        rules: Box::new(read(&call, document(&call)?).await?),
        author: changed_by(&call)?,
        expected: expected(&call)?,
    };
    let Answer::Document(set) = ask(&call, tenant, request).await? else {
        return Err(Problem::internal(
            "the owner gave the answer to another request",
        ));
    };
    told(&call, Some(set)).await
}

/// Whether a document would be taken; nothing is changed.
pub async fn validate(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let tenant = call.admitted.tenant()?;
    let rules = read(&call, document(&call)?).await?;
    let warnings: Vec<Value> = rules.warnings().map(problem_value).collect();
    let request = Request::CheckRules {
        rules: Box::new(rules),
        at: call.app.node.clock().now().map_err(Problem::internal)?,
    };
    ask(&call, tenant, request).await?;
    let body = json!({ "valid": true, "warnings": warnings });
    Ok(json_body(StatusCode::OK, &body))
}

/// Reads rules apart from the threads that speak HTTP and from the tenant's own: a large set takes long.
pub async fn read(call: &Call, body: String) -> Result<ReadRules, Problem> {
    if body.len() > event::codec::BODY_BYTES_MAX {
        let (field, max, got) = ("document", event::codec::BODY_BYTES_MAX, body.len());
        return Err(Failed::Refused(NodeError::TooLong { field, max, got }).into());
    }
    let tenant = call.admitted.tenant()?.clone();
    let reading = call.app.readers.begin(&tenant.name).ok_or_else(|| {
        let message = "another set of rules of the tenant is being read";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "rules_busy", message).after(1)
    })?;
    let read = spawn_blocking(move || {
        // Also where its caller has gone: the work goes on.
        let _reading = reading;
        let shape = shape(&tenant)?;
        let read = ReadRules::read(body, &shape.schema, &shape.features);
        read.map_err(|error| Problem::from(Failed::Refused(error.into())))
    });
    read.await.map_err(Problem::internal)?
}

/// What rules may name and call.
pub async fn variables(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let shape = shape(call.admitted.tenant()?)?;
    let variables = inputs::explain(&shape.schema, &shape.features);
    let variables = variables.iter().map(|it| {
        json!({
            "name": it.name,
            "type": it.of.name(),
            "optional": it.optional,
            "meaning": it.meaning,
        })
    });
    let functions = FUNCTIONS.iter().map(|it| {
        json!({
            "name": it.name,
            "written": it.signature(),
            "type": it.gives,
            "meaning": it.meaning,
        })
    });
    let body = json!({
        "variables": variables.collect::<Vec<_>>(),
        "functions": functions.collect::<Vec<_>>(),
    });
    Ok(json_body(StatusCode::OK, &body))
}

/// The rules as they stand, or as they were set just now: somebody else may have set others since.
async fn told(call: &Call, set: Option<Document>) -> Result<Response<Body>, Problem> {
    let tenant = call.admitted.tenant()?;
    let Answer::Rules(view) = ask(call, tenant, Request::Rules).await? else {
        return Err(Problem::internal(
            "the owner gave the answer to another request",
        ));
    };
    let RulesView {
        document,
        since,
        tallies,
    } = *view;
    let (document, tallies) = match set {
        Some(set) if set.version != document.version => (set, Vec::new()),
        _ => (document, tallies),
    };
    let table: toml::Table = toml::from_str(&document.body).map_err(Problem::internal)?;
    let mut rules = as_json(toml::Value::Table(table))["rules"].take();
    let version = document.version;
    // By the log, in whatever process; `null` while it cannot be followed.
    let live = casework::ask(call, move |casework, _| casework.rule_counts(version)).await;
    let live = live.unwrap_or_default();
    // Rule and tally stand in the order of the document.
    for (rule, (_, tally)) in rules.as_array_mut().into_iter().flatten().zip(&tallies) {
        rule["counts"] = json!({
            "since": since,
            "matched": tally.matched,
            "missing": tally.missing,
            "errors": tally.errors,
        });
        let of_rule = live.iter().find(|it| rule["id"] == it.rule);
        rule["live"] = json!(of_rule.map(|it| {
            let known = it.frauds + it.legitimate;
            json!({
                "matched": it.matched,
                "shadow": it.shadow,
                "errors": it.errors,
                "frauds": it.frauds,
                "legitimate": it.legitimate,
                "precision": (known > 0).then(|| it.frauds as f64 / known as f64),
            })
        }));
    }
    let rules = rules.as_array().cloned().unwrap_or_default();
    let value: Value = json!({ "version": version, "text": document.body, "rules": rules });
    let mut response = json_body(StatusCode::OK, &value);
    if let Ok(etag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    Ok(response)
}
