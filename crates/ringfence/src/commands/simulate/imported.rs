//! A simulated world as a tenant of its own, imported as a user would.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context, Result};
use event::Schema;
use ingest::{Mapping, Options, Source};
use learning::oracle::Oracle;
use log::LogOptions;
use node::{Journal, Place};

use crate::cli::Cli;
use crate::commands::import::Import;

/// Every row is taken, or the world cannot be imported as it is.
pub fn import(cli: &Cli, world: &Path, scratch: &Path) -> Result<Place> {
    let lines = world.join("stream.jsonl");
    let stream = if lines.exists() {
        lines
    } else {
        world.join("stream.parquet")
    };
    let text = fs::read_to_string(world.join("schema.toml")).context("cannot read schema.toml")?;
    let schema = Schema::parse(&text)?;
    let mapping = Mapping::parse(&text, &schema)?;
    let source = Source::open(&stream, None, &schema, &mapping, Options::default())?;
    let place = Place::new(scratch, "world")?;
    let journal = Journal::open_or_create(&place, &text, LogOptions::default())?;
    Import::new(cli, scratch.join("rejects.jsonl"), 0, journal)?.run(source)?;
    Ok(place)
}

pub fn oracle(world: &Path) -> Result<Oracle> {
    let oracle = File::open(world.join("oracle.jsonl")).context("cannot open the oracle")?;
    Ok(Oracle::read(BufReader::new(oracle))?)
}
