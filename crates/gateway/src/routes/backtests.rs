//! What other rules or thresholds would have decided: asked for, watched, cancelled.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use backtest::{Costs, Plan, Rulebook};
use engine::{ConfigError, exploration};
use event::record::ConfigSection;
use event::{EventTime, Span};
use node::node::TenantHandle;
use node::request::{Answer, Failed, Request};
use serde::Deserialize;
use serde_json::json;

use super::decisions::ask;
use super::rules;
use crate::app::Call;
use crate::backtests::{Job, NotStarted, Task};
use crate::given;
use crate::problem::Problem;
use crate::query::Query;
use crate::render::json_body;

const DAYS: i64 = 7;
const SAMPLES: usize = 20;
const SAMPLES_MAX: usize = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// TOML; those in force without it.
    rules: Option<String>,
    policy: Option<String>,
    /// Of advice.
    alerts_per_day: Option<f64>,
    from: Option<String>,
    /// Behind the newest event without it.
    until: Option<String>,
    /// Instead of `from`, such as 30d; seven days without both.
    last: Option<String>,
    #[serde(default)]
    costs: Costs,
    /// Whether the serving model scores what was recorded without a decision.
    #[serde(default)]
    score_missing: bool,
    samples: Option<usize>,
}

pub async fn start(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let asked = read(&call)?;
    if asked.alerts_per_day.is_some() {
        return Err(misplaced("alerts_per_day", "/v1/advice"));
    }
    let samples = asked.samples.unwrap_or(SAMPLES);
    if samples > SAMPLES_MAX {
        let message = format!("samples must be at most {SAMPLES_MAX}");
        let detail = json!({ "field": "samples" });
        return Err(Problem::bad("samples", message).with_detail(detail));
    }
    let mut plan = plan(&call, &asked).await?;
    plan.samples = samples;
    let tenant = call.admitted.tenant()?;
    // Refused here, with its places, rather than in the job.
    let at = call.app.node.clock().now().map_err(Problem::internal)?;
    if let Some(text) = asked.rules {
        let rules = Box::new(rules::read(&call, text.clone()).await?);
        ask(&call, tenant, Request::CheckRules { rules, at }).await?;
        plan.candidate.rules = text;
    }
    if let Some(text) = asked.policy {
        let (section, body) = (ConfigSection::Policy, text.clone());
        ask(&call, tenant, Request::Check { section, body, at }).await?;
        let held = &plan.current.policy;
        let whole = exploration::revealed(&text, held).map_err(ConfigError::from);
        plan.candidate.policy = whole.map_err(|it| Failed::Refused(it.into()))?;
    }
    started(&call, Task::Backtest(Box::new(plan)))
}

pub async fn advise(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let asked = read(&call)?;
    for (name, given) in [
        ("rules", asked.rules.is_some()),
        ("policy", asked.policy.is_some()),
        ("samples", asked.samples.is_some()),
    ] {
        if given {
            return Err(misplaced(name, "/v1/backtests"));
        }
    }
    let alerts_per_day = asked.alerts_per_day.ok_or_else(|| {
        Problem::bad("alert_budget", "alerts_per_day is missing")
            .with_detail(json!({ "field": "alerts_per_day" }))
    })?;
    let plan = plan(&call, &asked).await?;
    let task = Task::Advice {
        plan: Box::new(plan),
        alerts_per_day,
    };
    started(&call, task)
}

fn misplaced(field: &'static str, route: &str) -> Problem {
    Problem::bad("not_json", format!("{field} is for {route}"))
        .with_detail(json!({ "field": field }))
}

pub async fn list(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let jobs = call.app.backtests.of(&call.admitted.tenant()?.name);
    let jobs = jobs.iter().map(|job| {
        let mut value = job.value();
        // A report is long; one job tells it.
        value["report"] = json!(null);
        value
    });
    let body = json!({ "backtests": jobs.collect::<Vec<_>>() });
    Ok(json_body(StatusCode::OK, &body))
}

pub async fn one(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    Ok(json_body(StatusCode::OK, &named(&call)?.value()))
}

pub async fn cancel(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let job = named(&call)?;
    job.cancel();
    Ok(json_body(StatusCode::OK, &job.value()))
}

fn named(call: &Call) -> Result<Arc<Job>, Problem> {
    let tenant = &call.admitted.tenant()?.name;
    let id = call.param("id").parse().ok();
    let job = id.and_then(|id| call.app.backtests.one(tenant, id));
    job.ok_or_else(|| Problem::not_found("backtest"))
}

/// Starts a task, and tells where it stands.
fn started(call: &Call, task: Task) -> Result<Response<Body>, Problem> {
    Ok(json_body(StatusCode::ACCEPTED, &begin(call, task)?.value()))
}

pub fn begin(call: &Call, task: Task) -> Result<Arc<Job>, Problem> {
    task.check().map_err(|error| {
        Problem::bad(error.code(), error.to_string()).with_detail(json!({ "field": error.field() }))
    })?;
    let tenant = call.admitted.tenant()?;
    let job = call
        .app
        .backtests
        .start(&tenant.name, tenant.place().clone(), task);
    match job {
        Ok(job) => Ok(job),
        Err(NotStarted::Full) => {
            let message = "as many backtests wait as may";
            Err(Problem::new(StatusCode::CONFLICT, "backtests_max", message).after(5))
        }
        Err(NotStarted::Thread(error)) => Err(Problem::internal(error)),
    }
}

/// By what is in force, over the window asked for.
async fn plan(call: &Call, asked: &Asked) -> Result<Plan, Problem> {
    let tenant = call.admitted.tenant()?;
    let Answer::Serving(serving) = ask(call, tenant, Request::Serving).await? else {
        return Err(Problem::internal(
            "the owner gave the answer to another request",
        ));
    };
    let newest = serving.newest_event.unwrap_or(EventTime::MIN);
    let (from, until) = window(asked, newest)?;
    let current = Rulebook {
        rules: text_of(call, tenant, ConfigSection::Rules).await?,
        policy: text_of(call, tenant, ConfigSection::Policy).await?,
    };
    let scorer = serving.artifact.filter(|_| asked.score_missing);
    Ok(Plan {
        from,
        until,
        candidate: current.clone(),
        current,
        costs: asked.costs,
        scorer,
        samples: 0,
    })
}

fn window(asked: &Asked, newest: EventTime) -> Result<(EventTime, EventTime), Problem> {
    let until = match &asked.until {
        // The newest event is within.
        None => newest.plus(Span::from_millis(1)),
        Some(text) => time("until", text)?,
    };
    let wrong =
        |message: String| Problem::bad("window", message).with_detail(json!({ "field": "last" }));
    let from = match (&asked.from, &asked.last) {
        (Some(_), Some(_)) => return Err(wrong("last and from exclude each other".to_owned())),
        (Some(text), None) => time("from", text)?,
        (None, Some(text)) => {
            let last = Span::parse(text).map_err(|error| wrong(format!("last: {error}")))?;
            until.minus(last)
        }
        (None, None) => until.minus(Span::days(DAYS)),
    };
    Ok((from, until))
}

pub async fn text_of(
    call: &Call,
    tenant: &TenantHandle,
    section: ConfigSection,
) -> Result<String, Problem> {
    match ask(call, tenant, Request::Document(section)).await? {
        Answer::Document(document) => Ok(document.body),
        _ => Err(Problem::internal(
            "the owner gave the answer to another request",
        )),
    }
}

pub fn time(field: &str, text: &str) -> Result<EventTime, Problem> {
    EventTime::parse_iso(text).map_err(|error| {
        Problem::bad("window", format!("{field}: {error}")).with_detail(json!({ "field": field }))
    })
}

fn read(call: &Call) -> Result<Asked, Problem> {
    given::read(&call.body, "backtest or wish for advice")
}
