//! Who serves beside the champion: a challenger's share, retirement, the way back.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use engine::Lineup;
use event::hex;
use event::record::{Levels, ServingPart};
use node::node::activation::Activation;
use node::node::lineup::{Leave, Moved};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::{activated, digest, not_done, turn, version};
use crate::app::Call;
use crate::given;
use crate::problem::Problem;
use crate::query::Query;
use crate::render::json_body;
use crate::routes::documents::changed_by;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Challenge {
    /// Of the accounts, above 0 and at most 1.
    share: f64,
    /// All but L1 without it.
    levels: Option<Vec<String>>,
}

pub async fn challenge(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let tenant = call.admitted.tenant()?.clone();
    let artifact = digest(call.param("model"))?;
    let asked: Challenge = given::read(&call.body, "challenge")?;
    let share_ppm = share_ppm(asked.share)?;
    let levels = asked
        .levels
        .map_or(Ok(Levels::default()), |it| levels(&it))?;
    let (author, deadline) = (changed_by(&call)?, call.admitted.deadline);
    let alone = turn(&call).await?;
    let moved = spawn_blocking(move || {
        let _alone = alone;
        tenant.challenge(artifact, share_ppm, levels, author, deadline)
    });
    let moved = moved.await.map_err(Problem::internal)?.map_err(not_done)?;
    Ok(json_body(StatusCode::OK, &told(&call, &moved)))
}

pub async fn withdraw(call: Call) -> Result<Response<Body>, Problem> {
    leave(call, Leave::Withdraw).await
}

pub async fn retire(call: Call) -> Result<Response<Body>, Problem> {
    leave(call, Leave::Retire).await
}

pub async fn reinstate(call: Call) -> Result<Response<Body>, Problem> {
    leave(call, Leave::Reinstate).await
}

async fn leave(call: Call, how: Leave) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let tenant = call.admitted.tenant()?.clone();
    let artifact = digest(call.param("model"))?;
    let (author, deadline) = (changed_by(&call)?, call.admitted.deadline);
    let moved = spawn_blocking(move || tenant.leave(artifact, how, author, deadline));
    let moved = moved.await.map_err(Problem::internal)?.map_err(not_done)?;
    Ok(json_body(StatusCode::OK, &told(&call, &moved)))
}

pub async fn remove(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let tenant = call.admitted.tenant()?.clone();
    let artifact = digest(call.param("model"))?;
    let (author, deadline) = (changed_by(&call)?, call.admitted.deadline);
    let moved = spawn_blocking(move || tenant.remove_model(artifact, author, deadline));
    let moved = moved.await.map_err(Problem::internal)?.map_err(not_done)?;
    Ok(json_body(StatusCode::OK, &told(&call, &moved)))
}

pub async fn roll_back(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let tenant = call.admitted.tenant()?.clone();
    let (author, deadline) = (changed_by(&call)?, call.admitted.deadline);
    let alone = turn(&call).await?;
    let begun = spawn_blocking(move || {
        let _alone = alone;
        tenant.roll_back(author, deadline)
    });
    let begun = begun.await.map_err(Problem::internal)?;
    let (artifact, state) = begun.map_err(not_done)?;
    Ok(activated(&call, &Activation { artifact, state }))
}

fn share_ppm(share: f64) -> Result<u32, Problem> {
    let ppm = (share * 1e6).round();
    if (1.0..=1e6).contains(&ppm) {
        return Ok(ppm as u32);
    }
    let message = format!("share must be at least 0.000001 and at most 1, got {share}");
    Err(Problem::bad("share", message).with_detail(json!({ "field": "share" })))
}

fn levels(names: &[String]) -> Result<Levels, Problem> {
    let place = |name: &String| Levels::NAMES.iter().position(|it| it == name);
    let bits = names
        .iter()
        .try_fold(0_u8, |bits, name| Some(bits | 1 << place(name)?));
    let levels = bits.and_then(Levels::from_bits);
    levels.ok_or_else(|| {
        let known = Levels::NAMES.join(", ");
        let message = format!("levels must be some of {known}, got {names:?}");
        Problem::bad("levels", message).with_detail(json!({ "field": "levels" }))
    })
}

fn told(call: &Call, moved: &Moved) -> Value {
    json!({ "position": moved.position.0, "lineup": lineup(call, &moved.lineup) })
}

/// The places of models, as answers show them.
pub fn lineup(call: &Call, held: &Lineup) -> Value {
    let named = |artifact: &[u8; 32]| json!({ "model": hex(artifact), "model_version": version(call, artifact) });
    let challenger = held.challenger().map(|it| {
        let mut value = named(&it.artifact);
        value["share"] = json!(f64::from(it.share_ppm) / 1e6);
        value["levels"] = it.levels.names().collect();
        value["since_position"] = json!(it.since.0);
        value
    });
    let tenant = call.admitted.tenant().ok();
    let trouble = |artifact: &[u8; 32]| tenant?.shadows().lane(artifact)?.trouble();
    let shadows = held.shadows().iter().map(|it| {
        let mut value = named(&it.artifact);
        value["trouble"] = json!(trouble(&it.artifact));
        value["since_position"] = json!(it.since.0);
        value
    });
    json!({
        "champion": held.champion().map(|it| named(&it)),
        "former_champion": held.former_champion().map(|it| named(&it)),
        "challenger": challenger,
        "shadows": shadows.collect::<Vec<_>>(),
        "retired": held.retired().iter().map(named).collect::<Vec<_>>(),
    })
}

/// What a model is to the tenant.
pub fn status(held: &Lineup, artifact: &[u8; 32]) -> &'static str {
    held.part_of(artifact)
        .map_or("candidate", ServingPart::name)
}
