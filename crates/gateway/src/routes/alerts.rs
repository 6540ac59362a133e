//! Alerts: listed, looked at. What is done about them is done to their cases.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use casework::alert::{AlertFilter, AlertStatus};
use serde_json::json;

use super::casework::{ask, id, seat};
use crate::app::Call;
use crate::problem::Problem;
use crate::query::{Query, cursor};
use crate::render::json_body;

pub const PAGE_MAX: u64 = 200;
const PAGE: u64 = 50;

pub async fn list(call: Call) -> Result<Response<Body>, Problem> {
    let known = [
        "status", "case", "event_id", "kind", "id", "limit", "cursor",
    ];
    let query = Query::parse(call.uri.query(), &known)?;
    let limit = query.number("limit", PAGE, PAGE_MAX)? as usize;
    let entity = match (query.get("kind"), query.get("id")) {
        (None, None) => None,
        (Some(kind), Some(id)) => Some((kind.to_owned(), id.to_owned())),
        _ => {
            let message = "query parameters kind and id name an entity together";
            return Err(Problem::bad("parameter_missing", message));
        }
    };
    let filter = AlertFilter {
        status: word(&query, "status", &AlertStatus::ALL, AlertStatus::name)?,
        case: maybe_number(&query, "case")?,
        event_id: query.get("event_id").map(str::to_owned),
        entity,
        before: query.get("cursor").map(|it| cursor('a', it)).transpose()?,
    };
    let mut alerts = ask(&call, move |casework, _| {
        casework.alerts(&filter, limit + 1)
    })
    .await?;
    let has_more = alerts.len() > limit;
    alerts.truncate(limit);
    let next = alerts.last().filter(|_| has_more);
    let next = next.map(|alert| format!("a{}", alert.id));
    let body = json!({
        "alerts": alerts,
        "has_more": has_more,
        "next": next,
        "behind": seat(&call)?.counters.behind.get(),
    });
    Ok(json_body(StatusCode::OK, &body))
}

pub async fn one(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let id = id(&call)?;
    let alert = ask(&call, move |casework, _| casework.alert(id)).await?;
    let alert = alert.ok_or_else(|| Problem::not_found("the alert"))?;
    Ok(json_body(StatusCode::OK, &alert))
}

/// A word of a closed vocabulary.
pub fn word<T: Copy>(
    query: &Query,
    name: &str,
    all: &[T],
    word_of: impl Fn(T) -> &'static str,
) -> Result<Option<T>, Problem> {
    let Some(text) = query.get(name) else {
        return Ok(None);
    };
    let found = all.iter().find(|it| word_of(**it) == text);
    found.map(|it| Some(*it)).ok_or_else(|| {
        let words: Vec<&str> = all.iter().map(|it| word_of(*it)).collect();
        let message = format!("{name} must be one of {}", words.join(", "));
        Problem::parameter(name, message)
    })
}

pub fn maybe_number(query: &Query, name: &str) -> Result<Option<i64>, Problem> {
    let Some(text) = query.get(name) else {
        return Ok(None);
    };
    let number = text.parse::<i64>().ok().filter(|number| *number >= 0);
    number
        .map(Some)
        .ok_or_else(|| Problem::parameter(name, format!("{name} must be a whole number")))
}
