//! The schema of a tenant, which is fixed from its first event on.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use desk::audit::{Exchange, carry};
use event::Schema;
use event::schema::{AmountRule, Domain};
use node::Place;
use node::node::kept::{Fate, Fates};
use serde::Deserialize;
use serde_json::json;
use tokio::task::spawn_blocking;

use super::decisions::shape;
use super::documents::changed_by;
use crate::app::Call;
use crate::given;
use crate::problem::Problem;
use crate::query::Query;
use crate::render::json_body;

pub async fn schema(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let schema = &shape(call.admitted.tenant()?)?.schema;
    let kind_of = |role: &event::schema::Role| schema.kinds[role.kind.index()].name.as_str();
    let roles = schema
        .roles
        .iter()
        .map(|role| json!({ "name": role.name, "kind": kind_of(role), "part": role.part }));
    let event_types = schema.event_types.iter().map(|event_type| {
        let requires = event_type.requires.iter();
        let requires = requires.map(|role| schema.roles[role.index()].name.as_str());
        json!({
            "name": event_type.name,
            "class": event_type.class,
            "amount": match event_type.amount {
                AmountRule::Required => "required",
                AmountRule::Optional => "optional",
                AmountRule::Absent => "absent",
            },
            "requires": requires.collect::<Vec<_>>(),
        })
    });
    let attributes = schema.attributes.iter().map(|attribute| {
        let kind = match attribute.domain {
            Domain::Numeric { .. } => "numeric",
            Domain::Categorical { .. } => "categorical",
            Domain::Text { .. } => "text",
        };
        json!({ "name": attribute.name, "type": kind, "meaning": attribute.meaning })
    });
    let kinds = schema.kinds.iter().map(|kind| kind.name.as_str());
    let body = json!({
        "name": schema.name,
        "hash": schema.hash().hex(),
        "base_currency": schema.base_currency.code(),
        "kinds": kinds.collect::<Vec<_>>(),
        "roles": roles.collect::<Vec<_>>(),
        "event_types": event_types.collect::<Vec<_>>(),
        "attributes": attributes.collect::<Vec<_>>(),
    });
    Ok(json_body(StatusCode::OK, &body))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSchema {
    /// TOML, as in docs/schema.md.
    schema: String,
}

pub async fn set_schema(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let given: NewSchema = given::read(&call.body, "schema")?;
    let (app, name) = (call.app.clone(), call.admitted.tenant()?.name.clone());
    let (deadline, author) = (call.admitted.deadline, changed_by(&call)?);
    let old = call.admitted.tenant()?.place().clone();
    let set = spawn_blocking(move || {
        // Another directory takes the name of this one: what people did before goes along.
        let _left = app.desk.leave(&name)?;
        let furnish = |new: &Place| {
            (app.schemas.furnish)(new)?;
            app.process.webhooks.bar(&name);
            carry(&Exchange {
                tenant: &name,
                old: &old,
                new,
                schema: &Schema::parse(&given.schema)?,
                author: &author,
            })
        };
        let set = app.node.set_schema(&name, &given.schema, furnish, deadline);
        app.process.webhooks.admit(&name);
        set.map_err(Problem::from)
    });
    let set = set.await.map_err(Problem::internal)??;
    let told = |fate: &Fate| match fate {
        Fate::Kept => ("kept", None),
        Fate::Reset { reason } => ("reset", Some(reason.clone())),
    };
    let Fates {
        policy,
        rates,
        rules,
        drift,
        lists_dropped,
    } = &set.fates;
    let (policy, policy_reason) = told(policy);
    let (rates, rates_reason) = told(rates);
    let (rules, rules_reason) = told(rules);
    let (drift, drift_reason) = told(drift);
    let dropped = lists_dropped.iter();
    let dropped = dropped.map(|(list, reason)| json!({ "list": list, "reason": reason }));
    let body = json!({
        "hash": set.hash.hex(),
        "changed": set.changed,
        "policy": policy,
        "policy_reason": policy_reason,
        "rates": rates,
        "rates_reason": rates_reason,
        "rules": rules,
        "rules_reason": rules_reason,
        "drift": drift,
        "drift_reason": drift_reason,
        "lists_dropped": dropped.collect::<Vec<_>>(),
    });
    Ok(json_body(StatusCode::OK, &body))
}
