//! Who serves as what: activated, challenging, retired, rolled back; in the tenant's directory or on a server.

use std::io::Write;

use anyhow::{Context, Result, bail};
use event::record::{Levels, ServingPart};
use model::artifact::Artifact;
use node::node::lineup::Leave;
use node::tenant::documents::Author;
use node::tenant::lineup::{LineupError, Move};
use node::{Champion, Place, Tenant};
use serde_json::{Value, json};
use ureq::http::Method;

use super::registry::digest;
use super::remote::{self, JSON, resolve};
use super::{named, the_one};
use crate::cli::{Change, Cli};
use crate::commands::{open_tenant, train};
use crate::remote::Remote;
use crate::show;

const PPM: f64 = 1e6;

fn remote(cli: &Cli, change: &Change, to: &str) -> Result<Remote> {
    let remote = Remote::new(to, &cli.tenant, change.token.as_deref())?;
    Ok(remote.because(change.why.as_deref()))
}

fn author(change: &Change) -> Author {
    Author {
        why: change.why.clone().unwrap_or_default(),
        ..Author::from("command line")
    }
}

pub fn activate(cli: &Cli, place: &Place, change: &Change, wanted: &str) -> Result<()> {
    if let Some(to) = &change.to {
        let server = remote(cli, change, to)?;
        let hash = hand_over(place, &server, wanted)?;
        let told = server.send(
            Method::POST,
            &format!("/v1/models/{hash}/activate"),
            JSON,
            &[],
        )?;
        return remote::await_service(cli, &server, &hash, told);
    }
    let (hash, _) = the_one(place, wanted)?;
    let mut tenant = open_tenant(cli, place)?;
    activate_here(cli, place, &mut tenant, change, &hash)
}

pub fn roll_back(cli: &Cli, place: &Place, change: &Change) -> Result<()> {
    if let Some(to) = &change.to {
        let server = remote(cli, change, to)?;
        let told = server.send(Method::POST, "/v1/models:rollback", JSON, &[])?;
        let hash = told["model"]
            .as_str()
            .context("an answer without model")?
            .to_owned();
        return remote::await_service(cli, &server, &hash, told);
    }
    let mut tenant = open_tenant(cli, place)?;
    let former = tenant.engine().lineup().former_champion();
    let hash = show::hex(&former.ok_or(LineupError::NoFormerChampion)?);
    activate_here(cli, place, &mut tenant, change, &hash)
}

fn activate_here(
    cli: &Cli,
    place: &Place,
    tenant: &mut Tenant,
    change: &Change,
    hash: &str,
) -> Result<()> {
    let path = place.models().join(format!("{hash}.model"));
    let (artifact, identity) = Artifact::load(&path)?;
    train::activate(cli, place, tenant, (&artifact, &identity), &author(change))?;
    tenant.snapshot()?;
    if cli.json {
        return Ok(show::json(&json!({ "model": hash, "activated": true }))?);
    }
    writeln!(show::out(), "model {} in service", &hash[..12])?;
    Ok(())
}

/// A model of this machine's folder is handed in first; any other is the server's own.
pub fn hand_over(place: &Place, server: &Remote, wanted: &str) -> Result<String> {
    match &named(place, wanted)?[..] {
        [hash] => {
            remote::send_file(place, server, hash)?;
            Ok(hash.clone())
        }
        _ => resolve(server, wanted),
    }
}

pub fn challenge(
    cli: &Cli,
    place: &Place,
    change: &Change,
    wanted: &str,
    (share, levels): (f64, &[String]),
) -> Result<()> {
    let ppm = (share * PPM).round();
    if !(1.0..=PPM).contains(&ppm) {
        bail!("--share must be at least 0.000001 and at most 1, got {share}");
    }
    if let Some(to) = &change.to {
        let server = remote(cli, change, to)?;
        let hash = hand_over(place, &server, wanted)?;
        let body = json!({ "share": share, "levels": levels }).to_string();
        let path = format!("/v1/models/{hash}/challenge");
        let told = server.send(Method::POST, &path, JSON, body.as_bytes())?;
        return tell(
            cli,
            &hash,
            &format!("challenges with a share of {share}"),
            &told,
        );
    }
    let bits = levels.iter().fold(0, |bits, name| {
        let place = Levels::NAMES.iter().position(|held| held == name);
        bits | place.map_or(0, |place| 1 << place)
    });
    let (hash, artifact) = the_one(place, wanted)?;
    let (_, identity) = Artifact::load(&place.models().join(format!("{hash}.model")))?;
    let mut tenant = open_tenant(cli, place)?;
    let model = Champion::of(
        &artifact,
        &identity,
        tenant.schema(),
        tenant.engine().features(),
    )?;
    let wanted = Move::Challenge {
        model: Box::new(model),
        share_ppm: ppm as u32,
        levels: Levels::from_bits(bits).context("--levels")?,
    };
    let position = make(&mut tenant, wanted, change)?;
    tell(
        cli,
        &hash,
        &format!("challenges with a share of {share}"),
        &position,
    )
}

pub fn leave(cli: &Cli, change: &Change, how: Leave, wanted: &str) -> Result<()> {
    let (path, done) = match how {
        Leave::Withdraw => ("withdraw", "takes no share any more"),
        Leave::Retire => ("retire", "is retired"),
        Leave::Reinstate => ("reinstate", "is a candidate again"),
    };
    if let Some(to) = &change.to {
        let server = remote(cli, change, to)?;
        let hash = resolve(&server, wanted)?;
        let told = server.send(
            Method::POST,
            &format!("/v1/models/{hash}/{path}"),
            JSON,
            &[],
        )?;
        return tell(cli, &hash, done, &told);
    }
    let place = crate::commands::place(cli)?;
    let (hash, _) = the_one(&place, wanted)?;
    let artifact = digest(&hash)?;
    let wanted = match how {
        Leave::Withdraw => Move::Withdraw { artifact },
        Leave::Retire => Move::Retire { artifact },
        Leave::Reinstate => Move::Reinstate { artifact },
    };
    let mut tenant = open_tenant(cli, &place)?;
    let position = make(&mut tenant, wanted, change)?;
    tell(cli, &hash, done, &position)
}

pub fn delete(cli: &Cli, change: &Change, wanted: &str) -> Result<()> {
    let done = "is removed";
    if let Some(to) = &change.to {
        let server = remote(cli, change, to)?;
        let hash = resolve(&server, wanted)?;
        let told = server.delete(&format!("/v1/models/{hash}"))?;
        return tell(cli, &hash, done, &told);
    }
    let place = crate::commands::place(cli)?;
    let (hash, _) = the_one(&place, wanted)?;
    let artifact = digest(&hash)?;
    let mut tenant = open_tenant(cli, &place)?;
    let (part, model) = (ServingPart::Retired, hash[..12].to_owned());
    if tenant.engine().lineup().part_of(&artifact) != Some(part) {
        let part = part.name();
        return Err(LineupError::NotInPlace { model, part }.into());
    }
    node::models::remove(&place, &artifact)?;
    let position = make(&mut tenant, Move::Reinstate { artifact }, change)?;
    tell(cli, &hash, done, &position)
}

fn make(tenant: &mut Tenant, wanted: Move, change: &Change) -> Result<Value> {
    let position = tenant.make_move(wanted, &author(change))?;
    tenant.commit()?;
    Ok(json!({ "position": position.0 }))
}

fn tell(cli: &Cli, hash: &str, done: &str, told: &Value) -> Result<()> {
    if cli.json {
        let mut told = told.clone();
        told["model"] = json!(hash);
        return Ok(show::json(&told)?);
    }
    writeln!(show::out(), "model {} {done}", &hash[..12])?;
    Ok(())
}
