//! Models that score and decide nothing: entered, ended, and compared with those that decide.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Response, StatusCode};
use backtest::models::{Contender, Contest};
use event::record::{ConfigSection, ServingPart};
use event::{EventTime, Span, hex};
use node::node::TenantHandle;
use node::node::activation::State;
use node::node::lineup::Moved;
use node::request::{Answer, Request};
use node::shadow::Board;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::backtests::{begin, text_of, time};
use super::decisions::ask;
use super::documents::changed_by;
use super::models::{digest, not_done, turn, version};
use crate::app::Call;
use crate::backtests::Task;
use crate::problem::Problem;
use crate::query::Query;
use crate::render::json_body;

pub async fn enter(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let tenant = call.admitted.tenant()?.clone();
    let artifact = digest(call.param("model"))?;
    let (author, deadline) = (changed_by(&call)?, call.admitted.deadline);
    let alone = turn(&call).await?;
    let entered = spawn_blocking(move || {
        let _alone = alone;
        tenant.enter_shadow(artifact, author, deadline)
    });
    let moved = entered
        .await
        .map_err(Problem::internal)?
        .map_err(not_done)?;
    told(&call, &artifact, &moved)
}

pub async fn end(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let tenant = call.admitted.tenant()?.clone();
    let artifact = digest(call.param("model"))?;
    let (author, deadline) = (changed_by(&call)?, call.admitted.deadline);
    let ended = spawn_blocking(move || tenant.end_shadow(artifact, author, deadline));
    let moved = ended.await.map_err(Problem::internal)?.map_err(not_done)?;
    told(&call, &artifact, &moved)
}

fn told(call: &Call, artifact: &[u8; 32], moved: &Moved) -> Result<Response<Body>, Problem> {
    let tenant = call.admitted.tenant()?;
    let mut body = counts(tenant.shadows());
    body["model"] = json!(hex(artifact));
    body["model_version"] = json!(version(call, artifact));
    body["position"] = json!(moved.position.0);
    Ok(json_body(StatusCode::OK, &body))
}

/// What a tenant's shadows have counted since its process began.
pub fn counts(board: &Board) -> Value {
    let lanes = board.lanes();
    let lanes = lanes.iter().map(|lane| {
        json!({
            "model": hex(&lane.artifact),
            "scored": lane.scored.get(),
            "failed": lane.failed.get(),
            "faults": lane.faults.get(),
            "trouble": lane.trouble(),
        })
    });
    json!({
        "handed": board.handed.get(),
        "dropped": board.dropped.get(),
        "lag": board.lag(),
        "shadows": lanes.collect::<Vec<_>>(),
    })
}

const DAYS: i64 = 30;
const SAMPLES: u64 = 10;
/// How long an answer waits for a table; one that takes longer is asked for again, here or as any backtest.
const PATIENCE: Duration = Duration::from_millis(1_500);
const LOOK_EVERY: Duration = Duration::from_millis(10);
const KNOWN: [&str; 6] = ["from", "last", "until", "models", "maturity", "samples"];

/// The same question again is answered by the job that is on its way.
pub async fn compare(call: Call) -> Result<Response<Body>, Problem> {
    let query = Query::parse(call.uri.query(), &KNOWN)?;
    let asked = call.uri.query().unwrap_or_default();
    let tenant = &call.admitted.tenant()?.name;
    let job = match call.app.backtests.comparison(tenant, asked) {
        Some(job) => job,
        None => {
            let contest = Box::new(contest(&call, &query).await?);
            let asked = asked.to_owned();
            begin(&call, Task::Comparison { contest, asked })?
        }
    };
    let until = Instant::now() + PATIENCE;
    let until = until.min(call.admitted.deadline - LOOK_EVERY * 4);
    while job.is_open() && Instant::now() < until {
        sleep(LOOK_EVERY).await;
    }
    Ok(json_body(StatusCode::OK, &job.value()))
}

async fn contest(call: &Call, query: &Query) -> Result<Contest, Problem> {
    let tenant = call.admitted.tenant()?;
    let Answer::Serving(serving) = ask(call, tenant, Request::Serving).await? else {
        return Err(Problem::internal(
            "the owner gave the answer to another request",
        ));
    };
    let newest = serving.newest_event.unwrap_or(EventTime::MIN);
    let until = match query.get("until") {
        // The newest event is within.
        None => newest.plus(Span::from_millis(1)),
        Some(text) => time("until", text)?,
    };
    let from = match (query.get("from"), span(query, "last")?) {
        (None, last) => until.minus(last.unwrap_or(Span::days(DAYS))),
        (Some(text), None) => time("from", text)?,
        (Some(_), Some(_)) => {
            let message = "the window begins at from, or last before its end";
            return Err(Problem::parameter("last", message));
        }
    };
    let maturity = span(query, "maturity")?;
    let models = contenders(tenant, query.get("models"), &serving.lineup)?;
    Ok(Contest {
        from,
        until,
        models,
        policy: text_of(call, tenant, ConfigSection::Policy).await?,
        rates: text_of(call, tenant, ConfigSection::Rates).await?,
        maturity,
        samples: query.number("samples", SAMPLES, Contest::SAMPLES_MAX as u64)? as usize,
    })
}

fn span(query: &Query, name: &str) -> Result<Option<Span>, Problem> {
    let span = query.get(name).map(Span::parse).transpose();
    span.map_err(|error| {
        let message = format!("{name} must be a span such as 30d: {error}");
        Problem::parameter(name, message)
    })
}

/// Those named, or all that serve; the champion first where it is among them.
fn contenders(
    tenant: &TenantHandle,
    named: Option<&str>,
    lineup: &engine::Lineup,
) -> Result<Vec<Contender>, Problem> {
    let mut artifacts: Vec<[u8; 32]> = match named {
        Some(named) => {
            let all = named.split(',').map(digest);
            all.collect::<Result<_, _>>()?
        }
        None => backtest::models::all_of(lineup),
    };
    artifacts.sort_by_key(|it| lineup.champion() != Some(*it));
    // Of the process, and of the model that was put into service last.
    let activation = tenant.activation();
    let latest = activation.as_ref().map(|it| it.artifact);
    let switched = activation.and_then(|it| match it.state {
        State::Serving { took, .. } => Some(took.as_secs_f64() * 1e3),
        State::Rebuilding { .. } | State::Failed { .. } => None,
    });
    let mut known = Vec::new();
    for artifact in artifacts {
        let part = lineup.part_of(&artifact);
        let has_scores = part.is_some() || tenant.place().model(&artifact).exists();
        if !has_scores {
            return Err(Problem::not_found("the model"));
        }
        known.push(Contender {
            artifact,
            part: part.map_or("none", ServingPart::name),
            hot_update_ms: switched.filter(|_| latest == Some(artifact)),
            trouble: tenant.shadows().lane(&artifact).and_then(|it| it.trouble()),
        });
    }
    Ok(known)
}
