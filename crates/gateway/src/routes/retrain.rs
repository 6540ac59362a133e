//! A tenant's retrains: what they came to, one more by command, and what a person says to a candidate.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use serde_json::{Value, json};
use steward::job::{self, Job};
use steward::occasion::{self, Occasion};
use steward::{Refused, StewardError};
use tokio::task::spawn_blocking;

use super::documents::changed_by;
use crate::app::Call;
use crate::problem::Problem;
use crate::query::Query;
use crate::render::json_body;

/// Alerts of data quality go on.
const BLOCKED: &str = "retrain_blocked";
/// Jobs of a list.
const LISTED: usize = 32;

pub async fn list(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let (steward, tenant) = (
        call.app.process.steward.clone(),
        call.admitted.tenant()?.clone(),
    );
    let read = spawn_blocking(move || {
        let jobs = job::all(tenant.place())?;
        let newest = jobs.iter().rev().take(LISTED);
        let values: Vec<Value> = newest.map(|job| steward.told(job)).collect();
        let faults = Occasion::of(&tenant).faults;
        let blocked = (!faults.is_empty()).then(
            || json!({ "code": BLOCKED, "says": occasion::reason(&faults), "alerts": faults }),
        );
        Ok(json!({
            "enabled": steward.settings().enabled,
            "blocked": blocked,
            "waits": steward.trouble(&tenant),
            "retrains": values,
        }))
    });
    let body = read.await.map_err(Problem::internal)?;
    let body = body.map_err(|error: StewardError| Problem::internal(error))?;
    Ok(json_body(StatusCode::OK, &body))
}

pub async fn one(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let (steward, tenant) = (
        call.app.process.steward.clone(),
        call.admitted.tenant()?.clone(),
    );
    let id = id(&call)?;
    let read = spawn_blocking(move || Ok(steward.told(&job::one(tenant.place(), id)?)));
    let value = read.await.map_err(Problem::internal)?;
    let value = value.map_err(|refused: Refused| Problem::from(refused))?;
    Ok(json_body(StatusCode::OK, &value))
}

pub async fn start(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let (steward, tenant) = (
        call.app.process.steward.clone(),
        call.admitted.tenant()?.clone(),
    );
    let asked = changed_by(&call)?;
    let begun = spawn_blocking(move || {
        let job = steward.order(&tenant, &asked.name, &asked.why)?;
        Ok(steward.told(&job))
    });
    let value = begun.await.map_err(Problem::internal)?;
    let value = value.map_err(|refused: Refused| Problem::from(refused))?;
    Ok(json_body(StatusCode::ACCEPTED, &value))
}

pub async fn approve(call: Call) -> Result<Response<Body>, Problem> {
    answer(call, true).await
}

pub async fn reject(call: Call) -> Result<Response<Body>, Problem> {
    answer(call, false).await
}

async fn answer(call: Call, approved: bool) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let (steward, tenant) = (
        call.app.process.steward.clone(),
        call.admitted.tenant()?.clone(),
    );
    let (id, asked) = (id(&call)?, changed_by(&call)?);
    let answered = spawn_blocking(move || {
        let job: Job = steward.answer(&tenant, id, (approved, &asked.name, &asked.why))?;
        Ok(steward.told(&job))
    });
    let value = answered.await.map_err(Problem::internal)?;
    let value = value.map_err(|refused: Refused| Problem::from(refused))?;
    Ok(json_body(StatusCode::OK, &value))
}

fn id(call: &Call) -> Result<u64, Problem> {
    let id = call.param("id").parse();
    id.map_err(|_| Problem::not_found("the retrain"))
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Problem {
        let message = refused.to_string();
        let conflict = |code| Problem::new(StatusCode::CONFLICT, code, message.clone());
        match refused {
            Refused::Off => conflict("retrain_off"),
            Refused::Running(id) => {
                conflict("retrain_running").with_detail(json!({ "retrain": id }))
            }
            Refused::NotWaiting(status) => {
                conflict("retrain_not_waiting").with_detail(json!({ "status": status }))
            }
            Refused::Faults(faults) => conflict(BLOCKED).with_detail(json!({ "alerts": faults })),
            Refused::Leaving => {
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "tenant_leaving", message).after(5)
            }
            Refused::Failed(ref error @ StewardError::Damaged { retrain, .. }) => {
                let says = error.without_paths();
                let message =
                    format!("retrain {retrain} holds up all: {says}; move its directory away");
                Problem::new(StatusCode::CONFLICT, "retrain_damaged", message)
                    .with_detail(json!({ "retrain": retrain }))
            }
            Refused::Failed(StewardError::Unknown(_)) => Problem::not_found("the retrain"),
            Refused::Failed(error) => Problem::internal(error),
        }
    }
}
