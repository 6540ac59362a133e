//! `ringfence log dump`: every record as a line of JSON.

use std::io::{BufWriter, Write};

use anyhow::Result;
use event::json::event_value;
use event::record::{Channel, Decision, Label, Outcome, Record};
use event::{Position, Schema};
use graph::FeatureList;
use node::tenant::documents::shown;
use node::{History, Place};
use serde_json::{Value, json};

use super::kind_of;
use crate::cli::RecordKind;
use crate::show;

pub fn run(
    place: &Place,
    from: Option<u64>,
    until: Option<u64>,
    kinds: &[RecordKind],
) -> Result<()> {
    let history = History::open(place)?;
    let features = FeatureList::new(history.schema());
    let from = from.map_or(history.first(), Position);
    let until = until.map_or(history.end(), Position);
    let mut records = history.iter_from(from)?;
    let mut out = BufWriter::new(show::out());
    while let Some((position, record)) = records.next_record()? {
        if position >= until {
            break;
        }
        let kind = kind_of(&record);
        if !kinds.is_empty() && !kinds.contains(&kind) {
            continue;
        }
        let mut value = record_value(&record, history.schema(), &features);
        value["position"] = json!(position.0);
        value["kind"] = json!(kind.name());
        value["time"] = json!(record.time().to_string());
        serde_json::to_writer(&mut out, &value)?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

fn record_value(record: &Record, schema: &Schema, features: &FeatureList) -> Value {
    match record {
        Record::Event(event) => json!({ "event": event_value(event, schema) }),
        Record::Label(label) => label_value(label),
        Record::Outcome(outcome) => outcome_value(outcome),
        Record::Decision(decision) => decision_value(decision, features),
        Record::Tick(_) => json!({}),
        Record::Config(config) => json!({
            "section": config.section.name(),
            "version": config.version,
            "author": config.author.as_str(),
            "why": config.why.as_str(),
            "body": shown(config.section, &config.body),
        }),
        Record::Activation(activation) => {
            let hex = |bytes: &[u8; 32]| show::hex(bytes);
            let (channel, producer) = match &activation.channel {
                Channel::Empty => ("empty", None),
                Channel::Kept { producer } => ("kept", Some(hex(producer))),
                Channel::Rebuilt { producer, .. } => ("rebuilt", Some(hex(producer))),
            };
            json!({
                "part": activation.part.name(),
                "model": hex(&activation.artifact),
                "share_ppm": activation.share_ppm,
                "channel": channel,
                "producer": producer,
                "levels": activation.levels.names().collect::<Vec<_>>(),
                "author": activation.author.as_str(),
                "why": activation.why.as_str(),
            })
        }
    }
}

fn label_value(label: &Label) -> Value {
    let prior = label
        .prior
        .map(|(verdict, position)| json!({ "label": verdict.name(), "position": position.0 }));
    json!({
        "event_id": label.subject.event_id.as_str(),
        "event_position": label.subject.position.0,
        "label": label.verdict.name(),
        "source": label.source.name(),
        "reason": label.reason.as_str(),
        "confidence": label.confidence_percent,
        "label_timestamp": label.label_timestamp.to_string(),
        "prior": prior,
    })
}

fn outcome_value(outcome: &Outcome) -> Value {
    json!({
        "event_id": outcome.subject.event_id.as_str(),
        "event_position": outcome.subject.position.0,
        "outcome": outcome.kind.name(),
        "outcome_timestamp": outcome.outcome_timestamp.to_string(),
    })
}

fn decision_value(decision: &Decision, features: &FeatureList) -> Value {
    let event = ("event_position", json!(decision.event_position.0));
    let mut value = show::decision(event, decision, features);
    value["evidence"] = decision.evidence.iter().map(|it| it.0).collect();
    value
}
