//! What the rows of a training looked like, for the watch over drift: a replay that samples every event of the range,
//! whatever is known of it, as it is sampled when it is decided.

use std::ops::ControlFlow;

use drift::column::{SCORE, of_probability};
use drift::reference::{ReferenceError, SegmentBy, SegmentKey};
use drift::{Builder, Column, Field, Reference, Scale};
use engine::Engine;
use event::schema::{Domain, Part};
use event::{AttributeIx, EventTime, Position, Record, Schema, Span};
use graph::sample::SampleParts;
use graph::{FeatureGroup, FeatureList};
use model::artifact::{Artifact, Identity};
use model::producer::Speaker;
use node::channel::Rehearsal;
use node::{Champion, History, NodeError};
use thiserror::Error;

use crate::dataset::keeps;

/// The attribute whose values part an event type into segments.
const CHANNEL: &str = "channel";
/// The latest part of a training that is looked at.
const LONGEST: Span = Span::days(56);

#[derive(Debug, Error)]
pub enum ReferenceFault {
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error("model: {0}")]
    Model(#[from] model::artifact::ArtifactError),
    #[error("cancelled at record {0}")]
    Cancelled(u64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReferencePlan {
    pub from: EventTime,
    /// Exclusive.
    pub until: EventTime,
    /// Scores of earlier rows are those of rows that trees were grown on: not what the model says of new ones.
    pub scores_from: EventTime,
    /// Rows at most; a share of all events by a hash of their id.
    pub rows_max: usize,
}

/// The columns of a schema's features and the score behind them, the fields they are made from, and what makes a segment.
pub fn columns(schema: &Schema, features: &FeatureList) -> (Vec<Column>, Vec<String>, SegmentBy) {
    let mut sources = vec!["amount".to_owned()];
    sources.extend(schema.attributes.iter().map(|it| it.name.clone()));
    sources.extend(schema.roles.iter().map(|it| it.name.clone()));
    // A bit for each.
    sources.truncate(u64::BITS as usize);
    let names = features.names();
    let at = |name: &str| names.iter().position(|it| it == name).map(|it| it as u16);
    let mut columns: Vec<Column> = features
        .features()
        .iter()
        .map(|feature| {
            let name = &feature.name;
            let category = name.strip_suffix("_code").filter(|it| {
                let attribute = schema.attributes.iter().find(|at| at.name == **it);
                attribute.is_some_and(|at| matches!(at.domain, Domain::Categorical { .. }))
            });
            let scale = match (feature.unit, category) {
                ("index", _) => Scale::Category,
                ("hours 0-24" | "days 0-6", _) => Scale::Clock,
                ("major units", _) if name == "amount" => Scale::Money,
                ("share" | "0-1" | "sd", _) => Scale::Plain,
                _ => Scale::Log,
            };
            let subject = schema.roles.iter().find(|it| it.part == Part::Subject);
            let role = schema
                .roles
                .iter()
                .find(|it| *name == format!("{}_events", it.name));
            let is_role = role.is_some() && role.map(|it| &it.name) != subject.map(|it| &it.name);
            let is_attribute = feature.group == FeatureGroup::Transaction
                && (category.is_some() || schema.attributes.iter().any(|it| it.name == *name));
            let field = match name == "amount" || is_attribute {
                true => Field::Value,
                false if is_role => Field::Presence,
                false => Field::None,
            };
            Column {
                name: name.clone(),
                scale,
                field,
                sources: made_from(name, feature.unit, &sources),
                novelty: category.and_then(|it| at(&format!("{it}_share"))),
            }
        })
        .collect();
    columns.push(Column::plain(SCORE, Scale::Plain));
    let by = SegmentBy {
        event_type: at("event_type").unwrap_or(0),
        channel: at(&format!("{CHANNEL}_code")),
    };
    (columns, sources, by)
}

/// A bit for each field that a value is made from.
fn made_from(name: &str, unit: &str, sources: &[String]) -> u64 {
    let money = [
        "amount",
        "_sum_",
        "passed_on",
        "match",
        "just_under",
        "_max",
        "drained",
        "filled",
    ];
    let of_money = unit == "major units" || money.iter().any(|it| name.contains(it));
    let mut bits = u64::from(of_money);
    for (at, source) in sources.iter().enumerate().skip(1) {
        let own = name == source || name.starts_with(&format!("{source}_"));
        // `new_device`, `devices_24h`.
        let is_of = |word: &str| word == source || word.strip_suffix('s') == Some(source);
        let named = name.split('_').any(is_of);
        let counterparty = name.starts_with("counterparty_") && source == "payee";
        let balance = matches!(name, "drained" | "filled") && source.starts_with("balance");
        if own || named || counterparty || balance {
            bits |= 1 << at;
        }
    }
    bits
}

/// Replays the log up to the end of the range. Refuses a range of less than four weeks.
pub fn build(
    history: &History,
    artifact: &Artifact,
    plan: ReferencePlan,
    mut progress: impl FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<Reference, ReferenceFault> {
    let found = survey(history, plan)?;
    let from = plan.from.max(found.last.minus(LONGEST));
    let rate = (plan.rows_max as f64 / found.events.max(1) as f64).min(1.0);
    let schema = history.schema();
    let parts = match artifact.network {
        Some(_) => SampleParts::Full,
        None => SampleParts::Tabular,
    };
    let speaker = artifact.producer.as_ref().map(Speaker::new);
    let mut rehearsal = Rehearsal::new(schema, speaker, parts);
    let features = rehearsal.engine().features().clone();
    let identity: Identity = Artifact::decode(&artifact.encode()?)?.1;
    let mut champion = Champion::of(artifact, &identity, schema, &features)?;
    let (columns, sources, by) = columns(schema, &features);
    let mut builder = Builder::new(columns, sources, by);
    let mut records = history.iter_from(Position(0))?;
    while let Some((position, record)) = records.next_record()?
        && position.0 <= found.end
    {
        let mut time = None;
        if let Record::Event(event) = &record
            && (from..plan.until).contains(&event.event_timestamp)
            && keeps(event.event_id.key(), rate)
        {
            time = Some(event.event_timestamp);
        }
        let heard = rehearsal.apply(position, record, time.is_some());
        if let Some((time, sample)) = time.zip(heard.sample) {
            let score = match time >= plan.scores_from {
                true => champion.score(sample),
                false => None,
            };
            let score = score.map_or(f32::NAN, |it| of_probability(it.probability_ppm));
            builder.push(time.millis(), &sample.tabular, score);
        }
        if position.0.is_multiple_of(10_000) && progress(position.0, found.end).is_break() {
            return Err(ReferenceFault::Cancelled(position.0));
        }
    }
    let engine = rehearsal.engine();
    Ok(builder.build(|key| segment_name(engine, key))?)
}

struct Found {
    events: usize,
    /// Position of the last event in range.
    end: u64,
    last: EventTime,
}

fn survey(history: &History, plan: ReferencePlan) -> Result<Found, NodeError> {
    let mut times = Vec::new();
    let mut found = Found {
        events: 0,
        end: 0,
        last: EventTime::MIN,
    };
    let mut records = history.iter_from(Position(0))?;
    while let Some((position, record)) = records.next_record()? {
        if let Record::Event(event) = record
            && (plan.from..plan.until).contains(&event.event_timestamp)
        {
            times.push(event.event_timestamp);
            found.end = position.0;
            found.last = found.last.max(event.event_timestamp);
        }
    }
    let from = found.last.minus(LONGEST);
    found.events = times.iter().filter(|it| **it >= from).count();
    Ok(found)
}

/// `payment/web`: the event type, and what the channel's number stands for.
pub fn segment_name(engine: &Engine, key: SegmentKey) -> String {
    let schema = engine.graph().schema();
    let kind = usize::try_from(key.event_type).ok();
    let kind = kind.and_then(|at| schema.event_types.get(at));
    let kind = kind.map_or("unknown", |it| it.name.as_str());
    let channel = schema.attributes.iter().position(|it| it.name == CHANNEL);
    let name = channel.zip(usize::try_from(key.channel).ok());
    let name =
        name.and_then(|(at, code)| engine.graph().category_name(AttributeIx(at as u8), code));
    match name {
        Some(channel) => format!("{kind}/{channel}"),
        None => kind.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_made_from_the_fields_that_its_name_tells() {
        let fields = ["amount", "device", "address", "balance_before", "payee"];
        let sources = fields.map(str::to_owned);
        let made_from = |name: &str, unit: &str| -> Vec<&str> {
            let bits = made_from(name, unit, &sources);
            let of = fields
                .iter()
                .enumerate()
                .filter(|(at, _)| bits >> at & 1 == 1);
            of.map(|(_, field)| *field).collect()
        };
        assert_eq!(made_from("drained", "share"), ["amount", "balance_before"]);
        assert_eq!(made_from("devices_24h", "count"), ["device"]);
        assert_eq!(made_from("new_address", "0 or 1"), ["address"]);
        assert_eq!(
            made_from("counterparty_in_sum_7d", "major units"),
            ["amount", "payee"]
        );
        assert_eq!(made_from("hour_of_day", "hours"), Vec::<&str>::new());
    }
}
