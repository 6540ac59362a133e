//! Lists and documents set by one request, all of them or none: what people keep in files beside each other.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use event::record::ConfigSection;
use lists::{Change, Written};
use node::request::{Answer, Request};
use node::tenant::plan::{Plan, Planned};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::decisions::ask;
use super::documents::changed_by;
use super::{lists as held_lists, rules};
use crate::app::Call;
use crate::given;
use crate::problem::{Problem, problem_value};
use crate::query::Query;
use crate::render::json_body;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    lists: Option<GivenLists>,
    rates: Option<GivenDocument>,
    policy: Option<GivenDocument>,
    rules: Option<GivenDocument>,
    drift: Option<GivenDocument>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenLists {
    /// Of all lists, as it was seen.
    version: Option<u32>,
    /// Those to create or to alter; the others stay.
    definitions: BTreeMap<String, Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenDocument {
    version: Option<u32>,
    /// TOML, as it is kept in a file.
    text: String,
}

/// Whether everything would be taken; nothing is changed.
pub async fn validate(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let (plan, warnings) = read(&call).await?;
    let request = Request::CheckPlan {
        plan: Box::new(plan),
        at: call.app.node.clock().now().map_err(Problem::internal)?,
    };
    ask(&call, call.admitted.tenant()?, request).await?;
    let body = json!({ "valid": true, "warnings": warnings });
    Ok(json_body(StatusCode::OK, &body))
}

pub async fn take(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let author = changed_by(&call)?;
    let (plan, warnings) = read(&call).await?;
    let request = Request::TakePlan(Box::new(plan), author);
    let Answer::Planned(set) = ask(&call, call.admitted.tenant()?, request).await? else {
        return Err(Problem::internal(
            "the owner gave the answer to another request",
        ));
    };
    let versions = set.into_iter().map(|(section, version)| {
        let name = section.name().to_owned();
        (name, json!(version))
    });
    let versions: Map<String, Value> = versions.collect();
    let body = json!({ "versions": versions, "warnings": warnings });
    Ok(json_body(StatusCode::OK, &body))
}

/// The plan, and what cannot be checked of its rules.
async fn read(call: &Call) -> Result<(Plan, Vec<Value>), Problem> {
    let given: Given = given::read(&call.body, "plan")?;
    let mut plan = Plan::default();
    if let Some(lists) = given.lists {
        plan.lists_version = lists.version;
        plan.lists = changes(call, lists.definitions).await?;
    }
    let documents = [
        (ConfigSection::Rates, given.rates),
        (ConfigSection::Policy, given.policy),
        (ConfigSection::Rules, given.rules),
        (ConfigSection::Drift, given.drift),
    ];
    let mut warnings = Vec::new();
    for (section, given) in documents {
        let Some(GivenDocument { version, text }) = given else {
            continue;
        };
        if section == ConfigSection::Rules {
            let read = rules::read(call, text.clone()).await;
            let read = read.map_err(|problem| problem.of_part(section.name()))?;
            warnings.extend(read.warnings().map(problem_value));
            plan.rules = Some(read);
        }
        plan.documents.push(Planned {
            section,
            body: text,
            expected: version,
        });
    }
    if plan.sections().is_empty() {
        return Err(Problem::bad("empty_plan", "the plan changes nothing"));
    }
    Ok((plan, warnings))
}

async fn changes(
    call: &Call,
    definitions: BTreeMap<String, Written>,
) -> Result<Vec<Change>, Problem> {
    let held = held_lists::view(call).await?;
    let change = |(name, written): (String, Written)| {
        let definition = written.named(&name).map_err(|error| {
            let detail = json!({ "field": error.field });
            let problem = Problem::bad("list_definition", error.to_string()).with_detail(detail);
            problem.of_part(&format!("list {name}"))
        })?;
        Ok(match held.lists.definition(&name) {
            None => Change::Create(definition),
            Some(_) => Change::Alter(definition),
        })
    };
    definitions.into_iter().map(change).collect()
}
