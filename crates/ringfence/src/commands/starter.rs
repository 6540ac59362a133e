//! The starter model: what a tenant of the default schema decides with before it has a history of its own.
//!
//! It is trained on the simulated world, as the default schema sees that, by `ringfence models starter`, and
//! built into the binary. Decisions that it takes say so (`starter-` in their model version).

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use event::record::ModelVersion;
use event::{EventTime, Schema};
use ingest::{Mapping, Options, Source};
use learning::neural::config::NeuralConfig;
use log::LogOptions;
use model::artifact::Artifact;
use node::champion::policy_of;
use node::{Journal, NodeError, Place, Tenant};
use serde_json::{Map, Value};
use simulator::{LineBuffer, Names, Params, SimulateError};

use super::import::Import;
use super::init::DEFAULT_SCHEMA;
use super::train::train;
use crate::cli::{CalibrationName, Cli, ModelKind, TrainArgs};
use crate::show;

const STARTER: &[u8] = include_bytes!("../../starter.model");

/// Version of the starter model, as decisions carry it.
pub fn version() -> Result<ModelVersion> {
    let (_, identity) = Artifact::decode(STARTER)?;
    let mut version = [0; 8];
    version.copy_from_slice(&identity.bytes()[..8]);
    Ok(ModelVersion(version))
}

/// Puts the starter model into service in a fresh tenant, where the schema is the one it was trained for.
pub fn furnish(place: &Place) -> Result<(), NodeError> {
    let (artifact, identity) = Artifact::decode(STARTER)?;
    let (mut tenant, _) = Tenant::open(place, LogOptions::default(), |_, _| {})?;
    let features = tenant.engine().features().names();
    let roles = tenant.schema().roles.len();
    if artifact
        .fits(&tenant.schema().hash().hex(), &features, roles)
        .is_err()
    {
        return Ok(());
    }
    let folder = place.models();
    fs::create_dir_all(&folder).map_err(|source| NodeError::Io {
        what: "make",
        path: folder,
        source,
    })?;
    artifact.save(&place.model(&identity.bytes()))?;
    tenant.activate(identity.bytes())?;
    if let Some(body) = policy_of(&artifact.header) {
        tenant.set_policy(&body, "starter model")?;
    }
    tenant.commit()?;
    Ok(())
}

/// A line of the simulated world as the default schema has it.
pub fn translate(line: &[u8]) -> Result<Map<String, Value>> {
    let mut fields: Map<String, Value> = serde_json::from_slice(line)?;
    let renamed = match fields.get("event_type").and_then(Value::as_str) {
        Some("account_opening") => Some("profile_change"),
        // Money that comes back to the account.
        Some("refund") => Some("deposit"),
        _ => None,
    };
    if let Some(name) = renamed {
        fields.insert("event_type".to_owned(), Value::from(name));
    }
    for unknown in ["terminal", "device_type", "change"] {
        fields.remove(unknown);
    }
    if let Some(counterparty) = fields.remove("counterparty") {
        fields.insert("payee".to_owned(), counterparty);
    }
    Ok(fields)
}

/// Simulates, imports, trains, and writes the model; the same bytes every time.
pub fn make(cli: &Cli, file: &Path) -> Result<()> {
    let folder = tempfile::Builder::new()
        .prefix("ringfence-starter-")
        .tempdir()?;
    let history = folder.path().join("history.jsonl");
    simulate(cli, &history)?;
    let schema = Schema::parse(DEFAULT_SCHEMA)?;
    let place = Place::new(&folder.path().join("data"), "starter")?;
    let mapping = Mapping::parse(DEFAULT_SCHEMA, &schema)?;
    let source = Source::open(&history, None, &schema, &mapping, Options::default())?;
    let journal = Journal::open_or_create(&place, DEFAULT_SCHEMA, LogOptions::default())?;
    Import::new(cli, folder.path().join("rejects.jsonl"), 0, journal)?.run(source)?;
    let network = NeuralConfig::default();
    let options = TrainArgs {
        model: ModelKind::Trees,
        from: None,
        until: None,
        rounds: 150,
        learning_rate: 0.08,
        leaves: 12,
        rows_max: 200_000,
        half_life: None,
        seed: 1,
        epochs: network.epochs,
        hidden: network.hidden,
        network_learning_rate: network.learning_rate,
        dropout: network.dropout,
        calibration: CalibrationName::Platt,
        no_reference: true,
        producer: false,
        producer_of: None,
        producer_share: 0.5,
        no_activate: true,
    };
    let trained = train(cli, &place, (EventTime::MIN, EventTime::END), &options)?;
    fs::copy(place.model(&trained.identity.bytes()), file)
        .with_context(|| format!("cannot write {}", file.display()))?;
    let header = &trained.fitted.artifact.header;
    let metric = |name: &str| header.metrics.get(name).copied().unwrap_or(f64::NAN);
    writeln!(
        show::out(),
        "starter model {} for schema {}: AP {:.3}, AUC {:.3} on the latest part of its world",
        trained.identity.short(),
        schema.name,
        metric("late_ap"),
        metric("late_auc")
    )?;
    Ok(folder.close()?)
}

/// Labels need weeks to come, and a model some hundreds of them.
fn simulate(cli: &Cli, file: &Path) -> Result<()> {
    let params = Params {
        seed: 1,
        days: 90,
        prevalence: 0.01,
        ..Params::preset("demo")?
    };
    params.validate()?;
    let names = Names::new(params.seed);
    let mut out = BufWriter::new(File::create(file)?);
    let mut lines = LineBuffer::default();
    let bar = super::simulate::bar(cli, &params);
    let done = simulator::simulate(
        &params,
        2,
        |row| -> Result<()> {
            if let Some(line) = lines.write(&names, row, 0) {
                serde_json::to_writer(&mut out, &translate(line)?)?;
                out.write_all(b"\n")?;
            }
            Ok(())
        },
        |_| Ok(()),
    );
    bar.finish_and_clear();
    match done {
        Ok(_) => Ok(out.flush()?),
        Err(SimulateError::Params(error)) => Err(error.into()),
        Err(SimulateError::Sink(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use graph::FeatureList;

    /// Fails when the schema or its features have changed: `make starter` then trains a new one.
    #[test]
    fn the_starter_fits_the_default_schema() -> Result<()> {
        let (artifact, _) = Artifact::decode(STARTER)?;
        let schema = Schema::parse(DEFAULT_SCHEMA)?;
        let features = FeatureList::new(&schema).names();
        artifact
            .fits(&schema.hash().hex(), &features, schema.roles.len())
            .context("run `make starter` and commit crates/ringfence/starter.model")
    }
}
