//! `ringfence drift study`: how often the watch cries wolf. Worlds in which nothing drifts are simulated, imported,
//! and watched behind a model that was trained on their second month.

use std::io::Write;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use drift::{Monitor, Reference, Settings};
use event::{EventTime, Schema, Span};
use learning::watched::watch;
use node::Place;
use serde_json::{Value, json};
use simulator::Params;

use super::settings;
use crate::cli::{Cli, DriftStudyArgs, StreamFormat, TrainArgs};
use crate::commands::{demo, simulate, train};
use crate::show;

/// Before the reference, so that monthly windows are full.
const WARM: Span = Span::days(30);
const REFERENCE: Span = Span::days(30);

struct World {
    seed: u64,
    events: u64,
    alerts: Vec<Value>,
}

pub fn run(cli: &Cli, args: &DriftStudyArgs) -> Result<ExitCode> {
    let mut worlds = Vec::new();
    for at in 0..u64::from(args.worlds) {
        let world = play(cli, args, args.seed + at)?;
        if !cli.json {
            let mut out = show::out();
            let (events, alerts) = (show::grouped(world.events), world.alerts.len());
            writeln!(
                out,
                "world {}: {events} events watched, {alerts} alerts",
                world.seed
            )?;
            for alert in &world.alerts {
                let text = |name: &str| alert[name].as_str().unwrap_or_default().to_owned();
                let (kind, feature) = (text("kind"), text("feature"));
                writeln!(
                    out,
                    "   {kind} {feature} in {}, {}",
                    text("segment"),
                    text("until")
                )?;
            }
        }
        worlds.push(world);
    }
    let alerts: usize = worlds.iter().map(|it| it.alerts.len()).sum();
    let per_30_days = alerts as f64 / worlds.len().max(1) as f64 * 30.0 / f64::from(args.days);
    if cli.json {
        let worlds = worlds
            .iter()
            .map(|it| json!({ "seed": it.seed, "events": it.events, "alerts": it.alerts }));
        show::json(&json!({
            "worlds": worlds.collect::<Vec<_>>(),
            "days": args.days,
            "alerts_per_30_days": per_30_days,
        }))?;
    } else {
        writeln!(show::out(), "{per_30_days:.2} false alerts per 30 days")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn play(cli: &Cli, args: &DriftStudyArgs, seed: u64) -> Result<World> {
    let folder = tempfile::Builder::new()
        .prefix("ringfence-drift-")
        .tempdir()?;
    let params = Params {
        seed,
        accounts: args.accounts,
        days: 60 + args.days,
        prevalence: 0.01,
        ..Params::preset("demo")?
    };
    let stream = folder.path().join("stream");
    let bar = simulate::bar(cli, &params);
    simulate::write(&params, Some(StreamFormat::Jsonl), &stream, &bar)?;
    bar.finish_and_clear();
    let text = std::fs::read_to_string(stream.join("schema.toml"))?;
    let schema = Schema::parse(&text)?;
    let path = stream.join("stream.jsonl");
    let place = demo::import(cli, folder.path(), &text, &schema, &path)?;
    let start = EventTime::from_millis(params.start_day()? * 86_400_000).plus(WARM);
    let until = start.plus(REFERENCE);
    let trained = train::train(
        cli,
        &place,
        (start, until),
        &TrainArgs {
            rounds: 100,
            ..demo::train_args()
        },
    )?;
    let artifact = &trained.fitted.artifact;
    let bytes = artifact
        .reference
        .as_ref()
        .context("the model has no reference")?;
    let reference = Arc::new(Reference::decode(bytes)?);
    let settings: Settings = settings(args.settings.as_deref(), &reference)?;
    let mut monitor = Monitor::new(reference.clone(), settings, 0)?;
    let last = until.plus(Span::days(i64::from(args.days)));
    watched(cli, &place, artifact, &mut monitor, (until, last))?;
    folder.close().context("cannot remove the world's folder")?;
    Ok(World {
        seed,
        events: monitor.rows(),
        alerts: monitor
            .alerts()
            .map(|it| json!(it.told(&reference)))
            .collect(),
    })
}

fn watched(
    cli: &Cli,
    place: &Place,
    artifact: &model::artifact::Artifact,
    monitor: &mut Monitor,
    range: (EventTime, EventTime),
) -> Result<()> {
    let bar = show::bar(0, "watch", "records", cli.quiet);
    watch(place, artifact, monitor, range, |_, done, all| {
        bar.set_length(all);
        bar.set_position(done);
        ControlFlow::Continue(())
    })?;
    bar.finish_and_clear();
    Ok(())
}
