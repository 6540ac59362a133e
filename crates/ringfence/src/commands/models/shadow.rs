//! `ringfence models shadow`: a model scores beside those that decide, or does not any more.

use std::io::Write;

use anyhow::{Context, Result};
use node::tenant::lineup::Move;
use node::{Champion, Place};
use serde_json::json;
use ureq::http::Method;

use super::lineup::hand_over;
use super::remote::{JSON, resolve};
use super::the_one;
use crate::cli::{Change, Cli, ShadowArgs};
use crate::remote::Remote;
use crate::show;
use crate::target::Target;

pub fn run(cli: &Cli, place: &Place, change: &Change, args: &ShadowArgs) -> Result<()> {
    let (hash, position, trouble) = match Target::open(cli, change)? {
        Target::Stopped(mut tenant, author) => {
            let (hash, _) = the_one(place, &args.model)?;
            let path = place.models().join(format!("{hash}.model"));
            let features = tenant.engine().features();
            let model = Champion::load(&path, tenant.schema(), features)?;
            let artifact = model.artifact();
            let wanted = match args.stop {
                true => Move::EndShadow { artifact },
                false => Move::Shadow {
                    artifact,
                    producer: model.voice().map(|voice| voice.producer),
                },
            };
            let position = tenant.make_move(wanted, &author)?;
            tenant.commit()?;
            (hash, position.0, None)
        }
        Target::Running(server) => remote(&server, place, args)?,
    };
    if cli.json {
        let told = json!({ "model": hash, "shadow": !args.stop, "position": position, "trouble": trouble });
        return Ok(show::json(&told)?);
    }
    let says = match args.stop {
        true => "is no shadow any more",
        false => "scores as a shadow",
    };
    writeln!(
        show::out(),
        "model {} {says}, from position {position}",
        &hash[..12]
    )?;
    if let Some(trouble) = trouble {
        writeln!(show::out(), "it does not score yet: {trouble}")?;
    }
    Ok(())
}

fn remote(
    server: &Remote,
    place: &Place,
    args: &ShadowArgs,
) -> Result<(String, u64, Option<String>)> {
    let hash = match args.stop {
        true => resolve(server, &args.model)?,
        false => hand_over(place, server, &args.model)?,
    };
    let path = format!("/v1/models/{hash}/shadow");
    let told = match args.stop {
        true => server.delete(&path)?,
        false => server.send(Method::POST, &path, JSON, &[])?,
    };
    let position = told["position"].as_u64();
    let mut lanes = told["shadows"].as_array().into_iter().flatten();
    let lane = lanes.find(|it| it["model"] == hash.as_str());
    let trouble = lane.and_then(|it| it["trouble"].as_str().map(str::to_owned));
    let position = position.context("an answer without position")?;
    Ok((hash, position, trouble))
}
