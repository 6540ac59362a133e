//! What was sent to an endpoint and what became of it; sent again, or to try it out.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use serde_json::{Value, json};
use webhooks::WebhookError;
use webhooks::deliverer::Tenant;
use webhooks::error::What;
use webhooks::store::deliveries::{Attempt, Delivery, Filter, State};

use super::{by, on_disk, serving};
use crate::app::Call;
use crate::problem::Problem;
use crate::query::{Query, cursor};
use crate::render::json_body;

const PAGE_MAX: u64 = 100;

pub async fn list(call: Call) -> Result<Response<Body>, Problem> {
    let query = Query::parse(call.uri.query(), &["state", "limit", "cursor"])?;
    serving(&call, false)?;
    let state = match query.get("state") {
        None => None,
        Some(name) => {
            let wrong = || Problem::parameter("state", "state must be pending, delivered or dead");
            Some(State::parse(name).ok_or_else(wrong)?)
        }
    };
    let before = match query.get("cursor") {
        None => None,
        Some(text) => Some(cursor('d', text)?),
    };
    let limit = query.number("limit", 20, PAGE_MAX)? as usize;
    let endpoint = call.param("endpoint").to_owned();
    let page = on_disk(&call, move |desk| {
        let tenant = desk.known()?;
        let store = tenant.store();
        store.endpoint(&endpoint)?;
        let filter = Filter {
            endpoint: Some(endpoint),
            state,
            before,
        };
        // One more than the page: whether there is another.
        store.deliveries(&filter, limit + 1)
    });
    let mut page = page.await?;
    let more = page.len() > limit;
    page.truncate(limit);
    let next = page.last().filter(|_| more);
    let body = json!({
        "deliveries": page.iter().map(row).collect::<Vec<_>>(),
        "has_more": more,
        "next": next.map(|it| format!("d{}", it.id)),
    });
    Ok(json_body(StatusCode::OK, &body))
}

pub async fn one(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    serving(&call, false)?;
    let which = which(&call)?;
    let found = on_disk(&call, move |desk| {
        let tenant = desk.known()?;
        let (delivery, attempts, body) = which.find(&tenant)?;
        let mut value = row(&delivery);
        value["log"] = attempts.iter().map(tried).collect();
        // It was written as JSON.
        value["body"] = serde_json::from_str(&body).unwrap_or(Value::Null);
        Ok(value)
    });
    Ok(json_body(StatusCode::OK, &found.await?))
}

/// It waits again: 202.
pub async fn again(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    serving(&call, true)?;
    let by = by(&call)?;
    let which = which(&call)?;
    let waits = on_disk(&call, move |desk| {
        let tenant = desk.known()?;
        which.find(&tenant)?;
        let waits = tenant.store().redeliver(which.delivery, &by)?;
        tenant.wake();
        Ok(row(&waits))
    });
    Ok(json_body(StatusCode::ACCEPTED, &waits.await?))
}

pub async fn all_dead(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    serving(&call, true)?;
    let by = by(&call)?;
    let endpoint = call.param("endpoint").to_owned();
    let count = on_disk(&call, move |desk| {
        let tenant = desk.known()?;
        let count = tenant.store().redeliver_dead(&endpoint, &by)?;
        tenant.wake();
        Ok(count)
    });
    let body = json!({ "deliveries": count.await? });
    Ok(json_body(StatusCode::ACCEPTED, &body))
}

pub async fn ping(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    serving(&call, true)?;
    let by = by(&call)?;
    let endpoint = call.param("endpoint").to_owned();
    let delivery = on_disk(&call, move |desk| {
        let tenant = desk.known()?;
        let delivery = tenant.store().ping(&endpoint, &by)?;
        tenant.wake();
        Ok(delivery)
    });
    let body = json!({ "delivery": delivery.await? });
    Ok(json_body(StatusCode::ACCEPTED, &body))
}

/// A delivery of an endpoint, as the path names it.
struct Which {
    endpoint: String,
    delivery: i64,
}

fn which(call: &Call) -> Result<Which, Problem> {
    let unknown = || Problem::from(WebhookError::Unknown(What::Delivery));
    Ok(Which {
        endpoint: call.param("endpoint").to_owned(),
        delivery: call.param("delivery").parse().map_err(|_| unknown())?,
    })
}

impl Which {
    fn find(&self, tenant: &Tenant) -> Result<(Delivery, Vec<Attempt>, String), WebhookError> {
        let found = tenant.store().delivery(self.delivery)?;
        match found.0.endpoint == self.endpoint {
            true => Ok(found),
            false => Err(WebhookError::Unknown(What::Delivery)),
        }
    }
}

fn row(delivery: &Delivery) -> Value {
    let pending = delivery.state == State::Pending;
    json!({
        "id": delivery.id,
        "webhook_id": delivery.notice,
        "kind": delivery.kind,
        "at": delivery.at.to_string(),
        "state": delivery.state.name(),
        "attempts": delivery.attempts,
        "due": pending.then(|| delivery.due.to_string()),
        "settled_at": delivery.settled_at.map(|it| it.to_string()),
        "error": delivery.error,
    })
}

fn tried(attempt: &Attempt) -> Value {
    json!({
        "number": attempt.number,
        "at": attempt.at.to_string(),
        "latency_ms": attempt.latency.as_millis() as u64,
        "status": attempt.status,
        "error": attempt.error,
        "detail": attempt.detail,
    })
}
