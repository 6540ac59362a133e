//! One action each: its body, and the action it stands for.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use casework::{Action, FraudType};
use event::{EventTime, Invalid};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::casework::{actor, ask, body, id, now, version};
use super::told;
use crate::app::Call;
use crate::problem::Problem;
use crate::query::Query;
use crate::render::json_body;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Assignment {
    /// Null or absent: nobody.
    assignee: Option<String>,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Until {
    until: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tick {
    item: i64,
    done: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reference {
    name: String,
    uri: String,
    sha256: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Disposition {
    fraud_type: String,
    #[serde(default)]
    note: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Many {
    cases: Vec<Versioned>,
    action: String,
    /// What the action takes, as by its own route.
    #[serde(default)]
    with: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Versioned {
    id: i64,
    version: i64,
}

pub async fn claim(call: Call) -> Result<Response<Body>, Problem> {
    act(call, Action::Claim).await
}

pub async fn release(call: Call) -> Result<Response<Body>, Problem> {
    act(call, Action::Release).await
}

pub async fn assign(call: Call) -> Result<Response<Body>, Problem> {
    let action = body::<Assignment>(&call)?.action();
    act(call, action).await
}

pub async fn snooze(call: Call) -> Result<Response<Body>, Problem> {
    let action = body::<Until>(&call)?.action()?;
    act(call, action).await
}

pub async fn note(call: Call) -> Result<Response<Body>, Problem> {
    let Text { text } = body(&call)?;
    act(call, Action::Note { text }).await
}

pub async fn check(call: Call) -> Result<Response<Body>, Problem> {
    let Tick { item, done } = body(&call)?;
    act(call, Action::Tick { item, done }).await
}

pub async fn attach(call: Call) -> Result<Response<Body>, Problem> {
    let Reference { name, uri, sha256 } = body(&call)?;
    act(call, Action::Attach { name, uri, sha256 }).await
}

pub async fn dispose(call: Call) -> Result<Response<Body>, Problem> {
    let action = body::<Disposition>(&call)?.action()?;
    act(call, action).await
}

pub async fn close(call: Call) -> Result<Response<Body>, Problem> {
    let Reason { reason } = body(&call)?;
    act(call, Action::Close { reason }).await
}

pub async fn reopen(call: Call) -> Result<Response<Body>, Problem> {
    let Reason { reason } = body(&call)?;
    act(call, Action::Reopen { reason }).await
}

async fn act(call: Call, action: Action) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let (id, version) = (id(&call)?, version(&call)?);
    let (actor, now) = (actor(&call), now(&call)?);
    let done = ask(&call, move |casework, _| {
        casework.act(&actor, id, version, &action, now)
    });
    Ok(told(&done.await?))
}

/// Each case by itself: an answer for each, in order, with the case or why it was refused.
pub async fn bulk(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let many: Many = body(&call)?;
    let action = many.action()?;
    let cases: Vec<(i64, i64)> = many.cases.iter().map(|it| (it.id, it.version)).collect();
    let (actor, now) = (actor(&call), now(&call)?);
    let asked = cases.clone();
    let done = ask(&call, move |casework, _| {
        casework.bulk(&actor, &asked, &action, now)
    })
    .await?;
    let results = cases
        .iter()
        .zip(done)
        .map(|((id, _), result)| match result {
            Ok(case) => json!({ "id": id, "case": case, "error": null }),
            Err(refused) => {
                json!({ "id": id, "case": null, "error": Problem::from(refused).value() })
            }
        });
    let body = json!({ "results": results.collect::<Vec<_>>() });
    Ok(json_body(StatusCode::OK, &body))
}

impl Many {
    /// What cannot be meant of many cases at once is not among them: ticks, attachments.
    fn action(&self) -> Result<Action, Problem> {
        Ok(match self.action.as_str() {
            "claim" => Action::Claim,
            "release" => Action::Release,
            "assign" => self.with::<Assignment>()?.action(),
            "snooze" => self.with::<Until>()?.action()?,
            "note" => {
                let Text { text } = self.with()?;
                Action::Note { text }
            }
            "disposition" => self.with::<Disposition>()?.action()?,
            "close" => {
                let Reason { reason } = self.with()?;
                Action::Close { reason }
            }
            "reopen" => {
                let Reason { reason } = self.with()?;
                Action::Reopen { reason }
            }
            other => {
                let known = "claim, release, assign, snooze, note, disposition, close, reopen";
                return Err(unknown("action", other, known.to_owned()));
            }
        })
    }

    fn with<T: for<'de> Deserialize<'de>>(&self) -> Result<T, Problem> {
        T::deserialize(&self.with)
            .map_err(|error| Problem::bad("not_json", format!("with does not fit: {error}")))
    }
}

impl Assignment {
    fn action(self) -> Action {
        let (to, reason) = (self.assignee, self.reason);
        Action::Assign { to, reason }
    }
}

impl Until {
    fn action(self) -> Result<Action, Problem> {
        let until = EventTime::parse_iso(&self.until).map_err(|source| Invalid::Time {
            field: "until".to_owned(),
            source,
        })?;
        Ok(Action::Snooze { until })
    }
}

impl Disposition {
    fn action(self) -> Result<Action, Problem> {
        let fraud_type = FraudType::parse(&self.fraud_type).ok_or_else(|| {
            let known: Vec<&str> = FraudType::ALL.iter().map(|it| it.name()).collect();
            unknown("fraud_type", &self.fraud_type, known.join(", "))
        })?;
        let note = self.note;
        Ok(Action::Dispose { fraud_type, note })
    }
}

fn unknown(field: &'static str, value: &str, known: String) -> Problem {
    let value = value.chars().take(64).collect();
    casework::Refused::Unknown {
        field,
        value,
        known,
    }
    .into()
}
