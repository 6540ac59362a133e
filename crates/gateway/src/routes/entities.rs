//! The graph as it stands: one entity, and what is around it.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use event::KindIx;
use node::owner::Shape;
use node::request::{Answer, Request};
use node::tenant::around::DEPTH_MAX;
use serde_json::json;

use super::decisions::{ask, shape, teller};
use crate::app::Call;
use crate::problem::Problem;
use crate::query::Query;
use crate::render::json_body;

pub async fn one(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let tenant = call.admitted.tenant()?;
    let shape = shape(tenant)?;
    let kind = kind(&call, shape)?;
    let id = call.param("id").to_owned();
    match ask(&call, tenant, Request::Entity { kind, id }).await? {
        Answer::Entity(view) => {
            let value = teller(&call.app, shape).entity(&view);
            Ok(json_body(StatusCode::OK, &value))
        }
        _ => Err(Problem::not_found("the entity")),
    }
}

pub async fn neighbours(call: Call) -> Result<Response<Body>, Problem> {
    let query = Query::parse(call.uri.query(), &["depth"])?;
    let depth = query.number("depth", 1, u64::from(DEPTH_MAX))? as u8;
    let tenant = call.admitted.tenant()?;
    let shape = shape(tenant)?;
    let kind = kind(&call, shape)?;
    let id = call.param("id").to_owned();
    match ask(&call, tenant, Request::Neighbours { kind, id, depth }).await? {
        Answer::Neighbours(found) => {
            let value = teller(&call.app, shape).neighbours(&found);
            Ok(json_body(StatusCode::OK, &value))
        }
        _ => Err(Problem::not_found("the entity")),
    }
}

fn kind(call: &Call, shape: &Shape) -> Result<KindIx, Problem> {
    let found = shape.schema.kind(call.param("kind"));
    found.ok_or_else(|| {
        let kinds = &shape.schema.kinds;
        let known: Vec<&str> = kinds.iter().map(|kind| kind.name.as_str()).collect();
        Problem::not_found("the entity kind").with_detail(json!({ "known": known }))
    })
}
