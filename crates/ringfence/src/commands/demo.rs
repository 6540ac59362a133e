//! `ringfence demo`: the whole way of a transaction in one go, on a small simulated world.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use event::json::{Line, parse_line};
use event::record::{DecisionKind, Verdict};
use event::{EventTime, Schema, Span};
use ingest::{Mapping, Options, Source};
use learning::neural::config::NeuralConfig;
use log::LogOptions;
use node::tenant::documents::Author;
use node::{Journal, Place, Tenant};
use serde_json::json;
use simulator::Params;
use std::collections::BTreeMap;

use super::import::Import;
use super::train::{activate, train};
use crate::cli::{CalibrationName, Cli, DemoArgs, ModelKind, StreamFormat, TrainArgs};
use crate::show;

/// Days of the stream that are decided one by one instead of imported.
const DECIDED: Span = Span::days(1);

/// What came of the decided day.
#[derive(Debug, Default)]
struct Day {
    events: u64,
    by_decision: BTreeMap<DecisionKind, (u64, u64)>,
    frauds: u64,
    seconds: f64,
}

pub fn run(cli: &Cli, args: &DemoArgs) -> Result<ExitCode> {
    match &args.out {
        Some(path) if path.exists() => bail!("{} exists already", path.display()),
        Some(path) => {
            fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
            play(cli, args, path)?;
        }
        None => {
            let folder = tempfile::Builder::new()
                .prefix("ringfence-demo-")
                .tempdir()?;
            play(cli, args, folder.path())?;
            folder.close().context("cannot remove the demo's folder")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn play(cli: &Cli, args: &DemoArgs, root: &Path) -> Result<()> {
    let started = Instant::now();
    let stream = root.join("stream");
    simulate(cli, args, &stream)?;
    let text = fs::read_to_string(stream.join("schema.toml"))?;
    let schema = Schema::parse(&text)?;
    let split = split_stream(&stream, &schema)?;
    let told = format!("   history until {}, then one day to decide", split.cut);
    step(cli, &told)?;
    let place = import(cli, root, &text, &schema, &split.history)?;
    let mut tenant = train_and_open(cli, &place)?;
    step(
        cli,
        "4. decide the last day, event by event, each on disk before it is answered",
    )?;
    let day = decide_day(&mut tenant, &split, &schema)?;
    tenant.snapshot()?;
    tell(cli, args, root, &day, started.elapsed().as_secs_f64())
}

fn simulate(cli: &Cli, args: &DemoArgs, stream: &Path) -> Result<()> {
    step(
        cli,
        "1. a small world: people, cards, devices, merchants, and people who steal",
    )?;
    // Labels need weeks to come, and a model some hundreds of them.
    let params = Params {
        seed: args.seed,
        days: 90,
        prevalence: 0.01,
        ..Params::preset("demo")?
    };
    let bar = super::simulate::bar(cli, &params);
    super::simulate::write(&params, Some(StreamFormat::Jsonl), stream, &bar)?;
    bar.finish_and_clear();
    Ok(())
}

pub fn import(
    cli: &Cli,
    root: &Path,
    text: &str,
    schema: &Schema,
    history: &Path,
) -> Result<Place> {
    step(cli, "2. import the history")?;
    let place = Place::new(&root.join("data"), &cli.tenant)?;
    let mapping = Mapping::parse(text, schema)?;
    let source = Source::open(history, None, schema, &mapping, Options::default())?;
    let journal = Journal::open_or_create(&place, text, LogOptions::default())?;
    let imported = Import::new(cli, root.join("rejects.jsonl"), 0, journal)?.run(source)?;
    let told = format!(
        "   {} events, {} labels in {:.1} s",
        show::grouped(imported.events),
        show::grouped(imported.labels),
        imported.seconds
    );
    step(cli, &told)?;
    Ok(place)
}

/// As many rounds as a small world needs.
pub fn train_args() -> TrainArgs {
    let network = NeuralConfig::default();
    TrainArgs {
        model: ModelKind::Trees,
        from: None,
        until: None,
        rounds: 300,
        learning_rate: 0.05,
        leaves: 15,
        rows_max: 200_000,
        half_life: None,
        seed: 1,
        epochs: network.epochs,
        hidden: network.hidden,
        network_learning_rate: network.learning_rate,
        dropout: network.dropout,
        calibration: CalibrationName::Platt,
        no_reference: false,
        producer: false,
        producer_of: None,
        producer_share: 0.5,
        no_activate: false,
    }
}

fn train_and_open(cli: &Cli, place: &Place) -> Result<Tenant> {
    step(cli, "3. train")?;
    let options = train_args();
    let trained = train(cli, place, (EventTime::MIN, EventTime::END), &options)?;
    let (identity, seconds) = (&trained.identity, trained.seconds);
    step(
        cli,
        &format!("   model {} in {seconds:.1} s", identity.short()),
    )?;
    let mut tenant = super::open_tenant(cli, place)?;
    let model = (&trained.fitted.artifact, identity);
    activate(
        cli,
        place,
        &mut tenant,
        model,
        &Author::from("command line"),
    )?;
    Ok(tenant)
}

fn step(cli: &Cli, text: &str) -> Result<()> {
    if !cli.json {
        writeln!(show::out(), "{text}")?;
    }
    Ok(())
}

/// The stream cut in two: what is history, and the events of the last day with what later became known.
struct SplitStream {
    cut: EventTime,
    history: PathBuf,
    day: Vec<String>,
    /// Frauds among the day's events, by labels that came later or by the oracle.
    frauds: Vec<String>,
}

fn split_stream(stream: &Path, schema: &Schema) -> Result<SplitStream> {
    let path = stream.join("stream.jsonl");
    let lines = |path: &Path| -> Result<std::io::Lines<BufReader<File>>> {
        Ok(BufReader::new(File::open(path)?).lines())
    };
    let mut last = EventTime::MIN;
    for line in lines(&path)? {
        if let Line::Event(event) = parse_line(&line?, schema, None)? {
            last = last.max(event.event_timestamp);
        }
    }
    let cut = last.minus(DECIDED);
    let history = stream.join("history.jsonl");
    let mut out = std::io::BufWriter::new(File::create(&history)?);
    let (mut day, mut frauds) = (Vec::new(), Vec::new());
    for line in lines(&path)? {
        let line = line?;
        let parsed = parse_line(&line, schema, None)?;
        let time = match &parsed {
            Line::Event(event) => event.event_timestamp,
            Line::Label(label) => label.label_timestamp,
            Line::Outcome(outcome) => outcome.outcome_timestamp,
        };
        if time < cut {
            writeln!(out, "{line}")?;
            continue;
        }
        match parsed {
            Line::Event(_) => day.push(line),
            Line::Label(label) if label.verdict == Verdict::Fraud => {
                frauds.push(label.event_id.as_str().to_owned());
            }
            _ => {}
        }
    }
    out.flush()?;
    for line in lines(&stream.join("oracle.jsonl"))? {
        let secret: serde_json::Value = serde_json::from_str(&line?)?;
        if secret["role"] == "fraud"
            && let Some(event_id) = secret["event_id"].as_str()
        {
            frauds.push(event_id.to_owned());
        }
    }
    frauds.sort();
    frauds.dedup();
    Ok(SplitStream {
        cut,
        history,
        day,
        frauds,
    })
}

fn decide_day(tenant: &mut Tenant, split: &SplitStream, schema: &Schema) -> Result<Day> {
    let mut day = Day::default();
    let started = Instant::now();
    for line in &split.day {
        let Line::Event(event) = parse_line(line, schema, None)? else {
            continue;
        };
        let fraud = split
            .frauds
            .binary_search_by(|held| held.as_str().cmp(event.event_id.as_str()))
            .is_ok();
        let decided = tenant.decide(*event)?;
        tenant.commit()?;
        day.events += 1;
        day.frauds += u64::from(fraud);
        let counts = day.by_decision.entry(decided.decision.verdict).or_default();
        counts.0 += 1;
        counts.1 += u64::from(fraud);
    }
    day.seconds = started.elapsed().as_secs_f64();
    Ok(day)
}

fn tell(cli: &Cli, args: &DemoArgs, root: &Path, day: &Day, seconds: f64) -> Result<()> {
    let stopped: (u64, u64) = day
        .by_decision
        .iter()
        .filter(|(kind, _)| **kind != DecisionKind::Approve)
        .fold((0, 0), |sum, (_, counts)| {
            (sum.0 + counts.0, sum.1 + counts.1)
        });
    if cli.json {
        let by_decision: BTreeMap<&str, _> = day
            .by_decision
            .iter()
            .map(|(kind, counts)| {
                (
                    kind.name(),
                    json!({ "events": counts.0, "frauds": counts.1 }),
                )
            })
            .collect();
        return Ok(show::json(&json!({
            "events": day.events,
            "frauds": day.frauds,
            "stopped": stopped.0,
            "frauds_stopped": stopped.1,
            "by_decision": by_decision,
            "decide_seconds": day.seconds,
            "seconds": seconds,
        }))?);
    }
    let mut out = show::out();
    writeln!(out)?;
    for (kind, (events, frauds)) in &day.by_decision {
        let style = show::decision_style(*kind);
        writeln!(
            out,
            "   {style}{:<10}{style:#} {:>7} events, {frauds} of them fraud",
            kind.name(),
            show::grouped(*events)
        )?;
    }
    let share = 100.0 * stopped.1 as f64 / (day.frauds.max(1)) as f64;
    let bold = show::BOLD;
    writeln!(
        out,
        "\n{bold}caught {} of {} frauds ({share:.0} %) by stopping {} of {} events{bold:#}; {:.2} ms for each durable decision; {seconds:.0} s in all",
        stopped.1,
        day.frauds,
        show::grouped(stopped.0),
        show::grouped(day.events),
        1000.0 * day.seconds / day.events.max(1) as f64,
    )?;
    if args.out.is_some() {
        let data = root.join("data");
        writeln!(
            out,
            "look around: ringfence --data {} inspect log",
            data.display()
        )?;
    }
    Ok(())
}
