//! `ringfence models`: model files, who serves as what, exchange with LightGBM and ONNX.

mod compare;
mod lineup;
mod registry;
mod remote;
mod shadow;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use graph::FeatureList;
use learning::fit::{Plan, adopt};
use model::artifact::Artifact;
use model::lightgbm_text::{self, LightgbmModel};
use model::trees::{Tree, Trees};
use node::node::lineup::Leave;
use node::{History, Place};
use serde_json::json;

use super::output::Output;
use super::train::{
    Ground, Trained, method, put_into_service, range, replay, reserve, write_model,
};
use crate::cli::{CalibrationName, Change, Cli, Models, ModelsArgs};
use crate::show;

pub fn run(cli: &Cli, args: &ModelsArgs) -> Result<ExitCode> {
    let place = super::place(cli)?;
    let change = &args.change;
    match &args.what {
        Models::Ls => registry::ls(cli, &place, change)?,
        Models::Show { model } => registry::show(cli, &place, change, model)?,
        Models::Activate { model } => lineup::activate(cli, &place, change, model)?,
        Models::Rollback => lineup::roll_back(cli, &place, change)?,
        Models::Challenge {
            model,
            share,
            levels,
        } => lineup::challenge(cli, &place, change, model, (*share, levels))?,
        Models::Withdraw { model } => lineup::leave(cli, change, Leave::Withdraw, model)?,
        Models::Retire { model } => lineup::leave(cli, change, Leave::Retire, model)?,
        Models::Reinstate { model } => lineup::leave(cli, change, Leave::Reinstate, model)?,
        Models::Delete { model } => lineup::delete(cli, change, model)?,
        Models::Shadow(args) => shadow::run(cli, &place, change, args)?,
        Models::Compare(args) => compare::run(cli, &place, change, args)?,
        Models::Starter { file } => super::starter::make(cli, file)?,
        Models::Rebuild => {
            here_only(change)?;
            rebuild(cli, &place)?;
        }
        Models::Export {
            file,
            onnx,
            artifact,
            model,
        } => {
            if *artifact {
                registry::export(cli, &place, change, file, model.as_deref())?;
            } else {
                here_only(change)?;
                export(cli, &place, file, *onnx, model.as_deref())?;
            }
        }
        Models::Import {
            file,
            from,
            until,
            calibration,
            no_activate,
        } => {
            if registry::is_artifact(file)? {
                registry::import(cli, &place, change, file)?;
                return Ok(ExitCode::SUCCESS);
            }
            here_only(change)?;
            let given = Given {
                file,
                range: range(from, until)?,
                calibration: *calibration,
                no_activate: *no_activate,
            };
            import(cli, &place, &given)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What needs the tenant's own directory.
fn here_only(change: &Change) -> Result<()> {
    match change.to {
        Some(_) => bail!(
            "--to takes model files of this program, and who serves as what; this needs the tenant's directory, without --to"
        ),
        None => Ok(()),
    }
}

/// Hash of the model that serves at the end of the log.
pub fn serving(history: &History) -> Result<Option<String>> {
    Ok(history.lineup()?.champion().map(|sha| show::hex(&sha)))
}

/// Versions of the folder's model files that begin so, by their names.
fn named(place: &Place, wanted: &str) -> Result<Vec<String>> {
    let folder = place.models();
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in
        fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?
    {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let hash = name.strip_suffix(".model");
        found.extend(hash.filter(|it| it.starts_with(wanted)).map(str::to_owned));
    }
    Ok(found)
}

/// The model file whose version begins so.
pub fn the_one(place: &Place, wanted: &str) -> Result<(String, Artifact)> {
    let [hash] = &named(place, wanted)?[..] else {
        bail!(
            "the model given must begin the version of one model file (see `ringfence models ls`), got {wanted:?}"
        );
    };
    let (artifact, identity) = Artifact::load(&place.models().join(format!("{hash}.model")))?;
    if identity.as_str() != hash {
        bail!("the file of model {hash} holds model {}", identity.as_str());
    }
    Ok((hash.clone(), artifact))
}

fn rebuild(cli: &Cli, place: &Place) -> Result<()> {
    let bar = show::bar(0, "channel", "records", cli.quiet);
    let made = node::channel::renew(place, |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    if cli.json {
        return Ok(show::json(&json!({ "rebuilt": made }))?);
    }
    writeln!(
        show::out(),
        "{made} side files of suspicion channels made again"
    )?;
    Ok(())
}

fn export(cli: &Cli, place: &Place, file: &Path, onnx: bool, wanted: Option<&str>) -> Result<()> {
    let wanted = match wanted {
        Some(wanted) => wanted.to_owned(),
        None => serving(&History::open(place)?)?
            .context("no model serves: train one, or name one with --model")?,
    };
    let (hash, artifact) = the_one(place, &wanted)?;
    let (bytes, format, says) = if onnx {
        let path = place.models().join(format!("{hash}.model"));
        let (_, identity) = Artifact::load(&path)?;
        let says = "the whole model: raw log-odds and calibrated probability (docs/onnx.md)";
        (learning::onnx::export(&artifact, &identity), "onnx", says)
    } else {
        let text = lightgbm_text::write(&artifact.trees, &artifact.header.features)?;
        let says = match artifact.network {
            None => "its raw score is the log-odds before calibration",
            Some(_) => "its trees alone, without the network: --onnx writes the whole model",
        };
        (text.into_bytes(), "lightgbm", says)
    };
    Output::begin(file)?.write_whole(bytes)?;
    if cli.json {
        return Ok(show::json(&json!({
            "model": hash,
            "file": file,
            "format": format,
            "kind": artifact.kind(),
            "trees": artifact.trees.tree_count(),
        }))?);
    }
    let shown = file.display();
    writeln!(show::out(), "model {} in {shown}: {says}", &hash[..12])?;
    Ok(())
}

struct Given<'a> {
    file: &'a Path,
    range: (event::EventTime, event::EventTime),
    calibration: CalibrationName,
    no_activate: bool,
}

const ROWS_MAX: usize = 500_000;

fn import(cli: &Cli, place: &Place, given: &Given<'_>) -> Result<()> {
    let started = Instant::now();
    let history = History::open(place)?;
    let shown = given.file.display();
    let text = fs::read_to_string(given.file).with_context(|| format!("cannot read {shown}"))?;
    let writer = reserve(place, given.no_activate)?;
    let features = FeatureList::new(history.schema());
    // All that can be wrong with the file is told before the replay.
    let model = lightgbm_text::read(&text).with_context(|| shown.to_string())?;
    let trees = by_name(&model, &features).with_context(|| shown.to_string())?;
    let rows = replay(
        cli,
        &Ground::whole(place),
        given.range,
        ROWS_MAX,
        None,
        |_| Ok(()),
    )?;
    let fitted = adopt(
        trees,
        &rows,
        history.schema(),
        &features,
        Plan {
            calibration: method(given.calibration),
            ..Plan::default()
        },
    )?;
    let identity = write_model(place, &fitted.artifact)?;
    let trained = Trained {
        rows: rows.len(),
        fitted,
        identity,
        seconds: started.elapsed().as_secs_f64(),
    };
    if writer.is_some() {
        put_into_service(
            cli,
            place,
            writer,
            &trained.fitted.artifact,
            &trained.identity,
        )?;
    }
    tell(cli, given, &trained)
}

/// The trees over the tenant's features, wherever the file has them.
fn by_name(model: &LightgbmModel, features: &FeatureList) -> Result<Trees> {
    let names = features.names();
    let place = |name: &String| {
        names.iter().position(|held| held == name).with_context(|| {
            format!(
                "feature {name:?} is not one of the tenant's (see `ringfence inspect features`)"
            )
        })
    };
    let used = |tree: &Tree| tree.splits.iter().map(|it| it.feature).collect::<Vec<_>>();
    let mut places: BTreeMap<u32, u32> = BTreeMap::new();
    let mut trees: Vec<Tree> = (0..model.trees.tree_count())
        .map(|at| model.trees.tree(at))
        .collect();
    for feature in trees.iter().flat_map(used) {
        // A column that no tree reads need not be known here.
        if let std::collections::btree_map::Entry::Vacant(entry) = places.entry(feature) {
            entry.insert(place(&model.feature_names[feature as usize])? as u32);
        }
    }
    for split in trees.iter_mut().flat_map(|tree| &mut tree.splits) {
        split.feature = places[&split.feature];
    }
    Ok(Trees::new(names.len(), &trees)?)
}

fn tell(cli: &Cli, given: &Given<'_>, trained: &Trained) -> Result<()> {
    let header = &trained.fitted.artifact.header;
    let (rows, frauds) = trained.fitted.parts[2];
    if cli.json {
        return Ok(show::json(&json!({
            "model": trained.identity.as_str(),
            "model_version": trained.identity.short(),
            "activated": !given.no_activate,
            "trees": trained.fitted.artifact.trees.tree_count(),
            "late": { "rows": rows, "frauds": frauds },
            "metrics": header.metrics,
            "thresholds": header.thresholds,
            "seconds": trained.seconds,
        }))?);
    }
    let metric = |name: &str| header.metrics.get(name).copied().unwrap_or(f64::NAN);
    writeln!(
        show::out(),
        "model {} {}: calibrated on the latest {} events ({} fraud), AP {:.3}, AUC {:.3} there",
        trained.identity.short(),
        if given.no_activate {
            "written"
        } else {
            "written and in service"
        },
        show::grouped(rows as u64),
        show::grouped(frauds as u64),
        metric("late_ap"),
        metric("late_auc"),
    )?;
    Ok(())
}
