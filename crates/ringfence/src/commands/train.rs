//! `ringfence train`

mod stages;

use std::fs::{self, File};
use std::io::Write;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use event::EventTime;
use learning::boost::BoostConfig;
use learning::calibrate::Method;
use learning::dataset::{self, Labels, Range, Rows, Survey};
use learning::fit::{FOREVER, FitError, Fitted, Plan, check_classes, fit};
use log::LogOptions;
use model::artifact::{Artifact, Identity, Thresholds};
use model::producer::Producer;
use node::{History, Journal, Place, Tenant};
use serde_json::json;

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
    // The kinds of model that there are; a further one is a further arm.
    let trained = match args.model {
        ModelKind::Trees => train(cli, &place, range(&args.from, &args.until)?, args)?,
    };
    if writer.is_some() {
        put_into_service(
            cli,
            &place,
            writer,
            &trained.fitted.artifact,
            &trained.identity,
        )?;
    }
    tell(cli, args, &trained)?;
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
    activate(cli, place, &mut tenant, artifact, identity)?;
    tenant.snapshot()?;
    Ok(())
}

/// Replays, fits, and writes the model file into the tenant's folder.
pub fn train(
    cli: &Cli,
    place: &Place,
    (from, until): (EventTime, EventTime),
    args: &TrainArgs,
) -> Result<Trained> {
    let started = Instant::now();
    let history = History::open(place)?;
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
    let stage = stages::first(cli, place, (from, until), args, &config)?;
    let (producer, from) = match stage {
        Some((producer, boundary)) => (Some(producer), from.max(boundary)),
        None => (None, from),
    };
    let speaks = producer.as_ref();
    let rows = replay(cli, place, (from, until), args.rows_max, speaks, check)?;
    let features = graph::FeatureList::new(history.schema());
    let bar = show::bar(args.rounds as u64, "train", "rounds", cli.quiet);
    let plan = Plan {
        calibration: method(args.calibration),
        ..Plan::default()
    };
    let mut fitted = fit(
        &rows,
        history.schema(),
        &features,
        &config,
        plan,
        |progress| {
            bar.set_position(progress.round as u64);
            if let Some(ap) = progress.validation {
                bar.set_message(format!("validation AP {ap:.3}"));
            }
            ControlFlow::Continue(())
        },
    )?;
    bar.finish_and_clear();
    fitted.artifact.producer = producer;
    let identity = write_model(place, &fitted.artifact)?;
    let seconds = started.elapsed().as_secs_f64();
    Ok(Trained {
        rows: rows.len(),
        fitted,
        identity,
        seconds,
    })
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

/// The labelled rows of a range, with the suspicion of the given producer. What they hold is checked
/// before the replay, which takes long.
pub fn replay(
    cli: &Cli,
    place: &Place,
    (from, until): (EventTime, EventTime),
    rows_max: usize,
    producer: Option<&Producer>,
    check: impl FnOnce(Survey) -> Result<(), FitError>,
) -> Result<Rows> {
    let history = History::open(place)?;
    let labels = Labels::read(&history, FOREVER)?;
    let range = Range {
        from,
        until,
        known_until: labels.last,
        rows_max,
    };
    check(dataset::survey(&history, range, &labels)?)?;
    let bar = show::bar(history.end().0, "replay", "records", cli.quiet);
    let rows = dataset::collect(place, range, &labels, producer, |done, _| {
        bar.set_position(done);
        ControlFlow::Continue(())
    })?;
    bar.finish_and_clear();
    Ok(rows)
}

/// Writes the model under its own hash; a failure leaves no draft, and a record that names the model never
/// becomes durable before its file's name has.
pub fn write_model(place: &Place, artifact: &Artifact) -> Result<Identity> {
    let models = place.models();
    fs::create_dir_all(&models).with_context(|| format!("cannot make {}", models.display()))?;
    let draft = models.join(format!("draft-{}.model", std::process::id()));
    let identity = match artifact.save(&draft) {
        Ok(identity) => identity,
        Err(error) => {
            // Both are leftovers of the save; which of them exists depends on where it failed.
            let _ = fs::remove_file(&draft);
            let _ = fs::remove_file(draft.with_extension("model.tmp"));
            return Err(error.into());
        }
    };
    let path = place.model(&identity.bytes());
    fs::rename(&draft, &path).with_context(|| format!("cannot write {}", path.display()))?;
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
    artifact: &Artifact,
    identity: &Identity,
) -> Result<()> {
    let header = &artifact.header;
    let body = policy_of(
        header
            .thresholds
            .iter()
            .map(|(name, it)| (name.as_str(), *it)),
    );
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
    tenant.activate_with(identity.bytes(), rebuild)?;
    tenant.set_policy(&body, &format!("model {}", identity.short()))?;
    tenant.commit()?;
    Ok(())
}

/// A policy document; the first event type's thresholds serve as the default.
fn policy_of<'a>(thresholds: impl Iterator<Item = (&'a str, Thresholds)>) -> String {
    let mut text = String::from("fallback = \"review\"\n");
    let mut default_written = false;
    for (name, it) in thresholds {
        let line = format!(
            "challenge = {}\nreview = {}\ndecline = {}\n",
            it.challenge, it.review, it.decline
        );
        if !default_written {
            text.push_str(&format!("\n[thresholds]\n{line}"));
            default_written = true;
        }
        text.push_str(&format!("\n[event_types.{name}]\n{line}"));
    }
    text
}

fn tell(cli: &Cli, args: &TrainArgs, trained: &Trained) -> Result<()> {
    let fitted = &trained.fitted;
    let header = &fitted.artifact.header;
    let part = |ix: usize| json!({ "rows": fitted.parts[ix].0, "frauds": fitted.parts[ix].1 });
    if cli.json {
        return Ok(show::json(&json!({
            "model": trained.identity.as_str(),
            "model_version": trained.identity.short(),
            "activated": !args.no_activate,
            "rows": trained.rows,
            "train": part(0),
            "stop": part(1),
            "late": part(2),
            "trees": fitted.artifact.trees.tree_count(),
            "producer": fitted.artifact.producer_identity().map(|it| show::hex(&it)),
            "metrics": header.metrics,
            "thresholds": header.thresholds,
            "importance": fitted.importance.iter().take(20).collect::<Vec<_>>(),
            "seconds": trained.seconds,
        }))?);
    }
    let mut out = show::out();
    let [train, stop, late] = fitted.parts;
    let grouped = |count: usize| show::grouped(count as u64);
    if let Some(producer) = &fitted.artifact.producer {
        let until = EventTime::from_millis(producer.training_window.until);
        let trees = producer.trees.tree_count();
        writeln!(
            out,
            "producer of suspicion: {trees} trees on the events until {until}"
        )?;
    }
    writeln!(
        out,
        "grown on {} events ({} fraud), stopped on {} ({}), calibrated and measured on the latest {} ({})",
        grouped(train.0),
        grouped(train.1),
        grouped(stop.0),
        grouped(stop.1),
        grouped(late.0),
        grouped(late.1),
    )?;
    let metric = |name: &str| header.metrics.get(name).copied().unwrap_or(f64::NAN);
    writeln!(
        out,
        "{} trees; on the latest part AP {:.3}, AUC {:.3} (it also set calibration and thresholds)",
        fitted.artifact.trees.tree_count(),
        metric("late_ap"),
        metric("late_auc"),
    )?;
    writeln!(out, "most important:")?;
    for (name, share) in fitted.importance.iter().take(8) {
        writeln!(out, "  {:>5.1} %  {name}", share * 100.0)?;
    }
    let served = if args.no_activate {
        "written"
    } else {
        "written and in service"
    };
    writeln!(
        out,
        "model {} {served} ({:.1} s)",
        trained.identity.short(),
        trained.seconds
    )?;
    Ok(())
}
