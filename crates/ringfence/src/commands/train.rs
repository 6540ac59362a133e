//! `ringfence train`

mod ground;
mod hybrid;
mod reference;
mod rows;
mod stages;
mod told;

use std::fs::{self, File};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use event::{EventTime, Schema};
use graph::FeatureList;
use graph::sample::SampleParts;
pub use ground::Ground;
use learning::boost::BoostConfig;
use learning::calibrate::Method;
use learning::dataset::{Rows, Survey};
use learning::fit::{FOREVER, Fitted, Plan, check_classes, fit};
use log::LogOptions;
use model::artifact::{Artifact, Identity};
use node::champion::policy_of;
use node::tenant::documents::Author;
use node::{Journal, Place, Tenant};
pub use rows::replay;

use crate::cli::{CalibrationName, Cli, ModelKind, TrainArgs};
use crate::show;

/// A model that has been written, and how.
pub struct Trained {
    pub fitted: Fitted,
    pub identity: Identity,
    pub rows: usize,
    pub seconds: f64,
}

pub fn run(cli: &Cli, args: &TrainArgs) -> Result<ExitCode> {
    let place = super::place(cli)?;
    let writer = reserve(&place, args.no_activate)?;
    let trained = train(cli, &place, range(&args.from, &args.until)?, args)?;
    if writer.is_some() {
        put_into_service(
            cli,
            &place,
            writer,
            &trained.fitted.artifact,
            &trained.identity,
        )?;
    }
    told::tell(cli, args, &trained)?;
    Ok(ExitCode::SUCCESS)
}

/// The tenant's only writer, held while a model is made that is to serve: what cannot be put into service
/// is refused before the work, not after it.
pub fn reserve(place: &Place, no_activate: bool) -> Result<Option<Journal>> {
    if no_activate {
        return Ok(None);
    }
    let (journal, _) = Journal::open(place, LogOptions::default())
        .context("the model is to be put into service (--no-activate only writes it)")?;
    Ok(Some(journal))
}

/// Gives the writer's place to the tenant itself and activates. Should another writer take it in between,
/// the model file stays for `ringfence models activate`.
pub fn put_into_service(
    cli: &Cli,
    place: &Place,
    writer: Option<Journal>,
    artifact: &Artifact,
    identity: &Identity,
) -> Result<()> {
    drop(writer);
    let mut tenant = super::open_tenant(cli, place)
        .with_context(|| format!("model {} is written, but not in service", identity.short()))?;
    let author = Author::from("command line");
    activate(cli, place, &mut tenant, (artifact, identity), &author)?;
    tenant.snapshot()?;
    Ok(())
}

/// Replays, fits, and writes the model file into the tenant's folder.
pub fn train(
    cli: &Cli,
    place: &Place,
    range: (EventTime, EventTime),
    args: &TrainArgs,
) -> Result<Trained> {
    let started = Instant::now();
    let (fitted, rows) = learn(cli, &Ground::whole(place), range, args)?;
    let identity = write_model(place, &fitted.artifact)?;
    let seconds = started.elapsed().as_secs_f64();
    Ok(Trained {
        rows: rows.len(),
        fitted,
        identity,
        seconds,
    })
}

/// Replays and fits: the model, and the rows that it learned from.
pub fn learn(
    cli: &Cli,
    ground: &Ground<'_>,
    (from, until): (EventTime, EventTime),
    args: &TrainArgs,
) -> Result<(Fitted, Rows)> {
    let history = ground.history()?;
    let config = BoostConfig {
        rounds: args.rounds,
        learning_rate: args.learning_rate,
        num_leaves: args.leaves,
        early_stopping_rounds: 50,
        bagging_fraction: 0.9,
        feature_fraction: 0.5,
        seed: args.seed,
        ..BoostConfig::default()
    };
    let check =
        |found: Survey| check_classes(found.frauds, found.legitimate, method(args.calibration));
    let stage = stages::first(cli, ground, (from, until), args, &config)?;
    let (producer, from) = match stage {
        Some((producer, boundary)) => (Some(producer), from.max(boundary)),
        None => (None, from),
    };
    let parts = match args.model {
        ModelKind::Trees => SampleParts::Tabular,
        ModelKind::Hybrid | ModelKind::HybridTrees => SampleParts::Full,
    };
    let what = (producer.as_ref(), parts);
    let (rows, _) = rows::rows(cli, ground, (from, until), args.rows_max, what, check)?;
    let features = graph::FeatureList::new(history.schema());
    let plan = Plan {
        calibration: method(args.calibration),
        half_life: args.half_life,
        ..Plan::default()
    };
    let lesson = (&rows, history.schema(), &features);
    let mut fitted = match args.model {
        ModelKind::Trees => trees(cli, lesson, &config, plan)?,
        ModelKind::Hybrid | ModelKind::HybridTrees => {
            hybrid::hybrid(cli, ground, lesson, (&config, plan), args)?
        }
    };
    fitted.artifact.producer = producer;
    // The model that it is to follow.
    let followed = history.lineup()?.champion();
    fitted.artifact.header.parent = followed.map(|artifact| show::hex(&artifact));
    if !args.no_reference {
        reference::add(cli, ground, (from, until), &rows, &mut fitted)?;
    }
    Ok((fitted, rows))
}

fn trees(
    cli: &Cli,
    (rows, schema, features): (&Rows, &Schema, &FeatureList),
    config: &BoostConfig,
    plan: Plan,
) -> Result<Fitted> {
    let bar = show::bar(config.rounds as u64, "train", "rounds", cli.quiet);
    let fitted = fit(rows, schema, features, config, plan, |progress| {
        bar.set_position(progress.round as u64);
        if let Some(ap) = progress.validation {
            bar.set_message(format!("validation AP {ap:.3}"));
        }
        ControlFlow::Continue(())
    })?;
    bar.finish_and_clear();
    Ok(fitted)
}

/// The times of `--from` and `--until`.
pub fn range(from: &Option<String>, until: &Option<String>) -> Result<(EventTime, EventTime)> {
    let time = |text: &Option<String>, default: EventTime| match text {
        Some(text) => EventTime::parse_iso(text).context("--from and --until"),
        None => Ok(default),
    };
    Ok((time(from, EventTime::MIN)?, time(until, FOREVER)?))
}

pub fn method(name: CalibrationName) -> Method {
    match name {
        CalibrationName::Platt => Method::Platt,
        CalibrationName::Beta => Method::Beta,
        CalibrationName::Isotonic => Method::Isotonic,
    }
}

/// Writes the model under its own hash; a failure leaves no draft, and a record that names the model never
/// becomes durable before its file's name has.
pub fn write_model(place: &Place, artifact: &Artifact) -> Result<Identity> {
    let draft = format!("draft-{}.model", std::process::id());
    let draft = place.models().join(draft);
    write_model_by(place, artifact, &draft)
}

/// The same by way of a draft elsewhere on the same disk, which a later attempt writes over.
pub fn write_model_by(place: &Place, artifact: &Artifact, draft: &Path) -> Result<Identity> {
    let models = place.models();
    fs::create_dir_all(&models).with_context(|| format!("cannot make {}", models.display()))?;
    let identity = match artifact.save(draft) {
        Ok(identity) => identity,
        Err(error) => {
            // Both are leftovers of the save; which of them exists depends on where it failed.
            let _ = fs::remove_file(draft);
            let _ = fs::remove_file(draft.with_extension("model.tmp"));
            return Err(error.into());
        }
    };
    let path = place.model(&identity.bytes());
    fs::rename(draft, &path).with_context(|| format!("cannot write {}", path.display()))?;
    for directory in [models.as_path(), place.root()] {
        File::open(directory)
            .and_then(|directory| directory.sync_all())
            .with_context(|| format!("cannot sync {}", directory.display()))?;
    }
    Ok(identity)
}

/// Puts the model into service with its thresholds as the policy, durably.
pub fn activate(
    cli: &Cli,
    place: &Place,
    tenant: &mut Tenant,
    (artifact, identity): (&Artifact, &Identity),
    author: &Author,
) -> Result<()> {
    let mut rebuild = tenant.rebuild_for(identity.bytes())?;
    if let Some(rebuild) = &mut rebuild {
        // What the producer says of all history; the tenant has it to itself, so nothing is left to catch up.
        let bar = show::bar(0, "channel", "records", cli.quiet);
        let end = tenant.journal().committed();
        rebuild.catch_up(place, end, |done, total| {
            bar.set_length(total);
            bar.set_position(done);
        })?;
        bar.finish_and_clear();
    }
    tenant.activate_as(identity.bytes(), rebuild, author)?;
    if let Some(body) = policy_of(&artifact.header) {
        tenant.set_policy(&body, &format!("model {}", identity.short()))?;
    }
    tenant.commit()?;
    Ok(())
}
