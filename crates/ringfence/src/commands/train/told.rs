//! What a training tells at its end.

use std::io::Write;

use anyhow::Result;
use event::EventTime;
use model::artifact::Artifact;
use serde_json::json;

use super::Trained;
use crate::cli::{Cli, TrainArgs};
use crate::show;

pub fn tell(cli: &Cli, args: &TrainArgs, trained: &Trained) -> Result<()> {
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
            "network": network(&fitted.artifact),
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
    if let Some(effective) = header.metrics.get("effective_rows") {
        writeln!(
            out,
            "decisions were drawn by chance: rows weigh 1 over their propensity (at most 20) and tell as much as {} of weight 1",
            grouped(effective.round() as usize),
        )?;
    }
    if let Some(network) = &fitted.artifact.network {
        writeln!(
            out,
            "network of {} weights at epoch {}; on the latest part alone AP {:.3}, trees alone {:.3}; share of the network {:.1}",
            grouped(network.hybrid.weights().len()),
            metric("epochs"),
            metric("late_ap_network"),
            metric("late_ap_trees"),
            network.blend.network,
        )?;
    }
    writeln!(out, "most important to the trees:")?;
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

fn network(artifact: &Artifact) -> serde_json::Value {
    match &artifact.network {
        None => serde_json::Value::Null,
        Some(it) => json!({
            "weights": it.hybrid.weights().len(),
            "hidden": it.hybrid.shape().hidden,
            "share": it.blend.network,
            "trees_share": it.blend.trees,
        }),
    }
}
