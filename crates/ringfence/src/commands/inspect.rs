//! `ringfence inspect`: what the log holds and what the model saw.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Result, bail};
use engine::Engine;
use event::json::event_value;
use event::record::{Decision, Label, Record};
use event::{Event, EventId, Position, Schema};
use graph::sample::{
    EDGE_WIDTH, NEIGHBOUR_COLUMNS, NEIGHBOUR_WIDTH, NEIGHBOURS, NODE_WIDTH, STEP_COLUMNS,
    STEP_WIDTH, SampleParts,
};
use graph::{FeatureList, Sample};
use node::{History, NodeError, Place};
use serde_json::{Map, Value, json};

use super::log::kind_of;
use crate::cli::{Cli, Inspect, InspectArgs};
use crate::show;

pub fn run(cli: &Cli, args: &InspectArgs) -> Result<ExitCode> {
    let place = super::place(cli)?;
    match &args.what {
        Inspect::Event { event_id } => event(cli, &place, event_id)?,
        Inspect::Sample { event_id, full } => sample(cli, &place, event_id, *full)?,
        Inspect::Entity { kind, id } => entity(cli, &place, kind, id)?,
        Inspect::Log { last } => log(cli, &place, *last)?,
        Inspect::Features => features(cli, &place)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// An event with everything the log says about it.
struct Found {
    position: Position,
    event: Event,
    labels: Vec<(Position, Label)>,
    decision: Option<Decision>,
}

fn find(history: &History, event_id: &str) -> Result<Found> {
    let wanted = EventId::parse("event_id", event_id)?;
    let mut found: Option<Found> = None;
    let mut records = history.iter_from(history.first())?;
    while let Some((position, record)) = records.next_record()? {
        match record {
            Record::Event(event) if event.event_id == wanted => {
                found = Some(Found {
                    position,
                    event,
                    labels: Vec::new(),
                    decision: None,
                });
            }
            Record::Label(label) if label.subject.event_id == wanted => {
                if let Some(found) = &mut found {
                    found.labels.push((position, label));
                }
            }
            Record::Decision(decision) => {
                if let Some(found) = &mut found
                    && decision.event_position == found.position
                {
                    found.decision = Some(decision);
                }
            }
            _ => {}
        }
    }
    match found {
        Some(found) => Ok(found),
        None => bail!("event_id {event_id:?} is not in the log"),
    }
}

fn event(cli: &Cli, place: &Place, event_id: &str) -> Result<()> {
    let history = History::open(place)?;
    let found = find(&history, event_id)?;
    let features = FeatureList::new(history.schema());
    let labels: Vec<Value> = found
        .labels
        .iter()
        .map(|(position, label)| {
            json!({
                "position": position.0,
                "label": label.verdict.name(),
                "source": label.source.name(),
                "label_timestamp": label.label_timestamp.to_string(),
                "reason": label.reason.as_str(),
            })
        })
        .collect();
    let decision = found.decision.map(|decision| {
        let position = found.position;
        let decided = node::Decided {
            position,
            decision,
            duplicate: false,
        };
        super::decide::decision_value(event_id, &decided, &features)
    });
    let value = json!({
        "position": found.position.0,
        "event": event_value(&found.event, history.schema()),
        "labels": labels,
        "decision": decision,
    });
    if cli.json {
        return Ok(show::json(&value)?);
    }
    tell(&value, 0)
}

/// A JSON value as indented lines.
fn tell(value: &Value, depth: usize) -> Result<()> {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::Object(_) | Value::Array(_) => {
                        writeln!(show::out(), "{indent}{name}")?;
                        tell(field, depth + 1)?;
                    }
                    Value::String(text) => writeln!(show::out(), "{indent}{name}: {text}")?,
                    other => writeln!(show::out(), "{indent}{name}: {other}")?,
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                writeln!(show::out(), "{indent}-")?;
                tell(item, depth + 1)?;
            }
        }
        other => writeln!(show::out(), "{indent}{other}")?,
    }
    Ok(())
}

/// The state before a position.
fn replayed(cli: &Cli, place: &Place, history: &History, until: Position) -> Result<Engine> {
    let mut engine = history.start()?;
    if until < engine.next() {
        let first = engine.next();
        return Err(NodeError::HistoryRemoved { first }.into());
    }
    let mut records = history.iter_from(engine.next())?;
    let bar = show::bar(until.0, "replay", "records", cli.quiet);
    while engine.next() < until {
        let Some((position, record)) = records.next_record()? else {
            break;
        };
        node::channel::apply(&mut engine, place, position, &record)?;
        if position.0.is_multiple_of(16_384) {
            bar.set_position(position.0);
        }
    }
    bar.finish_and_clear();
    Ok(engine)
}

/// The sample of an event, rebuilt by replaying the log up to it.
fn sample(cli: &Cli, place: &Place, event_id: &str, full: bool) -> Result<()> {
    let history = History::open(place)?;
    let found = find(&history, event_id)?;
    let mut engine = replayed(cli, place, &history, found.position)?;
    let mut sample = Sample::default();
    engine.sample(&found.event, SampleParts::Full, &mut sample);
    let features = engine.features();
    if cli.json {
        return Ok(show::json(&sample_value(
            &sample,
            features,
            history.schema(),
            full,
        ))?);
    }
    let mut out = show::out();
    for (feature, value) in features.features().iter().zip(&sample.tabular) {
        let shown = if value.is_nan() {
            "-".to_owned()
        } else {
            format!("{value}")
        };
        let (dim, name) = (show::DIM, &feature.name);
        writeln!(
            out,
            "{shown:>14}  {name:<36} {dim}{} ({}){dim:#}",
            feature.meaning, feature.unit
        )?;
    }
    if full {
        let value = sample_value(&sample, features, history.schema(), true);
        writeln!(out, "sequence: {} steps", sample.steps)?;
        tell(&value["sequence"], 1)?;
        writeln!(out, "neighbourhood")?;
        tell(&value["neighbourhood"], 1)?;
    }
    Ok(())
}

fn sample_value(sample: &Sample, features: &FeatureList, schema: &Schema, full: bool) -> Value {
    let number = |value: f32| {
        if value.is_nan() {
            Value::Null
        } else {
            json!(value)
        }
    };
    let tabular: Map<String, Value> = features
        .features()
        .iter()
        .zip(&sample.tabular)
        .map(|(feature, value)| (feature.name.clone(), number(*value)))
        .collect();
    let mut value = json!({ "tabular": tabular });
    if !full {
        return value;
    }
    let row = |columns: &[&str], values: &[f32]| -> Value {
        columns
            .iter()
            .zip(values)
            .map(|(name, value)| ((*name).to_owned(), number(*value)))
            .collect::<Map<_, _>>()
            .into()
    };
    let steps = sample.sequence.chunks_exact(STEP_WIDTH).take(sample.steps);
    value["sequence"] = steps.map(|step| row(&STEP_COLUMNS, step)).collect();
    // The columns of a neighbour's other end, of the role's own entity.
    let columns = NEIGHBOUR_COLUMNS[EDGE_WIDTH..]
        .iter()
        .map(|name| name.trim_start_matches("peer_"));
    let columns: Vec<&str> = columns.collect();
    let entities = sample.entities.chunks_exact(NODE_WIDTH).zip(&schema.roles);
    value["entities"] = entities
        .map(|(values, role)| (role.name.clone(), row(&columns, values)))
        .collect::<Map<_, _>>()
        .into();
    let mut around = Map::new();
    for (role, neighbours) in sample
        .neighbourhood
        .chunks_exact(NEIGHBOURS * NEIGHBOUR_WIDTH)
        .enumerate()
    {
        let held = usize::from(sample.neighbours[role]);
        let rows = neighbours.chunks_exact(NEIGHBOUR_WIDTH).take(held);
        let rows: Vec<Value> = rows.map(|it| row(&NEIGHBOUR_COLUMNS, it)).collect();
        around.insert(schema.roles[role].name.clone(), rows.into());
    }
    value["neighbourhood"] = around.into();
    value["evidence"] = sample.evidence.iter().map(|position| position.0).collect();
    value
}

fn entity(cli: &Cli, place: &Place, kind: &str, id: &str) -> Result<()> {
    let history = History::open(place)?;
    let schema = history.schema().clone();
    let Some(kind_ix) = schema.kind(kind) else {
        let known: Vec<&str> = schema.kinds.iter().map(|kind| kind.name.as_str()).collect();
        bail!("unknown entity kind {kind:?}; known: {}", known.join(", "));
    };
    let engine = replayed(cli, place, &history, history.end())?;
    let Some(view) = engine.graph().view(kind_ix, id) else {
        bail!("{kind} {id:?} is unknown, or idle for longer than time.idle_expiry");
    };
    let interactions = view.interactions.iter().rev().map(|item| {
        let peer = engine.graph().peer(item);
        json!({
            "time": item.time.to_string(),
            "event_type": schema.event_types[item.event_type().index()].name,
            "role": schema.roles[item.role().index()].name,
            "peer": peer.map(|(kind, name)| format!("{} {name}", schema.kinds[kind.index()].name)),
            "amount": if item.amount.is_nan() { Value::Null } else { json!(item.amount) },
            "position": item.position().0,
        })
    });
    let value = json!({
        "kind": kind,
        "id": view.name,
        "first_seen": view.first_seen.to_string(),
        "last_seen": view.last_seen.to_string(),
        "events": view.events,
        "frauds_known": view.frauds_known,
        "legitimate_known": view.legitimate_known,
        "hub": view.is_hub,
        "interactions": interactions.collect::<Vec<_>>(),
    });
    if cli.json {
        Ok(show::json(&value)?)
    } else {
        tell(&value, 0)
    }
}

fn log(cli: &Cli, place: &Place, last: u64) -> Result<()> {
    let history = History::open(place)?;
    let mut counts: Map<String, Value> = Map::new();
    let mut records = history.iter_from(history.first())?;
    let mut tail = Vec::new();
    while let Some((position, record)) = records.next_record()? {
        let kind = kind_of(&record).name();
        let held = counts.get(kind).and_then(Value::as_u64).unwrap_or(0);
        counts.insert(kind.to_owned(), json!(held + 1));
        if position.0.saturating_add(last) >= history.end().0 {
            tail.push(json!({
                "position": position.0,
                "kind": kind,
                "time": record.time().to_string(),
            }));
        }
    }
    let value = json!({
        "schema": history.schema().name,
        "schema_hash": history.schema().hash().hex(),
        "first": history.first().0,
        "records": history.end().0 - history.first().0,
        "by_kind": counts,
        "last": tail,
    });
    if cli.json {
        Ok(show::json(&value)?)
    } else {
        tell(&value, 0)
    }
}

fn features(cli: &Cli, place: &Place) -> Result<()> {
    let schema = if place.exists() {
        History::open(place)?.schema().clone()
    } else {
        Schema::parse(super::init::DEFAULT_SCHEMA)?
    };
    let list = FeatureList::new(&schema);
    let mut out = show::out();
    if cli.json {
        let rows = list.features().iter().map(|feature| {
            json!({
                "name": feature.name,
                "group": feature.group.name(),
                "meaning": feature.meaning,
                "unit": feature.unit,
                "window": feature.window,
                "missing": feature.missing,
            })
        });
        return Ok(show::json(&rows.collect())?);
    }
    for feature in list.features() {
        writeln!(
            out,
            "{:<36} {:<11} {}",
            feature.name,
            feature.group.name(),
            feature.meaning
        )?;
    }
    Ok(())
}
